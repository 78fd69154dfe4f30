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


def won(count: int, **difference: Any) -> list[dict[str, Any]]:
    """Won deals whose amount is no round one, closed on no period's end."""
    closed = {"status": "won", "closed_on": date(2026, 3, 10), "amount": 1234.0}
    return [{"deal_id": f"w{n}", **closed, **difference} for n in range(count)]


def alike(count: int, **difference: Any) -> list[dict[str, Any]]:
    return [{"deal_id": f"a{n}", "name": f"Buyer {n}", **difference} for n in range(count)]


def skipped() -> Case:
    """Twenty won deals went through both stages, this one began in the second."""
    rows, moves = won_stays(20, days=60)
    first = [
        change("stage", "qualified", row["created_at"] - timedelta(days=1), deal_id=row["deal_id"])
        for row in rows
    ]
    began = change("stage", "proposal", CLEAN["created_at"])
    return {"others": rows}, [*moves, *first, began], {"skipped": "Qualified", "stages": 1}


def dead() -> Case:
    """Eighty deals stood in the stage for 200 days, and were all lost."""
    entered = datetime(2025, 3, 3, 8, tzinfo=UTC)
    left = entered + timedelta(days=200)
    ids = [f"l{n}" for n in range(80)]
    ended = {"status": "lost", "stage_id": "lost", "created_at": entered, "closed_at": left}
    rows = [{"deal_id": deal_id, **ended} for deal_id in ids]
    moves = [change("stage", "proposal", entered, deal_id=deal_id) for deal_id in ids]
    moves += [change("stage", "lost", left, deal_id=deal_id) for deal_id in ids]
    since = AS_OF - timedelta(days=150)
    difference = {"created_at": since, "stage_entered_at": since, "last_activity_at": since}
    evidence = {
        "days": 150,
        "dead_days": 33,
        "days_in_stage": 150,
        "stage": "Proposal",
        "earlier": 80,
        "earlier_won": 0,
        "from_days": 200,
        "chance_at_most": 0.0458,
    }
    return {**difference, "next_activity_at": None, "others": rows}, moves, evidence


COMPANIONS = {"archive_candidate": {"stale", "no_next_activity"}, "stale": {"no_next_activity"}}
"""What cannot but be found along with a rule."""

CASES: dict[str, Callable[[], Case]] = {
    "amount_round": lambda: ({"others": won(20)}, [], {"amount": 1000.0, "won_share": 0.0}),
    "amount_repeated": lambda: (
        {"amount": 1050.0, "others": [*won(20), *alike(9, amount=1050.0)]},
        [],
        {"amount": 1050.0, "deals": 10, "open_share": 1.0, "won_share": 0.0},
    ),
    "close_date_heaped": lambda: (
        {
            "close_date": date(2026, 3, 31),
            "others": [*won(20, amount=1000.0), *alike(9, close_date=date(2026, 4, 30))],
        },
        [],
        {"close_date": "2026-03-31", "open_share": 1.0, "won_share": 0.0},
    ),
    "closed_before_created": lambda: (
        {"status": "lost", "closed_on": date(2026, 1, 30)},
        [],
        {"closed_on": "2026-01-30", "created_on": "2026-02-02"},
    ),
    "closed_in_the_future": lambda: (
        {"status": "won", "closed_on": TODAY + timedelta(days=1)},
        [],
        {"closed_on": "2026-03-17"},
    ),
    "won_at_zero": lambda: (
        {"status": "won", "closed_on": TODAY, "amount": 0.0},
        [],
        {"closed_on": "2026-03-16"},
    ),
    "close_day_missing": lambda: ({"status": "lost"}, [], {"status": "lost"}),
    "loss_reason_missing": lambda: (
        {
            "status": "lost",
            "closed_on": TODAY,
            "loss_reason": " ",
            "others": [{"status": "lost", "closed_on": TODAY, "loss_reason": "Price"}],
        },
        [],
        {"closed_on": "2026-03-16"},
    ),
    "no_company": lambda: ({"company_count": 0}, [], {}),
    "currency_missing": lambda: ({"currency": None, "others": [{}]}, [], {}),
    "next_step_missing": lambda: (
        {"next_step": "  ", "others": [{"next_step": "Call Kari"}]},
        [],
        {},
    ),
    "probability_against_stage": lambda: (
        {"rep_probability": 0.9},
        [],
        {"stated": 0.9, "stage_says": 0.4, "stage": "Proposal"},
    ),
    "stage_skipped": skipped,
    "stage_moved_back": lambda: (
        {"stage_id": "qualified"},
        [
            change("stage", stage_id, CLEAN["created_at"] + timedelta(days=n))
            for n, stage_id in enumerate(("qualified", "proposal", "qualified"))
        ],
        {"came_from": "Proposal", "stage": "Qualified", "on": "2026-02-04"},
    ),
    "probable_duplicate": lambda: (
        {
            "name": "FJORD Shipping AS - 40 seats",
            "others": [{"deal_id": "d0", "created_at": datetime(2025, 11, 3, tzinfo=UTC)}],
        },
        [],
        {"twin": CLEAN["name"], "twin_id": "d0", "deals": 2},
    ),
    "test_record": lambda: ({"name": "Test deal 2"}, [], {"name": "Test deal 2"}),
    "never_answered": lambda: (
        {"contact_attempts": 3, "others": [{"last_reply_at": AS_OF}]},
        [],
        {"attempts": 3},
    ),
    "no_first_response": lambda: (
        {
            "created_at": AS_OF - timedelta(days=3),
            "last_activity_at": None,
            "others": alike(1, last_contacted_at=AS_OF),
        },
        [],
        {"days": 3, "created_on": "2026-03-13"},
    ),
    "archive_candidate": dead,
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
        },
        [],
        {
            "days": 15,
            "norm_days": 10,
            "stage": "Proposal",
            "last_activity": "2026-03-01",
            "state": "stale",
        },
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
    told = found(difference, rows, others=others)
    assert told[code] == evidence
    assert set(told) == {code} | COMPANIONS.get(code, set())


@pytest.mark.parametrize("code", [rule.code for rule in RULES if rule.about == "open"])
@pytest.mark.parametrize("status", ["won", "lost"])
def test_a_decided_deal_is_not_held_against_it(code: str, status: str) -> None:
    difference, rows, _ = CASES[code]()
    others = difference.pop("others", [])
    ended = {**difference, "status": status, "closed_on": TODAY}
    assert code not in found(ended, rows, others=others)


def test_all_findings_together_in_any_order_of_rows() -> None:
    differences, rows, expected = [], [], []
    for number, (code, case) in enumerate(sorted(CASES.items())):
        difference, moves, _ = case()
        if "others" not in difference:
            named = {"name": f"Buyer {number}", **difference, "deal_id": f"x{number}"}
            differences.append(named)
            rows += [{**move, "deal_id": f"x{number}"} for move in moves]
            expected += [code, *COMPANIONS.get(code, ())]
    frame, history = deals(*differences), changes(*rows)
    about = {"as_of": AS_OF, "today": TODAY, "zone": ZONE}
    before = frame.clone(), history.clone()
    findings = find(frame, history, STAGES, OWNERS, **about)  # type: ignore[arg-type]
    assert dict(findings.schema) == FINDING_SCHEMA
    assert sorted(findings["rule"]) == sorted(expected)
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
    ("planned", "dirty"), [(timedelta(hours=1), False), (timedelta(0), True), (None, True)]
)
def test_something_planned_is_after_now(planned: timedelta | None, dirty: bool) -> None:
    at = None if planned is None else AS_OF + planned
    assert ("no_next_activity" in found({"next_activity_at": at})) == dirty


def test_unknown_contacts_are_no_finding() -> None:
    assert found({"contact_count": None}) == {}


def test_a_deleted_stage_is_told_by_its_label() -> None:
    deleted = stages(*STAGES.rows(named=True), stage("old", 0.5, exists=False, label="Old name"))
    assert found({"stage_id": "old"}, of_stages=deleted)["unknown_stage"] == {"stage": "Old name"}
    assert "unknown_stage" in found({"stage_id": None})


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
