"""A company's goals in the form in which v1 shows them."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sync.sandbox.company import CompanyGoal

if TYPE_CHECKING:
    from sync.sandbox.pipedrive.crm import PipedriveCrm

_LONGEST_DAYS = {"weekly": 7, "monthly": 31, "quarterly": 92}
_TYPES = {"won": "deals_won", "created": "deals_started"}


def in_v1(crm: "PipedriveCrm", goal: CompanyGoal) -> dict[str, Any]:
    """Without an id."""
    last = goal.end - timedelta(days=1)
    days = (goal.end - goal.start).days
    interval = next((name for name, most in _LONGEST_DAYS.items() if days <= most), "yearly")
    outcome: dict[str, Any] = {"target": int(goal.target), "tracking_metric": "quantity"}
    if goal.about == "won" and not goal.in_deals:
        code = goal.currency or crm.company.home_currency
        number = sorted(crm.currencies).index(code) + 1
        outcome |= {"tracking_metric": "sum", "currency_id": number}
    pipelines = [crm.pipeline_id(each) for each in goal.pipelines]
    assignee: dict[str, Any] = {"type": "company", "id": crm.company_id}
    if goal.owner is not None:
        assignee = {"type": "person", "id": crm.user_id(goal.owner)}
    elif goal.team is not None:
        assignee = {"type": "team", "id": 1}
    return {
        "title": f"{goal.about} {goal.start:%Y-%m}",
        "type": {
            "name": _TYPES.get(goal.about, "activities_completed"),
            "params": {"pipeline_id": pipelines or None},
        },
        "assignee": assignee,
        "interval": interval,
        "duration": {"start": f"{goal.start}", "end": f"{last}"},
        "expected_outcome": outcome,
        "is_active": True,
        "report_ids": [],
    }
