"""Write back: what was assessed goes into the CRM, where salespeople see it."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from sync.crm.base import CrmSink, DealStatus, PropertySpec, PropertyState, PropertyStatus
from sync.jobs.context import Counts, JobContext, Stopped
from sync.mirror import assessments, job_runs, overview, read
from sync.writeback import apply as sending
from sync.writeback import fields, plan
from sync.writeback.fields import Assessed
from sync.writeback.journal import Action
from sync.writeback.plan import WritePlan


def write_back(ctx: JobContext, run_id: int) -> Counts:
    """Plan, look whether it is absurd, write, read back.

    What an earlier run left open is looked up first, so that nothing is written twice.
    """
    read_back = sending.deals_read_back(ctx.source, ctx.engine)
    settled = sending.reconcile(
        read_back=read_back, engine=ctx.engine, connection=ctx.connection, clock=ctx.clock
    )
    since = not_before(ctx.sink.property_states(property_specs(ctx)))
    actual = read.actual_values(ctx.engine, ctx.connection, not_before=since)
    planned_writes = _plan(ctx, actual)
    plan.brake(
        planned_writes,
        carrying=plan.carrying(actual),
        share=ctx.settings.write_back.mass_change_share,
        expected=_pasts_read(ctx),
        allow=ctx.allow_mass_change,
    )
    return send(
        ctx,
        planned_writes,
        sink=ctx.sink,
        specs=property_specs(ctx),
        read_back=read_back,
        run_id=run_id,
        reconciled=sum(settled.values()),
    )


def send(
    ctx: JobContext,
    writes: WritePlan,
    *,
    sink: CrmSink,
    specs: Sequence[PropertySpec],
    read_back: sending.ReadBack,
    run_id: int,
    reconciled: int,
    action: Action = Action.WRITE_BACK,
    what: str = "written",
) -> Counts:
    """Make the properties where they are not there, and write what is planned. reconciled: what an
    earlier run had left open; what: told as progress. Raises Stopped where the rest has to wait."""
    if not writes.writes:
        return {"reconciled": reconciled}
    sink.ensure_properties(specs)
    report = sending.apply(
        writes,
        sink=sink,
        read_back=read_back,
        engine=ctx.engine,
        connection=ctx.connection,
        run_id=run_id,
        clock=ctx.clock,
        action=action,
        on_progress=lambda done, total: ctx.progress.step(what, done, total),
        should_stop=ctx.should_stop,
    )
    record = "lead" if action is Action.LEAD_SCORE else "deal"
    ctx.tell_refused(
        [f"{record} {each.deal_id} ({each.detail})" for each in report.refused],
        "Put right in the CRM what it asks for; they are tried again when they change, and daily.",
    )
    if report.not_sent:
        raise Stopped
    return {"reconciled": reconciled, "cleared": writes.cleared, **report.counts()}


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
    return fields.specs(ctx.config.language)


def not_before(states: Iterable[PropertyState]) -> Mapping[str, datetime]:
    """Since when the CRM can hold values of each property. A person may have deleted one, which
    changes no record's modification date, so that no pull tells."""
    since: dict[str, datetime] = {}
    for state in states:
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
