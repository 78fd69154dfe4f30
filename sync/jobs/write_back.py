"""Write back: what was assessed goes into the CRM, where salespeople see it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from forecasting.quality import RULES
from sync.crm.base import DealStatus, PropertySpec, PropertyStatus
from sync.jobs.context import Counts, JobContext, Stopped
from sync.mirror import assessments, job_runs, overview, read
from sync.writeback import apply as sending
from sync.writeback import fields, plan
from sync.writeback.fields import Assessed
from sync.writeback.plan import WritePlan


def write_back(ctx: JobContext, run_id: int) -> Counts:
    """Plan, look whether it is absurd, write, read back.

    What an earlier run left open is looked up first, so that nothing is written twice.
    """
    read_back = sending.deals_read_back(ctx.source, ctx.engine)
    settled = sending.reconcile(
        read_back=read_back, engine=ctx.engine, connection=ctx.connection, clock=ctx.clock
    )
    actual = read.actual_values(ctx.engine, ctx.connection, not_before=_not_before(ctx))
    planned_writes = _plan(ctx, actual)
    plan.brake(
        planned_writes,
        carrying=plan.carrying(actual),
        share=ctx.settings.write_back.mass_change_share,
        expected=_pasts_read(ctx),
        allow=ctx.allow_mass_change,
    )
    if not planned_writes.writes:
        return {"reconciled": sum(settled.values())}
    ctx.sink.ensure_properties(property_specs(ctx))
    report = sending.apply(
        planned_writes,
        sink=ctx.sink,
        read_back=read_back,
        engine=ctx.engine,
        connection=ctx.connection,
        run_id=run_id,
        clock=ctx.clock,
        on_progress=lambda done, total: ctx.progress.step("written", done, total),
        should_stop=ctx.should_stop,
    )
    if report.not_sent:
        raise Stopped
    return {
        "reconciled": sum(settled.values()),
        "cleared": planned_writes.cleared,
        **report.counts(),
    }


def _pasts_read(ctx: JobContext) -> int:
    """Deals whose past was read since the last write-back: their values move for a good reason.

    A CRM that tells histories one by one, within a daily budget, takes days for it.
    """
    last = job_runs.last_run(ctx.engine, "write_back", ctx.connection, status="ok")
    if last is None:
        return 0
    since = last.started_at
    return job_runs.counted_since(ctx.engine, "pull", ctx.connection, "histories", since)


def planned(ctx: JobContext) -> tuple[Sequence[Mapping[str, object]], int]:
    """What would be written, one row per value (deal, property, before, after); and how many deals.

    Asks nothing of the CRM.
    """
    planned_writes = _plan(ctx, read.actual_values(ctx.engine, ctx.connection))
    names = overview.deal_names(ctx.engine, ctx.connection)
    rows = plan.writeback_plan_rows(planned_writes, names)
    shown = [
        {
            "deal_id": row.deal_id,
            "deal": row.deal,
            "property": row.property,
            "before": row.before,
            "after": row.after,
        }
        for row in rows
    ]
    return shown, len(planned_writes.writes)


def property_specs(ctx: JobContext) -> tuple[PropertySpec, ...]:
    """Our properties, labelled in the configured language."""
    return specs_in(ctx.config.language)


def specs_in(language: fields.Language) -> tuple[PropertySpec, ...]:
    return fields.specs(language, [(rule.code, rule.title[language]) for rule in RULES])


def _not_before(ctx: JobContext) -> Mapping[str, datetime]:
    """Since when the CRM can hold values of each property. A person may have deleted one, which
    changes no deal's modification date, so that no pull tells."""
    since: dict[str, datetime] = {}
    for state in ctx.sink.property_states(property_specs(ctx)):
        if state.status is PropertyStatus.MISSING:
            since[state.name] = datetime.max.replace(tzinfo=UTC)
        elif state.created_at is not None:
            since[state.name] = state.created_at
    return since


def _plan(ctx: JobContext, actual: Mapping[str, Mapping[str, str | None]]) -> WritePlan:
    assessed = [
        Assessed(
            deal_id=row["deal_id"],
            as_of=row["as_of"],
            quality_score=row["quality_score"],
            win_probability=row["win_probability"],
            expected_amount=row["expected_amount"],
            stale_days=row["stale_days"],
            explanation=row["explanation"],
            win_probability_by_month=row["win_probability_by_month"],
            win_probability_by_quarter=row["win_probability_by_quarter"],
            call=row["call"],
            predicted_close_on=row["predicted_close_on"],
        )
        for row in assessments.assessment_rows(ctx.engine, ctx.connection).iter_rows(named=True)
    ]
    found = assessments.open_findings(ctx.engine, ctx.connection)
    findings = list(found.select("deal_id", "rule").iter_rows())
    states = overview.deal_states(ctx.engine, ctx.connection)
    closed = [deal_id for deal_id, status in states.items() if status != DealStatus.OPEN]
    return plan.plan(
        fields.desired_values([a for a in assessed if a.deal_id in states], findings),
        actual,
        closed=closed,
    )
