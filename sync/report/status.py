"""What the mirror holds and how the last runs went."""

from collections.abc import Sequence

from sqlalchemy import Engine, func, select

from sync.mirror import schema
from sync.mirror.engine import reading
from sync.report.table import Column, Kind, Report

_MIRROR = (
    Column("what", "In the mirror"),
    Column("deals", "Number", Kind.COUNT),
)
_RUNS = (
    Column("connection", "Connection"),
    Column("job", "Job"),
    Column("status", "Ended"),
    Column("started_at", "Started", Kind.INSTANT),
    Column("counts", "Did"),
    Column("error", "Error"),
)


def mirror_report(engine: Engine, connection: str) -> Report:
    """Deals by status, tombstones by reason, history entries, open findings and alerts."""
    deal, change, finding, alert = (
        schema.deal,
        schema.deal_change,
        schema.finding,
        schema.alert,
    )
    with reading(engine) as database:
        by_status = database.execute(
            select(deal.c.status, func.count())
            .where(deal.c.connection == connection, deal.c.removed_at.is_(None))
            .group_by(deal.c.status)
        ).all()
        removed = database.execute(
            select(deal.c.removed_reason, func.count())
            .where(deal.c.connection == connection, deal.c.removed_at.is_not(None))
            .group_by(deal.c.removed_reason)
            .order_by(deal.c.removed_reason)
        ).all()
        changes = database.scalar(
            select(func.count()).select_from(change).where(change.c.connection == connection)
        )
        findings = database.scalar(
            select(func.count()).select_from(finding).where(finding.c.connection == connection)
        )
        alerts = database.scalar(
            select(func.count())
            .select_from(alert)
            .where(alert.c.connection == connection, alert.c.state == "raised")
        )
    counted = {row[0]: row[1] for row in by_status}
    rows: list[dict[str, object]] = [
        {"what": f"{status} deals", "deals": counted.get(status, 0)}
        for status in ("open", "won", "lost")
    ]
    rows += [{"what": f"{reason} deals (not counted)", "deals": n} for reason, n in removed]
    rows += [
        {"what": "changes of deals", "deals": changes},
        {"what": "findings", "deals": findings},
        {"what": "open alerts", "deals": alerts},
    ]
    return Report(title=connection, columns=_MIRROR, rows=rows, facts={"connection": connection})


def status_report(engine: Engine, connections: Sequence[str]) -> list[Report]:
    """The mirror of each connection, then the last run of each job."""
    run = schema.job_run
    latest = (
        select(func.max(run.c.id).label("id"))
        .where(run.c.connection.in_(connections))
        .group_by(run.c.connection, run.c.job)
        .subquery()
    )
    query = select(run).join(latest, latest.c.id == run.c.id).order_by(run.c.connection, run.c.id)
    with reading(engine) as database:
        runs = database.execute(query).mappings().all()
    rows = [
        {
            "connection": r["connection"],
            "job": r["job"],
            "status": r["status"],
            "started_at": r["started_at"],
            "counts": ", ".join(f"{n} {k}" for k, n in r["counts"].items() if n),
            "error": r["error"] or "",
        }
        for r in runs
    ]
    notes = [] if rows else ["Nothing ran yet: `dealpulse sync` does the first load."]
    return [
        *(mirror_report(engine, connection) for connection in connections),
        Report(title="Last runs", columns=_RUNS, rows=rows, notes=notes),
    ]
