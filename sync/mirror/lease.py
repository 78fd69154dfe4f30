"""Who may run: one holder at a time, each step one statement, so that two can never both win."""

from datetime import datetime, timedelta

from sqlalchemy import Engine, delete, or_, update

from sync.mirror.engine import writing
from sync.mirror.schema import lease
from sync.mirror.upsert import insert


def acquire(engine: Engine, name: str, holder: str, *, ttl: timedelta, now: datetime) -> bool:
    """Take the lease if it is free, run out, or already `holder`'s; False where another has it."""
    with writing(engine) as transaction:
        free = insert(transaction, lease).values(name=name, holder=holder, expires_at=now + ttl)
        taken = free.on_conflict_do_update(
            index_elements=["name"],
            set_={"holder": free.excluded.holder, "expires_at": free.excluded.expires_at},
            where=or_(lease.c.expires_at <= now, lease.c.holder == holder),
        )
        return transaction.execute(taken.returning(lease.c.name)).one_or_none() is not None


def renew(engine: Engine, name: str, holder: str, *, ttl: timedelta, now: datetime) -> bool:
    """Keep the lease for another `ttl`; False where it is no longer `holder`'s."""
    with writing(engine) as transaction:
        kept = (
            update(lease)
            .where(lease.c.name == name, lease.c.holder == holder)
            .values(expires_at=now + ttl)
        )
        return transaction.execute(kept).rowcount == 1


def release(engine: Engine, name: str, holder: str) -> bool:
    """Give the lease back; False where it was not `holder`'s any more."""
    with writing(engine) as transaction:
        given = delete(lease).where(lease.c.name == name, lease.c.holder == holder)
        return transaction.execute(given).rowcount == 1
