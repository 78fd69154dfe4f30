"""Alerts: raise and resolve rows as findings come and go; deliver what waits."""

from collections.abc import Mapping, Sequence

from forecasting.rule_words import messages
from sync.alerts import deliver as delivery
from sync.alerts import store
from sync.alerts.channels.base import Closing
from sync.alerts.deliver import DeliveryReport
from sync.alerts.inputs import Inputs, read_inputs
from sync.alerts.rules import AlertPlan, brake, plan
from sync.errors import PermanentError, TransientError
from sync.jobs.bottleneck_alert import raise_bottleneck_alerts
from sync.jobs.context import Counts, JobContext, Partly


def raise_alerts(ctx: JobContext, run_id: int) -> Counts:  # noqa: ARG001 - every job has one
    """Open an episode for each new finding and bottleneck, close those that ended. Sends nothing.

    What holds up the whole account is raised even where the brake refuses the deals.
    """
    on_account = raise_bottleneck_alerts(ctx)
    found = _inputs(ctx)
    wanted = _plan(ctx, found)
    brake(wanted, limit=ctx.config.alerts.mass_alert_limit, allow=ctx.allow_mass_alert)
    report = store.raise_and_resolve(
        ctx.engine,
        ctx.connection,
        wanted,
        [channel.name for channel in ctx.channels],
        at=ctx.clock.now(),
    )
    counts = {
        "raised": report.raised + on_account.raised,
        "resolved": report.resolved + on_account.resolved,
        "withdrawn": report.withdrawn + on_account.withdrawn,
    }
    return counts | _close_what_ended(ctx, found, wanted)


def _close_what_ended(ctx: JobContext, found: Inputs, wanted: AlertPlan) -> Counts:
    """Tasks and the like whose alert no longer stands, in channels that can take them back."""
    closing = [channel for channel in ctx.channels if isinstance(channel, Closing)]
    if not closing:
        return {}
    kept = {alert.alert_id: (alert.deal_id, alert.rule) for alert in found.open_alerts}
    standing = {kept[alert_id] for alert_id in wanted.keep}
    standing |= {(new.deal_id, new.rule) for new in wanted.to_raise}
    return {"closed": sum(channel.close_others(standing) for channel in closing)}


def deliver_alerts(ctx: JobContext, run_id: int) -> Counts:  # noqa: ARG001
    """Send all that waits: one digest per owner and channel."""
    return _deliver(ctx, only_retries=False)


def retry_alerts(ctx: JobContext, run_id: int) -> Counts:  # noqa: ARG001
    """Send again what a channel could not take for a passing reason; nothing new."""
    return _deliver(ctx, only_retries=True)


def planned(ctx: JobContext) -> Sequence[Mapping[str, object]]:
    """What `raise_alerts` would do, a row per alert: deal, rule, action, why."""
    found = _inputs(ctx)
    wanted = _plan(ctx, found)
    language = ctx.config.language
    raised: list[Mapping[str, object]] = [
        {
            "action": "raise",
            "deal_id": new.deal_id,
            "deal": found.names.get(new.deal_id, new.deal_id),
            "rule": new.rule,
            "why": messages(new.rule, new.evidence, language),
        }
        for new in wanted.to_raise
    ]
    by_id = {alert.alert_id: alert for alert in found.open_alerts}
    resolved: list[Mapping[str, object]] = [
        {
            "action": "resolve",
            "deal_id": by_id[alert_id].deal_id,
            "deal": found.names.get(by_id[alert_id].deal_id, by_id[alert_id].deal_id),
            "rule": by_id[alert_id].rule,
            "why": reason.value,
        }
        for alert_id, reason in wanted.resolve.items()
    ]
    return [*raised, *resolved]


def _inputs(ctx: JobContext) -> Inputs:
    return read_inputs(
        ctx.engine,
        ctx.connection,
        rules=ctx.config.alerts.deal_rules,
        rates=ctx.rates,
    )


def _plan(ctx: JobContext, found: Inputs) -> AlertPlan:
    return plan(
        found.findings,
        found.open_alerts,
        found.deals,
        rules=ctx.config.alerts.deal_rules,
        minimum_amount=ctx.config.alerts.minimum_amount,
    )


def _deliver(ctx: JobContext, *, only_retries: bool) -> Counts:
    report = delivery.deliver(
        ctx.engine,
        ctx.connection,
        ctx.channels,
        clock=ctx.clock,
        claimed_by=ctx.holder,
        language=ctx.config.language,
        sentence=messages,
        rates=ctx.rates,
        only_retries=only_retries,
        with_leads=ctx.lead_source is not None,
        should_stop=ctx.should_stop,
    )
    counts = _counts(report)
    ctx.refused.extend(report.refused)
    if report.errors:
        for_good = all(isinstance(error, PermanentError) for error in report.errors)
        kind = PermanentError if for_good else TransientError
        raise Partly(counts, kind("; ".join(map(str, report.errors))))
    return counts


def _counts(report: DeliveryReport) -> Counts:
    return {
        "sent": report.sent,
        "digests": report.digests,
        "put_back": report.put_back,
        "failed": report.failed,
        "uncertain": report.uncertain + report.expired,
        "withdrawn": report.withdrawn,
    }
