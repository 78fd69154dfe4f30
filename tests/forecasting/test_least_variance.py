"""Shares against arithmetic by hand, and no other shares do better."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from forecasting.least_variance import shares

ERRORS = st.integers(1, 5).flatmap(
    lambda count: arrays.arrays(float, (6, count), elements=st.floats(-1e6, 1e6, width=32))
)


def test_three_forecasts_by_hand() -> None:
    """Without correlation, shares are inverse to the mean squares 1, 1 and 4."""
    errors = np.array([[1.0, 1, 2], [1, -1, 2], [1, 1, -2], [1, -1, -2]])
    assert shares(errors, 0.0) == pytest.approx([4 / 9, 4 / 9, 1 / 9])


@given(ERRORS, st.floats(0, 1e6))
def test_they_are_shares(errors: np.ndarray, own: float) -> None:
    found = shares(errors, own)
    assert np.isfinite(found).all()
    assert (found >= 0).all()
    assert found.sum() == pytest.approx(1)


@given(ERRORS, st.floats(0.1, 1e6), st.permutations(range(5)))
def test_the_order_of_the_forecasts_is_no_matter(
    errors: np.ndarray, own: float, places: list[int]
) -> None:
    order = [place for place in places if place < errors.shape[1]]
    assert shares(errors[:, order], own) == pytest.approx(shares(errors, own)[order], abs=1e-6)


def test_no_other_shares_vary_less() -> None:
    """Against a grid of all shares in steps of a hundredth, with the same covariances."""
    drawn = np.random.default_rng(7).normal(size=(20, 3)) * [1.0, 1.5, 2.0]
    errors = drawn + np.random.default_rng(8).normal(size=(20, 1))
    sizes = np.sqrt((errors**2).mean(axis=0))
    each = errors / sizes
    pairs = [(each[:, i] * each[:, j]).mean() for i in range(3) for j in range(i)]
    covariances = float(np.mean(pairs)) * np.outer(sizes, sizes)
    np.fill_diagonal(covariances, sizes**2 + 0.2)
    grid = [np.array([a, b, 100 - a - b]) / 100 for a in range(101) for b in range(101 - a)]
    best = min(weights @ covariances @ weights for weights in grid)
    found = shares(errors, 0.2)
    assert found @ covariances @ found <= best + 1e-12


def test_nothing_ever_wrong_shares_alike() -> None:
    assert shares(np.zeros((3, 4)), 0.0) == pytest.approx([0.25] * 4)
