"""Overlapping stretches of days against counting by hand."""

from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting.overlap import independent

DAY = date(2026, 3, 2)


def worth(*stretches: tuple[int, int]) -> float:
    """Of stretches from one day up to another, counted from `DAY`."""
    starts, ends = (
        pl.Series([DAY + timedelta(pair[side]) for pair in stretches], dtype=pl.Date)
        for side in (0, 1)
    )
    return independent(starts, ends)


def test_weekly_origins_of_four_weeks_are_about_a_quarter_as_many() -> None:
    assert worth(*((7 * n, 7 * n + 28) for n in range(24))) == pytest.approx(1 + 23 / 4)


def test_what_follows_each_other_counts_in_full() -> None:
    assert worth((0, 7), (7, 14), (30, 37)) == 3.0


def test_rests_of_one_month_seen_each_week_are_hardly_more_than_one() -> None:
    assert worth((5, 31), (12, 31), (19, 31), (26, 31)) == pytest.approx(
        26 / ((26 + 19 + 12 + 5) / 4)
    )


def test_without_a_day_there_is_none() -> None:
    assert worth() == 0.0
    assert worth((3, 3)) == 0.0


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(1, 90)), min_size=1))
def test_between_one_and_all_of_equal_length_in_whatever_order(
    drawn: list[tuple[int, int]],
) -> None:
    stretches = [(start, start + length) for start, length in drawn]
    found = worth(*stretches)
    covered = len({day for start, end in stretches for day in range(start, end)})
    mean = sum(length for _, length in drawn) / len(drawn)
    assert found == pytest.approx(covered / mean)
    assert found == pytest.approx(worth(*reversed(stretches)))
    assert found <= len(drawn) + 1e-9
