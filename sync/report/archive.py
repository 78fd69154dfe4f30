"""Which dead deals would be closed, and why."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import Engine

from sync.config.model import Config, Connection
from sync.mirror import quality_rows
from sync.report.naming import local_time, zone_of
from sync.report.quality import priced_deals
from sync.report.staleness import dead_but_kept
from sync.report.table import Column, Kind, Report
from sync.writeback.archiving import ArchivePlan

DEFINITION: Final = (
    "candidates: dead deals of which, by what became of deals that stood as long, surely "
    "fewer than archive_below would still be won"
)
_COLUMNS = (
    Column("deal_id", on_screen=False),
    Column("deal", "Deal"),
    Column("owner", "Owner"),
    Column("amount", "Amount", Kind.MONEY),
    Column("action", "Action"),
    Column("silent_days", "Silent", Kind.DAYS),
    Column("dead_days", "Dead after", Kind.DAYS, on_screen=False),
    Column("days_in_stage", "In stage", Kind.DAYS),
    Column("earlier", "As long", Kind.COUNT),
    Column("earlier_won", "Won", Kind.COUNT),
    Column("chance_at_most", "At most", Kind.SHARE),
    Column("last_activity_on", "Last activity", Kind.DAY, on_screen=False),
    Column("why_not", "Why not", on_screen=False),
    Column("before", on_screen=False),
    Column("after", on_screen=False),
)


def archive_report(
    engine: Engine,
    settings: Connection,
    config: Config,
    rows: Sequence[Mapping[str, object]],
    plan: ArchivePlan,
) -> Report:
    """`rows`: of `jobs.archive.planned`."""
    connection, enabled = settings.name, settings.write_back.enabled
    assessed = quality_rows.staleness_rows(engine, connection)
    as_of, open_deals = assessed["as_of"].max(), assessed.height
    zone = zone_of(engine, connection, config.time_zone)
    judged = "Nothing is assessed yet"
    if isinstance(as_of, datetime):
        judged = f"As of {local_time(as_of, zone)}"
    notes = [
        f"{judged}, {open_deals} open deals. {DEFINITION[0].upper()}{DEFINITION[1:]}.",
        f"{len(plan.writes)} deals would be closed as lost. Nothing has been written.",
        *dead_but_kept(assessed, config.staleness.archive_below),
        "Silent: working days. Of so many deals that stood as long, or longest, so many were won; "
        "at most: upper end of the 95 % interval.",
        *(f"Deal {deal_id} is left alone: {why}." for deal_id, why in plan.left_alone),
    ]
    if settings.kind == "file":
        notes.append("An export cannot be written to: hand this list on (`--format csv`).")
    elif not enabled:
        notes.append(
            f"Write-back is off for {connection}: set connections[].write_back.enabled to true."
        )
    return Report(
        title=f"{connection}: candidates for the archive",
        columns=_COLUMNS,
        rows=_with_owners(engine, connection, config, rows),
        facts={
            "connection": connection,
            "definition": DEFINITION,
            "as_of": as_of,
            "cut_off": as_of,
            "sample": open_deals,
            "left_out": dict(Counter(why for _, why in plan.left_alone)),
            "deals": len(plan.writes),
            "enabled": enabled,
        },
        notes=notes,
        zone=zone,
    )


def _with_owners(
    engine: Engine, connection: str, config: Config, rows: Sequence[Mapping[str, object]]
) -> list[dict[str, object]]:
    if not rows:
        return []
    priced = priced_deals(engine, connection, config).select("deal_id", "owner", "amount")
    known = {row["deal_id"]: row for row in priced.iter_rows(named=True)}
    told = [{**known.get(row["deal_id"], {}), **row} for row in rows]
    return [{column.key: row.get(column.key) for column in _COLUMNS} for row in told]
