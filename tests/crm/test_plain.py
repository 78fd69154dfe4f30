"""Texts that both databases store and sort as what they stand for, against plain arithmetic."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.crm.plain import PlainDeals, exact_text, instant_text

INSTANTS = st.datetimes(timezones=st.timezones() | st.just(UTC))


@given(INSTANTS, INSTANTS)
def test_instants_are_utc_texts_of_one_width_that_sort_as_time_does(
    one: datetime, other: datetime
) -> None:
    try:
        first, second = instant_text(one), instant_text(other)
    except OverflowError:  # a zone's offset from the first or last day there is
        return
    assert datetime.fromisoformat(first) == one
    assert first.endswith("Z")
    assert len(first) == len(second)
    assert (first < second) == (one < other)


def test_an_instant_in_another_zone_is_the_same_in_utc() -> None:
    oslo = timezone(timedelta(hours=2))
    assert instant_text(datetime(2026, 4, 1, 0, 30, 5, 123_456, oslo)) == (
        "2026-03-31T22:30:05.123456Z"
    )
    assert instant_text(datetime(2026, 4, 1, 0, 30, 5, 7_000, oslo)) == (
        "2026-03-31T22:30:05.007000Z"
    )


def test_an_instant_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        instant_text(datetime(2026, 4, 1))  # noqa: DTZ001


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30))
def test_amounts_are_exact_texts_without_exponent(amount: Decimal) -> None:
    text = exact_text(amount)
    assert Decimal(text) == amount
    assert "E" not in text.upper()


@pytest.mark.parametrize("text", ["NaN", "sNaN", "Infinity", "-Infinity"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not an amount"):
        exact_text(Decimal(text))


def test_an_amount_with_an_exponent_is_written_out() -> None:
    assert [exact_text(Decimal(t)) for t in ("1E+3", "2.5E-7", "-1E+2")] == [
        "1000",
        "0.00000025",
        "-100",
    ]


@given(st.integers(0, 6), st.integers(-7, 7), st.integers(-7, 7))
def test_a_slice_of_deals_is_that_of_the_list(count: int, start: int, end: int) -> None:
    ids = [str(n) for n in range(count)]
    part = PlainDeals({"deal_id": ids})[start:end]
    assert isinstance(part, PlainDeals)
    assert part.columns == {"deal_id": ids[start:end]}
