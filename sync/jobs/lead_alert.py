"""Alerts on leads: rows are raised and resolved here; they go out in the owners' digests."""

from collections.abc import Mapping, Sequence

from sync.alerts import store
from sync.alerts.channels.base import Closing
from sync.alerts.lead_inputs import LeadInputs, read_lead_inputs
from sync.alerts.lead_lines import AlertedLead, why
from sync.alerts.lead_rules import plan_leads
from sync.alerts.rules import AlertPlan, brake
from sync.jobs.context import Counts, JobContext
from sync.jobs.leads import STREAM


def raise_lead_alerts(ctx: JobContext, run_id: int) -> Counts:  # noqa: ARG001 - every job has one
    """Open an episode for each lead that waits or is forgotten, close those that ended. Sends
    nothing."""
    wanted = _plan(ctx, _inputs(ctx))
    brake(
        wanted,
        limit=ctx.config.alerts.mass_alert_limit,
        allow=ctx.allow_mass_alert,
        fewer="a shorter alerts.leads.new_for_days or a higher alerts.leads.forgotten_score",
    )
    report = store.raise_and_resolve(
        ctx.engine,
        ctx.connection,
        wanted,
        # a task needs a deal to stand on
        [channel.name for channel in ctx.channels if not isinstance(channel, Closing)],
        at=ctx.clock.now(),
    )
    return {
        "raised": report.raised,
        "resolved": report.resolved,
        "withdrawn": report.withdrawn,
    }


def planned_leads(ctx: JobContext) -> Sequence[Mapping[str, object]]:
    """What `raise_lead_alerts` would do, a row per alert: lead, owner, rule, action, why."""
    found = _inputs(ctx)
    wanted = _plan(ctx, found)
    by_id = {alert.alert_id: alert for alert in found.open_alerts}
    rows = []
    for new in wanted.to_raise:
        alerted = AlertedLead(0, new.deal_id, new.rule, new.evidence, None)
        because = why(alerted, ctx.config.language, ctx.clock.now())
        rows.append(("raise", new.deal_id, new.rule, because))
    for alert_id, reason in wanted.resolve.items():
        alert = by_id[alert_id]
        rows.append(("resolve", alert.deal_id, alert.rule, reason.value))
    return [
        {
            "action": action,
            "lead_id": lead_id,
            "deal": f"lead {lead_id}",
            "owner": found.owners.get(lead_id, "(nobody)"),
            "rule": rule,
            "why": because,
        }
        for action, lead_id, rule, because in rows
    ]


def _inputs(ctx: JobContext) -> LeadInputs:
    return read_lead_inputs(ctx.engine, ctx.connection, stream=STREAM)


def _plan(ctx: JobContext, found: LeadInputs) -> AlertPlan:
    alerts = ctx.config.alerts
    return plan_leads(
        found.leads,
        found.open_alerts,
        alerts.leads,
        rules=alerts.lead_rules,
        as_of=found.as_of or ctx.clock.now(),
    )
