"""What was known of a lead: by hand, and never anything of what came later."""

from datetime import datetime
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting.deals import INSTANT
from forecasting.lead_facts import COUNTERS, FORGETS_FROM, facts, standing
from tests.leads.conftest import BEGIN, after
from tests.leads.test_funnel import DEFINITION, Move, frames

FACTS = ("source", *COUNTERS, "replied_days", "met_days", "seen_days", "age_days")


def known(moves: list[Move], *days: float, lead: str = "a") -> list[dict[str, Any]]:
    leads, changes = frames(moves)
    rows = pl.DataFrame(
        {"lead_id": [lead] * len(days), "at": [after(day) for day in days]},
        schema_overrides={"at": INSTANT},
    )
    return facts(leads, changes, rows).to_dicts()


def test_each_fact_by_hand() -> None:
    moves: list[Move] = [
        ("a", 0, "source", "REFERRALS"),
        ("a", 1, "page_views", "4"),
        ("a", 20, "page_views", "9"),
        ("a", 21, "email_clicks", "2"),
        ("a", 22.5, "replied_at", after(22).isoformat()),
        ("a", 60, "source", "DIRECT_TRAFFIC"),
    ]
    before, middle, later = known(moves, 0.5, 25, 60)
    assert {name: before[name] for name in FACTS} == {
        "source": "REFERRALS",
        "views": 0, "submissions": 0, "clicks": 0, "opens": 0,
        "replied_days": None, "met_days": None, "seen_days": None, "age_days": 0.5,
    }  # fmt: skip
    assert (middle["views"], middle["clicks"]) == (9, 2)
    assert (middle["replied_days"], middle["seen_days"]) == (3, 2.5)
    # 30 days before day 60 the counter already stood at 9
    assert (later["views"], later["source"], later["replied_days"]) == (0, "DIRECT_TRAFFIC", 38)


def test_a_counter_whose_past_may_be_forgotten_is_unknown_and_not_zero() -> None:
    moves: list[Move] = [("a", 50 + n, "page_views", str(70 + n)) for n in range(FORGETS_FROM)]
    before, later = known(moves, 49, 95)
    assert before["views"] is None
    assert later["views"] == 4  # from 85, on day 65, to 89
    assert known(moves[1:], 49)[0]["views"] == 0


def test_who_stood_open_and_what_became_of_them() -> None:
    moves: list[Move] = [
        ("a", 0, "stage", "lead"), ("a", 40, "stage", "mql"), ("a", 50, "stage", "customer"),
        ("b", 5, "stage", "other"),
        ("c", 10, "stage", "mql"), ("c", 15, "stage", "lead"),
    ]  # fmt: skip
    leads, changes = frames(moves)
    rows = standing(leads, changes, DEFINITION, "mql", [after(7), after(30), after(45)])
    assert rows.rows() == [("a", after(7), "lead", after(40)), ("a", after(30), "lead", after(40))]


def test_what_happens_at_the_conversion_and_after_it_does_not_count() -> None:
    quiet: list[Move] = [("a", 0, "stage", "lead"), ("a", 40, "stage", "mql")]
    busy: list[Move] = [
        *quiet,
        ("a", 40, "met_at", after(40).isoformat()),
        ("a", 40, "page_views", "50"),
        ("a", 41, "replied_at", after(41).isoformat()),
    ]
    found = []
    for moves in (quiet, busy):
        leads, changes = frames(moves)
        instants = [after(day) for day in range(0, 60, 3)]
        found.append(facts(leads, changes, standing(leads, changes, DEFINITION, "mql", instants)))
    assert found[0].equals(found[1])


instant = st.integers(0, 400).map(lambda hours: hours / 4)
happening = st.one_of(
    st.tuples(
        st.sampled_from("ab"),
        instant,
        st.sampled_from(list(COUNTERS.values())),
        st.integers(0, 40).map(str),
    ),
    st.tuples(
        st.sampled_from("ab"),
        instant,
        st.sampled_from(["replied_at", "met_at"]),
        instant.map(lambda day: after(day).isoformat()),
    ),
    st.tuples(st.sampled_from("ab"), instant, st.just("source"), st.sampled_from("xyz")),
)


@settings(max_examples=80, deadline=None)
@given(st.lists(happening, max_size=60), instant)
def test_nothing_later_changes_a_fact(moves: list[Move], day: float) -> None:
    """At most it shows that a counter's past is forgotten."""
    born: list[Move] = [("a", 0, "stage", "lead"), ("b", 0, "stage", "lead")]
    moves = [*born, *sorted(moves, key=lambda move: move[1])]
    for lead in "ab":
        (whole,) = known(moves, day, lead=lead)
        (past,) = known([move for move in moves if move[1] <= day], day, lead=lead)
        for name in FACTS:
            forgotten = name in COUNTERS and whole[name] is None
            assert forgotten or whole[name] == past[name]


def test_an_account_without_leads() -> None:
    leads, changes = frames([])
    none: list[datetime] = []
    assert facts(leads, changes, standing(leads, changes, DEFINITION, "mql", none)).is_empty()
    assert standing(leads, changes, DEFINITION, "mql", [BEGIN]).is_empty()
