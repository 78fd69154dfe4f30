"""Marks on deals that left the CRM's list; their rows stay, and their past stays known."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, bindparam, select, update

from sync.crm.base import Removal, RemovalReason
from sync.mirror.engine import pulling, writing
from sync.mirror.schema import deal as deal_table
from sync.mirror.upsert import Row, chunks

TOMBSTONE = ("removed_at", "removed_reason", "survivor_id")


def save_removals(
    engine: Engine, connection: str, removals: Sequence[Removal], *, at: datetime
) -> int:
    """Mark deals that left the CRM's list; returns how many were not marked before. Deals that
    the mirror never held are passed over."""
    with writing(engine, alone=pulling(connection)) as transaction:
        return put_removals(transaction, connection, removals, at)


def put_removals(
    transaction: Connection, connection: str, removals: Sequence[Removal], at: datetime
) -> int:
    latest = {removal.deal_id: removal for removal in removals}
    known = _tombstones(transaction, connection, list(latest))
    marks: list[dict[str, Any]] = [
        {
            "id": removal.deal_id,
            "removed_at": removal.removed_at,
            "removed_reason": removal.reason.value,
            "survivor_id": removal.survivor_id,
            "pulled_at": at,
        }
        for removal in latest.values()
        if removal.deal_id in known and _says_more(removal, known[removal.deal_id])
    ]
    if marks:
        transaction.execute(
            update(deal_table).where(
                deal_table.c.connection == connection, deal_table.c.deal_id == bindparam("id")
            ),
            marks,
        )
    return sum(known[mark["id"]]["removed_at"] is None for mark in marks)


def _tombstones(
    transaction: Connection, connection: str, deal_ids: Sequence[str]
) -> dict[str, Row]:
    columns = [deal_table.c[name] for name in ("deal_id", *TOMBSTONE)]
    return {
        row.deal_id: row._asdict()
        for some in chunks(deal_ids)
        for row in transaction.execute(
            select(*columns).where(
                deal_table.c.connection == connection, deal_table.c.deal_id.in_(some)
            )
        )
    }


def _says_more(removal: Removal, tombstone: Row) -> bool:
    """A merge is never overwritten: the bin lists merged deals too. Of a purge only its first
    discovery counts, since the CRM does not date it."""
    reason = tombstone["removed_reason"]
    if reason == RemovalReason.MERGED:
        return False
    if reason == RemovalReason.PURGED and removal.reason is RemovalReason.PURGED:
        return False
    return (reason, tombstone["removed_at"]) != (removal.reason.value, removal.removed_at)
