"""HubSpot's goal targets as goals: one record is one period of one goal. Only `HubSpotGoals` calls.

What the properties mean where HubSpot does not say: BEHAVIOR.md.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from sync.crm.goals import Goal, Goals, LeftOut, Measure
from sync.crm.hubspot import values
from sync.crm.hubspot.answers import Json
from sync.crm.hubspot.client import HubSpotClient
from sync.crm.hubspot.deal_calls import LIST_LIMIT
from sync.crm.hubspot.listing import pages
from sync.errors import AuthError

PROPERTIES: Final = (
    "hs_goal_type",
    "hs_target_amount",
    "hs_goal_target_currency_code",
    "hs_start_datetime",
    "hs_end_datetime",
    "hubspot_owner_id",
    "hs_assignee_team_id",
    "hubspot_team_id",
    "hs_pipeline_ids",
    "hs_kpi_object_type_id",
    "hs_kpi_metric_type",
    "hs_kpi_property_name",
    "hs_kpi_filter_groups",
)
_QUOTA: Final = "sales_quota"
_DEALS: Final = "0-3"
_AMOUNTS: Final = ("amount", "amount_in_home_currency")
_MIDNIGHT: Final = time()
_LAST_MOMENT: Final = timedelta(seconds=1)
"""Ends are written as midnight or as the last millisecond or second before it."""

_WON: Final = "hs_is_closed_won"
_NARROWS_NOTHING: Final = frozenset(
    {_WON, "hs_is_closed", "closedate", "hubspot_owner_id", "hubspot_team_id", "pipeline"}
)
"""What else the filters of a goal of deals won may name: its people, pipelines and period."""


class HubSpotGoals:
    """A `GoalSource`."""

    def __init__(self, client: HubSpotClient) -> None:
        self._client = client

    def goals(self, *, zone: ZoneInfo, today: date) -> Goals:
        query = [("limit", str(LIST_LIMIT)), ("properties", ",".join(PROPERTIES))]
        path = self._client.paths.goal_targets
        listed = [r for page, _ in pages(self._client, path, query, what="the goals") for r in page]
        of_teams = any(_team(record.get("properties") or {}) for record in listed)
        return goals(listed, self._teams() if of_teams else {}, zone)

    def _teams(self) -> dict[str, str]:
        """Id -> name, of the teams that somebody is in; none without the scope for owners."""
        query = [("limit", str(LIST_LIMIT))]
        try:
            listed = list(pages(self._client, self._client.paths.owners, query, what="the owners"))
        except AuthError as error:
            if not error.missing_scopes:
                raise
            return {}
        return {
            str(team["id"]): str(team["name"])
            for page, _ in listed
            for owner in page
            for team in owner.get("teams") or ()
            if team.get("name")
        }


def goals(listed: Iterable[Json], teams: Mapping[str, str], zone: ZoneInfo) -> Goals:
    """`teams`: id -> name."""
    found: list[Goal] = []
    left_out: Counter[LeftOut] = Counter()
    for record in listed:
        try:
            made = _goal(record.get("properties") or {}, teams, zone)
        except ValueError:
            made = LeftOut.NOT_UNDERSTOOD
        if isinstance(made, Goal):
            found.append(made)
        else:
            left_out[made] += 1
    return Goals(found, left_out)


def _goal(held: Json, teams: Mapping[str, str], zone: ZoneInfo) -> Goal | LeftOut:
    """Raises ValueError for what cannot be understood."""
    measure = _measure(held)
    if measure is None:
        return LeftOut.OTHER_KIND
    owner, team = values.text(held.get("hubspot_owner_id")), _team(held)
    if owner is None and teams.get(team or "") is None:
        return LeftOut.NOBODY
    start = _day(held.get("hs_start_datetime"), zone)
    end = _day(held.get("hs_end_datetime"), zone, is_end=True)
    target = values.number(held.get("hs_target_amount"))
    if start is None or end is None or end <= start or target is None or target <= 0:
        return LeftOut.NOT_UNDERSTOOD
    currency = values.text(held.get("hs_goal_target_currency_code"))
    return Goal(
        kind="owner" if owner else "team",
        segment=owner or teams[team or ""],
        start=start,
        end=end,
        target=Decimal(target),
        measure=measure,
        currency=currency.upper() if currency and measure is Measure.AMOUNT else None,
        pipelines=tuple(sorted(filter(None, (held.get("hs_pipeline_ids") or "").split(";")))),
    )


def _team(held: Json) -> str | None:
    """Whose goal it is where it is no person's: a person's names the team that they are in."""
    if values.text(held.get("hubspot_owner_id")) is not None:
        return None
    return values.text(held.get("hs_assignee_team_id")) or values.text(held.get("hubspot_team_id"))


def _measure(held: Json) -> Measure | None:
    """None for a goal of anything but deals that are won."""
    of = values.text(held.get("hs_kpi_object_type_id"))
    metric = (values.text(held.get("hs_kpi_metric_type")) or "").upper()
    summed = values.text(held.get("hs_kpi_property_name"))
    filters = values.text(held.get("hs_kpi_filter_groups"))
    if of not in (None, _DEALS) or (filters is not None and not _asks_for_won(filters)):
        return None
    is_quota = values.text(held.get("hs_goal_type")) == _QUOTA
    if not is_quota and (of is None or filters is None):
        return None
    if metric == "COUNT":
        return Measure.COUNT
    if metric not in ("", "SUM"):
        return None
    return Measure.AMOUNT if summed in _AMOUNTS or (is_quota and summed is None) else None


def _asks_for_won(filters: str) -> bool:
    """Whether every group of filters, any of which is enough, wants deals that are won, and no
    narrower choice of them."""
    try:
        groups = json.loads(filters)
        asked = [[(each["property"], each.get("value")) for each in g["filters"]] for g in groups]
    except (ValueError, TypeError, KeyError, AttributeError):
        return False
    return bool(asked) and all(
        any(name == _WON and str(value).lower() == "true" for name, value in group)
        and {name for name, _ in group} <= _NARROWS_NOTHING
        for group in asked
    )


def _day(raw: object, zone: ZoneInfo, *, is_end: bool = False) -> date | None:
    """The day that an instant begins: midnights are UTC's, or else the account's. `is_end`: the
    first day after, for an instant that may also be the last one before it."""
    at = values.instant(raw)
    if at is None:
        return None
    ends = (timedelta(milliseconds=1), _LAST_MOMENT) if is_end else ()
    for later in (timedelta(), *ends):
        for seen in (at + later, (at + later).astimezone(zone)):
            if seen.time() == _MIDNIGHT:
                return date(seen.year, seen.month, seen.day)
    local = at.astimezone(zone).date()
    return local + timedelta(days=1) if is_end else local
