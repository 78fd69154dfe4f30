"""Which dead deals would be closed, and why."""

from collections.abc import Mapping, Sequence

from sync.report.table import Column, Kind, Report
from sync.writeback.archiving import ArchivePlan

_COLUMNS = (
    Column("deal_id", on_screen=False),
    Column("deal", "Deal"),
    Column("action", "Action"),
    Column("silent_days", "Silent", Kind.DAYS),
    Column("dead_days", "Dead after", Kind.DAYS),
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
    connection: str, rows: Sequence[Mapping[str, object]], plan: ArchivePlan, enabled: bool
) -> Report:
    """`rows`: of `jobs.archive.planned`."""
    notes = [
        f"{len(plan.writes)} deals would be closed as lost. Nothing has been written.",
        "Silent and dead after: working days. Of so many earlier deals that stood as long so many "
        "were won; at most: upper end of the 95 % interval.",
        *(f"Deal {deal_id} is left alone: {why}." for deal_id, why in plan.left_alone),
    ]
    if not enabled:
        notes.append(
            f"Write-back is off for {connection}: set connections[].write_back.enabled to true."
        )
    return Report(
        title=f"{connection}: candidates for the archive",
        columns=_COLUMNS,
        rows=[{column.key: row.get(column.key) for column in _COLUMNS} for row in rows],
        facts={"connection": connection, "deals": len(plan.writes), "enabled": enabled},
        notes=notes,
    )
