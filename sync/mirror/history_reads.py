"""Which deals' past has been read, and which wait for it: the most valuable first."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Float,
    and_,
    case,
    cast,
    func,
    select,
    update,
)

from sync.crm.base import PEOPLE, DealStatus
from sync.mirror.engine import pulling, reading, writing
from sync.mirror.schema import deal as deal_table
from sync.mirror.upsert import chunks


def mark_history_read(
    transaction: Connection, connection: str, deal_ids: Sequence[str], at: datetime
) -> None:
    """Those of which it was read before keep their date."""
    for some in chunks(deal_ids):
        transaction.execute(
            update(deal_table)
            .where(deal_table.c.connection == connection, deal_table.c.deal_id.in_(some))
            .where(deal_table.c.history_read_at.is_(None))
            .values(history_read_at=at)
        )


def mark_history_unread(transaction: Connection, connection: str, deal_ids: Sequence[str]) -> None:
    for some in chunks(deal_ids):
        transaction.execute(
            update(deal_table)
            .where(deal_table.c.connection == connection, deal_table.c.deal_id.in_(some))
            .values(history_read_at=None)
        )


def forget_histories(engine: Engine, connection: str) -> None:
    """The next pull reads the past of every deal again; what is held of it stays."""
    with writing(engine, alone=pulling(connection)) as transaction:
        transaction.execute(
            update(deal_table)
            .where(deal_table.c.connection == connection)
            .values(history_read_at=None)
        )


def history_unread(engine: Engine, connection: str) -> int:
    """How many living deals wait for their past to be read."""
    query = select(func.count()).select_from(deal_table).where(_waiting(connection))
    with reading(engine) as snapshot:
        number: int = snapshot.execute(query).scalar_one()
    return number


def unread_ids(engine: Engine, connection: str, limit: int) -> Sequence[str]:
    """The deals to be read next, at most `limit`: open ones before ended ones, each by amount."""
    c = deal_table.c
    worth = cast(func.coalesce(c.amount_home, c.amount), Float)
    order = (
        case((c.status == DealStatus.OPEN.value, 0), else_=1),
        func.coalesce(worth, 0).desc(),
        c.deal_id,
    )
    query = select(c.deal_id).where(_waiting(connection)).order_by(*order).limit(limit)
    with reading(engine) as snapshot:
        return snapshot.execute(query).scalars().all()


def all_unread(engine: Engine, connection: str) -> frozenset[str]:
    """The living deals whose past is not there yet."""
    query = select(deal_table.c.deal_id).where(_waiting(connection))
    with reading(engine) as snapshot:
        return frozenset(snapshot.execute(query).scalars())


def associated(
    engine: Engine, connection: str, deal_ids: Sequence[str]
) -> Mapping[str, Mapping[str, Any]]:
    """deal id -> what is known of its contacts and companies, by the fields of `Deal`."""
    c = deal_table.c
    query = select(c.deal_id, *(c[name] for name in PEOPLE)).where(c.connection == connection)
    with reading(engine) as snapshot:
        return {
            deal_id: dict(zip(PEOPLE, values, strict=True))
            for some in chunks(deal_ids)
            for deal_id, *values in snapshot.execute(query.where(c.deal_id.in_(some)))
        }


def _waiting(connection: str) -> ColumnElement[bool]:
    c = deal_table.c
    return and_(c.connection == connection, c.history_read_at.is_(None), c.removed_at.is_(None))
