"""What a pull brings of deals: pages, committed whole with their cursor."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Engine, bindparam, delete, func, select, update

from sync.crm.base import (
    Change,
    ChangeSource,
    Cursor,
    Deal,
    DealPage,
    Field,
    Unparsed,
)
from sync.mirror.engine import pulling, writing
from sync.mirror.properties import extra_over
from sync.mirror.schema import deal as deal_table
from sync.mirror.schema import deal_change, sync_cursor, unparsed_value
from sync.mirror.tombstones import TOMBSTONE, put_removals
from sync.mirror.upsert import Row, chunks, insert_new, storable, upsert

_ALIVE = dict.fromkeys(TOMBSTONE)
_DEAL_FIELDS = tuple(field.name for field in fields(Deal))
_COLUMN_OF = {
    Field.STAGE: "stage_id",
    Field.STATUS: "status",
    Field.PIPELINE: "pipeline_id",
    Field.OWNER: "owner_id",
    Field.AMOUNT: "amount",
    Field.CLOSE_DATE: "close_date",
    Field.FORECAST_CATEGORY: "forecast_category",
    Field.NEXT_STEP: "next_step",
}


@dataclass(frozen=True, slots=True)
class PageCounts:
    """What a page did. `unchanged`: deals as the mirror had them, or older than it has them.
    `changes`: new rows of history. `removed`: newly marked. `unparsed`: values left empty."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    changes: int = 0
    removed: int = 0
    unparsed: int = 0


def save_page(
    engine: Engine,
    connection: str,
    stream: str,
    page: DealPage,
    *,
    history: frozenset[Field],
    at: datetime,
) -> PageCounts:
    """Commit a page and its cursor, or nothing of it. Saving it again changes nothing.

    A deal older than the mirror's is left. A listed deal is alive again, unless the same page
    removes it. Fields outside `history` get their changes from comparing with what the mirror
    held: pass an empty set for a page that carries none.
    """
    with writing(engine, alone=pulling(connection)) as transaction:
        newest = {deal.deal_id: deal for deal in sorted(page.deals, key=_modified_at)}
        known = _known(transaction, connection, list(newest))
        deals = [
            deal
            for deal_id, deal in newest.items()
            if deal_id not in known or deal.modified_at >= known[deal_id]["modified_at"]
        ]
        left = newest.keys() - {deal.deal_id for deal in deals}
        removed = frozenset(removal.deal_id for removal in page.removals)
        put = _put_deals(transaction, connection, known, deals, removed, at)
        told = [change for change in page.changes if change.deal_id in page.whole_history]
        known_whole = {(change.deal_id, change.field) for change in told}
        found = [
            change
            for change in put.found
            if change.field not in history and (change.deal_id, change.field) not in known_whole
        ]
        _make_way(transaction, connection, told)
        changes = _put_changes(transaction, connection, page.changes)
        changes += _put_found(transaction, connection, found)
        counts = PageCounts(
            created=put.created,
            updated=put.updated,
            unchanged=len(page.deals) - put.created - put.updated,
            changes=changes,
            removed=put_removals(transaction, connection, page.removals, at),
            unparsed=_put_unparsed(
                transaction,
                connection,
                {deal.deal_id for deal in deals},
                [value for value in page.unparsed if value.deal_id not in left],
                at,
            ),
        )
        put_cursor(transaction, connection, stream, page.cursor, at)
    return counts


def put_cursor(
    transaction: Connection, connection: str, stream: str, cursor: Cursor, at: datetime
) -> None:
    row = {"connection": connection, "stream": stream, "state": dict(cursor), "updated_at": at}
    upsert(transaction, sync_cursor, [row])


def _modified_at(deal: Deal) -> datetime:
    return deal.modified_at


def _known(transaction: Connection, connection: str, deal_ids: Sequence[str]) -> dict[str, Row]:
    return {
        row.deal_id: row._asdict()
        for some in chunks(deal_ids)
        for row in transaction.execute(
            select(deal_table).where(
                deal_table.c.connection == connection, deal_table.c.deal_id.in_(some)
            )
        )
    }


def _values(deal: Deal, before: Row | None) -> dict[str, Any]:
    """The columns that the CRM fills."""
    row = {name: getattr(deal, name) for name in _DEAL_FIELDS}
    row = {name: storable(v) if isinstance(v, str) else v for name, v in row.items()}
    row["status"] = deal.status.value
    row["own"] = {name: v if v is None else storable(v) for name, v in deal.own.items()}
    row["extra"] = extra_over({} if before is None else before["extra"], deal.extra)
    return row


@dataclass(slots=True)
class _Put:
    """What writing the deals of a page came to. `found`: changes seen by comparing."""

    created: int
    updated: int
    found: list[Change]


def _put_deals(
    transaction: Connection,
    connection: str,
    known: Mapping[str, Row],
    deals: Iterable[Deal],
    removed: frozenset[str],
    at: datetime,
) -> _Put:
    put = _Put(0, 0, [])
    rows: list[Row] = []
    same: list[str] = []
    for deal in deals:
        before = known.get(deal.deal_id)
        values = _values(deal, before)
        if deal.deal_id not in removed:
            values |= _ALIVE
        seen = {"connection": connection, "first_seen_at": at, "pulled_at": at}
        if before is None:
            put.created += 1
            rows.append(_ALIVE | values | seen)
        elif any(before[name] != value for name, value in values.items()):
            put.updated += 1
            put.found += _differences(before, values)
            rows.append({**before, **values, **seen})
        else:
            same.append(deal.deal_id)
    upsert(transaction, deal_table, rows, keep=("first_seen_at",))
    for some in chunks(same):
        transaction.execute(
            update(deal_table)
            .where(deal_table.c.connection == connection, deal_table.c.deal_id.in_(some))
            .values(pulled_at=at)
        )
    return put


def _differences(before: Row, now: Row) -> list[Change]:
    return [
        Change(
            deal_id=now["deal_id"],
            field=field,
            old=_text(before[column]),
            new=_text(now[column]),
            changed_at=now["modified_at"],
            source=ChangeSource.DIFF,
        )
        for field, column in _COLUMN_OF.items()
        if before[column] != now[column]
    ]


def _text(value: str | Decimal | datetime | None) -> str | None:
    """As changes hold it."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
    return f"{value:f}" if isinstance(value, Decimal) else value


def _put_found(transaction: Connection, connection: str, found: Sequence[Change]) -> int:
    """Changes seen by comparing. Where a CRM changes a deal twice under one date, as it does when
    only a stage's meaning changed, the second gets the next ordinal."""
    table = deal_change
    taken = {
        (row.deal_id, row.field, row.changed_at): row.last
        for some in chunks([change.deal_id for change in found])
        for row in transaction.execute(
            select(
                table.c.deal_id,
                table.c.field,
                table.c.changed_at,
                func.max(table.c.ordinal).label("last"),
            )
            .where(table.c.connection == connection, table.c.deal_id.in_(some))
            .group_by(table.c.deal_id, table.c.field, table.c.changed_at)
        )
    }
    numbered = [
        replace(c, ordinal=taken.get((c.deal_id, c.field.value, c.changed_at), -1) + 1)
        for c in found
    ]
    return _put_changes(transaction, connection, numbered)


def _make_way(transaction: Connection, connection: str, told: Sequence[Change]) -> None:
    """Delete what is held of the fields whose whole history was told, as far back as it was."""
    table = deal_change
    first: dict[tuple[str, str], datetime] = {}
    for change in told:
        key = (change.deal_id, change.field.value)
        first[key] = min(change.changed_at, first.get(key, change.changed_at))
    if first:
        transaction.execute(
            delete(table).where(
                table.c.connection == connection,
                table.c.deal_id == bindparam("of_deal"),
                table.c.field == bindparam("of_field"),
                table.c.changed_at >= bindparam("since"),
            ),
            [
                {"of_deal": deal_id, "of_field": field, "since": since}
                for (deal_id, field), since in first.items()
            ],
        )


def _put_changes(transaction: Connection, connection: str, changes: Iterable[Change]) -> int:
    rows = [
        {
            "connection": connection,
            "deal_id": change.deal_id,
            "field": change.field.value,
            "changed_at": change.changed_at,
            "ordinal": change.ordinal,
            "old": change.old if change.old is None else storable(change.old),
            "new": change.new if change.new is None else storable(change.new),
            "source": change.source.value,
        }
        for change in changes
    ]
    return insert_new(transaction, deal_change, rows)


def _put_unparsed(
    transaction: Connection,
    connection: str,
    deal_ids: Iterable[str],
    unparsed: Sequence[Unparsed],
    at: datetime,
) -> int:
    """Replace what did not parse of `deal_ids`; what did not parse before either keeps its date."""
    table = unparsed_value
    now = {(value.deal_id, value.field): value for value in unparsed}
    ids = {*deal_ids, *(deal_id for deal_id, _ in now)}
    known: dict[tuple[str, str], str] = {}
    for some in chunks(sorted(ids)):
        where = (table.c.connection == connection, table.c.deal_id.in_(some))
        found = transaction.execute(
            select(table.c.deal_id, table.c.field, table.c.raw).where(*where)
        )
        known |= {(row.deal_id, row.field): row.raw for row in found}
    gone = [{"id": deal_id, "name": name} for deal_id, name in known if (deal_id, name) not in now]
    if gone:
        transaction.execute(
            delete(table).where(
                table.c.connection == connection,
                table.c.deal_id == bindparam("id"),
                table.c.field == bindparam("name"),
            ),
            gone,
        )
    rows = [
        {
            "connection": connection,
            "deal_id": value.deal_id,
            "field": value.field,
            "raw": storable(value.raw),
            "seen_at": at,
        }
        for key, value in now.items()
        if known.get(key) != storable(value.raw)
    ]
    upsert(transaction, table, rows)
    return len(now)
