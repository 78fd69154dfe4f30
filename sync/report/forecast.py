"""The forecast table: one line per period and segment, both sets of probabilities side by side."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Engine, RowMapping, func, select

from forecasting.deals import PeriodKind, period_of
from sync.errors import ConfigError
from sync.mirror import schema
from sync.mirror.engine import reading
from sync.report.table import Column, Kind, Report

DEFINITION = (
    "forecast = won so far in the period + amount x probability of the open deals whose close "
    "date lies in it"
)
_COLUMNS = (
    Column("period", "Period"),
    Column("segment", "Segment"),
    Column("won_amount", "Won so far", Kind.MONEY),
    Column("open_deals", "Open", Kind.COUNT),
    Column("open_amount", "Open amount", Kind.MONEY),
    Column("forecast_crm", "Forecast, CRM's probabilities", Kind.MONEY),
    Column("forecast_learned", "Forecast, learned", Kind.MONEY),
)
_LEFT_OUT = {
    "overdue": "whose close date has passed",
    "close_date_missing": "without a close date",
    "amount_missing": "without an amount",
    "amount_not_positive": "with an amount that is not positive",
    "no_rate": "in a currency without a rate",
}


class Segment(StrEnum):
    TOTAL = "total"
    PIPELINE = "pipeline"
    OWNER = "owner"


def forecast_report(engine: Engine, connection: str, by: Segment) -> Report:
    """The last assessment's forecasts. Raises ConfigError where there is none yet."""
    rows = _latest(engine, connection, by)
    names = segment_names(engine, connection, by)
    merged: dict[tuple[str, date, str], dict[str, object]] = {}
    for row in rows:
        key = (row["period_kind"], row["period_start"], row["segment"])
        line = merged.setdefault(key, _line(row, names))
        line[f"forecast_{row['variant']}"] = row["forecast"]
    columns = [c for c in _COLUMNS if by is not Segment.TOTAL or c.key != "segment"]
    as_of: datetime = rows[0]["as_of"]
    return Report(
        title=f"{connection}: opportunity-stage forecast, {rows[0]['currency']}",
        columns=columns,
        rows=list(merged.values()),
        facts={
            "connection": connection,
            "method": rows[0]["method"],
            "definition": DEFINITION,
            "as_of": as_of,
            "currency": rows[0]["currency"],
        },
        notes=[f"As of {as_of:%Y-%m-%d %H:%M} UTC: {DEFINITION}.", *_left_out(rows)],
    )


def _latest(engine: Engine, connection: str, by: Segment) -> Sequence[RowMapping]:
    table = schema.forecast
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
        .order_by(table.c.period_kind, table.c.period_start, table.c.segment, table.c.variant)
    )
    with reading(engine) as database:
        rows = database.execute(query).mappings().all()
    if not rows:
        raise ConfigError(f"Nothing is computed for {connection} yet: run `dealpulse sync` first.")
    return rows


def _line(row: RowMapping, names: Mapping[str, str]) -> dict[str, object]:
    period = period_of(row["period_start"], PeriodKind(row["period_kind"]))
    return {
        "period": period.label,
        "segment": names.get(row["segment"], row["segment"] or "(nobody)"),
        "segment_id": row["segment"],
        "won_amount": row["won_amount"],
        "won_deals": row["won_deals"],
        "open_deals": row["open_deals"],
        "open_amount": row["open_amount"],
        "left_out": row["left_out"],
    }


def _left_out(rows: Sequence[RowMapping]) -> list[str]:
    """What no period holds, said once: the same deals are left out of each."""
    most: Counter[str] = Counter()
    for row in rows:
        left_out: Mapping[str, Any] = row["left_out"]
        for reason, deals in left_out.items():
            most[reason] = max(most[reason], int(deals))
    parts = [f"{n} {_LEFT_OUT.get(reason, reason)}" for reason, n in most.items() if n]
    return [f"Left out of every period, open deals: {', '.join(parts)}."] if parts else []


def segment_names(engine: Engine, connection: str, by: Segment) -> dict[str, str]:
    """Ids of pipelines or owners to the names people know them by."""
    if by is Segment.TOTAL:
        return {"": "all"}
    pipeline, owner = schema.pipeline, schema.owner
    query = (
        select(pipeline.c.pipeline_id, pipeline.c.label).where(pipeline.c.connection == connection)
        if by is Segment.PIPELINE
        else select(owner.c.owner_id, owner.c.name).where(owner.c.connection == connection)
    )
    with reading(engine) as database:
        return {row[0]: row[1] for row in database.execute(query)}
