"""The design of classes against the same design as a matrix."""

import numpy as np
import pytest

from forecasting.logistic import Columns, Members, WithNumber, expit, fit_logistic, shares

SIZES = (3, 1, 5)


def test_counting_classes_gives_what_the_matrix_gives() -> None:
    rng = np.random.default_rng(5)
    begins = np.cumsum([0, *SIZES[:-1]])
    codes = [rng.integers(-1, size, 800) for size in SIZES]  # -1: of no class
    places = [
        np.where(code < 0, -1, code + begin) for code, begin in zip(codes, begins, strict=True)
    ]
    matrix = np.concatenate(
        [
            (code[:, None] == np.arange(size)).astype(float)
            for code, size in zip(codes, SIZES, strict=True)
        ],
        1,
    )
    centre = shares(places, sum(SIZES))
    assert centre == pytest.approx(matrix.mean(axis=0))
    members, columns = Members(places, centre), Columns(matrix - centre)
    weights, beta = rng.random(800), rng.normal(size=sum(SIZES))
    assert members.scores(beta) == pytest.approx(columns.scores(beta))
    assert members.sums(weights) == pytest.approx(columns.sums(weights))
    assert members.products(weights) == pytest.approx(columns.products(weights), abs=1e-9)
    offset = rng.normal(-1, 1, 800)
    won = rng.random(800) < expit(offset + columns.scores(beta))
    penalty = np.full(members.width, 2.0)
    fitted = fit_logistic(members, won, offset, 0.7, penalty)
    assert fitted == pytest.approx(fit_logistic(columns, won, offset, 0.7, penalty), abs=1e-9)
    assert np.corrcoef(fitted, beta)[0, 1] > 0.8
    number, slope = rng.normal(size=800), np.append(beta, 0.7)
    both = WithNumber(members, number)
    wider = Columns(np.column_stack([columns.matrix, number]))
    assert both.width == wider.width
    assert both.scores(slope) == pytest.approx(wider.scores(slope))
    assert both.sums(weights) == pytest.approx(wider.sums(weights))
    assert both.products(weights) == pytest.approx(wider.products(weights), abs=1e-9)
