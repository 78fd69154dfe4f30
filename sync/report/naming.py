"""The names and the local time that people know things by."""

from datetime import datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from sqlalchemy import Engine, select

from sync.mirror import read, schema
from sync.mirror.engine import reading
from sync.report.table import Column


class Segment(StrEnum):
    TOTAL = "total"
    PIPELINE = "pipeline"
    OWNER = "owner"


class ForecastSegment(StrEnum):
    TOTAL = "total"
    PIPELINE = "pipeline"
    TEAM = "team"
    OWNER = "owner"
    TYPE = "type"


AnySegment = Segment | ForecastSegment


def segment_names(engine: Engine, connection: str, by: AnySegment) -> dict[str, str]:
    """Ids of pipelines or owners to the names people know them by; "" is that of deals without.
    Teams and types are known by their own names.
    """
    if by == "total":
        return {"": "all"}
    if by in ("team", "type"):
        return {"": "(none)"}
    pipeline, owner = schema.pipeline, schema.owner
    query = (
        select(pipeline.c.pipeline_id, pipeline.c.label).where(pipeline.c.connection == connection)
        if by == "pipeline"
        else select(owner.c.owner_id, owner.c.name).where(owner.c.connection == connection)
    )
    with reading(engine) as database:
        names = {row[0]: row[1] for row in database.execute(query)}
    return names | {"": "(none)" if by == "pipeline" else "(nobody)"}


def segment_columns(by: AnySegment) -> tuple[Column, ...]:
    """The columns that name a line's segment; the total of all deals needs none on the screen."""
    shown = by != "total"
    return (
        Column("segment", by.value.capitalize(), on_screen=shown),
        Column("segment_id", on_screen=False),
    )


def name_order(segment_id: str, name: str) -> tuple[bool, str]:
    """Sorts segments by name, deals without one last."""
    return (not segment_id, name.casefold())


def zone_of(engine: Engine, connection: str, configured: str | None) -> str:
    """Where days are counted: as configured, else the CRM account's own zone."""
    if configured is not None:
        return configured
    account = read.account(engine, connection)
    return account.time_zone if account is not None else "UTC"


def local_time(instant: datetime, zone: str) -> str:
    """As in `2026-11-22 00:24 Europe/Oslo`."""
    return f"{instant.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M} {zone}"
