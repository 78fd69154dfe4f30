"""Sales velocity: the textbook's arithmetic, and the drivers measured by hand."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from forecasting.velocity import Drivers, measure, sales_velocity, what_if
from tests.forecasting.frames import TODAY, deals

TEXTBOOK = Drivers(100, 50_000, 0.20, 90)


def test_the_textbook() -> None:
    assert round(sales_velocity(100, 50_000, 0.20, 90)) == 11_111
    assert round(TEXTBOOK.sales_velocity) == 11_111
    assert round(what_if(TEXTBOOK, win_rate=0.25).sales_velocity) == 13_889
    assert round(what_if(TEXTBOOK, cycle_length_days=75).sales_velocity) == 13_333
    assert round(what_if(TEXTBOOK, value_factor=1.10).sales_velocity) == 12_222
    assert round(what_if(TEXTBOOK, opportunities_factor=1.20).sales_velocity) == 13_333
    assert what_if(TEXTBOOK) == TEXTBOOK


@pytest.mark.parametrize(
    ("drivers", "says"),
    [
        ((1, 1, 0.5, 0), "cycle_length_days"),
        ((1, 1, 0.5, float("nan")), "cycle_length_days"),
        ((1, 1, 20, 90), "win_rate"),
        ((-1, 1, 0.5, 90), "opportunities"),
    ],
)
def test_drivers_that_cannot_be_are_refused(
    drivers: tuple[float, float, float, float], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        sales_velocity(*drivers)


def ended(status: str, closed_on: date, days: float = 30, **more: Any) -> dict[str, Any]:
    closed_at = datetime.combine(closed_on, datetime.min.time(), UTC).replace(hour=12)
    created = closed_at - timedelta(days=days)
    return {"status": status, "created_at": created, "closed_at": closed_at, **more}


def test_the_drivers_by_hand() -> None:
    """2 open; won 100 in 20 days and 300 in 40 days; 2 lost: 50 %, 200, 30 days."""
    frame = deals(
        {},
        {},
        ended("won", TODAY, 20, amount=100.0),
        ended("won", date(2025, 6, 1), 40, amount=300.0),
        ended("lost", TODAY, 500),
        ended("lost", date(2025, 6, 1), 1),
        ended("won", date(2025, 1, 1), 999, amount=1e9),
    )
    row = measure(frame, today=TODAY, segments=("total",)).row(0, named=True)
    assert (row["window_start"], row["window_end"]) == (date(2025, 3, 17), TODAY)
    assert (row["opportunities"], row["average_value"], row["win_rate"]) == (2, 200, 0.5)
    assert (row["cycle_length_days"], row["won_deals"], row["decided_deals"]) == (30, 2, 4)
    assert row["sales_velocity"] == pytest.approx(2 * 200 * 0.5 / 30)


@pytest.mark.parametrize(
    ("closed_on", "inside"),
    [
        (TODAY, True),
        (TODAY + timedelta(days=1), False),
        (TODAY - timedelta(days=364), True),
        (TODAY - timedelta(days=365), False),
    ],
)
def test_the_window_holds_its_days_and_no_other(closed_on: date, inside: bool) -> None:
    row = measure(deals(ended("won", closed_on)), today=TODAY).row(0, named=True)
    assert row["won_deals"] == int(inside)


ACCOUNTS: dict[str, tuple[list[dict[str, Any]], tuple[Any, ...]]] = {
    "empty": ([], (0, None, None, None, None)),
    "all open": ([{}, {}], (2, None, None, None, None)),
    "all lost": ([{}, ended("lost", TODAY)], (1, None, 0.0, None, None)),
    "nothing open": ([ended("won", TODAY)], (0, 1000.0, 1.0, 30.0, 0.0)),
    "won without amount": ([{}, ended("won", TODAY, amount=None)], (1, None, 1.0, 30.0, None)),
    "closed before created": ([{}, ended("won", TODAY, -5)], (1, 1000.0, 1.0, None, None)),
    "closed before created, same day": (
        [{}, ended("won", TODAY, -0.2)],
        (1, 1000.0, 1.0, 0.0, None),
    ),
    "closed at once": ([{}, ended("won", TODAY, 0)], (1, 1000.0, 1.0, 0.0, None)),
}


@pytest.mark.parametrize(("rows", "drivers"), ACCOUNTS.values(), ids=ACCOUNTS)
def test_an_unknown_driver_is_null_and_the_velocity_with_it(
    rows: list[dict[str, Any]], drivers: tuple[Any, ...]
) -> None:
    row = measure(deals(*rows), today=TODAY).row(0, named=True)
    told = ("opportunities", "average_value", "win_rate", "cycle_length_days", "sales_velocity")
    assert tuple(row[name] for name in told) == drivers


def test_segments_have_their_own_drivers() -> None:
    frame = deals(
        {"owner_id": "1"},
        {"owner_id": None},
        ended("won", TODAY, owner_id="1"),
        ended("lost", TODAY, owner_id="2", pipeline_id=None),
    )
    rows = measure(frame, today=TODAY)
    told = rows.select("segment_kind", "segment", "opportunities", "win_rate", "decided_deals")
    assert told.rows() == [
        ("total", "", 2, 0.5, 2),
        ("pipeline", "", 0, 0.0, 1),
        ("pipeline", "sales", 2, 1.0, 1),
        ("owner", "", 1, None, 0),
        ("owner", "1", 1, 1.0, 1),
        ("owner", "2", 0, 0.0, 1),
    ]


def test_two_connections_are_never_added() -> None:
    with pytest.raises(ValueError, match="main, other"):
        measure(deals({}, {"connection": "other"}), today=TODAY)
