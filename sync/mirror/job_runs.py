"""The record of what ran, when, and how it ended."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, insert, select, update

from sync.mirror.engine import reading, writing
from sync.mirror.schema import job_run


@dataclass(frozen=True, slots=True)
class JobRun:
    """`status`: running, ok, failed, stopped or abandoned; `ended_at` is None while running."""

    id: int
    job: str
    connection: str
    started_at: datetime
    ended_at: datetime | None
    status: str
    counts: Mapping[str, int]
    error_kind: str | None
    error: str | None


def start_run(engine: Engine, job: str, connection: str, *, at: datetime) -> int:
    """The new run's id."""
    row = {
        "job": job,
        "connection": connection,
        "started_at": at,
        "status": "running",
        "counts": {},
    }
    with writing(engine) as transaction:
        run_id: int = transaction.execute(
            insert(job_run).values(row).returning(job_run.c.id)
        ).scalar_one()
    return run_id


def end_run(
    engine: Engine,
    run_id: int,
    *,
    status: str,
    counts: Mapping[str, int],
    error_kind: str | None = None,
    error: str | None = None,
    at: datetime,
) -> None:
    with writing(engine) as transaction:
        transaction.execute(
            update(job_run)
            .where(job_run.c.id == run_id)
            .values(
                status=status,
                counts=dict(counts),
                error_kind=error_kind,
                error=error,
                ended_at=at,
            )
        )


def last_run(engine: Engine, job: str, connection: str, status: str | None = None) -> JobRun | None:
    """The run that started last, of those with `status` where one is given."""
    query = select(job_run).where(job_run.c.job == job, job_run.c.connection == connection)
    if status is not None:
        query = query.where(job_run.c.status == status)
    newest = query.order_by(job_run.c.started_at.desc(), job_run.c.id.desc()).limit(1)
    with reading(engine) as snapshot:
        row = snapshot.execute(newest).one_or_none()
    return None if row is None else JobRun(**row._asdict())


def counted_since(engine: Engine, job: str, connection: str, count: str, since: datetime) -> int:
    """What the runs of `job` that ended after `since` counted under that name, together."""
    query = select(job_run.c.counts).where(
        job_run.c.job == job, job_run.c.connection == connection, job_run.c.ended_at > since
    )
    with reading(engine) as snapshot:
        return sum(counts.get(count, 0) for counts in snapshot.execute(query).scalars())


def abandon_running(engine: Engine, *, at: datetime) -> int:
    """End the runs of processes that were killed; returns how many there were. Only for whoever
    holds the lease, since nothing else can be running then."""
    with writing(engine) as transaction:
        return transaction.execute(
            update(job_run)
            .where(job_run.c.status == "running")
            .values(status="abandoned", ended_at=at)
        ).rowcount
