"""Ridge logistic regression with an offset, by Newton's method."""

from typing import Final

import numpy as np

from forecasting.tracks import Bools, Floats

_STEPS: Final = 25
_CLOSE: Final = 1e-6


def logit(probability: Floats) -> Floats:
    """Log-odds, kept within what a float can hold: 1e-6 to 1 - 1e-6."""
    inside = np.clip(probability, 1e-6, 1 - 1e-6)
    return np.asarray(np.log(inside / (1 - inside)))


def expit(log_odds: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(log_odds, -35, 35))))


def in_points(effects: Floats, base: float, chance: Floats) -> Floats:
    """Log-odds (rows x parts) as probability: each part times what log-odds are worth on the
    straight path from `base` to the row's `chance`, so that a row's parts sum to the difference.
    """
    total = effects.sum(axis=1)
    moved = chance - base
    even = np.abs(total) < 1e-12
    # where they cancel: what log-odds are worth at the chance itself
    slope = np.where(even, chance * (1 - chance), moved / np.where(even, 1.0, total))
    points = effects * slope[:, None]
    points[:, 0] += moved - points.sum(axis=1)  # what rounding left
    return np.asarray(points)


def fit_logistic(
    design: Floats, won: Bools, offset: Floats, weight: float, penalty: Floats
) -> Floats:
    """Coefficients that maximise weight x log-likelihood - penalty . beta^2 / 2.

    `design`: rows x columns; `offset`: log-odds known beforehand, taken as they are; `penalty`:
    per column, 1 / variance of a normal prior around 0.
    """
    beta = np.zeros(design.shape[1])
    best = _objective(design, won, offset, weight, penalty, beta)
    for _ in range(_STEPS):
        chance = expit(offset + design @ beta)
        slope = weight * (design.T @ (won - chance)) - penalty * beta
        spread = np.maximum(chance * (1 - chance), 1e-9) * weight
        curve = (design.T * spread) @ design + np.diag(penalty)
        step = np.linalg.solve(curve, slope)
        size = 1.0
        while (
            value := _objective(design, won, offset, weight, penalty, beta + size * step)
        ) < best:
            size /= 2
            if size < _CLOSE:
                return beta
        beta = beta + size * step
        if value - best < _CLOSE * (1 + abs(best)):
            return beta
        best = value
    return beta


def _objective(
    design: Floats, won: Bools, offset: Floats, weight: float, penalty: Floats, beta: Floats
) -> float:
    score = offset + design @ beta
    likelihood = np.where(won, -np.logaddexp(0, -score), -np.logaddexp(0, score)).sum()
    return float(weight * likelihood - 0.5 * (penalty * beta**2).sum())
