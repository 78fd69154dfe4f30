"""Sales velocity: the textbook's arithmetic, and the drivers measured by hand."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from forecasting.velocity import Drivers, drivers, measure, sales_velocity, what_if
from tests.forecasting.frames import AS_OF, TODAY, deals

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


def of_all_deals(frame: pl.DataFrame, **more: Any) -> dict[str, Any]:
    table = drivers(
        frame, as_of=AS_OF, today=TODAY, zone="Europe/Oslo", segments=("total",), **more
    )
    return table.row(0, named=True)


def test_where_everything_has_ended_it_is_the_textbook() -> None:
    rows = [ended("won", TODAY - timedelta(days=n), 10 + n, amount=100.0) for n in range(10)]
    rows += [ended("lost", TODAY - timedelta(days=n), 5 + n) for n in range(30)]
    told = of_all_deals(deals(*rows))
    assert told["win_rate"] == pytest.approx(told["textbook_win_rate"]) == pytest.approx(0.25)
    assert told["cycle_days"] == pytest.approx(told["textbook_cycle_days"]) == pytest.approx(14.5)
    assert told["sales_velocity"] == told["textbook_velocity"] == 0


def test_dead_deals_that_nobody_closes_do_not_flatter_the_win_rate() -> None:
    """10 won, 10 lost, 20 open for more than a year: 50 % of the ended, not half of all."""
    day = TODAY - timedelta(days=30)
    rows = [ended("won", day, 20, amount=100.0)] * 10 + [ended("lost", day, 20)] * 10
    rows += [{"created_at": AS_OF - timedelta(days=300)}] * 20
    told = of_all_deals(deals(*({**row, "deal_id": f"d{n}"} for n, row in enumerate(rows))))
    assert told["textbook_win_rate"] == 0.5
    assert told["win_rate"] == pytest.approx(0.25)
    assert told["win_rate_low"] < 0.25 < told["win_rate_high"]


ODD: dict[str, tuple[list[dict[str, Any]], str | None, dict[str, Any]]] = {
    "three deals": ([{}, ended("won", TODAY), ended("lost", TODAY)], "too_few", {}),
    "all lost": ([ended("lost", TODAY)] * 40, "nothing_won", {"win_rate": 0.0}),
    "nothing ended": ([{}, {}], "nothing_decided", {"win_rate": None}),
    "two currencies and a missing rate": (
        [ended("won", TODAY, amount=None, amount_problem="no_rate", currency="EUR")] * 3
        + [ended("won", TODAY, 30, amount=100.0)] * 20,
        None,
        {"average_value": 100.0, "without_rate": 3, "won_deals": 23},
    ),
    "only a currency without a rate": (
        [ended("won", TODAY, amount=None, amount_problem="no_rate", currency="EUR")] * 30,
        "no_amount",
        {"without_rate": 30, "sales_velocity": None},
    ),
    "closed before created": (
        [ended("won", TODAY, -5)] * 3,
        "too_few",
        {"without_cycle": 3, "cycle_days": None},
    ),
}


@pytest.mark.parametrize(("rows", "note", "figures"), ODD.values(), ids=ODD)
def test_small_and_odd_accounts_get_an_honest_answer(
    rows: list[dict[str, Any]], note: str | None, figures: dict[str, Any]
) -> None:
    told = of_all_deals(deals(*({**row, "deal_id": f"d{n}"} for n, row in enumerate(rows))))
    assert told["note"] == note
    assert {name: told[name] for name in figures} == figures
    if note == "nothing_won":
        assert 0 < told["win_rate_high"] < 0.1
