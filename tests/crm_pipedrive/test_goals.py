"""Pipedrive's goals: a target for each week, month, quarter or year of their duration."""

from datetime import date
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from sync.crm.goals import Goal, Goals, LeftOut, Measure
from sync.crm.pipedrive.goals import PipedriveGoals, goals
from sync.errors import AuthError
from sync.sandbox.company import CompanyGoal
from sync.sandbox.pipedrive.goals import in_v1
from tests.crm_pipedrive.conftest import Account, oauth

TODAY = date(2026, 3, 16)
MARCH, APRIL = date(2026, 3, 1), date(2026, 4, 1)


def goal(**differs: Any) -> dict[str, Any]:
    return {
        "type": {"name": "deals_won", "params": {"pipeline_id": None}},
        "assignee": {"type": "person", "id": 11},
        "interval": "monthly",
        "duration": {"start": "2026-03-01", "end": "2026-03-31"},
        "expected_outcome": {"target": 5000, "tracking_metric": "sum", "currency_id": 2},
        **differs,
    }


def read(**differs: Any) -> Goals:
    return goals([goal(**differs)], {"2": "EUR"}, TODAY)


def days(found: Goals) -> list[tuple[str, str]]:
    return [(str(each.start), str(each.end)) for each in found.goals]


def test_a_persons_goal_in_money_and_in_deals() -> None:
    (found,) = read().goals
    assert found == Goal("owner", "11", MARCH, APRIL, Decimal(5000), currency="EUR")
    (found,) = read(expected_outcome={"target": 3, "tracking_metric": "quantity"}).goals
    assert (found.target, found.measure, found.currency) == (3, Measure.COUNT, None)


def test_a_companys_goal_is_everybodys_or_one_pipelines() -> None:
    company = {"assignee": {"type": "company", "id": 7}}
    (found,) = read(**company).goals
    assert (found.kind, found.segment, found.pipelines) == ("total", "", ())
    for chosen, kind, segment, pipelines in [
        ([4], "pipeline", "4", ()),
        (4, "pipeline", "4", ()),
        ([4, 3], "total", "", ("3", "4")),
    ]:
        of = {"type": {"name": "deals_won", "params": {"pipeline_id": chosen}}}
        (found,) = read(**company, **of).goals
        assert (found.kind, found.segment, found.pipelines) == (kind, segment, pipelines)


@pytest.mark.parametrize(
    ("interval", "start", "end", "expected"),
    [
        ("weekly", "2026-03-09", "2026-03-20",
         [("2026-03-09", "2026-03-16"), ("2026-03-16", "2026-03-21")]),
        ("monthly", "2026-01-15", "2026-03-10",
         [("2026-01-15", "2026-02-01"), ("2026-02-01", "2026-03-01"),
          ("2026-03-01", "2026-03-11")]),
        ("quarterly", "2026-01-01", "2026-06-30",
         [("2026-01-01", "2026-04-01"), ("2026-04-01", "2026-07-01")]),
        ("yearly", "2025-01-01", "2026-12-31",
         [("2025-01-01", "2026-01-01"), ("2026-01-01", "2027-01-01")]),
    ],
)  # fmt: skip
def test_each_part_of_the_duration_has_the_target(
    interval: str, start: str, end: str, expected: list[tuple[str, str]]
) -> None:
    assert days(read(interval=interval, duration={"start": start, "end": end})) == expected


def test_a_goal_without_an_end_has_two_years_behind_and_one_ahead() -> None:
    found = days(read(interval="quarterly", duration={"start": "2019-05-05", "end": None}))
    assert (found[0], found[-1]) == (("2024-01-01", "2024-04-01"), ("2027-01-01", "2027-04-01"))


@pytest.mark.parametrize(
    ("differs", "why"),
    [
        ({"type": {"name": "activities_completed", "params": {}}}, LeftOut.OTHER_KIND),
        ({"type": {"name": "deals_progressed", "params": {}}}, LeftOut.OTHER_KIND),
        ({"type": None}, LeftOut.OTHER_KIND),
        ({"assignee": {"type": "team", "id": 1}}, LeftOut.NOBODY),
        ({"assignee": {"type": "person"}}, LeftOut.NOT_UNDERSTOOD),
        ({"expected_outcome": None}, LeftOut.NOT_UNDERSTOOD),
        ({"expected_outcome": {"target": 0, "tracking_metric": "sum"}}, LeftOut.NOT_UNDERSTOOD),
        ({"expected_outcome": {"target": 5, "tracking_metric": "sum", "currency_id": 9}},
         LeftOut.NOT_UNDERSTOOD),
        ({"interval": "daily"}, LeftOut.NOT_UNDERSTOOD),
        ({"duration": {"start": "soon"}}, LeftOut.NOT_UNDERSTOOD),
        ({"duration": None}, LeftOut.NOT_UNDERSTOOD),
    ],
)  # fmt: skip
def test_what_is_no_quota_is_counted(differs: dict[str, Any], why: LeftOut) -> None:
    assert read(**differs) == Goals([], {why: 1})


def asked(account: Account) -> Goals:
    return PipedriveGoals(account.client).goals(zone=ZoneInfo("Europe/Oslo"), today=TODAY)


def set_goal(account: Account, **of: Any) -> None:
    account.crm.add_goal(in_v1(account.crm, CompanyGoal(MARCH, APRIL, Decimal(7), **of)))


def test_everybodys_goals_are_asked_for_in_two_calls_and_a_third_for_currencies(
    account: Account,
) -> None:
    """Without a filter a user who is not the owner of a goal is not shown it."""
    set_goal(account, owner="101", in_deals=True)
    set_goal(account, team="North", in_deals=True)
    set_goal(account, in_deals=True, about="calls")
    account.reconnect(oauth(account))
    account.spent()
    found = asked(account)
    kari = str(account.crm.user_id("101"))
    assert [(g.kind, g.segment, g.measure) for g in found.goals] == [("owner", kari, Measure.COUNT)]
    assert found.left_out == {LeftOut.NOBODY: 1, LeftOut.OTHER_KIND: 1}
    assert account.spent() == {"GET /api/v1/goals/find": 40}
    set_goal(account, currency="EUR")
    assert asked(account).goals[0] == Goal("total", "", MARCH, APRIL, Decimal(7), currency="EUR")
    assert account.spent() == {"GET /api/v1/goals/find": 40, "GET /api/v1/currencies": 20}


def test_an_inactive_goal_is_none(account: Account) -> None:
    old = in_v1(account.crm, CompanyGoal(MARCH, APRIL, Decimal(7))) | {"is_active": False}
    account.crm.add_goal(old)
    assert asked(account) == Goals([], {})


def test_a_missing_scope_for_goals_is_named(account: Account) -> None:
    account.reconnect(oauth(account, scopes=("base", "deals:full", "users:read")))
    with pytest.raises(AuthError) as error:
        asked(account)
    assert error.value.missing_scopes == ("goals:read", "goals:full")
