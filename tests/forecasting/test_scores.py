"""Each score against figures worked out by hand, and against its definition spelled out."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting import scores

ACTUAL = [100.0, 200.0, 300.0]
FORECAST = [110.0, 180.0, 330.0]


def test_errors_of_totals() -> None:
    assert scores.wape(ACTUAL, FORECAST) == pytest.approx(60 / 600)
    assert scores.bias(ACTUAL, FORECAST) == pytest.approx(20 / 600)
    assert scores.bias(FORECAST, ACTUAL) == pytest.approx(-20 / 620)


def test_pinball_weighs_the_two_sides() -> None:
    # 90 % quantile of 100: 10 short costs 9, 10 over costs 1
    assert scores.pinball([110.0], [100.0], 0.9) == pytest.approx(9.0)
    assert scores.pinball([90.0], [100.0], 0.9) == pytest.approx(1.0)
    assert scores.pinball([110.0, 90.0], [100.0, 100.0], 0.5) == pytest.approx(5.0)


def test_coverage_counts_the_ends_as_inside() -> None:
    low, high = [100.0, 210.0, 0.0], [120.0, 220.0, 300.0]
    assert scores.coverage(ACTUAL, low, high) == pytest.approx(2 / 3)
    assert scores.width(ACTUAL, low, high) == pytest.approx((20 + 10 + 300) / 600)


def test_brier_and_its_skill() -> None:
    happened, said = [1, 0, 0, 1], [0.8, 0.4, 0.0, 0.5]
    assert scores.brier(happened, said) == pytest.approx((0.04 + 0.16 + 0 + 0.25) / 4)
    # the share that happened is 0.5, with a Brier score of 0.25
    assert scores.brier_skill(happened, said) == pytest.approx(1 - 0.1125 / 0.25)
    # 0.25 said beforehand: (2 * 0.75^2 + 2 * 0.25^2) / 4 = 0.3125
    assert scores.brier_skill(happened, said, 0.25) == pytest.approx(1 - 0.1125 / 0.3125)
    assert scores.brier_skill(happened, said, said) == pytest.approx(0)


def test_log_loss() -> None:
    assert scores.log_loss([1, 0], [0.8, 0.5]) == pytest.approx(
        -(math.log(0.8) + math.log(0.5)) / 2
    )
    wrong = scores.log_loss([1], [0.0])
    assert wrong == pytest.approx(-math.log(1e-6))


def test_auc_counts_a_tie_one_half() -> None:
    # pairs: (.9,.4) won, (.9,.6) won, (.4,.4) tie, (.4,.6) lost -> 2.5 of 4
    assert scores.auc([1, 1, 0, 0], [0.9, 0.4, 0.4, 0.6]) == pytest.approx(2.5 / 4)
    assert scores.auc([1, 0, 0], [0.3, 0.3, 0.3]) == pytest.approx(0.5)


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=40).filter(
        lambda rows: len({happened for happened, _ in rows}) == 2
    )
)
def test_auc_is_the_share_of_pairs_in_order(rows: list[tuple[bool, int]]) -> None:
    pairs = [
        1.0 if high > low else 0.5 if high == low else 0.0
        for happened, high in rows
        if happened
        for other, low in rows
        if not other
    ]
    got = scores.auc([h for h, _ in rows], [s for _, s in rows])
    assert got == pytest.approx(sum(pairs) / len(pairs))


def test_reliability_by_width() -> None:
    happened, said = [0, 0, 1, 1, 0], [0.0, 0.05, 0.15, 1.0, 0.9]
    table = scores.reliability(happened, said)
    assert table.rows() == [
        (0.0, 0.1, 2, pytest.approx(0.025), 0.0),
        (0.1, 0.2, 1, pytest.approx(0.15), 1.0),
        (0.9, 1.0, 2, pytest.approx(0.95), 0.5),
    ]
    expected = (2 * 0.025 + 0.85 + 2 * 0.45) / 5
    assert scores.calibration_error(happened, said) == pytest.approx(expected)


def test_reliability_by_count_keeps_equal_chances_together() -> None:
    happened = [0, 1, 0, 0, 1, 1]
    said = [0.1, 0.1, 0.1, 0.2, 0.3, 0.4]
    table = scores.reliability(happened, said, bins=3, by="count")
    # thirds start at 0.1, 0.1 and 0.3: the two bins of 0.1 are one
    assert table["sample"].to_list() == [4, 2]
    assert table["came"].to_list() == pytest.approx([0.25, 1.0])
    assert table["said"].to_list() == pytest.approx([0.125, 0.35])


@pytest.mark.parametrize("by", ["width", "count"])
@given(chances=st.lists(st.floats(0, 1), min_size=1, max_size=60))
def test_every_deal_is_in_one_bin(by: scores.Binning, chances: list[float]) -> None:
    table = scores.reliability([0] * len(chances), chances, by=by)
    assert table["sample"].sum() == len(chances)
    assert (table["said"] >= table["low"] - 1e-12).all()
    assert (table["said"] <= table["high"] + 1e-12).all()
    error = scores.calibration_error([0] * len(chances), chances, by=by)
    assert error == pytest.approx(np.mean(chances), abs=1e-12)


def test_nothing_to_score_is_none() -> None:
    nothing: list[float] = []
    assert scores.wape([0.0, 0.0], [1.0, 2.0]) is None
    assert scores.bias(nothing, nothing) is None
    assert scores.pinball(nothing, nothing, 0.5) is None
    assert scores.coverage(nothing, nothing, nothing) is None
    assert scores.width(nothing, nothing, nothing) is None
    assert scores.brier(nothing, nothing) is None
    assert scores.brier_skill([1, 1], [0.5, 0.5]) is None
    assert scores.log_loss(nothing, nothing) is None
    assert scores.auc([1, 1], [0.2, 0.3]) is None
    assert scores.calibration_error(nothing, nothing) is None
    assert scores.reliability(nothing, nothing, by="count").height == 0


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: scores.wape([1.0], [1.0, 2.0]), "one length"),
        (lambda: scores.wape([1.0], [math.nan]), "not finite"),
        (lambda: scores.brier([1], [1.2]), "outside 0-1"),
        (lambda: scores.auc([2, 0], [0.5, 0.5]), "true or false"),
        (lambda: scores.pinball([1.0], [1.0], 1.0), "between 0 and 1"),
        (lambda: scores.reliability([1], [0.5], bins=0), "at least 1"),
    ],
)
def test_what_cannot_be_scored_is_an_error(call: object, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        call()  # type: ignore[operator]
