"""Shares of several forecasts whose weighted mean errs least, from errors at the same origins.

Forecasts of one period err alike, for they look at the same future. Taken as independent, the good
ones get too little: what a worse one adds to the mean is mostly the error that it shares. Single
covariances would be too many figures for a quarter or two of origins. So each forecast keeps its
own mean squared error, and all pairs have one correlation, the mean of theirs: the matrix that
Ledoit and Wolf (2004) shrink covariances to. Formula: docs/methods/combination.md.
"""

from typing import Final

import numpy as np

from forecasting.tracks import Floats

_NEARLY_NONE: Final = 1e-6
"""Without any error a forecast would take everything; it is a coincidence of few origins."""

_NEARLY_ONE: Final = 0.999
"""The same of forecasts that have always erred alike."""


def shares(errors: Floats, own: float) -> Floats:
    """The shares, none below 0, that sum to 1. `errors`: a row per origin, a column per forecast;
    `own`: variance that each may have of its own beside what these origins show.
    """
    squares = np.maximum((errors**2).mean(axis=0), 0.0)
    if squares.max() + own <= 0:
        return np.full(errors.shape[1], 1 / errors.shape[1])
    squares = np.maximum(squares, max(squares.max(), own) * _NEARLY_NONE)
    sizes = np.sqrt(squares)
    covariances = _correlation(errors, sizes) * np.outer(sizes, sizes)
    np.fill_diagonal(covariances, squares + own)
    return _least(covariances)


def _correlation(errors: Floats, sizes: Floats) -> float:
    """The mean over all pairs, not below 0."""
    count = errors.shape[1]
    if count < 2:
        return 0.0
    each = errors / sizes
    # the sum over all pairs is the square of the sum, less the squares
    pairs = float((each.sum(axis=1) ** 2 - (each**2).sum(axis=1)).mean())
    return float(min(max(pairs / (count * (count - 1)), 0.0), _NEARLY_ONE))


def _least(covariances: Floats) -> Floats:
    """Weights of least variance; whoever would get less than nothing leaves, the worst first."""
    inside = np.arange(len(covariances))
    while True:
        found = np.linalg.solve(covariances[np.ix_(inside, inside)], np.ones(len(inside)))
        if (found >= 0).all():
            break
        inside = np.delete(inside, np.argmin(found))
    weights = np.zeros(len(covariances))
    weights[inside] = found / found.sum()
    return weights
