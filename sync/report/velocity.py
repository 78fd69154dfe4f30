"""The velocity table: four drivers and the money per day that they make."""

from sqlalchemy import Engine, func, select

from sync.errors import ConfigError
from sync.mirror import schema
from sync.mirror.engine import reading
from sync.report.forecast import Segment, segment_names
from sync.report.table import Column, Kind, Report

DEFINITION = "opportunities x average value x win rate / cycle length in days = money per day"
_COLUMNS = (
    Column("segment", "Segment"),
    Column("opportunities", "Opportunities", Kind.COUNT),
    Column("average_value", "Average value", Kind.MONEY),
    Column("win_rate", "Win rate", Kind.SHARE),
    Column("cycle_length_days", "Cycle, days", Kind.DAYS),
    Column("sales_velocity", "Velocity, per day", Kind.MONEY),
    Column("won_deals", "Won", Kind.COUNT),
    Column("decided_deals", "Decided", Kind.COUNT),
)


def velocity_report(engine: Engine, connection: str, by: Segment) -> Report:
    """The last assessment's velocity. Raises ConfigError where there is none yet."""
    table = schema.velocity
    last = (
        select(func.max(table.c.job_run_id))
        .where(table.c.connection == connection)
        .scalar_subquery()
    )
    query = (
        select(table)
        .where(
            table.c.connection == connection,
            table.c.job_run_id == last,
            table.c.segment_kind == by.value,
        )
        .order_by(table.c.segment)
    )
    with reading(engine) as database:
        rows = database.execute(query).mappings().all()
    if not rows:
        raise ConfigError(f"Nothing is computed for {connection} yet: run `dealpulse sync` first.")
    names = segment_names(engine, connection, by)
    lines = [
        {
            **{column.key: row.get(column.key) for column in _COLUMNS},
            "segment": names.get(row["segment"], row["segment"] or "(nobody)"),
            "segment_id": row["segment"],
        }
        for row in rows
    ]
    first = rows[0]
    return Report(
        title=f"{connection}: sales velocity, {first['currency']}",
        columns=_COLUMNS,
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
            f"{DEFINITION}.",
            f"Opportunities: open now. Value, win rate and cycle: deals decided from "
            f"{first['window_start']} to {first['window_end']}.",
        ],
    )
