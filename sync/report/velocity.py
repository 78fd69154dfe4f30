"""The velocity table: four drivers and the money per day that they make."""

from collections.abc import Sequence

from sqlalchemy import Engine, RowMapping, func, select

from sync.errors import ConfigError
from sync.mirror import schema
from sync.mirror.engine import reading
from sync.report.naming import (
    Segment,
    local_time,
    name_order,
    segment_columns,
    segment_names,
    zone_of,
)
from sync.report.table import Column, Kind, Report

DEFINITION = (
    "velocity = opportunities (open deals) x average value x win rate / cycle length in days "
    "= money per day"
)
_FIGURES = (
    Column("opportunities", "Open deals", Kind.COUNT),
    Column("average_value", "Average value", Kind.MONEY),
    Column("win_rate", "Win rate", Kind.SHARE),
    Column("cycle_length_days", "Cycle, days", Kind.DAYS),
    Column("sales_velocity", "Velocity per day", Kind.MONEY),
    Column("won_deals", "Won", Kind.COUNT),
    Column("decided_deals", "Decided", Kind.COUNT),
)


def velocity_report(
    engine: Engine, connection: str, by: Segment, time_zone: str | None = None
) -> Report:
    """The last assessment's velocity. time_zone: as configured; None = the account's own.

    Raises ConfigError where there is none yet.
    """
    rows = _latest(engine, connection, by)
    names = segment_names(engine, connection, by)
    lines: list[dict[str, object]] = [
        {
            "segment": names.get(row["segment"], row["segment"]),
            "segment_id": row["segment"],
            **{column.key: row[column.key] for column in _FIGURES},
        }
        for row in rows
    ]
    lines.sort(key=lambda line: name_order(str(line["segment_id"]), str(line["segment"])))
    first = rows[0]
    zone = zone_of(engine, connection, time_zone)
    return Report(
        title=f"{connection}: sales velocity, {first['currency']}",
        columns=(*segment_columns(by), *_FIGURES),
        rows=lines,
        facts={
            "connection": connection,
            "definition": DEFINITION,
            "as_of": first["as_of"],
            "window_start": first["window_start"],
            "window_end": first["window_end"],
            "currency": first["currency"],
        },
        notes=[
            f"As of {local_time(first['as_of'], zone)}: {DEFINITION}.",
            "Average value, win rate and mean cycle: of the deals won and decided from "
            f"{first['window_start']} to {first['window_end']}.",
        ],
        zone=zone,
    )


def _latest(engine: Engine, connection: str, by: Segment) -> Sequence[RowMapping]:
    table = schema.velocity
    last = (
        select(func.max(table.c.job_run_id))
        .where(table.c.connection == connection)
        .scalar_subquery()
    )
    query = select(table).where(
        table.c.connection == connection,
        table.c.job_run_id == last,
        table.c.segment_kind == by.value,
    )
    with reading(engine) as database:
        rows = database.execute(query).mappings().all()
    if not rows:
        raise ConfigError(f"Nothing is computed for {connection} yet: run `dealpulse sync` first.")
    return rows
