"""The forecast table: one line per period and segment, both sets of probabilities side by side."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Engine, RowMapping, func, select

from forecasting.deals import PeriodKind, period_of
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
    "forecast = won so far in the period + amount x probability of the open deals whose close "
    "date lies in it"
)
_FIGURES = (
    Column("won_deals", kind=Kind.COUNT, on_screen=False),
    Column("won_amount", "Won so far", Kind.MONEY),
    Column("open_deals", "Open deals", Kind.COUNT),
    Column("open_amount", "Open amount", Kind.MONEY),
    Column("forecast_crm", "Forecast (CRM)", Kind.MONEY),
    Column("forecast_learned", "Forecast (learned)", Kind.MONEY),
)
_NEVER_COUNTED = {
    "overdue": "whose close date has passed",
    "close_date_missing": "without a close date",
}
_WITHOUT_VALUE = {
    "amount_missing": "without an amount",
    "amount_not_positive": "with an amount that is not positive",
    "no_rate": "in a currency without a rate",
    "no_probability": "without a probability",
}


def forecast_report(
    engine: Engine, connection: str, by: Segment, time_zone: str | None = None
) -> Report:
    """The last assessment's forecasts. time_zone: as configured; None = the account's own.

    Raises ConfigError where there is none yet.
    """
    rows = _latest(engine, connection, by)
    names = segment_names(engine, connection, by)
    merged: dict[tuple[str, date, str], dict[str, object]] = {}
    for row in sorted(rows, key=lambda row: _order(row, names)):
        key = (row["period_kind"], row["period_start"], row["segment"])
        line = merged.setdefault(key, _line(row, names))
        line[f"forecast_{row['variant']}"] = row["forecast"]
    lines = list(merged.values())
    as_of: datetime = rows[0]["as_of"]
    zone = zone_of(engine, connection, time_zone)
    decided, won = _sample(engine, connection, as_of)
    return Report(
        title=f"{connection}: opportunity-stage forecast, {rows[0]['currency']}",
        columns=(Column("period", "Period", Kind.DAY), *segment_columns(by), *_FIGURES),
        rows=lines,
        facts={
            "connection": connection,
            "method": rows[0]["method"],
            "definition": DEFINITION,
            "as_of": as_of,
            "currency": rows[0]["currency"],
            "decided_deals": decided,
            "decided_deals_won": won,
        },
        notes=[
            f"As of {local_time(as_of, zone)}: {DEFINITION}.",
            "CRM: with the stage probabilities that the CRM states. Learned: with those of your "
            f"own {decided:,} decided deals, {won:,} of them won.",
            *_left_out(lines),
        ],
        zone=zone,
    )


def _latest(engine: Engine, connection: str, by: Segment) -> Sequence[RowMapping]:
    table = schema.forecast
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


def _order(row: RowMapping, names: Mapping[str, str]) -> tuple[object, ...]:
    segment = row["segment"]
    named = name_order(segment, names.get(segment, segment))
    return (row["period_kind"], row["period_start"], named, segment, row["variant"])


def _line(row: RowMapping, names: Mapping[str, str]) -> dict[str, object]:
    period = period_of(row["period_start"], PeriodKind(row["period_kind"]))
    return {
        "period": period.label,
        "segment": names.get(row["segment"], row["segment"]),
        "segment_id": row["segment"],
        "won_deals": row["won_deals"],
        "won_amount": row["won_amount"],
        "open_deals": row["open_deals"],
        "open_amount": row["open_amount"],
        "left_out": row["left_out"],
    }


def _sample(engine: Engine, connection: str, as_of: datetime) -> tuple[int, int]:
    """Deals decided by `as_of`, and how many of them were won."""
    deal = schema.deal
    query = (
        select(deal.c.status, func.count())
        .where(
            deal.c.connection == connection,
            deal.c.removed_at.is_(None),
            deal.c.closed_at <= as_of,
            deal.c.status != "open",
        )
        .group_by(deal.c.status)
    )
    with reading(engine) as database:
        counted = {row[0]: row[1] for row in database.execute(query)}
    return sum(counted.values()), counted.get("won", 0)


def _left_out(lines: Sequence[Mapping[str, object]]) -> list[str]:
    """What no period holds, said once since all lack the same; then what single ones lack."""
    by_period: dict[object, Counter[str]] = {}
    for line in lines:
        left_out: Any = line["left_out"]
        by_period.setdefault(line["period"], Counter()).update(
            {reason: int(deals) for reason, deals in left_out.items()}
        )
    never = next(iter(by_period.values()))
    parts = [f"{never[reason]} {text}" for reason, text in _NEVER_COUNTED.items() if never[reason]]
    lacking = [
        f"{text}: "
        + ", ".join(f"{n} in {period}" for period, left in by_period.items() if (n := left[reason]))
        for reason, text in _WITHOUT_VALUE.items()
        if any(left[reason] for left in by_period.values())
    ]
    notes = [f"Left out of every period, open deals: {', '.join(parts)}."] if parts else []
    if lacking:
        notes.append(f"Left out of their period, deals {'; '.join(lacking)}.")
    return notes
