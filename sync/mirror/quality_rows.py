"""Staleness now, and scores and rule results day by day: saved with an assessment, and read."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import polars as pl
from sqlalchemy import Connection, Engine, delete, insert, select

from sync.mirror.columns import frame
from sync.mirror.engine import reading
from sync.mirror.quality_tables import deal_staleness, quality_score, rule_result

DAILY = (quality_score, rule_result)


def save_quality(
    transaction: Connection, common: Mapping[str, Any], rows: Mapping[str, pl.DataFrame]
) -> None:
    """Within an assessment's transaction; `common`: its connection and as_of. Staleness replaces
    the connection's earlier one, scores and results those of the same day.
    """
    of_connection = common["connection"]
    if (staleness := rows.get(deal_staleness.name)) is not None:
        transaction.execute(
            delete(deal_staleness).where(deal_staleness.c.connection == of_connection)
        )
        added = [{**row, **common} for row in staleness.iter_rows(named=True)]
        if added:
            transaction.execute(insert(deal_staleness), added)
    for table in DAILY:
        if (daily := rows.get(table.name)) is None or daily.is_empty():
            continue
        days = daily["day"].unique().to_list()
        transaction.execute(
            delete(table).where(table.c.connection == of_connection, table.c.day.in_(days))
        )
        named = [{**row, "connection": of_connection} for row in daily.iter_rows(named=True)]
        transaction.execute(insert(table), named)


def staleness_rows(engine: Engine, connection: str) -> pl.DataFrame:
    """Table deal_staleness without the connection."""
    columns = [column for column in deal_staleness.c if column.name != "connection"]
    query = select(*columns).where(deal_staleness.c.connection == connection)
    return frame(engine, query).sort("deal_id")


def score_rows(engine: Engine, connection: str, *, since: date) -> pl.DataFrame:
    """Table quality_score from a day on, without the connection."""
    columns = [column for column in quality_score.c if column.name != "connection"]
    query = select(*columns).where(
        quality_score.c.connection == connection, quality_score.c.day >= since
    )
    return frame(engine, query).sort("day", "segment", "name")


def latest_results(engine: Engine, connection: str) -> pl.DataFrame:
    """rule, looked_at, found of the last day that was assessed."""
    table = rule_result.c
    last = select(table.day).where(table.connection == connection).order_by(table.day.desc())
    with reading(engine) as snapshot:
        day = snapshot.execute(last.limit(1)).scalar()
    query = select(table.rule, table.looked_at, table.found).where(
        table.connection == connection, table.day == day
    )
    return frame(engine, query).sort("rule")
