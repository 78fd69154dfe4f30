"""What a pull brings of deals: pages, committed whole with their cursor."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal

from sqlalchemy import Connection, Engine, bindparam, delete, func, select

from sync.crm.base import Change, ChangeSource, Cursor, DealPage, Field, Unparsed
from sync.mirror import merge_deals
from sync.mirror.engine import pulling, writing
from sync.mirror.history_reads import mark_history_read, mark_history_unread
from sync.mirror.merge_deals import Changed, incoming
from sync.mirror.merge_extra import keep_untold
from sync.mirror.plain_rows import PlainRows, Row
from sync.mirror.schema import deal_change, sync_cursor, unparsed_value
from sync.mirror.staging import insert_new_rows
from sync.mirror.tombstones import put_removals
from sync.mirror.upsert import chunks, storable, upsert

_CHANGE_ROWS = PlainRows(
    deal_change, ("deal_id", "field", "changed_at", "ordinal", "old", "new", "source")
)


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


@dataclass(frozen=True, slots=True)
class _Merged:
    """Of the deals that were compared: how many are new, which were left for older ones, which are
    not what the mirror held."""

    new: int = 0
    left: frozenset[str] = frozenset()
    changed: Sequence[Changed] = ()


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
    came = merge_deals.columns(page.deals)
    with writing(engine, alone=pulling(connection)) as transaction:
        removed = frozenset(removal.deal_id for removal in page.removals)
        compared = merge_deals.insert_new(transaction, connection, came, at)
        merged = _merge(transaction, connection, compared, removed, at)
        created = len(merge_deals.ids(came)) - len(compared) + merged.new
        updated = sum(each.news for each in merged.changed)
        told = [change for change in page.changes if change.deal_id in page.whole_history]
        known_whole = {(change.deal_id, change.field) for change in told}
        found = [
            change
            for change in _differences(merged.changed, frozenset(Field) - history)
            if (change.deal_id, change.field) not in known_whole
        ]
        _make_way(transaction, connection, told)
        changes = _put_changes(transaction, connection, page.changes)
        changes += _put_found(transaction, connection, found)
        counts = PageCounts(
            created=created,
            updated=updated,
            unchanged=len(page.deals) - created - updated,
            changes=changes,
            removed=put_removals(transaction, connection, page.removals, at),
            unparsed=_put_unparsed(
                transaction,
                connection,
                [value for value in page.unparsed if value.deal_id not in merged.left],
                at,
                staged=bool(compared),
            ),
        )
        if page.history_read and history:
            mark_history_read(transaction, connection, merge_deals.ids(came), at)
        elif history:  # what changed meanwhile is in the CRM's history, which has to be read again
            moved = {change.deal_id for change in _differences(merged.changed, history)}
            mark_history_unread(transaction, connection, sorted(moved))
        put_cursor(transaction, connection, stream, page.cursor, at)
    return counts


def _merge(
    transaction: Connection,
    connection: str,
    compared: Sequence[Row],
    removed: frozenset[str],
    at: datetime,
) -> _Merged:
    if not compared:
        return _Merged()
    merge_deals.stage(transaction, compared, removed)
    left = merge_deals.leave_older(transaction, connection)
    keep_untold(transaction, connection)
    new = merge_deals.count_new(transaction, connection)
    changed = merge_deals.changed(transaction, connection)
    merge_deals.merge(transaction, connection, at, removed=bool(removed))
    return _Merged(new, left, changed)


def put_cursor(
    transaction: Connection, connection: str, stream: str, cursor: Cursor, at: datetime
) -> None:
    row = {"connection": connection, "stream": stream, "state": dict(cursor), "updated_at": at}
    upsert(transaction, sync_cursor, [row])


def _differences(changed: Iterable[Changed], wanted: frozenset[Field]) -> list[Change]:
    """Of the fields whose history nobody else tells, in the deals that are not what they were."""
    return [
        Change(
            deal_id=deal.deal_id,
            field=field,
            old=_text(deal.before[field]),
            new=_text(deal.now[field]),
            changed_at=deal.modified_at,
            source=ChangeSource.DIFF,
        )
        for deal in changed
        for field in deal.now
        if field in wanted and deal.before[field] != deal.now[field]
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


def _put_changes(transaction: Connection, connection: str, changes: Sequence[Change]) -> int:
    names = ("connection", *_CHANGE_ROWS.names)
    rows = [(connection, *row) for row in _CHANGE_ROWS(changes)]
    return insert_new_rows(transaction, deal_change, names, rows)


def _put_unparsed(
    transaction: Connection,
    connection: str,
    unparsed: Sequence[Unparsed],
    at: datetime,
    *,
    staged: bool,
) -> int:
    """Replace what did not parse of the deals that came in; what did not before either keeps its
    date. staged: some of them were in the mirror; of the others there is nothing to replace."""
    table = unparsed_value
    now = {(value.deal_id, value.field): value for value in unparsed}
    ours = table.c.connection == connection
    held = select(table.c.deal_id, table.c.field, table.c.raw).where(ours)
    queries = [
        held.where(table.c.deal_id.in_(some))
        for some in chunks(sorted({deal_id for deal_id, _ in now}))
    ]
    if staged:
        queries.append(held.where(table.c.deal_id.in_(select(incoming.c.deal_id))))
    known = {
        (row.deal_id, row.field): row.raw for query in queries for row in transaction.execute(query)
    }
    gone = [{"id": deal_id, "name": name} for deal_id, name in known if (deal_id, name) not in now]
    if gone:
        transaction.execute(
            delete(table).where(
                ours, table.c.deal_id == bindparam("id"), table.c.field == bindparam("name")
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
