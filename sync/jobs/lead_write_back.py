"""Write back of leads: the score goes onto the contact, where salespeople see it."""

from collections.abc import Mapping, Sequence

from sync.crm.leads import LeadSink
from sync.errors import AuthError
from sync.jobs.context import Counts, JobContext
from sync.jobs.write_back import not_before, send
from sync.mirror import job_runs, lead_scores, leads
from sync.writeback import apply as sending
from sync.writeback import plan
from sync.writeback.journal import Action, Entry, Settlement
from sync.writeback.lead_fields import LEAD_NAMES, desired_scores, lead_specs
from sync.writeback.plan import WritePlan
from sync.writeback.readback import judge


def write_back_leads(ctx: JobContext, run_id: int) -> Counts:
    """As `write_back` does for deals. Without the scopes for it they are named and leads left out,
    and everything else goes on.
    """
    if ctx.lead_sink is None:
        return {}
    try:
        return _write_back(ctx, ctx.lead_sink, run_id)
    except AuthError as error:
        if not error.missing_scopes:
            raise
        ctx.notes.append(f"Lead scores are not written. {error}")
        return {"left_out": 1}


def planned(ctx: JobContext) -> tuple[Sequence[Mapping[str, object]], int]:
    """What would be written, a row per value; and to how many leads. Asks nothing of the CRM."""
    writes = _plan(ctx, leads.actual_values(ctx.engine, ctx.connection))
    rows = plan.writeback_plan_rows(writes, {}, properties=LEAD_NAMES)
    shown = [
        {"lead_id": row.deal_id, "property": row.property, "before": row.before, "after": row.after}
        for row in rows
    ]
    return shown, len(writes.writes)


def _write_back(ctx: JobContext, sink: LeadSink, run_id: int) -> Counts:
    read_back = _read_back(sink)
    settled = sending.reconcile(
        read_back=read_back,
        engine=ctx.engine,
        connection=ctx.connection,
        clock=ctx.clock,
        action=Action.LEAD_SCORE,
    )
    specs = lead_specs(ctx.config.language)
    since = not_before(sink.property_states(specs))
    actual = leads.actual_values(ctx.engine, ctx.connection, not_before=since)
    writes = _plan(ctx, actual)
    carrying = plan.carrying(actual, LEAD_NAMES)
    plan.brake(
        writes,
        carrying=carrying,
        share=ctx.settings.write_back.mass_change_share,
        expected=carrying if _learned_otherwise(ctx) else 0,
        allow=ctx.allow_mass_change,
        records="leads",
    )
    return send(
        ctx,
        writes,
        sink=sink,
        specs=specs,
        read_back=read_back,
        run_id=run_id,
        reconciled=sum(settled.values()),
        action=Action.LEAD_SCORE,
        what="leads written",
    )


def _plan(ctx: JobContext, actual: Mapping[str, Mapping[str, str | None]]) -> WritePlan:
    """Who has no score any more, having reached the goal or left the funnel, is emptied."""
    if lead_scores.latest_model(ctx.engine, ctx.connection) is None:
        return WritePlan((), 0, 0)
    scored = lead_scores.scores(ctx.engine, ctx.connection)
    desired = desired_scores(scored.iter_rows(named=True))
    return plan.plan(desired, actual, closed=actual.keys() - desired.keys(), names=LEAD_NAMES)


def _learned_otherwise(ctx: JobContext) -> bool:
    """Whether, since the last write-back, another way to score speaks or something else is asked:
    then every lead changes, and rightly."""
    last = job_runs.last_run(ctx.engine, "lead_write_back", ctx.connection, status="ok")
    if last is None:
        return False
    then = lead_scores.latest_model(ctx.engine, ctx.connection, until=last.started_at)
    now = lead_scores.latest_model(ctx.engine, ctx.connection)
    if then is None or now is None:
        return False
    return then.asked != now.asked or then.model["basis"] != now.model["basis"]


def _read_back(sink: LeadSink) -> sending.ReadBack:
    def read_back(rows: Sequence[Entry]) -> list[Settlement]:
        found = sink.own_values(sorted({row.deal_id for row in rows}))
        return [judge(row, found.get(row.deal_id)) for row in rows]

    return read_back
