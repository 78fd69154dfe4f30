"""Deals that a CRM's webhooks named, until a pull has read them."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Engine, and_, delete, exists, select

from sync.mirror.engine import reading, writing
from sync.mirror.schema import deal, webhook_hint
from sync.mirror.upsert import insert

Hints = Mapping[str, datetime]
"""Deal id -> when its latest known event occurred."""


def remember(engine: Engine, connection: str, hints: Hints) -> None:
    """Of several events of a deal the latest counts, in whatever order they come."""
    if not hints:
        return
    rows = [
        {"connection": connection, "deal_id": deal_id, "occurred_at": at}
        for deal_id, at in hints.items()
    ]
    with writing(engine) as transaction:
        statement = insert(transaction, webhook_hint)
        later = statement.on_conflict_do_update(
            index_elements=["connection", "deal_id"],
            set_={"occurred_at": statement.excluded.occurred_at},
            where=webhook_hint.c.occurred_at < statement.excluded.occurred_at,
        )
        transaction.execute(later, rows)


def drop_served(engine: Engine, connection: str) -> int:
    """Forget hints of deals that were read since; how many."""
    served = exists().where(
        and_(
            deal.c.connection == webhook_hint.c.connection,
            deal.c.deal_id == webhook_hint.c.deal_id,
            deal.c.modified_at >= webhook_hint.c.occurred_at,
        )
    )
    forgotten = delete(webhook_hint).where(webhook_hint.c.connection == connection, served)
    with writing(engine) as transaction:
        return transaction.execute(forgotten).rowcount


def pending(engine: Engine, connection: str, limit: int) -> dict[str, datetime]:
    """The oldest `limit` hints."""
    query = (
        select(webhook_hint.c.deal_id, webhook_hint.c.occurred_at)
        .where(webhook_hint.c.connection == connection)
        .order_by(webhook_hint.c.occurred_at, webhook_hint.c.deal_id)
        .limit(limit)
    )
    with reading(engine) as snapshot:
        return {row.deal_id: row.occurred_at for row in snapshot.execute(query)}


def clear(engine: Engine, connection: str, hints: Hints) -> None:
    """Forget these, unless there was a newer event of the deal meanwhile."""
    with writing(engine) as transaction:
        for deal_id, at in hints.items():
            transaction.execute(
                delete(webhook_hint).where(
                    webhook_hint.c.connection == connection,
                    webhook_hint.c.deal_id == deal_id,
                    webhook_hint.c.occurred_at <= at,
                )
            )
