"""A deal in v1's form, with its null habits."""

from typing import Any

from sync.sandbox.pipedrive.crm import PipedriveCrm
from sync.sandbox.pipedrive.instants import ZERO_DATE, spaced
from sync.sandbox.pipedrive.records import Deal
from sync.sandbox.pipedrive.shape import DealShape


def v1_deal(crm: PipedriveCrm, deal: Deal) -> dict[str, Any]:
    """An instant that is not there is "", a zero date or null, each field in its own way."""
    shown = DealShape(crm).show(deal)
    zero = ZERO_DATE if crm.behaviour.zero_dates else None
    empty = "" if crm.behaviour.zero_dates else None
    flat = {
        key: shown[key]
        for key in ("id", "title", "value", "currency", "person_id", "org_id", "pipeline_id",
                    "stage_id", "probability", "lost_reason", "expected_close_date")
    }  # fmt: skip
    return flat | {
        "creator_user_id": deal.creator_user_id,
        "user_id": deal.owner_id,
        "status": "deleted" if deal.is_deleted else deal.status,
        "active": deal.status == "open" and not deal.is_deleted,
        "deleted": deal.is_deleted,
        "visible_to": str(deal.visible_to),
        "label": ",".join(map(str, deal.label_ids)) or None,
        "add_time": spaced(deal.add_time),
        "update_time": spaced(deal.update_time),
        "stage_change_time": _or(deal.stage_change_time, None),
        "close_time": _or(deal.close_time, None),
        "won_time": _or(deal.won_time, None),
        "first_won_time": _or(deal.first_won_time, zero),
        "lost_time": _or(deal.lost_time, empty),
        "weighted_value": float(deal.value or 0) * effective_percent(crm, deal) / 100,
        "weighted_value_currency": deal.currency,
        **shown["custom_fields"],
    }


def effective_percent(crm: PipedriveCrm, deal: Deal) -> int:
    """The deal's own where its pipeline lets it have one, else its stage's."""
    if deal.status != "open":
        return 100 if deal.status == "won" else 0
    if deal.probability is not None and crm.pipelines.pipeline(deal.pipeline_id).deal_probability:
        return deal.probability
    return crm.pipelines.stage(deal.stage_id).probability


def _or(at: int | None, otherwise: str | None) -> str | None:
    return otherwise if at is None else spaced(at)
