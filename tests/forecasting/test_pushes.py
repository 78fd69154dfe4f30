from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting.history import counted_changes, pushes
from tests.forecasting.frames import AS_OF, NO_CHANGES, STAGES, ZONE, change, changes, deals

BIRTH = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)


def iso(day: date, hour: int = 11) -> str:
    return f"{day}T{hour:02}:00:00Z"


def moves(*days: date | None, **more: Any) -> list[dict[str, Any]]:
    """The close date set at birth and changed a day later, two days later, ..."""
    values = [None if day is None else iso(day) for day in days]
    return [
        change(
            "close_date", new, BIRTH + timedelta(days=n), old=values[n - 1] if n else None, **more
        )
        for n, new in enumerate(values)
    ]


def counted(frame: pl.DataFrame) -> tuple[int, int, int, int]:
    row = frame.row(0, named=True)
    return row["pushes"], row["pushed_days"], row["pull_ins"], row["pulled_in_days"]


def test_by_hand() -> None:
    rows = changes(
        *moves(date(2026, 3, 1), date(2026, 3, 31), date(2026, 3, 21), date(2026, 4, 20))
    )
    frame = pushes(rows, deals({"created_at": BIRTH}), AS_OF, ZONE)
    assert counted(frame) == (2, 60, 1, 10)
    assert frame["first_close_date"].item() == date(2026, 3, 1)


def test_a_slip_is_a_push_past_the_end_of_its_quarter() -> None:
    """Of five moves later two leave their quarter; coming back earlier is no slip."""
    days = [(3, 1), (3, 31), (4, 1), (3, 30), (4, 2), (4, 30), (5, 30)]
    rows = changes(*moves(*(date(2026, month, day) for month, day in days)))
    frame = pushes(rows, deals({"created_at": BIRTH}), AS_OF, ZONE)
    assert frame.select("pushes", "slips", "pull_ins").row(0) == (5, 2, 1)


def test_changes_of_amount_and_owner_by_hand() -> None:
    """What is filled in on creating the deal is no change, nor is the same value again, nor what
    comes after `as_of`.
    """
    rows = changes(
        change("amount", "100", BIRTH + timedelta(seconds=30)),
        change("amount", "200", BIRTH + timedelta(days=1), old="100"),
        change("amount", "200", BIRTH + timedelta(days=2), old="200"),
        change("amount", None, BIRTH + timedelta(days=3), old="200"),
        change("amount", "50", AS_OF + timedelta(seconds=1)),
        change("owner", "1", BIRTH),
        change("owner", "2", BIRTH + timedelta(days=3), old="1"),
        change("owner", "1", BIRTH, deal_id="d2"),
    )
    two = deals({"created_at": BIRTH}, {"created_at": BIRTH})
    told = counted_changes(rows, two, AS_OF)
    assert told.select("amount_changes", "owner_changes").rows() == [(2, 1), (0, 0)]
    late = counted_changes(rows, two, AS_OF, since=BIRTH + timedelta(days=1))
    assert late.select("amount_changes", "owner_changes").rows() == [(1, 1), (0, 0)]
    assert counted_changes(NO_CHANGES, two, AS_OF)["amount_changes"].to_list() == [0, 0]


def test_a_date_given_or_taken_away_is_no_push() -> None:
    rows = changes(*moves(None, date(2026, 3, 1), None, date(2026, 5, 1)))
    assert counted(pushes(rows, deals({"created_at": BIRTH}), AS_OF, ZONE)) == (0, 0, 0, 0)


def test_days_are_the_accounts() -> None:
    """22:30 UTC on 31 March is 1 April in Oslo: a push there, none in UTC."""
    rows = changes(
        change("close_date", "2026-03-31T10:00:00Z", BIRTH),
        change("close_date", "2026-03-31T22:30:00Z", BIRTH + timedelta(days=1)),
    )
    one = deals({"created_at": BIRTH})
    assert counted(pushes(rows, one, AS_OF, ZONE)) == (1, 1, 0, 0)
    assert counted(pushes(rows, one, AS_OF, "UTC")) == (0, 0, 0, 0)


@pytest.mark.parametrize("seconds", [-2, 0, 2])
@pytest.mark.parametrize("told_by", ["status", "stage", "deal"])
def test_the_rewriting_on_closing_is_no_push(told_by: str, seconds: int) -> None:
    closed = BIRTH + timedelta(days=20)
    rewritten = change(
        "close_date",
        closed.isoformat(),
        closed + timedelta(seconds=seconds),
        old=iso(date(2026, 1, 10)),
    )
    rows = [change("close_date", iso(date(2026, 1, 10)), BIRTH), rewritten]
    if told_by == "status":
        rows += [change("status", "open", BIRTH), change("status", "won", closed, old="open")]
    elif told_by == "stage":
        rows += [change("stage", "proposal", BIRTH), change("stage", "won", closed)]
    one = deals({"created_at": BIRTH, "status": "won", "closed_at": closed})
    frame = pushes(changes(*rows), one, AS_OF, ZONE, stages=STAGES if told_by == "stage" else None)
    assert counted(frame) == (0, 0, 0, 0)


def test_a_push_after_reopening_counts_again() -> None:
    rows = changes(
        *moves(date(2026, 1, 10)),
        change("status", "open", BIRTH),
        change("status", "lost", BIRTH + timedelta(days=3), old="open"),
        change("close_date", iso(date(2026, 1, 12)), BIRTH + timedelta(days=4)),
        change("status", "open", BIRTH + timedelta(days=5), old="lost"),
        change("close_date", iso(date(2026, 1, 22)), BIRTH + timedelta(days=6)),
    )
    assert counted(pushes(rows, deals({"created_at": BIRTH}), AS_OF, ZONE)) == (1, 10, 0, 0)


def test_the_recorded_status_outweighs_what_the_stage_says_today() -> None:
    """The stage was made a lost one after the deal had passed it."""
    rows = changes(
        *moves(date(2026, 3, 1), date(2026, 3, 11)),
        change("status", "open", BIRTH),
        change("stage", "lost", BIRTH),
    )
    one = deals({"created_at": BIRTH})
    assert counted(pushes(rows, one, AS_OF, ZONE, stages=STAGES)) == (1, 10, 0, 0)


def test_no_history_is_zero_and_no_first_date() -> None:
    frame = pushes(NO_CHANGES, deals({}, {}), AS_OF, ZONE)
    assert frame["pushes"].to_list() == [0, 0]
    assert frame["first_close_date"].to_list() == [None, None]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.dates(date(1970, 1, 1), date(2099, 12, 31)), min_size=1, max_size=8),
    st.integers(0, 8),
)
def test_counts_and_days_are_those_of_a_replay(days: list[date], seen: int) -> None:
    t = BIRTH + timedelta(days=seen)
    steps = [(b - a).days for a, b in pairwise(days)][:seen]
    frame = pushes(changes(*moves(*days)), deals({"created_at": BIRTH}), t, ZONE)
    later, earlier = [s for s in steps if s > 0], [s for s in steps if s < 0]
    assert counted(frame) == (len(later), sum(later), len(earlier), -sum(earlier))
    assert frame["first_close_date"].item() == days[0]
