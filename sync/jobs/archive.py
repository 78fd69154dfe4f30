"""Archive: close dead deals as lost, when somebody says so, and put them back."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from sync.crm.base import Deal, DealStatus, DealWrite, MovesDeals
from sync.errors import ConfigError, DealpulseError
from sync.jobs.context import Counts, JobContext, Stopped
from sync.mirror import frames, overview, quality_rows, read
from sync.writeback import journal
from sync.writeback.archiving import (
    ArchivePlan,
    LostStage,
    brake,
    holds,
    plan_archive,
    plan_undo,
    untouched,
)
from sync.writeback.journal import Action, Entry, Settlement, State
from sync.writeback.plan import PlannedWrite

READ_SIZE = 100
MOVES = (Action.ARCHIVE, Action.UNARCHIVE)


def planned(ctx: JobContext) -> tuple[Sequence[Mapping[str, object]], ArchivePlan]:
    """What `archive` would do, a row per deal, and the plan. Asks nothing of the CRM."""
    plan, evidence = _plan(ctx)
    names = overview.deal_names(ctx.engine, ctx.connection)
    left = dict(plan.left_alone)
    to_write = {write.deal_id: write for write in plan.writes}
    rows = [
        {
            **row,
            "deal": names.get(str(row["deal_id"]), row["deal_id"]),
            "action": "close as lost" if row["deal_id"] in to_write else "leave alone",
            "why_not": left.get(str(row["deal_id"])),
            "before": to_write[str(row["deal_id"])].before if row["deal_id"] in to_write else None,
            "after": to_write[str(row["deal_id"])].after if row["deal_id"] in to_write else None,
        }
        for row in evidence
    ]
    return rows, plan


def archive(ctx: JobContext, run_id: int) -> Counts:
    """Close the candidates that nobody has touched since they were pulled."""
    sink = _mover(ctx)
    _settle_earlier(ctx)
    plan, _ = _plan(ctx)
    states = overview.deal_states(ctx.engine, ctx.connection)
    brake(
        len(plan.writes),
        open_deals=sum(state == DealStatus.OPEN for state in states.values()),
        share=ctx.config.archive.max_share,
        allow=ctx.allow_mass_change,
    )

    return _Mover(ctx, sink, run_id, Action.ARCHIVE).run(plan)


def undo(ctx: JobContext, run_id: int, of_run: int | None = None) -> Counts:
    """Put back what the last `archive` closed, or the run `of_run`."""
    sink = _mover(ctx)
    _settle_earlier(ctx)
    entries = journal.latest_moves(ctx.engine, ctx.connection, of_run)
    closed = [entry for entry in entries if entry.action is Action.ARCHIVE]
    if of_run is None and closed:
        last = max(entry.job_run_id for entry in closed)
        closed = [entry for entry in closed if entry.job_run_id == last]
    if not closed:
        what = f"run {of_run}" if of_run is not None else "no run"
        raise ConfigError(f"{ctx.connection}: {what} has closed a deal that is not put back yet.")
    plan = plan_undo(closed, _read(ctx, [entry.deal_id for entry in closed]))

    return _Mover(ctx, sink, run_id, Action.UNARCHIVE).run(plan)


@dataclass(frozen=True, slots=True)
class _Mover:
    """Sends a plan: each batch read anew, journaled, sent, settled and read back."""

    ctx: JobContext
    sink: MovesDeals
    run_id: int
    action: Action

    def run(self, plan: ArchivePlan) -> Counts:
        refused: list[str] = []
        try:
            return self._run(plan, refused)
        finally:
            remedy = "Put right in the CRM what it asks for, pull, and run the same command again."
            self.ctx.tell_refused(refused, remedy)

    def _run(self, plan: ArchivePlan, refused: list[str]) -> Counts:
        ctx, count = self.ctx, Counter[str]()
        count["left_alone"] = len(plan.left_alone)
        ctx.notes.extend(f"deal {deal_id} is left alone: {why}" for deal_id, why in plan.left_alone)
        size = min(READ_SIZE, ctx.sink.batch_size)
        for start in range(0, len(plan.writes), size):
            if ctx.should_stop():
                raise Stopped
            batch = plan.writes[start : start + size]
            ids = [write.deal_id for write in batch]
            now = _read(ctx, ids)
            mirrored = read.deals_by_id(ctx.engine, ctx.connection, ids)
            good = [
                write
                for write in batch
                if write.deal_id in now
                and self._still_right(write, now[write.deal_id], mirrored.get(write.deal_id))
            ]
            for write in batch:
                if write not in good:
                    count["left_alone"] += 1
                    ctx.notes.append(f"deal {write.deal_id} is left alone: changed meanwhile")
            for deal_id, state, why in self._send(good) if good else ():
                count[state.value] += 1
                if state is State.REJECTED:
                    refused.append(f"deal {deal_id} ({why})")
            ctx.progress.step(self.action.value, start + len(batch), len(plan.writes))
        return dict(count)

    def _still_right(self, write: PlannedWrite, now: Deal, mirrored: Deal | None) -> bool:
        if self.action is Action.UNARCHIVE:
            return holds(now, write.before)
        return mirrored is not None and untouched(now, mirrored)

    def _send(self, writes: Sequence[PlannedWrite]) -> list[tuple[str, State, str]]:
        """Deal, what became of it, why."""
        ctx = self.ctx
        rows = journal.record(
            ctx.engine,
            ctx.connection,
            self.run_id,
            writes,
            at=ctx.clock.now(),
            action=self.action,
        )
        batch = [DealWrite(row.deal_id, row.trace_id, row.after) for row in rows]
        try:
            outcomes = self.sink.move(batch)
        except DealpulseError as error:
            _settle(ctx, [Settlement(row.trace_id, State.UNKNOWN, str(error)) for row in rows])
            raise
        answered = [
            Settlement(outcome.trace_id, State(outcome.result.value), outcome.detail)
            for outcome in outcomes
        ]
        _settle(ctx, answered)
        final = {settlement.trace_id: settlement for settlement in answered}
        open_rows = [
            row.settled_as(final[row.trace_id].state)
            for row in rows
            if final[row.trace_id].state in journal.UNSETTLED
        ]
        for settlement in _look(ctx, open_rows):
            if settlement.state is not State.NOT_WRITTEN:
                _settle(ctx, [settlement])
                final[settlement.trace_id] = settlement
        ends = [(row.deal_id, final[row.trace_id]) for row in rows]
        return [(deal_id, end.state, end.detail) for deal_id, end in ends]


def _settle_earlier(ctx: JobContext) -> None:
    """What a killed run left open is looked up first."""
    _settle(ctx, _look(ctx, journal.unsettled(ctx.engine, ctx.connection, MOVES)))


def _look(ctx: JobContext, rows: Sequence[Entry]) -> list[Settlement]:
    now = _read(ctx, [row.deal_id for row in rows])
    return [_judged(row, now.get(row.deal_id)) for row in rows]


def _judged(row: Entry, deal: Deal | None) -> Settlement:
    if deal is None:
        return Settlement(row.trace_id, State.MISSING, "not in the CRM any more")
    if holds(deal, row.after):
        return Settlement(row.trace_id, State.CONFIRMED)
    if row.state is not State.WRITTEN and holds(deal, row.before):
        return Settlement(row.trace_id, State.NOT_WRITTEN, "sent, but it never arrived")
    return Settlement(row.trace_id, State.DIFFERS, f"it is {deal.status.value} in {deal.stage_id}")


def _settle(ctx: JobContext, settlements: Sequence[Settlement]) -> None:
    journal.settle(ctx.engine, ctx.connection, settlements, at=ctx.clock.now())


def _read(ctx: JobContext, deal_ids: Sequence[str]) -> dict[str, Deal]:
    found: dict[str, Deal] = {}
    for start in range(0, len(deal_ids), READ_SIZE):
        page = ctx.source.read(list(deal_ids[start : start + READ_SIZE]))
        found |= {deal.deal_id: deal for deal in page.deals}
    return found


def _mover(ctx: JobContext) -> MovesDeals:
    if not ctx.settings.write_back.enabled:
        raise ConfigError(
            f"Write-back is off for {ctx.connection}, so no deal is moved either. Look at "
            "`dealpulse archive plan`, then set write_back.enabled to true for that connection."
        )
    if not isinstance(ctx.sink, MovesDeals):
        raise ConfigError(
            f"{ctx.connection} is read from files, which dealpulse does not change. Take the list "
            "from `dealpulse stale --archive --format csv` and close the deals where they are kept."
        )
    return ctx.sink


def _plan(ctx: JobContext) -> tuple[ArchivePlan, list[dict[str, object]]]:
    rows = quality_rows.staleness_rows(ctx.engine, ctx.connection).filter(pl.col("archive"))
    deals = read.deals_by_id(ctx.engine, ctx.connection, rows["deal_id"].to_list())
    plan = plan_archive(
        deals.values(),
        _lost_stages(ctx),
        loss_reason=ctx.config.archive.loss_reason,
        at=ctx.clock.now(),
    )
    return plan, rows.filter(pl.col("deal_id").is_in(list(deals))).to_dicts()


def _lost_stages(ctx: JobContext) -> dict[str | None, list[LostStage]]:
    wanted = {
        pipeline.strip().casefold(): stage.strip().casefold()
        for pipeline, stage in ctx.config.archive.lost_stages.items()
    }
    found: dict[str | None, list[LostStage]] = {}
    stages = frames.stage_frame(ctx.engine, ctx.connection)
    for row in stages.filter(pl.col("is_closed") & ~pl.col("is_won") & pl.col("exists")).to_dicts():
        name = next(
            (
                wanted[key.casefold()]
                for key in (row["pipeline_id"], row["pipeline"])
                if key.casefold() in wanted
            ),
            None,
        )
        chosen = name in (row["stage_id"].casefold(), row["stage"].casefold())
        found.setdefault(row["pipeline_id"], []).append(LostStage(row["stage_id"], chosen))
    return found
