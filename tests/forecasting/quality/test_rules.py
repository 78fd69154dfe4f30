"""Every rule finds its defect, tells it with numbers, and leaves a clean deal alone."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from forecasting.deals import OWNER_SCHEMA
from forecasting.quality import FINDING_SCHEMA, RULES, QualitySettings, find
from tests.forecasting.frames import (
    AS_OF,
    CLEAN,
    NO_CHANGES,
    OWNERS,
    STAGES,
    TODAY,
    ZONE,
    change,
    changes,
    deals,
    stage,
    stages,
    won_stays,
)

Case = tuple[dict[str, Any], list[dict[str, Any]], dict[str, Any]]
SUGGESTED = {
    "created_at": datetime(2026, 3, 2, 8, tzinfo=UTC),
    "close_date": date(2026, 3, 31),
}


def found(
    difference: dict[str, Any],
    rows: list[dict[str, Any]] | None = None,
    *,
    others: list[dict[str, Any]] | None = None,
    settings: QualitySettings | None = None,
    of_stages: pl.DataFrame = STAGES,
    owners: pl.DataFrame = OWNERS,
    as_of: datetime = AS_OF,
) -> dict[str, dict[str, Any]]:
    """rule -> evidence of one deal."""
    findings = find(
        deals({"deal_id": "d1", **difference}, *(others or [])),
        changes(*(rows or [])),
        of_stages,
        owners,
        as_of=as_of,
        today=TODAY,
        zone=ZONE,
        settings=settings,
    ).filter(pl.col("deal_id") == "d1")
    return {rule: json.loads(told) for rule, told in findings.select("rule", "evidence").rows()}


def close_dates(*values: str) -> list[dict[str, Any]]:
    at = CLEAN["created_at"]
    return [
        change("close_date", new, at + timedelta(days=n), old=values[n - 1] if n else None)
        for n, new in enumerate(values)
    ]


def pushed(count: int) -> list[dict[str, Any]]:
    return close_dates(*(f"2026-03-{1 + 5 * n:02}T10:00:00Z" for n in range(count + 1)))


def stuck() -> Case:
    rows, moves = won_stays(20, days=30)
    entered = AS_OF - timedelta(days=40)
    difference = {"created_at": entered, "stage_entered_at": entered}
    evidence = {"days": 40, "p90_days": 30, "won_stays": 20, "stage": "Proposal"}
    return {**difference, "others": rows}, moves, evidence


CASES: dict[str, Callable[[], Case]] = {
    "amount_missing": lambda: ({"amount": None, "amount_problem": "missing"}, [], {}),
    "amount_not_positive": lambda: ({"amount": -5.0}, [], {"amount": -5.0}),
    "no_rate": lambda: (
        {"amount": None, "amount_problem": "no_rate", "currency": "USD"},
        [],
        {"currency": "USD"},
    ),
    "close_date_missing": lambda: ({"close_date": None}, [], {}),
    "overdue": lambda: (
        {"close_date": date(2026, 3, 6)},
        [],
        {"days": 10, "close_date": "2026-03-06"},
    ),
    "close_date_never_chosen": lambda: (
        SUGGESTED,
        [change("close_date", "2026-03-31T10:00:00Z", SUGGESTED["created_at"])],
        {"close_date": "2026-03-31", "created_on": "2026-03-02"},
    ),
    "close_date_pushed": lambda: (
        {},
        pushed(3),
        {"pushes": 3, "days": 15, "first_close_date": "2026-03-01"},
    ),
    "owner_missing": lambda: ({"owner_id": None}, [], {}),
    "owner_deactivated": lambda: ({"owner_id": "2"}, [], {"owner": "Ola Hansen"}),
    "no_next_activity": lambda: ({"next_activity_at": None}, [], {}),
    "no_contact": lambda: ({"contact_count": 0}, [], {}),
    "unknown_stage": lambda: ({"stage_id": "gone"}, [], {"stage": "gone"}),
    "stale": lambda: (
        {
            "last_activity_at": AS_OF - timedelta(days=15),
            "next_activity_at": None,
            "next_step": "Call Kari",
        },
        [],
        {"days": 15, "norm_days": 14, "stage": "Proposal", "last_activity": "2026-03-01"},
    ),
    "stuck": stuck,
}


def test_a_clean_deal_has_no_finding() -> None:
    assert found({}) == {}


def test_every_rule_has_a_case() -> None:
    assert set(CASES) == {rule.code for rule in RULES}


@pytest.mark.parametrize("code", sorted(CASES))
def test_a_dirty_deal_has_exactly_this_finding(code: str) -> None:
    difference, rows, evidence = CASES[code]()
    others = difference.pop("others", [])
    assert found(difference, rows, others=others) == {code: evidence}


@pytest.mark.parametrize("code", sorted(CASES))
@pytest.mark.parametrize("status", ["won", "lost"])
def test_a_decided_deal_has_none(code: str, status: str) -> None:
    difference, rows, _ = CASES[code]()
    others = difference.pop("others", [])
    ended = {**difference, "status": status, "closed_on": TODAY}
    assert found(ended, rows, others=others) == {}


def test_all_findings_together_in_any_order_of_rows() -> None:
    differences, rows = [], []
    for number, (code, case) in enumerate(sorted(CASES.items())):
        difference, moves, _ = case()
        if code != "stuck":
            differences.append({**difference, "deal_id": f"x{number}"})
            rows += [{**move, "deal_id": f"x{number}"} for move in moves]
    frame, history = deals(*differences), changes(*rows)
    about = {"as_of": AS_OF, "today": TODAY, "zone": ZONE}
    before = frame.clone(), history.clone()
    findings = find(frame, history, STAGES, OWNERS, **about)  # type: ignore[arg-type]
    assert dict(findings.schema) == FINDING_SCHEMA
    assert sorted(findings["rule"]) == sorted(set(CASES) - {"stuck"})
    assert_frame_equal(frame, before[0])
    assert_frame_equal(history, before[1])
    again = find(
        frame.reverse(),
        history.reverse(),
        STAGES.reverse(),
        OWNERS.reverse(),
        **about,  # type: ignore[arg-type]
    )
    assert_frame_equal(findings, again)


# --- thresholds, at the edge


@pytest.mark.parametrize(("amount", "dirty"), [(0.0, True), (-0.01, True), (0.01, False)])
def test_an_amount_has_to_be_above_zero(amount: float, dirty: bool) -> None:
    assert ("amount_not_positive" in found({"amount": amount})) == dirty


@pytest.mark.parametrize(("days", "dirty"), [(-1, True), (0, False), (1, False)])
def test_a_deal_that_closes_today_is_not_overdue(days: int, dirty: bool) -> None:
    assert ("overdue" in found({"close_date": TODAY + timedelta(days=days)})) == dirty


@pytest.mark.parametrize(("times", "limit", "dirty"), [(2, 3, False), (3, 3, True), (3, 4, False)])
def test_pushed_so_many_times(times: int, limit: int, dirty: bool) -> None:
    findings = found({}, pushed(times), settings=QualitySettings(pushed_times=limit))
    assert ("close_date_pushed" in findings) == dirty


def test_a_close_date_that_somebody_touched_was_chosen() -> None:
    at = SUGGESTED["created_at"]
    first = change("close_date", "2026-03-31T10:00:00Z", at)
    there = change("close_date", "2026-04-10T10:00:00Z", at + timedelta(days=1))
    back = change("close_date", "2026-03-31T10:00:00Z", at + timedelta(days=2))
    assert "close_date_never_chosen" not in found(SUGGESTED, [first, there, back])


def test_a_close_date_set_after_the_creation_was_chosen() -> None:
    late = change(
        "close_date", "2026-03-31T10:00:00Z", SUGGESTED["created_at"] + timedelta(hours=1)
    )
    assert "close_date_never_chosen" not in found(SUGGESTED, [late])


def test_a_close_date_that_is_not_the_last_known_one_was_chosen() -> None:
    first = change("close_date", "2026-03-31T10:00:00Z", SUGGESTED["created_at"])
    elsewhere = {**SUGGESTED, "close_date": date(2026, 3, 25)}
    assert "close_date_never_chosen" not in found(elsewhere, [first])


def test_a_close_date_that_replaced_another_was_chosen() -> None:
    at = SUGGESTED["created_at"]
    first = change("close_date", "2026-03-31T10:00:00Z", at, old="2026-03-20T10:00:00Z")
    assert "close_date_never_chosen" not in found(SUGGESTED, [first])


def test_a_close_date_without_history_may_have_been_chosen() -> None:
    assert "close_date_never_chosen" not in found(SUGGESTED)


def test_the_months_end_is_the_accounts() -> None:
    """Created 31 January 23:30 UTC = 1 February in Oslo; the suggestion is 28 February there."""
    born = datetime(2026, 1, 31, 23, 30, tzinfo=UTC)
    rows = [change("close_date", "2026-02-28T22:59:00Z", born)]
    deal = {"created_at": born, "close_date": date(2026, 2, 28)}
    assert "close_date_never_chosen" in found(deal, rows)


def test_an_owner_the_crm_no_longer_lists_is_gone() -> None:
    assert found({"owner_id": "77"}) == {"owner_deactivated": {"owner": "77"}}


def test_where_no_owners_are_listed_nobody_is_gone() -> None:
    assert found({"owner_id": "77"}, owners=pl.DataFrame(schema=OWNER_SCHEMA)) == {}


@pytest.mark.parametrize(
    ("planned", "next_step", "dirty"),
    [
        (timedelta(hours=1), None, False),
        (timedelta(0), None, True),
        (None, "Send the draft", False),
        (None, "  ", True),
    ],
)
def test_something_planned(planned: timedelta | None, next_step: str | None, dirty: bool) -> None:
    deal = {"next_activity_at": planned and AS_OF + planned, "next_step": next_step}
    if planned == timedelta(0):
        deal["next_activity_at"] = AS_OF
    assert ("no_next_activity" in found(deal)) == dirty


def test_unknown_contacts_are_no_finding() -> None:
    assert found({"contact_count": None}) == {}


def test_a_deleted_stage_is_told_by_its_label() -> None:
    deleted = stages(*STAGES.rows(named=True), stage("old", 0.5, exists=False, label="Old name"))
    assert found({"stage_id": "old"}, of_stages=deleted)["unknown_stage"] == {"stage": "Old name"}
    assert "unknown_stage" in found({"stage_id": None})


# --- stale


def silent(days: float, **more: Any) -> dict[str, Any]:
    return {"last_activity_at": AS_OF - timedelta(days=days), "next_activity_at": None, **more}


@pytest.mark.parametrize(("days", "dirty"), [(14, False), (15, True)])
def test_silence_has_to_be_longer_than_the_norm(days: int, dirty: bool) -> None:
    assert ("stale" in found(silent(days))) == dirty


def test_a_planned_activity_protects() -> None:
    assert found({"last_activity_at": AS_OF - timedelta(days=90)}) == {}


@pytest.mark.parametrize(
    ("source", "field", "dirty"),
    [
        ("human", "stage", False),
        ("human", "next_step", False),
        ("human", "forecast_category", True),
        ("own", "amount", True),
        ("automation", "owner", True),
        ("integration", "close_date", True),
        ("diff", "amount", True),
    ],
)
def test_only_a_persons_change_is_activity(source: str, field: str, dirty: bool) -> None:
    rows = [change(field, "proposal", AS_OF - timedelta(days=3), source=source)]
    assert ("stale" in found(silent(30), rows)) == dirty


def test_a_change_after_the_instant_is_not_known_yet() -> None:
    rows = [change("stage", "proposal", AS_OF + timedelta(seconds=1))]
    assert "stale" in found(silent(30), rows)


def test_a_new_deal_is_not_stale() -> None:
    deal = {"created_at": AS_OF - timedelta(days=2), "next_activity_at": None}
    assert "stale" not in found({**deal, "last_activity_at": None})


def test_the_stages_own_norm_holds() -> None:
    """Won deals were in proposal for 40 days: 20 silent days are nothing there."""
    rows, moves = won_stays(200, days=40)
    assert "stale" not in found(silent(20, stage_entered_at=AS_OF), moves, others=rows)
    told = found(silent(45, stage_entered_at=AS_OF), moves, others=rows)["stale"]
    assert told["norm_days"] in (38, 39, 40)


def test_no_learned_norm_is_shorter_than_the_minimum() -> None:
    rows, moves = won_stays(200, days=0.1)
    told = found(silent(6, stage_entered_at=AS_OF), moves, others=rows)["stale"]
    assert (told["days"], told["norm_days"]) == (6, 5)
    assert "stale" not in found(silent(5, stage_entered_at=AS_OF), moves, others=rows)


@pytest.mark.parametrize("key", ["proposal", "Proposal", " PROPOSAL"])
def test_an_own_norm_by_label_or_id_is_taken_as_it_is(key: str) -> None:
    settings = QualitySettings(after_days={key: 2, "Elsewhere": 90})
    assert found(silent(3), settings=settings)["stale"]["norm_days"] == 2
    assert "stale" not in found(silent(2), settings=settings)


def test_in_a_stage_nobody_knows_the_default_norm_holds() -> None:
    settings = QualitySettings(default_after_days=7)
    assert found(silent(8, stage_id="gone"), settings=settings)["stale"] == {
        "days": 8,
        "norm_days": 7,
        "stage": "gone",
        "last_activity": "2026-03-08",
    }


# --- stuck


@pytest.mark.parametrize(
    ("won_days", "days", "dirty"), [(30, 30, False), (30, 31, True), (30.4, 31, False)]
)
def test_stuck_is_longer_than_nine_of_ten(won_days: float, days: int, dirty: bool) -> None:
    rows, moves = won_stays(20, days=won_days)
    deal = {"stage_entered_at": AS_OF - timedelta(days=days)}
    assert ("stuck" in found(deal, moves, others=rows)) == dirty


@pytest.mark.parametrize(("stays", "dirty"), [(19, False), (20, True)])
def test_stuck_takes_enough_won_stays_to_compare_with(stays: int, dirty: bool) -> None:
    rows, moves = won_stays(stays, days=30)
    deal = {"stage_entered_at": AS_OF - timedelta(days=300)}
    assert ("stuck" in found(deal, moves, others=rows)) == dirty


def test_the_entry_comes_from_the_history_where_the_crm_does_not_say() -> None:
    rows, moves = won_stays(20, days=30)
    moves.append(change("stage", "proposal", AS_OF - timedelta(days=31)))
    assert found({}, moves, others=rows)["stuck"]["days"] == 31


def test_where_nothing_says_when_it_entered_nothing_is_stuck() -> None:
    rows, moves = won_stays(20, days=30)
    assert found({}, moves, others=rows) == {}


def test_no_changes_at_all_is_fine() -> None:
    assert find(
        deals({}), NO_CHANGES, STAGES, OWNERS, as_of=AS_OF, today=TODAY, zone=ZONE
    ).is_empty()
