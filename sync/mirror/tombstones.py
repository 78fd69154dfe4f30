"""Marks on deals that left the CRM's list; their rows stay, and their past stays known."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, bindparam, exists, select, update

from sync.crm.base import Removal, RemovalReason
from sync.mirror.engine import pulling, writing
from sync.mirror.schema import deal as deal_table
from sync.mirror.upsert import Row, chunks

TOMBSTONE = ("removed_at", "removed_reason", "survivor_id")

LONGEST_CHAIN = 250
"""Each step halves what is left of a chain; HubSpot merges no more than so many into one."""


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
    if any(mark["removed_reason"] == RemovalReason.MERGED for mark in marks):
        follow_survivors(transaction, connection)
    return sum(known[mark["id"]]["removed_at"] is None for mark in marks)


def follow_survivors(transaction: Connection, connection: str) -> None:
    """A deal whose survivor was merged itself lives on in that one's survivor: each points at the
    end of its chain."""
    survivor = deal_table.alias()
    merged = RemovalReason.MERGED.value
    further = select(survivor.c.survivor_id).where(
        survivor.c.connection == connection,
        survivor.c.deal_id == deal_table.c.survivor_id,
        survivor.c.removed_reason == merged,
        survivor.c.survivor_id != deal_table.c.deal_id,  # two that name each other
    )
    step = (
        update(deal_table)
        .where(
            deal_table.c.connection == connection,
            deal_table.c.removed_reason == merged,
            exists(further),
        )
        .values(survivor_id=further.scalar_subquery())
    )
    for _ in range(LONGEST_CHAIN):
        if transaction.execute(step).rowcount == 0:
            return


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
