"""HubSpot's goal targets as goals: what is a quota, whose, for which days."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from sync.crm.goals import Goal, LeftOut, Measure
from sync.crm.hubspot.goals import HubSpotGoals, goals
from sync.errors import AuthError
from sync.sandbox.company import CompanyGoal
from tests.crm.conftest import Open, Portal

OSLO = ZoneInfo("Europe/Oslo")
TODAY = date(2026, 3, 16)
MARCH, APRIL = date(2026, 3, 1), date(2026, 4, 1)
WON = '[{"filters":[{"property":"hs_is_closed_won","operator":"EQ","value":"true"}%s]}]'
QUOTA = {
    "hs_goal_type": "sales_quota",
    "hs_target_amount": "500000.00",
    "hs_start_datetime": "2026-03-01T00:00:00Z",
    "hs_end_datetime": "2026-03-31T23:59:59.999Z",
    "hubspot_owner_id": "101",
}
DEALS = {"hs_goal_type": "kpi", "hs_kpi_object_type_id": "0-3", "hs_kpi_filter_groups": WON % ""}


def read(**differs: str | None) -> Goal | LeftOut:
    found = goals([{"properties": {**QUOTA, **differs}}], {"7": "North"}, OSLO)
    return found.goals[0] if found.goals else next(iter(found.left_out))


def test_a_quota_of_a_person() -> None:
    assert read() == Goal("owner", "101", MARCH, APRIL, Decimal(500000))
    euros = read(hs_goal_target_currency_code="eur", hs_pipeline_ids="b;a")
    assert isinstance(euros, Goal)
    assert (euros.currency, euros.pipelines) == ("EUR", ("a", "b"))


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z"),
        ("2026-03-01T00:00:00Z", "2026-03-31T23:59:59Z"),
        ("1772323200000", "1775001599999"),
        ("2026-02-28T23:00:00Z", "2026-03-31T22:00:00Z"),
        ("2026-02-28T23:00:00Z", "2026-03-31T21:59:59.999Z"),
        ("2026-03-01T08:00:00Z", "2026-03-31T08:00:00Z"),
    ],
)
def test_days_begin_at_midnight_of_utc_or_of_the_account(start: str, end: str) -> None:
    found = read(hs_start_datetime=start, hs_end_datetime=end)
    assert isinstance(found, Goal)
    assert (found.start, found.end) == (MARCH, APRIL)


def test_teams_by_name_and_a_persons_own_team_is_not_whose_goal_it_is() -> None:
    assert read(hubspot_owner_id=None, hs_assignee_team_id="7") == Goal(
        "team", "North", MARCH, APRIL, Decimal(500000)
    )
    assert read(hubspot_team_id="7") == read()
    assert read(hubspot_owner_id=None, hs_assignee_team_id="8") is LeftOut.NOBODY
    assert read(hubspot_owner_id="") is LeftOut.NOBODY


@pytest.mark.parametrize(
    ("properties", "measure"),
    [
        ({"hs_kpi_metric_type": "COUNT"}, Measure.COUNT),
        ({"hs_kpi_metric_type": "SUM", "hs_kpi_property_name": "amount"}, Measure.AMOUNT),
        ({"hs_kpi_property_name": "amount_in_home_currency"}, Measure.AMOUNT),
    ],
)
def test_a_goal_of_deals_won_in_money_or_in_deals(
    properties: dict[str, str], measure: Measure
) -> None:
    found = read(**DEALS, **properties, hs_goal_target_currency_code="NOK")
    assert isinstance(found, Goal)
    assert found.measure is measure
    assert found.currency == (None if measure is Measure.COUNT else "NOK")


@pytest.mark.parametrize(
    "properties",
    [
        {"hs_goal_type": "kpi", "hs_kpi_object_type_id": "0-48", "hs_kpi_metric_type": "COUNT"},
        {"hs_goal_type": "kpi"},
        {**DEALS, "hs_kpi_filter_groups": None, "hs_kpi_metric_type": "COUNT"},
        {**DEALS, "hs_kpi_metric_type": "AVG", "hs_kpi_property_name": "amount"},
        {**DEALS, "hs_kpi_metric_type": "SUM", "hs_kpi_property_name": "hs_mrr"},
        {"hs_kpi_metric_type": "AVG"},
        {"hs_kpi_filter_groups": "soon"},
        {"hs_kpi_filter_groups": "{}"},
        {"hs_kpi_filter_groups": '[{"filters":[{"property":"hs_is_closed_won","value":false}]}]'},
        {"hs_kpi_filter_groups": WON % ',{"property":"dealtype","value":"newbusiness"}'},
    ],
)
def test_what_is_not_about_all_deals_won_is_no_quota(properties: dict[str, str | None]) -> None:
    assert read(**properties) is LeftOut.OTHER_KIND


def test_filters_that_only_repeat_whose_and_when_narrow_nothing() -> None:
    known = ',{"property":"hubspot_owner_id","value":"101"},{"property":"closedate"}'
    assert read(hs_kpi_filter_groups=WON % known) == read()


@pytest.mark.parametrize(
    "properties",
    [
        {"hs_target_amount": "0"},
        {"hs_target_amount": "much"},
        {"hs_target_amount": None},
        {"hs_start_datetime": None},
        {"hs_end_datetime": "2026-02-01T00:00:00Z"},
        {"hs_end_datetime": "soon"},
    ],
)
def test_without_a_period_or_a_target_it_is_counted_only(properties: dict[str, str | None]) -> None:
    assert read(**properties) is LeftOut.NOT_UNDERSTOOD


def asked(portal: Portal) -> Any:
    return HubSpotGoals(portal.client).goals(zone=OSLO, today=TODAY)


def test_all_pages_are_read_and_owners_only_for_the_names_of_teams(portal_of: Open) -> None:
    portal = portal_of()
    for month in range(1, 13):
        for amount in range(10, 20):
            start, end = date(2026, month, 1), date(2026 + month // 12, month % 12 + 1, 1)
            portal.crm.goals.add(CompanyGoal(start, end, Decimal(amount), owner="101"))
    assert len(asked(portal).goals) == 120
    path = portal.client.paths.goal_targets
    assert portal.sent() == [f"GET {path}"] * 2
    portal.crm.goals.add(CompanyGoal(MARCH, APRIL, Decimal(9), team="North", in_deals=True))
    portal.crm.goals.add(CompanyGoal(MARCH, APRIL, Decimal(9), owner="101", about="calls"))
    found = asked(portal)
    assert found.goals[-1] == Goal("team", "North", MARCH, APRIL, Decimal(9), Measure.COUNT)
    assert found.left_out == {LeftOut.OTHER_KIND: 1}
    assert portal.sent() == [*[f"GET {path}"] * 2, f"GET {portal.client.paths.owners}"]


def test_without_the_scope_for_owners_teams_are_left_out(portal: Portal) -> None:
    portal.crm.goals.add(CompanyGoal(MARCH, APRIL, Decimal(9), team="North"))
    portal.crm.goals.add(CompanyGoal(MARCH, APRIL, Decimal(9), owner="101"))
    scopes = ("oauth", "crm.objects.deals.read", "crm.objects.goals.read")
    portal.crm.set_scopes(portal.sandbox.token, scopes)
    found = asked(portal)
    assert ([g.kind for g in found.goals], found.left_out) == (["owner"], {LeftOut.NOBODY: 1})


def test_without_the_scope_for_goals_it_is_named(portal: Portal) -> None:
    portal.crm.set_scopes(portal.sandbox.token, ("oauth", "crm.objects.deals.read"))
    with pytest.raises(AuthError) as error:
        asked(portal)
    assert error.value.missing_scopes == ("crm.objects.goals.read",)


def test_a_goal_is_the_day_that_it_was_set_for_west_of_greenwich_too() -> None:
    midnight = datetime(2026, 3, 1, 5, tzinfo=UTC).isoformat()
    record = {"properties": {**QUOTA, "hs_start_datetime": midnight}}
    (found,) = goals([record], {}, ZoneInfo("America/New_York")).goals
    assert found.start == MARCH
