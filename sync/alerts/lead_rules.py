"""Which alerts on leads to raise, keep and resolve. Pure. In plans `deal_id` is the lead's."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sync.alerts.rules import AlertPlan, Found, OpenAlert, Resolution
from sync.config.lead_alerts import LeadAlerts

UNANSWERED: Final = "lead_unanswered"
FORGOTTEN: Final = "lead_forgotten"


@dataclass(frozen=True, slots=True)
class LeadState:
    """due_at: waits for a first response since then; None = it does not. score: None = not scored,
    so not open. touched_at: the last contact known, a planned one too; without any, since when
    there could have been one.
    """

    lead_id: str
    due_at: datetime | None
    score: int | None
    touched_at: datetime


def plan_leads(
    leads: Iterable[LeadState],
    open_alerts: Iterable[OpenAlert],
    settings: LeadAlerts,
    *,
    rules: Collection[str],
    as_of: datetime,
) -> AlertPlan:
    """One alert per lead and rule, until somebody was in touch or the lead stands open no longer.

    A score that falls below the limit, or a lead that is no longer new, ends nothing: it would be
    told again later. A lead that was told as unanswered is not told as forgotten beside.
    """
    known = {lead.lead_id: lead for lead in leads}
    keep: list[int] = []
    resolve: dict[int, Resolution] = {}
    told: set[tuple[str, str]] = set()
    for alert in sorted(open_alerts, key=lambda alert: alert.alert_id):
        lead = known.get(alert.deal_id)
        if alert.rule not in rules:
            resolve[alert.alert_id] = Resolution.RULE_OFF
        elif lead is None or not _stands(lead, alert.rule, settings, as_of):
            resolve[alert.alert_id] = Resolution.FIXED
        else:
            keep.append(alert.alert_id)
            told.add((alert.deal_id, alert.rule))
    to_raise: list[Found] = []
    for lead in sorted(known.values(), key=lambda lead: lead.lead_id):
        unanswered = (lead.lead_id, UNANSWERED) in told
        if UNANSWERED in rules and not unanswered and _is_unanswered(lead, settings, as_of):
            to_raise.append(_found(lead, UNANSWERED, as_of))
            unanswered = True
        forgotten = unanswered or (lead.lead_id, FORGOTTEN) in told
        if FORGOTTEN in rules and not forgotten and _is_forgotten(lead, settings, as_of):
            to_raise.append(_found(lead, FORGOTTEN, as_of))
    return AlertPlan(tuple(to_raise), tuple(keep), resolve)


def _stands(lead: LeadState, rule: str, settings: LeadAlerts, as_of: datetime) -> bool:
    if rule == UNANSWERED:
        return lead.due_at is not None
    untouched = as_of - lead.touched_at >= timedelta(days=settings.forgotten_days)
    return lead.score is not None and untouched


def _is_unanswered(lead: LeadState, settings: LeadAlerts, as_of: datetime) -> bool:
    if lead.due_at is None:
        return False
    waited = as_of - lead.due_at
    least, most = timedelta(hours=settings.unanswered_hours), timedelta(days=settings.new_for_days)
    return least <= waited <= most


def _is_forgotten(lead: LeadState, settings: LeadAlerts, as_of: datetime) -> bool:
    good = lead.score is not None and lead.score >= settings.forgotten_score
    return good and _stands(lead, FORGOTTEN, settings, as_of)


def _found(lead: LeadState, rule: str, as_of: datetime) -> Found:
    return Found(lead.lead_id, rule, as_of, _evidence(lead, rule))


def _evidence(lead: LeadState, rule: str) -> Mapping[str, object]:
    if rule == UNANSWERED and lead.due_at is not None:
        return {"since": lead.due_at.isoformat()}
    return {"since": lead.touched_at.isoformat(), "score": lead.score}
