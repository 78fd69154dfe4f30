"""What back-tests found: origins as they would have been forecast, and how each method did.

A row of `backtest_origin` is written once its period is over and never changes: what was tested
differently has another definition, and stands beside it.
"""

from collections.abc import Collection
from datetime import date, datetime
from typing import Any

import orjson
import polars as pl
from sqlalchemy import Connection, Engine, Table, func, insert, select

from forecasting.combination import NAME
from sync.mirror.columns import frame
from sync.mirror.engine import reading, writing
from sync.mirror.schema import backtest_origin, backtest_score

PeriodKey = tuple[date, str, date]
"""(origin, period_kind, period_start)."""


def save_origin(
    engine: Engine, run_id: int, connection: str, definition: str, rows: pl.DataFrame
) -> int:
    """Add an origin's forecasts of finished periods (as table backtest_origin); how many came.

    A period that is stored already keeps what it has, whatever `rows` say of it. `deals` is JSON
    text.
    """
    common = {"connection": connection, "definition": definition, "job_run_id": run_id}
    with writing(engine, alone=f"backtest {connection}") as transaction:
        origins = rows["origin"].unique().to_list()
        known = _periods(transaction, connection, definition, origins)
        fresh = [
            row | common
            for row in rows.iter_rows(named=True)
            if (row["origin"], row["period_kind"], row["period_start"]) not in known
        ]
        _add(transaction, backtest_origin, fresh, "deals")
    return len(fresh)


def stored_periods(engine: Engine, connection: str, definition: str) -> set[PeriodKey]:
    """What a back-test of this definition need not do again."""
    with reading(engine) as snapshot:
        return _periods(snapshot, connection, definition)


def origin_rows(
    engine: Engine, connection: str, definition: str, segment_kind: str = "total"
) -> pl.DataFrame:
    """The stored forecasts of one definition and kind of segment, table backtest_origin without
    connection, definition and run; `deals` is JSON text. In order of origin, period and method.
    """
    left_out = ("connection", "definition", "job_run_id")
    columns = [column for column in backtest_origin.c if column.name not in left_out]
    query = select(*columns).where(
        backtest_origin.c.connection == connection,
        backtest_origin.c.definition == definition,
        backtest_origin.c.segment_kind == segment_kind,
    )
    order = ("origin", "period_kind", "period_start", "method", "variant", "segment")
    return frame(engine, query).sort(*order)


def with_horizon(stored: pl.DataFrame) -> pl.DataFrame:
    """Stored forecasts with `ahead` (0: the period had begun, 1: it was the next) and `week` of the
    period; the combination under one name, however it was made on each day. Where nothing was
    uncertain, nothing could be foreseen: as in the forecast itself no range was told then.
    """
    certain = pl.col("variance_rest") == 0
    days = (pl.col("origin") - pl.col("period_start")).dt.total_days()
    return stored.with_columns(
        ahead=(pl.col("period_start") > pl.col("origin")).cast(pl.Int64),
        week=(days // 7 + 1).cast(pl.Int64),
        variant=pl.when(pl.col("method") == NAME).then(pl.lit("")).otherwise("variant"),
        **{name: pl.when(~certain).then(name) for name in ("p10", "p50", "p90")},
    )


def save_scores(
    engine: Engine, run_id: int, connection: str, *, as_of: datetime, scores: pl.DataFrame
) -> None:
    """Add a back-test's scores (as table backtest_score); `verdict` is JSON text."""
    common = {"job_run_id": run_id, "connection": connection, "as_of": as_of}
    rows = [row | common for row in scores.iter_rows(named=True)]
    with writing(engine) as transaction:
        _add(transaction, backtest_score, rows, "verdict")


def latest_scores(engine: Engine, connection: str) -> pl.DataFrame:
    """The last back-test's rows of table backtest_score; `verdict` is JSON text."""
    table = backtest_score
    last = (
        select(func.max(table.c.job_run_id))
        .where(table.c.connection == connection)
        .scalar_subquery()
    )
    query = select(table).where(table.c.connection == connection, table.c.job_run_id == last)
    return frame(engine, query).sort("period_kind", "ahead", "method", "variant")


def last_definition(engine: Engine, connection: str) -> str | None:
    """What the last back-test tested; None before the first."""
    table = backtest_score
    query = (
        select(table.c.definition)
        .where(table.c.connection == connection)
        .order_by(table.c.job_run_id.desc())
        .limit(1)
    )
    with reading(engine) as snapshot:
        found: str | None = snapshot.execute(query).scalar_one_or_none()
    return found


def _periods(
    database: Connection,
    connection: str,
    definition: str,
    origins: Collection[date] | None = None,
) -> set[PeriodKey]:
    table = backtest_origin
    query = select(table.c.origin, table.c.period_kind, table.c.period_start).where(
        table.c.connection == connection, table.c.definition == definition
    )
    if origins is not None:
        query = query.where(table.c.origin.in_(origins))
    return {tuple(row) for row in database.execute(query.distinct())}


def _add(transaction: Connection, table: Table, rows: list[dict[str, Any]], json: str) -> None:
    if not rows:
        return
    for row in rows:
        row[json] = orjson.loads(row[json])
    transaction.execute(insert(table), rows)
