"""What the mirror holds and how the last runs went."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Engine, func, select

from sync.mirror import read, schema
from sync.mirror.engine import reading
from sync.report.naming import local_time, zone_of
from sync.report.table import Column, Kind, Report

_MIRROR = (
    Column("what", "In the mirror"),
    Column("number", "Number", Kind.COUNT),
)
_RUNS = (
    Column("connection", "Connection"),
    Column("job", "Job"),
    Column("status", "Ended"),
    Column("started_at", "Started", Kind.INSTANT),
    Column("did", "Did"),
    Column("error", "Error"),
)


def mirror_report(engine: Engine, connection: str, time_zone: str | None = None) -> Report:
    """Deals by status, tombstones by reason, history entries, open findings and alerts."""
    account = read.account(engine, connection)
    pulled_at = _last_pull(engine, connection)
    zone = zone_of(engine, connection, time_zone)
    notes = []
    if account is not None:
        notes.append(
            f"CRM account {account.account_id} ({account.kind}), {account.home_currency}; days "
            f"are counted in {zone}."
        )
    notes.append(
        f"Last good pull: {local_time(pulled_at, zone)}."
        if pulled_at is not None
        else "No pull has finished yet: `dealpulse sync` does the first load, or goes on with it."
    )
    rows, sample, left_out = _holdings(engine, connection)
    return Report(
        title=connection,
        columns=_MIRROR,
        rows=rows,
        facts={
            "connection": connection,
            "definition": "what the mirror holds: deals that are in the CRM by their status, those "
            "that are gone from it by how",
            "as_of": pulled_at,
            "cut_off": pulled_at,
            "sample": sample,
            "left_out": left_out,
            "account": account.account_id if account else None,
            "currency": account.home_currency if account else None,
            "time_zone": zone if account else None,
            "last_pull_at": pulled_at,
        },
        notes=notes,
        zone=zone,
    )


def _last_pull(engine: Engine, connection: str) -> datetime | None:
    run = schema.job_run.c
    query = select(func.max(run.ended_at)).where(
        run.connection == connection, run.job == "pull", run.status == "ok"
    )
    with reading(engine) as database:
        pulled_at: datetime | None = database.scalar(query)
    return pulled_at


def _holdings(
    engine: Engine, connection: str
) -> tuple[list[dict[str, object]], int, dict[str, int]]:
    """What there is, how many deals are counted, and why the others are not."""
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
        *(
            {"what": f"{status} deals", "number": counted.get(status, 0)}
            for status in ("open", "won", "lost")
        ),
        *({"what": f"{reason} deals (not counted)", "number": n} for reason, n in removed),
        {"what": "changes of deals", "number": changes},
        {"what": "findings", "number": findings},
        {"what": "open alerts", "number": alerts},
    ]
    return rows, sum(counted.values()), {row[0]: row[1] for row in removed}


def runs_report(engine: Engine, connections: Sequence[str], time_zone: str | None = None) -> Report:
    """The last run of each job of each connection."""
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
            "ended_at": r["ended_at"],
            "counts": r["counts"],
            "did": ", ".join(f"{n} {k.replace('_', ' ')}" for k, n in r["counts"].items() if n)
            or ("nothing new" if r["status"] == "ok" else ""),
            "error": r["error"] or "",
        }
        for r in runs
    ]
    zone = zone_of(engine, connections[0], time_zone)
    notes = [f"Started: {zone} time."] if rows else ["Nothing ran yet."]
    return Report(title="Last runs", columns=_RUNS, rows=rows, notes=notes, zone=zone)


def status_report(
    engine: Engine, connections: Sequence[str], time_zone: str | None = None
) -> list[Report]:
    """The mirror of each connection, then the last run of each job."""
    mirrors = [mirror_report(engine, connection, time_zone) for connection in connections]
    return [*mirrors, runs_report(engine, connections, time_zone)]
