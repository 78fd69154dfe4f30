"""What assess found out: saved in one piece, and read back as frames of the same shape."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import orjson
import polars as pl
from sqlalchemy import JSON, Connection, Engine, Table, delete, func, insert, select

from sync.mirror.columns import frame
from sync.mirror.engine import reading, writing
from sync.mirror.quality_rows import save_quality
from sync.mirror.schema import deal_assessment, finding, forecast, prediction, velocity

PREDICTIONS_KEPT_DAYS: Final = 400
"""After the end of their period: long enough to judge a whole year's calibration."""

_LOOKED_BACK: Final = timedelta(days=31)


def save_assessment(
    engine: Engine,
    run_id: int,
    connection: str,
    *,
    as_of: datetime,
    findings: pl.DataFrame,
    assessments: pl.DataFrame,
    forecasts: pl.DataFrame,
    velocities: pl.DataFrame,
    predictions: pl.DataFrame | None = None,
    quality: Mapping[str, pl.DataFrame] | None = None,
) -> None:
    """Save one assessment whole, or nothing of it.

    findings (deal_id, rule, evidence) and assessments (as table deal_assessment) replace the
    connection's earlier ones; a finding that was there before keeps its `since`. forecasts,
    velocities and predictions (as their tables) are added. JSON columns come as text; the columns
    connection, as_of and job_run_id are filled in here. quality: rows of `quality_tables`, by
    table, for `save_quality`.
    """
    common = {"connection": connection, "as_of": as_of}
    with writing(engine, alone=f"assess {connection}") as transaction:
        since = _since(transaction, connection)
        for table in (finding, deal_assessment):
            transaction.execute(delete(table).where(table.c.connection == connection))
        rows = [
            {**row, **common, "since": since.get((row["deal_id"], row["rule"]), as_of)}
            for row in findings.iter_rows(named=True)
        ]
        _add(transaction, finding, rows)
        _add(transaction, deal_assessment, [r | common for r in assessments.iter_rows(named=True)])
        save_quality(transaction, common, quality or {})
        common["job_run_id"] = run_id
        _add(transaction, forecast, [r | common for r in forecasts.iter_rows(named=True)])
        _add(transaction, velocity, [r | common for r in velocities.iter_rows(named=True)])
        if predictions is not None:
            _add(transaction, prediction, [r | common for r in predictions.iter_rows(named=True)])


def predicted_since(engine: Engine, connection: str, instant: datetime) -> bool:
    """Whether predictions made at `instant` or later are kept."""
    query = select(prediction.c.job_run_id).where(
        prediction.c.connection == connection, prediction.c.as_of >= instant
    )
    with reading(engine) as snapshot:
        return snapshot.execute(query.limit(1)).first() is not None


def thin(engine: Engine, connection: str, *, now: datetime, zone: str) -> None:
    """Drop what nobody will ask for: predictions whose period ended more than
    `PREDICTIONS_KEPT_DAYS` ago, and of each day before today all runs' forecasts but the last
    one's and those of a run that made predictions, for they tell its parameters.
    """
    local = ZoneInfo(zone)
    today = now.astimezone(local).date()
    runs = select(forecast.c.job_run_id, forecast.c.as_of).where(
        forecast.c.connection == connection, forecast.c.as_of >= now - _LOOKED_BACK
    )
    predicted = select(prediction.c.job_run_id).where(
        prediction.c.connection == connection, prediction.c.as_of >= now - _LOOKED_BACK
    )
    with writing(engine) as transaction:
        last: dict[date, int] = {}
        superseded: list[int] = []
        for run_id, as_of in transaction.execute(runs.distinct().order_by(forecast.c.job_run_id)):
            day = as_of.astimezone(local).date()
            if day in last and day < today:
                superseded.append(last[day])
            last[day] = run_id
        spared = set(transaction.execute(predicted.distinct()).scalars())
        superseded = [run_id for run_id in superseded if run_id not in spared]
        for start in range(0, len(superseded), 500):
            chunk = superseded[start : start + 500]
            transaction.execute(delete(forecast).where(forecast.c.job_run_id.in_(chunk)))
        limit = today - timedelta(days=PREDICTIONS_KEPT_DAYS)
        transaction.execute(
            delete(prediction).where(
                prediction.c.connection == connection, prediction.c.period_end < limit
            )
        )


def open_findings(engine: Engine, connection: str) -> pl.DataFrame:
    """What is wrong now: deal_id, rule, since, as_of, evidence (JSON text)."""
    query = select(*(finding.c[n] for n in ("deal_id", "rule", "since", "as_of", "evidence")))
    found = frame(engine, query.where(finding.c.connection == connection))
    return found.sort("deal_id", "rule")


def assessment_rows(engine: Engine, connection: str) -> pl.DataFrame:
    """What is said of each open deal now: table deal_assessment without the connection."""
    columns = [column for column in deal_assessment.c if column.name != "connection"]
    query = select(*columns).where(deal_assessment.c.connection == connection)
    return frame(engine, query).sort("deal_id")


def latest_forecasts(engine: Engine, connection: str) -> pl.DataFrame:
    """The last assessment's rows of table forecast; left_out and parameters are JSON text."""
    return _latest(engine, forecast, connection)


def latest_velocity(engine: Engine, connection: str) -> pl.DataFrame:
    """The last assessment's rows of table velocity."""
    return _latest(engine, velocity, connection)


def most_explained(engine: Engine, connection: str, count: int) -> list[str]:
    """The `count` assessed deals with the most findings, the most valuable first among equals."""
    found = func.count(finding.c.rule)
    query = (
        select(deal_assessment.c.deal_id)
        .join(
            finding,
            (finding.c.connection == deal_assessment.c.connection)
            & (finding.c.deal_id == deal_assessment.c.deal_id),
        )
        .where(deal_assessment.c.connection == connection)
        .group_by(deal_assessment.c.deal_id, deal_assessment.c.expected_amount)
        .order_by(
            found.desc(),
            func.coalesce(deal_assessment.c.expected_amount, 0).desc(),
            deal_assessment.c.deal_id,
        )
        .limit(count)
    )
    with reading(engine) as snapshot:
        return list(snapshot.execute(query).scalars())


def _latest(engine: Engine, table: Table, connection: str) -> pl.DataFrame:
    last = (
        select(func.max(table.c.job_run_id))
        .where(table.c.connection == connection)
        .scalar_subquery()
    )
    query = select(table).where(table.c.connection == connection, table.c.job_run_id == last)
    return frame(engine, query).sort("id")


def _since(transaction: Connection, connection: str) -> dict[tuple[str, str], datetime]:
    query = select(finding.c.deal_id, finding.c.rule, finding.c.since)
    known = transaction.execute(query.where(finding.c.connection == connection))
    return {(row.deal_id, row.rule): row.since for row in known}


def _add(transaction: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    if not rows:
        return
    texts = [column.name for column in table.c if isinstance(column.type, JSON)]
    for row in rows:
        for name in texts:
            row[name] = orjson.loads(row[name])
    transaction.execute(insert(table), rows)
