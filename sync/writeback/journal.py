"""What was there and what we wrote: a row before each write is sent, settled by what became of it.

    sending -> written | missing | merged | rejected | unknown      the CRM's answer, or none
    written -> confirmed | differs | missing                        read back
    sending, unknown -> confirmed | not_written | differs | missing a later run finds out

A row that a killed process left behind is `sending`: it says what may stand in the CRM.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, bindparam, func, insert, select, true, update

from sync.mirror import schema
from sync.mirror.engine import reading, writing
from sync.mirror.leads import LEAD_ACTION
from sync.writeback.fields import Values
from sync.writeback.plan import PlannedWrite

REFUSED_FOR = timedelta(days=1)
"""A write that the CRM refused is not tried again for so long, unless the deal changes."""

_journal = schema.write_journal


class State(StrEnum):
    """Of one journal row. DIFFERS: accepted, but the CRM holds something else now. NOT_WRITTEN:
    sent by a process that died or got no answer, and it never arrived.
    """

    SENDING = "sending"
    WRITTEN = "written"
    CONFIRMED = "confirmed"
    DIFFERS = "differs"
    MISSING = "missing"
    MERGED = "merged"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    NOT_WRITTEN = "not_written"


UNSETTLED = frozenset({State.SENDING, State.UNKNOWN, State.WRITTEN})
"""States of which nobody has yet looked into the CRM."""

REFUSED = frozenset({State.REJECTED, State.MISSING, State.MERGED})


class Action(StrEnum):
    """What a row is of. WRITE_BACK: our own properties of a deal; LEAD_SCORE: of a lead, whose id
    then stands where the deal's does. The other two move a deal, see `archiving`."""

    WRITE_BACK = "write_back"
    LEAD_SCORE = LEAD_ACTION
    ARCHIVE = "archive"
    UNARCHIVE = "unarchive"


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the journal. echo_modified_at: the deal's modified date after our write, where
    nothing else had changed; the next pull knows by it that the news is our own.
    """

    id: int
    job_run_id: int
    deal_id: str
    trace_id: str
    before: Values
    after: Values
    state: State
    detail: str
    planned_at: datetime
    settled_at: datetime | None
    echo_modified_at: datetime | None
    action: "Action"

    def settled_as(self, state: State) -> "Entry":
        """This row in another state; changes no table."""
        return replace(self, state=state)


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of one row."""

    trace_id: str
    state: State
    detail: str = ""
    echo_modified_at: datetime | None = None


def record(
    engine: Engine,
    connection: str,
    run_id: int,
    writes: Sequence[PlannedWrite],
    *,
    at: datetime,
    action: Action = Action.WRITE_BACK,
) -> Sequence[Entry]:
    """Commit a `sending` row for each write, before it is sent. Trace ids are unique for ever."""
    with writing(engine) as transaction:
        first = _next_number(transaction, connection, run_id)
        rows = [
            row | {"action": action.value} for row in _rows(connection, run_id, writes, first, at)
        ]
        transaction.execute(insert(_journal), rows)
        trace_ids = [row["trace_id"] for row in rows]
        saved = transaction.execute(
            select(_journal).where(
                _journal.c.connection == connection, _journal.c.trace_id.in_(trace_ids)
            )
        )
        by_trace = {row["trace_id"]: _entry(row) for row in saved.mappings()}
    return [by_trace[trace_id] for trace_id in trace_ids]


def _rows(
    connection: str, run_id: int, writes: Sequence[PlannedWrite], first: int, at: datetime
) -> list[dict[str, Any]]:
    return [
        {
            "job_run_id": run_id,
            "connection": connection,
            "deal_id": write.deal_id,
            "trace_id": f"{run_id}-{number}",
            "before": dict(write.before),
            "after": dict(write.after),
            "state": State.SENDING.value,
            "planned_at": at,
        }
        for number, write in enumerate(writes, first)
    ]


def _next_number(transaction: Connection, connection: str, run_id: int) -> int:
    rows: int = transaction.execute(
        select(func.count()).where(
            _journal.c.connection == connection, _journal.c.job_run_id == run_id
        )
    ).scalar_one()
    return rows + 1


def settle(
    engine: Engine, connection: str, settlements: Iterable[Settlement], *, at: datetime
) -> None:
    """Write down what became of rows."""
    rows = [
        {
            "of_trace": settlement.trace_id,
            "to_state": settlement.state.value,
            "to_detail": settlement.detail,
            "to_echo": settlement.echo_modified_at,
        }
        for settlement in settlements
    ]
    if not rows:
        return
    statement = (
        update(_journal)
        .where(_journal.c.connection == connection, _journal.c.trace_id == bindparam("of_trace"))
        .values(
            state=bindparam("to_state"),
            detail=bindparam("to_detail"),
            echo_modified_at=bindparam("to_echo", type_=_journal.c.echo_modified_at.type),
            settled_at=at,
        )
    )
    with writing(engine) as transaction:
        transaction.execute(statement, rows)


def unsettled(
    engine: Engine, connection: str, actions: Collection[Action] = (Action.WRITE_BACK,)
) -> Sequence[Entry]:
    """Rows of which it is not known whether the CRM holds them, oldest first."""
    return _entries(
        engine,
        connection,
        _journal.c.state.in_(sorted(state.value for state in UNSETTLED))
        & _journal.c.action.in_([action.value for action in actions]),
    )


def latest_moves(engine: Engine, connection: str, run_id: int | None = None) -> Sequence[Entry]:
    """Each deal's latest archiving or undoing of one, oldest first; of one run where given."""
    moves = [Action.ARCHIVE.value, Action.UNARCHIVE.value]
    latest = (
        select(func.max(_journal.c.id))
        .where(_journal.c.connection == connection, _journal.c.action.in_(moves))
        .where(_journal.c.state != State.NOT_WRITTEN.value)
        .group_by(_journal.c.deal_id)
    )
    of_run = true() if run_id is None else _journal.c.job_run_id == run_id
    return _entries(engine, connection, _journal.c.id.in_(latest) & of_run)


def history(
    engine: Engine, connection: str, record_id: str, *, of_lead: bool = False
) -> Sequence[Entry]:
    """Everything ever sent for one deal, or one lead, oldest first."""
    its = _journal.c.action == LEAD_ACTION if of_lead else _journal.c.action != LEAD_ACTION
    return _entries(engine, connection, its & (_journal.c.deal_id == record_id))


def refused(
    engine: Engine, connection: str, *, at: datetime, action: Action = Action.WRITE_BACK
) -> Mapping[str, tuple[State, str]]:
    """Deals whose last write the CRM refused less than `REFUSED_FOR` ago and that have not been
    pulled since: the same request would fail again. Leads: refused less than that ago. With how
    that write ended, and why.
    """
    deal = schema.deal
    latest = (
        select(func.max(_journal.c.id))
        .where(
            _journal.c.connection == connection,
            _journal.c.action == action.value,
            _journal.c.planned_at > at - REFUSED_FOR,
        )
        .group_by(_journal.c.deal_id)
    )
    query = select(_journal.c.deal_id, _journal.c.state, _journal.c.detail).where(
        _journal.c.id.in_(latest),
        _journal.c.state.in_(sorted(state.value for state in REFUSED)),
    )
    if action is Action.WRITE_BACK:
        query = query.join(
            deal,
            (deal.c.connection == _journal.c.connection)
            & (deal.c.deal_id == _journal.c.deal_id)
            & (deal.c.pulled_at <= _journal.c.planned_at),
        )
    with reading(engine) as database:
        rows = database.execute(query).all()
    return {row.deal_id: (State(row.state), row.detail) for row in rows}


def _entries(engine: Engine, connection: str, condition: Any) -> Sequence[Entry]:
    query = (
        select(_journal)
        .where(_journal.c.connection == connection, condition)
        .order_by(_journal.c.id)
    )
    with reading(engine) as database:
        return [_entry(row) for row in database.execute(query).mappings()]


def _entry(row: RowMapping) -> Entry:
    return Entry(
        id=row["id"],
        job_run_id=row["job_run_id"],
        deal_id=row["deal_id"],
        trace_id=row["trace_id"],
        before=row["before"],
        after=row["after"],
        state=State(row["state"]),
        detail=row["detail"],
        planned_at=row["planned_at"],
        settled_at=row["settled_at"],
        echo_modified_at=row["echo_modified_at"],
        action=Action(row["action"]),
    )
