"""Alerts on bottlenecks: rows are raised and resolved here, when a measurement changed."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from sync.alerts import store
from sync.alerts.bottleneck_inputs import BottleneckInputs, read_bottleneck_inputs
from sync.alerts.bottleneck_lines import bottleneck_line, title
from sync.alerts.bottleneck_rules import BOTTLENECK, Figures, plan_bottlenecks
from sync.alerts.channels.base import Closing
from sync.alerts.rules import AlertPlan
from sync.alerts.store import RaiseReport
from sync.jobs.context import JobContext


def raise_bottleneck_alerts(ctx: JobContext) -> RaiseReport:
    """Part of `raise_alerts`. Sends nothing."""
    return store.raise_and_resolve(
        ctx.engine,
        ctx.connection,
        _plan(ctx, _inputs(ctx)),
        # a task needs a deal to stand on
        [channel.name for channel in ctx.channels if not isinstance(channel, Closing)],
        at=ctx.clock.now(),
    )


def planned_bottlenecks(ctx: JobContext) -> Sequence[Mapping[str, object]]:
    """What `raise_bottleneck_alerts` would do, a row per alert: place, rule, action, why."""
    found = _inputs(ctx)
    wanted = _plan(ctx, found)
    told = {alert.alert_id: alert for alert in found.open_alerts}
    rows = [
        _row(ctx, "resolve", told[alert_id].place, told[alert_id].figures, reason.value)
        for alert_id, reason in wanted.resolve.items()
    ]
    for new in wanted.to_raise:
        line = bottleneck_line(new.evidence, ctx.config.language)
        rows.append(
            _row(ctx, "raise", new.deal_id, new.evidence, " ".join([f"{line.amount}.", *line.why]))
        )
    return rows


def _row(
    ctx: JobContext, action: str, place: str, figures: Figures, why: str
) -> Mapping[str, object]:
    return {
        "action": action,
        "place": place,
        "deal": title(figures, ctx.config.language),
        "owner": None,
        "rule": BOTTLENECK,
        "why": why,
    }


def _inputs(ctx: JobContext) -> BottleneckInputs:
    gone_after = timedelta(days=ctx.config.alerts.bottlenecks.gone_after_days)
    return read_bottleneck_inputs(ctx.engine, ctx.connection, gone_after=gone_after)


def _plan(ctx: JobContext, found: BottleneckInputs) -> AlertPlan:
    alerts = ctx.config.alerts
    return plan_bottlenecks(
        found.latest,
        found.lately,
        found.open_alerts,
        cost_grows_by=alerts.bottlenecks.cost_grows_by,
        on=bool(alerts.account_rules),
        as_of=ctx.clock.now(),
    )
