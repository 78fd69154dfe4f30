"""What the funnel job measured, under which version of the definition."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from sqlalchemy import Connection, Engine, delete, func, insert, select

from sync.mirror.engine import reading, writing
from sync.mirror.schema import funnel_definition, funnel_result

_LOOKED_BACK = timedelta(days=31)


@dataclass(frozen=True, slots=True)
class FunnelMeasured:
    """One run's rows by subject. `version`: of the definition that they were made by."""

    as_of: datetime
    version: int
    rows: Mapping[str, list[dict[str, Any]]]

    def of(self, subject: str) -> list[dict[str, Any]]:
        return self.rows.get(subject, [])


def save(
    engine: Engine,
    run_id: int,
    connection: str,
    *,
    definition: Mapping[str, Any],
    as_of: datetime,
    zone: str,
    rows: Mapping[str, Iterable[Mapping[str, Any]]],
) -> int:
    """Save one run whole under its definition's version, which is returned. Earlier runs of the
    same day under the same version go; those under another one stay."""
    with writing(engine, alone="funnel") as transaction:
        version = _version(transaction, orjson.loads(orjson.dumps(definition)), as_of)
        _drop_same_day(transaction, connection, version, as_of, zone)
        common = {
            "job_run_id": run_id,
            "connection": connection,
            "version": version,
            "as_of": as_of,
        }
        values = [
            {**common, "subject": subject, "position": position, "figures": dict(figures)}
            for subject, each in rows.items()
            for position, figures in enumerate(each)
        ]
        transaction.execute(insert(funnel_result), values)
    return version


def latest(engine: Engine, connection: str, version: int | None = None) -> FunnelMeasured | None:
    """The last run's rows, or the last under that version; None where there is none."""
    table = funnel_result
    ours = [table.c.connection == connection]
    if version is not None:
        ours.append(table.c.version == version)
    last = select(func.max(table.c.job_run_id)).where(*ours).scalar_subquery()
    query = (
        select(table.c.as_of, table.c.version, table.c.subject, table.c.figures)
        .where(table.c.job_run_id == last)
        .order_by(table.c.subject, table.c.position)
    )
    with reading(engine) as snapshot:
        found = snapshot.execute(query).all()
    if not found:
        return None
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in found:
        rows.setdefault(row.subject, []).append(row.figures)
    return FunnelMeasured(found[0].as_of, found[0].version, rows)


def _version(transaction: Connection, definition: Mapping[str, Any], as_of: datetime) -> int:
    """Of an equal definition that was used before, or a new one."""
    known = transaction.execute(
        select(funnel_definition.c.version, funnel_definition.c.definition)
    ).all()
    for version, held in known:
        if held == definition:
            return int(version)
    version = max((int(row.version) for row in known), default=0) + 1
    row = {"version": version, "definition": dict(definition), "used_since": as_of}
    transaction.execute(insert(funnel_definition), [row])
    return version


def _drop_same_day(
    transaction: Connection, connection: str, version: int, as_of: datetime, zone: str
) -> None:
    table = funnel_result
    known = select(table.c.job_run_id, table.c.as_of).where(
        table.c.connection == connection,
        table.c.version == version,
        table.c.as_of >= as_of - _LOOKED_BACK,
    )
    day = as_of.astimezone(ZoneInfo(zone)).date()
    same = [
        run
        for run, then in transaction.execute(known.distinct())
        if then.astimezone(ZoneInfo(zone)).date() == day
    ]
    transaction.execute(delete(table).where(table.c.job_run_id.in_(same)))
