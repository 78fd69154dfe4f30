"""What the process job measured: saved in one piece, and read back."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Engine, delete, func, insert, select

from sync.mirror.engine import reading, writing
from sync.mirror.schema import process_result

_LOOKED_BACK = timedelta(days=31)


@dataclass(frozen=True, slots=True)
class Measured:
    """One run's rows by subject, in order. `as_of`: what they are as of."""

    as_of: datetime
    rows: Mapping[str, list[dict[str, Any]]]

    def of(self, subject: str) -> list[dict[str, Any]]:
        return self.rows.get(subject, [])


def save(
    engine: Engine,
    run_id: int,
    connection: str,
    *,
    as_of: datetime,
    zone: str,
    rows: Mapping[str, Iterable[Mapping[str, Any]]],
) -> None:
    """Save one run whole, and drop earlier runs of the same day of the account.

    Figures are JSON values: dates and instants as ISO text.
    """
    table = process_result
    with writing(engine, alone=f"process {connection}") as transaction:
        known = select(table.c.job_run_id, table.c.as_of).where(
            table.c.connection == connection, table.c.as_of >= as_of - _LOOKED_BACK
        )
        day = _day(as_of, zone)
        same = [
            earlier
            for earlier, then in transaction.execute(known.distinct())
            if _day(then, zone) == day
        ]
        transaction.execute(delete(table).where(table.c.job_run_id.in_(same)))
        common = {"job_run_id": run_id, "connection": connection, "as_of": as_of}
        values = [
            {**common, "subject": subject, "position": position, "figures": dict(figures)}
            for subject, each in rows.items()
            for position, figures in enumerate(each)
        ]
        if values:
            transaction.execute(insert(table), values)


def latest(engine: Engine, connection: str) -> Measured | None:
    """The last run's rows; None where there is none."""
    table = process_result
    last = (
        select(func.max(table.c.job_run_id))
        .where(table.c.connection == connection)
        .scalar_subquery()
    )
    query = (
        select(table.c.as_of, table.c.subject, table.c.figures)
        .where(table.c.connection == connection, table.c.job_run_id == last)
        .order_by(table.c.subject, table.c.position)
    )
    with reading(engine) as snapshot:
        found = snapshot.execute(query).all()
    if not found:
        return None
    rows: dict[str, list[dict[str, Any]]] = {}
    for _, subject, figures in found:
        rows.setdefault(subject, []).append(figures)
    return Measured(found[0].as_of, rows)


def since(engine: Engine, connection: str, subject: str, *, at: datetime) -> list[dict[str, Any]]:
    """The rows of one subject of every run as of then or later, in no order."""
    table = process_result.c
    query = select(table.figures).where(
        table.connection == connection, table.subject == subject, table.as_of >= at
    )
    with reading(engine) as snapshot:
        return list(snapshot.execute(query).scalars())


def _day(instant: datetime, zone: str) -> date:
    return instant.astimezone(ZoneInfo(zone)).date()
