"""What is old enough to be forgotten: runs of jobs, and the journal of written values."""

from datetime import datetime

from sqlalchemy import Engine, and_, delete, exists, func, not_, select

from sync.mirror.engine import writing
from sync.mirror.leads import LEAD_ACTION
from sync.mirror.metadata import metadata
from sync.mirror.schema import job_run, write_journal

UNSETTLED = "sending"


def forget_journal(engine: Engine, connection: str, *, before: datetime) -> int:
    """Delete what was written before that; of each deal and lead the last entry stays, and so does
    what may or may not have arrived. Returns how many."""
    later = write_journal.alias()
    same_kind = (later.c.action == LEAD_ACTION) == (write_journal.c.action == LEAD_ACTION)
    is_last = not_(
        exists(
            select(later.c.id).where(
                later.c.connection == connection,
                later.c.deal_id == write_journal.c.deal_id,
                same_kind,
                later.c.id > write_journal.c.id,
            )
        )
    )
    with writing(engine) as transaction:
        return transaction.execute(
            delete(write_journal).where(
                write_journal.c.connection == connection,
                write_journal.c.planned_at < before,
                write_journal.c.state != UNSETTLED,
                not_(is_last),
            )
        ).rowcount


def forget_runs(engine: Engine, connection: str, *, before: datetime) -> int:
    """Delete runs that ended before that; of each job the last one with each outcome stays, and so
    does every run that something in the mirror was made by. Returns how many."""
    newest = (
        select(func.max(job_run.c.id))
        .where(job_run.c.connection == connection)
        .group_by(job_run.c.job, job_run.c.status)
    )
    made_by = [
        exists(select(column).where(column == job_run.c.id))
        for table in metadata.tables.values()
        for key in table.foreign_keys
        if key.column is job_run.c.id
        for column in [key.parent]
    ]
    with writing(engine) as transaction:
        return transaction.execute(
            delete(job_run).where(
                and_(
                    job_run.c.connection == connection,
                    job_run.c.ended_at < before,
                    job_run.c.id.not_in(newest),
                    *(not_(used) for used in made_by),
                )
            )
        ).rowcount
