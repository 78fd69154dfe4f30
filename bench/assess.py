"""The job `assess` as the daemon runs it: from a mirror on disk, through everything, and back."""

from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path

import polars as pl
import yaml
from sqlalchemy import Engine, Table

from bench.loop import TOKEN_ENV
from forecasting.deals import DEAL_SCHEMA
from sync.bootstrap import open_app
from sync.jobs import chain
from sync.jobs.runner import run_job
from sync.mirror import schema

CONNECTION = "scale"
_BATCH = 50_000
_CONFIG = "dealpulse.yaml"
_INSTANT = "%Y-%m-%dT%H:%M:%S%.6fZ"  # of Polars


class Still:
    """A clock that stands at one instant."""

    def __init__(self, instant: datetime) -> None:
        self._instant = instant

    def now(self) -> datetime:
        return self._instant

    def monotonic(self) -> float:
        return 0.0

    def sleep(self, seconds: float) -> None:
        return


def fill(folder: Path, frames: dict[str, pl.DataFrame], until: datetime, zone: str) -> None:
    """A SQLite mirror of these frames in `folder`, with a configuration."""
    config = folder / _CONFIG
    connection = {"kind": "hubspot", "name": CONNECTION, "token_env": TOKEN_ENV}
    connection["base_url"] = "http://127.0.0.1:9"
    database = {"url": f"sqlite:///{folder / 'mirror.db'}"}
    config.write_text(yaml.safe_dump({"database": database, "connections": [connection]}))
    with open_app(config, environ={TOKEN_ENV: "none"}, migrate=True) as app:
        for table, rows in _tables(frames, until, zone):
            _insert(app.engine, table, rows)


def assessed(folder: Path, until: datetime) -> dict[str, int]:
    """One assessment of the mirror in `folder`; what it counted."""
    with open_app(folder / _CONFIG, environ={TOKEN_ENV: "none"}, clock=Still(until)) as app:
        (settings,) = app.config.connections
        result = run_job(chain.ASSESS, app.context(settings))
    if result.error is not None:
        raise result.error
    return dict(result.counts)


def _tables(
    frames: dict[str, pl.DataFrame], until: datetime, zone: str
) -> Iterator[tuple[Table, pl.DataFrame]]:
    """The rows of each table, as SQLite holds them."""
    account = {"name": CONNECTION, "kind": "hubspot", "account_id": "1", "time_zone": zone}
    account |= {
        "home_currency": "NOK",
        "currencies": "[]",
        "seen_at": f"{until:%Y-%m-%dT%H:%M:%S.%fZ}",
    }
    yield schema.connection, pl.DataFrame([account])
    stages = frames["stages"]
    pipelines = stages.unique("pipeline_id").select("connection", "pipeline_id", "pipeline")
    yield schema.pipeline, pipelines.rename({"pipeline": "label"}).with_columns(position=pl.lit(0))
    yield (
        schema.stage,
        stages.select(
            *("connection", "pipeline_id", "stage_id", "position", "is_closed", "is_won"),
            label="stage",
        ),
    )
    yield (
        schema.owner,
        frames["owners"].select(
            *("connection", "owner_id", "active"),
            name="owner",
            teams=pl.format('["{}"]', "team"),
        ),
    )
    said = pl.col("created_at").dt.strftime(_INSTANT)
    yield (
        schema.deal,
        frames["deals"]
        .select(
            *(name for name in DEAL_SCHEMA if name in schema.deal.c),
            **dict.fromkeys(("modified_at", "first_seen_at", "pulled_at", "history_read_at"), said),
            own=pl.lit("{}"),
        )
        .with_columns(
            pl.col("created_at", "closed_at").dt.strftime(_INSTANT),
            pl.col("close_date").dt.strftime("%Y-%m-%dT12:00:00.000000Z"),
            pl.col("amount").cast(pl.String),
        ),
    )
    yield (
        schema.deal_change,
        frames["changes"].with_columns(pl.col("changed_at").dt.strftime(_INSTANT)),
    )


def _insert(engine: Engine, table: Table, rows: pl.DataFrame) -> None:
    names, places = ", ".join(rows.columns), ", ".join("?" * rows.width)
    raw = engine.raw_connection()
    try:
        cursor = raw.cursor()
        every = rows.iter_rows()
        while part := list(islice(every, _BATCH)):
            cursor.executemany(f"INSERT INTO {table.name} ({names}) VALUES ({places})", part)
        raw.commit()
    finally:
        raw.close()
