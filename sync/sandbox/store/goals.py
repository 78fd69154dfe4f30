"""The goal targets of the simulated HubSpot: one record for each period of a goal."""

import json
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time
from threading import RLock

from sync.sandbox.company import CompanyGoal
from sync.sandbox.store import catalogue
from sync.sandbox.store.definitions import Definitions
from sync.sandbox.store.instants import iso, to_ms
from sync.sandbox.store.kinds import Kind, PlainReader
from sync.sandbox.store.owners import Owners
from sync.sandbox.store.records import Record, Source, Table

_FIRST_ID = 87_504_620_001
_SOURCE = Source("CRM_UI", "userId:9580000")
_WON = [{"filters": [{"property": "hs_is_closed_won", "operator": "EQ", "value": "true"}]}]
_CALLS = "0-48"


class GoalTargets:
    """`kind`: how the API shows them."""

    def __init__(
        self, goals: Iterable[CompanyGoal], owners: Owners, now: Callable[[], int], lock: RLock
    ) -> None:
        self.kind = _kind()
        self._owners = owners
        self._now = now
        self._lock = lock
        for goal in goals:
            self.add(goal)

    def add(self, goal: CompanyGoal) -> str:
        """As if an administrator had entered it now; returns its id."""
        return self.enter(
            hs_goal_name=f"{goal.about} {goal.start:%Y-%m}",
            hs_target_amount=f"{goal.target:.2f}",
            hs_goal_target_currency_code=goal.currency,
            hs_start_datetime=_midnight(goal.start),
            hs_end_datetime=iso(to_ms(_at(goal.end)) - 1),
            hubspot_owner_id=self._owners.ids.get(goal.owner or "", goal.owner),
            hs_assignee_team_id=self._owners.team_ids.get(goal.team or "", goal.team),
            hs_pipeline_ids=";".join(goal.pipelines) or None,
            **_kpi(goal),
        )

    def enter(self, **properties: str | None) -> str:
        """One with HubSpot's own properties, whatever sense they make."""
        with self._lock:
            now = self._now()
            record = Record(self.kind.table.new_id(), now, now)
            for name, value in properties.items():
                record.put(name, value, now, _SOURCE)
            self.kind.table.add(record)
            return str(record.id)

    def remove(self, goal_id: str) -> None:
        with self._lock:
            self.kind.table.archive(self.kind.table.get(goal_id), self._now())


def _kpi(goal: CompanyGoal) -> dict[str, str | None]:
    """What is counted."""
    if goal.about != "won":
        return {
            "hs_goal_type": "kpi",
            "hs_kpi_object_type_id": _CALLS,
            "hs_kpi_metric_type": "COUNT",
        }
    return {
        "hs_goal_type": "kpi" if goal.in_deals else "sales_quota",
        "hs_kpi_object_type_id": "0-3",
        "hs_kpi_metric_type": "COUNT" if goal.in_deals else "SUM",
        "hs_kpi_property_name": None if goal.in_deals else "amount_in_home_currency",
        "hs_kpi_filter_groups": json.dumps(_WON),
    }


def _at(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _midnight(day: date) -> str:
    return f"{_at(day):%Y-%m-%dT%H:%M:%SZ}"


def _kind() -> Kind:
    definitions = Definitions(catalogue.goal_definitions(), catalogue.goal_groups())
    return Kind(
        name="goal_targets",
        singular="goal_target",
        type_id="0-74",
        table=Table(_FIRST_ID),
        definitions=definitions,
        reader=PlainReader(definitions),
        defaults=(),
        always=("hs_createdate", "hs_lastmodifieddate", "hs_object_id"),
        required=("hs_goal_name", "hs_target_amount"),
        read_scopes=("crm.objects.goals.read",),
        write_scopes=("crm.objects.goals.write",),
    )
