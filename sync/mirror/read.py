"""What other jobs ask of the mirror, deal by deal; frames.py reads whole tables."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, Row, and_, func, select

from sync.crm.base import Cursor, Deal, DealStatus, Known, RemovalReason
from sync.mirror import schema
from sync.mirror.engine import reading
from sync.mirror.upsert import chunks

WRITTEN = ("written", "confirmed")
_DEAL_COLUMNS = [schema.deal.c[field.name] for field in fields(Deal)]


@dataclass(frozen=True, slots=True)
class StoredAccount:
    """What the CRM said of the account of `connection` when it was last asked, at `seen_at`."""

    connection: str
    kind: str
    account_id: str
    time_zone: str
    home_currency: str
    currencies: tuple[str, ...]
    deal_url: str | None
    seen_at: datetime


def cursor(engine: Engine, connection: str, stream: str) -> Cursor | None:
    """Where `stream` resumes; None before its first page."""
    table = schema.sync_cursor
    query = select(table.c.state).where(table.c.connection == connection, table.c.stream == stream)
    with reading(engine) as snapshot:
        state: Cursor | None = snapshot.execute(query).scalar_one_or_none()
    return state


def known_states(engine: Engine, connection: str, deal_ids: Sequence[str]) -> dict[str, Known]:
    """Deals marked as removed are left out: one that is listed again has to be read."""
    deal, journal = schema.deal, schema.write_journal
    known: dict[str, Known] = {}
    with reading(engine) as snapshot:
        for some in chunks(deal_ids):
            last = (
                select(func.max(journal.c.id))
                .where(journal.c.connection == connection, journal.c.deal_id.in_(some))
                .where(journal.c.echo_modified_at.is_not(None))
                .group_by(journal.c.deal_id)
            )
            echoes = select(journal.c.deal_id, journal.c.echo_modified_at)
            echo = {
                row.deal_id: row.echo_modified_at
                for row in snapshot.execute(echoes.where(journal.c.id.in_(last)))
            }
            living = select(*_DEAL_COLUMNS).where(
                deal.c.connection == connection,
                deal.c.deal_id.in_(some),
                deal.c.removed_at.is_(None),
            )
            for found in map(_deal, snapshot.execute(living)):
                dates = {found.modified_at, echo.get(found.deal_id, found.modified_at)}
                known[found.deal_id] = Known(found, frozenset(dates))
    return known


def deals_by_id(engine: Engine, connection: str, deal_ids: Iterable[str]) -> dict[str, Deal]:
    """The deals as last pulled, removed ones too; unknown ids are absent."""
    table = schema.deal
    with reading(engine) as snapshot:
        return {
            row.deal_id: _deal(row)
            for some in chunks(list(deal_ids))
            for row in snapshot.execute(
                select(*_DEAL_COLUMNS).where(
                    table.c.connection == connection, table.c.deal_id.in_(some)
                )
            )
        }


def archived_ids(engine: Engine, connection: str) -> set[str]:
    """Deals that the mirror believes to be in the CRM's recycle bin."""
    table = schema.deal
    query = select(table.c.deal_id).where(
        table.c.connection == connection,
        table.c.removed_reason == RemovalReason.ARCHIVED.value,
    )
    with reading(engine) as snapshot:
        return set(snapshot.execute(query).scalars())


def account(engine: Engine, connection: str) -> StoredAccount | None:
    """None before the first pull."""
    query = select(schema.connection).where(schema.connection.c.name == connection)
    with reading(engine) as snapshot:
        row = snapshot.execute(query).one_or_none()
    return None if row is None else _account(row)


def connections(engine: Engine) -> list[StoredAccount]:
    """All accounts that were ever pulled, by name."""
    query = select(schema.connection).order_by(schema.connection.c.name)
    with reading(engine) as snapshot:
        return [_account(row) for row in snapshot.execute(query)]


def deal_count(engine: Engine, connection: str) -> int:
    """Deals in the mirror that are in the CRM."""
    c = schema.deal.c
    query = select(func.count()).where(c.connection == connection, c.removed_at.is_(None))
    with reading(engine) as snapshot:
        number: int = snapshot.execute(query).scalar_one()
    return number


def actual_values(
    engine: Engine, connection: str, *, not_before: Mapping[str, datetime] | None = None
) -> dict[str, dict[str, str | None]]:
    """For each deal in the CRM the values of our properties there, as far as known: those pulled,
    and over them what we wrote since then. not_before: property -> since when the CRM can hold
    values of it; what was seen there earlier went with the property that a person deleted."""
    deal, journal = schema.deal, schema.write_journal
    living = and_(deal.c.connection == connection, deal.c.removed_at.is_(None))
    pulled = select(deal.c.deal_id, deal.c.own, deal.c.pulled_at).where(living)
    written = (
        select(journal.c.deal_id, journal.c.after, journal.c.settled_at)
        .join(deal, and_(living, deal.c.deal_id == journal.c.deal_id))
        .where(
            journal.c.connection == connection,
            journal.c.action == "write_back",
            journal.c.state.in_(WRITTEN),
            journal.c.settled_at >= deal.c.pulled_at,
        )
        .order_by(journal.c.id)
    )
    with reading(engine) as snapshot:
        values: dict[str, dict[str, str | None]] = {
            deal_id: seen_since(own, at, not_before)
            for deal_id, own, at in snapshot.execute(pulled)
        }
        for deal_id, after, at in snapshot.execute(written):
            values[deal_id].update(seen_since(after, at, not_before))
    return values


def seen_since(
    values: Mapping[str, str | None], seen_at: datetime, not_before: Mapping[str, datetime] | None
) -> dict[str, str | None]:
    """Without those that the CRM cannot hold any more, see `actual_values`."""
    since = not_before or {}
    return {k: v for k, v in values.items() if k not in since or seen_at >= since[k]}


def _deal(row: Row[*tuple[Any, ...]]) -> Deal:
    values = row._asdict()
    return Deal(**values | {"status": DealStatus(values["status"])})


def _account(row: Row[*tuple[Any, ...]]) -> StoredAccount:
    return StoredAccount(
        connection=row.name,
        kind=row.kind,
        account_id=row.account_id,
        time_zone=row.time_zone,
        home_currency=row.home_currency,
        currencies=tuple(row.currencies),
        deal_url=row.deal_url,
        seen_at=row.seen_at,
    )
