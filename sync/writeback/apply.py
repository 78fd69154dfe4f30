"""Sending a plan to the CRM in such a way that the process may die at any line.

Each batch: journal rows committed, sent, settled by the CRM's answers, read back. A run begins
with `reconcile`, which looks up in the CRM what an earlier one left open; only then it plans.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Engine

from sync.clock import Clock
from sync.crm.base import CrmSink, CrmSource, DealWrite, WriteOutcome, WriteResult
from sync.errors import DealpulseError, TransientError
from sync.mirror import read
from sync.writeback import journal
from sync.writeback.journal import Action, Entry, Settlement, State
from sync.writeback.plan import PlannedWrite, WritePlan
from sync.writeback.readback import judge_deal

Progress = Callable[[int, int], None]
"""(deals done, deals in all)."""

READ_BACK_SIZE = 100
"""Deals looked up at once by `reconcile`."""

ReadBack = Callable[[Sequence[Entry]], list[Settlement]]
"""Reads the rows' records in the CRM and says what became of each write."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A write that did not end as `confirmed`."""

    deal_id: str
    state: State
    detail: str


@dataclass(frozen=True, slots=True)
class ApplyReport:
    """Deals by what became of their write. written: accepted by the CRM; confirmed and differs are
    those of them that were read back the same, and not. left_alone: refused before, see
    `journal.refused`. not_sent: left when asked to stop. refused: what the CRM's rules do not let
    in, of this run and of those left alone.
    """

    written: int
    confirmed: int
    differs: int
    missing: int
    merged: int
    rejected: int
    unknown: int
    left_alone: int
    not_sent: int
    details: tuple[Problem, ...]
    refused: tuple[Problem, ...]

    def counts(self) -> dict[str, int]:
        """For the run's record."""
        return {
            "written": self.written,
            "confirmed": self.confirmed,
            "differs": self.differs,
            "missing": self.missing,
            "merged": self.merged,
            "rejected": self.rejected,
            "unknown": self.unknown,
            "left_alone": self.left_alone,
        }


@dataclass(slots=True)
class _Tally:
    """Trace id -> the latest of what is known."""

    last: dict[str, tuple[str, Settlement]] = field(default_factory=dict)

    def add(self, entries: Mapping[str, Entry], settlements: Sequence[Settlement]) -> None:
        for settlement in settlements:
            self.last[settlement.trace_id] = (entries[settlement.trace_id].deal_id, settlement)

    def report(self, *, left_alone: Sequence[Problem], not_sent: int) -> ApplyReport:
        count = Counter(settlement.state for _, settlement in self.last.values())
        details = tuple(
            Problem(deal_id, settlement.state, settlement.detail)
            for deal_id, settlement in self.last.values()
            if settlement.state is not State.CONFIRMED
        )
        return ApplyReport(
            written=count[State.WRITTEN] + count[State.CONFIRMED] + count[State.DIFFERS],
            confirmed=count[State.CONFIRMED],
            differs=count[State.DIFFERS],
            missing=count[State.MISSING],
            merged=count[State.MERGED],
            rejected=count[State.REJECTED],
            unknown=count[State.UNKNOWN],
            left_alone=len(left_alone),
            not_sent=not_sent,
            details=details,
            refused=tuple(p for p in (*details, *left_alone) if p.state is State.REJECTED),
        )


def apply(
    plan: WritePlan,
    *,
    sink: CrmSink,
    read_back: ReadBack,
    engine: Engine,
    connection: str,
    run_id: int,
    clock: Clock,
    action: Action = Action.WRITE_BACK,
    on_progress: Progress | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> ApplyReport:
    """Write `plan`, batch by batch, and read each batch back.

    run_id: the `job_run` row the journal belongs to; action: what its rows are of. should_stop:
    asked between batches. Errors of sink and read_back end the run after what is known was
    settled; the batch in hand is then `unknown`, or `written` where only its reading back failed,
    and `reconcile` finds out. Raises TransientError too where a whole batch got no answer and more
    would follow.
    """
    sender = _Sender(sink, read_back, engine, connection, run_id, clock, action)
    refused = journal.refused(engine, connection, at=clock.now(), action=action)
    writes = [write for write in plan.writes if write.deal_id not in refused]
    tally, done = _Tally(), 0
    while done < len(writes) and not should_stop():
        batch = writes[done : done + sink.batch_size]
        entries, settlements = sender.send(batch)
        tally.add(entries, settlements)
        done += len(batch)
        _stop_in_an_outage(settlements, left=len(writes) - done)
        if on_progress is not None:
            on_progress(done, len(writes))
    left_alone = [
        Problem(write.deal_id, *refused[write.deal_id])
        for write in plan.writes
        if write.deal_id in refused
    ]
    return tally.report(left_alone=left_alone, not_sent=len(writes) - done)


def reconcile(
    *,
    read_back: ReadBack,
    engine: Engine,
    connection: str,
    clock: Clock,
    action: Action = Action.WRITE_BACK,
) -> Mapping[State, int]:
    """Settle what an earlier run left open by reading those deals; how many ended in each state.

    Must come before planning: what did arrive then counts as held, and is not written again.
    """
    entries = journal.unsettled(engine, connection, [action])
    count: Counter[State] = Counter()
    for start in range(0, len(entries), READ_BACK_SIZE):
        settlements = read_back(entries[start : start + READ_BACK_SIZE])
        journal.settle(engine, connection, settlements, at=clock.now())
        count.update(settlement.state for settlement in settlements)
    return count


@dataclass(frozen=True, slots=True)
class _Sender:
    sink: CrmSink
    read_back: ReadBack
    engine: Engine
    connection: str
    run_id: int
    clock: Clock
    action: Action

    def send(
        self, writes: Sequence[PlannedWrite]
    ) -> tuple[Mapping[str, Entry], Sequence[Settlement]]:
        """One batch, all the way; the rows and what is known of each in the end."""
        rows = journal.record(
            self.engine,
            self.connection,
            self.run_id,
            writes,
            at=self.clock.now(),
            action=self.action,
        )
        answered = self._answers(rows)
        self._settle(list(answered.values()))
        open_rows = [
            row.settled_as(answered[row.trace_id].state)
            for row in rows
            if answered[row.trace_id].state in journal.UNSETTLED
        ]
        looked_up = [
            settlement
            for settlement in (self.read_back(open_rows) if open_rows else ())
            # it may still arrive: only the next run can tell
            if settlement.state is not State.NOT_WRITTEN
        ]
        self._settle(looked_up)
        answered.update({settlement.trace_id: settlement for settlement in looked_up})
        return {row.trace_id: row for row in rows}, list(answered.values())

    def _answers(self, rows: Sequence[Entry]) -> dict[str, Settlement]:
        batch = [DealWrite(row.deal_id, row.trace_id, row.after) for row in rows]
        try:
            outcomes = {outcome.trace_id: outcome for outcome in self.sink.write(batch)}
        except DealpulseError as error:
            self._settle([Settlement(row.trace_id, State.UNKNOWN, str(error)) for row in rows])
            raise
        return {row.trace_id: _settlement(row, outcomes.get(row.trace_id)) for row in rows}

    def _settle(self, settlements: Sequence[Settlement]) -> None:
        journal.settle(self.engine, self.connection, settlements, at=self.clock.now())


def _stop_in_an_outage(settlements: Sequence[Settlement], *, left: int) -> None:
    """A CRM that answers nothing makes each batch wait for its deadline; one such wait will do."""
    if left and all(settlement.state is State.UNKNOWN for settlement in settlements):
        raise TransientError(
            f"The CRM answered nothing to a batch of {len(settlements)} deals ("
            f"{settlements[0].detail}); {left} more were not sent. The next run looks up what "
            "arrived and goes on."
        )


def _settlement(row: Entry, outcome: WriteOutcome | None) -> Settlement:
    if outcome is None:
        return Settlement(row.trace_id, State.UNKNOWN, "the CRM's answer does not mention it")
    if outcome.result is WriteResult.WRITTEN:
        return Settlement(row.trace_id, State.WRITTEN)
    return Settlement(row.trace_id, State(outcome.result.value), outcome.detail)


def deals_read_back(source: CrmSource, engine: Engine) -> ReadBack:
    """By reading the deals anew."""

    def read_back(rows: Sequence[Entry]) -> list[Settlement]:
        ids = sorted({row.deal_id for row in rows})
        deals = {deal.deal_id: deal for deal in source.read(ids).deals}
        mirrored = read.deals_by_id(engine, source.connection, ids)
        return [judge_deal(row, deals.get(row.deal_id), mirrored.get(row.deal_id)) for row in rows]

    return read_back
