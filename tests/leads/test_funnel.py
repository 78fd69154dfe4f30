"""The funnel's figures: by hand on few leads, by a plain count on many, by truth on drawn ones."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting import funnel
from forecasting.deals import INSTANT
from forecasting.funnel import Definition, FunnelStage
from tests.leads.conftest import BEGIN, after

NAMES = ("visitor", "lead", "mql", "customer")
DEFINITION = Definition(
    tuple(FunnelStage(name, (name,)) for name in NAMES), within_days=30, answered_from="lead"
)
AS_OF = after(400)
Move = tuple[str, float, str, str | None]
"""lead, days after BEGIN, field, value."""


def frames(
    moves: list[Move], sources: dict[str, str] | None = None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """leads and changes."""
    ids = sorted({move[0] for move in moves})
    leads = pl.DataFrame(
        {
            "lead_id": ids,
            "stage": [None] * len(ids),
            "owner_id": ["1"] * len(ids),
            "owner": ["Kari"] * len(ids),
            "source": [(sources or {}).get(each, "web") for each in ids],
            "created_at": [BEGIN] * len(ids),
        },
        schema_overrides={"created_at": INSTANT, "lead_id": pl.String, "stage": pl.String},
    )
    rows = [
        {
            "lead_id": lead,
            "field": field,
            "value": value,
            "changed_at": after(day),
            "ordinal": number,
        }
        for number, (lead, day, field, value) in enumerate(moves)
    ]
    schema: dict[str, Any] = {
        "lead_id": pl.String,
        "field": pl.String,
        "value": pl.String,
        "changed_at": INSTANT,
        "ordinal": pl.Int64,
    }
    return leads, pl.DataFrame(rows, schema=schema)


def stages(moves: list[Move], by: funnel.Segment = "total", **more: Any) -> dict[Any, Any]:
    leads, changes = frames(moves, more.pop("sources", None))
    as_of = more.pop("as_of", AS_OF)
    passed = funnel.passages(changes, DEFINITION, as_of)
    table = funnel.conversion(passed, leads, DEFINITION, as_of=as_of, zone="Europe/Oslo", by=by)
    return {(row["segment"], row["stage"]): row for row in table.to_dicts()}


def test_who_entered_and_left_each_stage_when() -> None:
    _, changes = frames(
        [
            ("a", 0, "stage", "visitor"),
            ("a", 2, "stage", "lead"),
            ("a", 5, "stage", "customer"),
            ("b", 0, "stage", "mql"),
            ("b", 3, "stage", None),
        ]
    )
    rows = funnel.passages(changes, DEFINITION, AS_OF).rows()
    assert rows == [
        ("a", 0, "visitor", after(0), after(2), "lead", None),
        ("a", 1, "lead", after(2), after(5), "customer", None),  # mql was skipped: no row
        ("a", 3, "customer", after(5), None, None, None),
        ("b", 2, "mql", after(0), None, None, after(3)),
    ]


def test_conversion_counts_only_who_was_followed_long_enough() -> None:
    moves: list[Move] = [
        ("a", 0, "stage", "lead"), ("a", 10, "stage", "mql"),
        ("b", 0, "stage", "lead"), ("b", 40, "stage", "mql"),
        ("c", 0, "stage", "lead"), ("c", 1, "stage", None),
        ("d", 390, "stage", "lead"), ("d", 391, "stage", "mql"),
    ]  # fmt: skip
    lead = stages(moves)["all", "lead"]
    assert (lead["entered"], lead["went_on"], lead["fell_out"], lead["still_in"]) == (4, 3, 1, 0)
    assert (lead["followed"], lead["converted"]) == (3, 1)
    assert lead["conversion"] == pytest.approx(1 / 3)
    # Wilson's interval for 1 of 3, from its published formula
    assert (lead["low"], lead["high"]) == (
        pytest.approx(0.0615, abs=1e-3),
        pytest.approx(0.792, abs=1e-3),
    )
    assert lead["median_days"] == pytest.approx(10)


def test_nobody_followed_yet_is_unknown_and_not_zero() -> None:
    lead = stages([("a", 395, "stage", "lead")])["all", "lead"]
    assert (lead["followed"], lead["conversion"], lead["low"]) == (0, None, None)


def test_nobody_goes_on_from_the_last_stage() -> None:
    """A customer of long ago is no lead that did not convert."""
    last = DEFINITION.stages[-1].name
    customer = stages([("a", 0, "stage", "lead"), ("a", 5, "stage", last)])["all", last]
    assert (customer["entered"], customer["still_in"]) == (1, 1)
    assert (customer["followed"], customer["conversion"], customer["low"]) == (0, None, None)


def test_cohorts_are_months_of_the_account() -> None:
    instant = datetime(2026, 3, 31, 22, 30, tzinfo=UTC)  # 1 April in Oslo
    day = (instant - BEGIN) / timedelta(days=1)
    assert [segment for segment, _ in stages([("a", day, "stage", "lead")], "cohort")] == [
        "2026-04"
    ]


def test_by_source() -> None:
    moves: list[Move] = [
        ("a", 0, "stage", "lead"),
        ("b", 0, "stage", "lead"),
        ("b", 1, "stage", "mql"),
    ]
    found = stages(moves, "source", sources={"a": "ads", "b": "referral"})
    assert found["ads", "lead"]["converted"] == 0
    assert found["referral", "lead"]["converted"] == 1


def test_nothing_later_is_looked_at() -> None:
    moves: list[Move] = [("a", 0, "stage", "lead"), ("a", 50, "stage", "mql")]
    before = stages(moves[:1], as_of=after(49))
    assert stages(moves, as_of=after(49)) == before


history = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.integers(0, 300).map(float),
        st.just("stage"),
        st.sampled_from([*NAMES, "other", None]),
    ),
    max_size=14,
)


@settings(max_examples=60, deadline=None)
@given(history)
def test_every_history_equals_a_plain_count(moves: list[Move]) -> None:
    moves = sorted(moves, key=lambda move: move[1])
    found = stages(moves)
    for rank, name in enumerate(NAMES):
        entered = went_on = fell_out = 0
        for lead in "abc":
            path = [
                (d, NAMES.index(v) if v in NAMES else -1) for who, d, _, v in moves if who == lead
            ]
            first = next((i for i, (_, r) in enumerate(path) if r == rank), None)
            if first is None:
                continue
            entered += 1
            since = path[first][0]
            on = any(r > rank and d >= since for d, r in path)
            went_on += on
            fell_out += not on and any(r < rank and d > since for d, r in path)
        row = found.get(("all", name))
        counted = (row["entered"], row["went_on"], row["fell_out"]) if row else (0, 0, 0)
        assert counted == (entered, went_on, fell_out)
        if row:
            assert row["went_on"] + row["fell_out"] + row["still_in"] == row["entered"]


def test_the_truth_is_inside_the_interval_in_nine_of_ten_seeds() -> None:
    """30 % convert within 30 days, 60 % at all; some are too young to tell."""
    hits = 0
    for seed in range(10):
        dice = np.random.default_rng(seed)
        moves: list[Move] = []
        for number in range(400):
            begun = float(dice.uniform(0, 399))
            moves.append((f"l{number}", begun, "stage", "lead"))
            days = dice.uniform(0, 60)  # half of the 60 % come within 30 days
            if dice.random() < 0.6 and begun + days < 400:
                moves.append((f"l{number}", begun + days, "stage", "mql"))
        lead = stages(moves)["all", "lead"]
        hits += lead["low"] <= 0.3 <= lead["high"]
    assert hits >= 9


def touched(*moves: Move) -> dict[str, dict[str, Any]]:
    leads, changes = frames(list(moves))
    passed = funnel.passages(changes, DEFINITION, AS_OF)
    answers = funnel.responses(passed, leads, changes, DEFINITION, AS_OF)
    return {row["lead_id"]: row for row in answers.to_dicts()}


def test_first_response_is_the_first_contact_since_the_lead_was_due_one() -> None:
    found = touched(
        ("a", 0, "stage", "visitor"),
        ("a", 2, "stage", "lead"),
        ("a", 3, "contacted_at", after(2.5).isoformat()),
        ("a", 9, "contacted_at", after(9).isoformat()),
    )
    assert (found["a"]["due_at"], found["a"]["answered_at"]) == (after(2), after(2.5))
    assert found["a"]["hours"] == pytest.approx(12)
    assert not found["a"]["waiting"]


def test_who_nobody_has_touched() -> None:
    found = touched(
        ("untouched", 2, "stage", "lead"),
        ("visitor", 2, "stage", "visitor"),
        ("left", 2, "stage", "lead"), ("left", 3, "stage", None),
        ("bought", 2, "stage", "lead"), ("bought", 3, "stage", "customer"),
        ("before", 1, "contacted_at", after(1).isoformat()), ("before", 2, "stage", "lead"),
    )  # fmt: skip
    assert [lead for lead, row in found.items() if row["waiting"]] == ["untouched"]
    assert "visitor" not in found
    assert found["before"]["before"]


def test_response_times_count_everybody_who_was_due_one() -> None:
    leads, changes = frames(
        [
            ("a", 0, "stage", "lead"), ("a", 0.5, "contacted_at", after(0.5).isoformat()),
            ("b", 0, "stage", "lead"), ("b", 5, "contacted_at", after(5).isoformat()),
            ("c", 0, "stage", "lead"),
        ]
    )  # fmt: skip
    passed = funnel.passages(changes, DEFINITION, AS_OF)
    answers = funnel.responses(passed, leads, changes, DEFINITION, AS_OF)
    (row,) = funnel.response_times(answers, ["owner"]).to_dicts()
    assert (row["owner"], row["due"], row["answered"], row["waiting"]) == ("Kari", 3, 2, 1)
    assert row["within_day"] == pytest.approx(1 / 3)
    assert row["median_hours"] == pytest.approx((12 + 120) / 2)


def test_an_account_without_leads_gives_empty_tables() -> None:
    assert stages([]) == {}
    assert touched() == {}
