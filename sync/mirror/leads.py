"""Leads and their changes: saved page by page, read as frames, erased when they are gone."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import Engine, and_, delete, func, select

from sync.config.lead_alerts import LEAD_RULES
from sync.crm.leads import Lead, LeadChange, LeadPage
from sync.mirror import lead_comparison, schema
from sync.mirror.engine import pulling, reading, writing
from sync.mirror.read import WRITTEN, seen_since
from sync.mirror.upsert import chunks, storable, upsert
from sync.mirror.write_deals import put_cursor

LEAD_ACTION = "lead_score"
"""What the journal calls a write to a lead; `deal_id` is then the lead's."""

_OF_A_LEAD = (schema.lead_score, schema.lead_change, schema.lead)


def save_page(
    engine: Engine, connection: str, stream: str, page: LeadPage, *, at: datetime
) -> None:
    """Leads, their changes and the cursor behind them, all or nothing. Known changes stay: the CRM
    may keep only the latest ones."""
    with writing(engine, alone=pulling(connection)) as transaction:
        leads = {lead.lead_id: _lead(connection, lead) for lead in page.leads}
        if not page.history_read:
            lead_comparison.keep_what_is_no_longer_told(transaction, connection, leads)
        upsert(transaction, schema.lead, list(leads.values()))
        upsert(transaction, schema.lead_change, [_change(connection, c) for c in page.changes])
        if not page.history_read:
            found = lead_comparison.moves(transaction, connection, leads)
            found += lead_comparison.spread(transaction, connection, page.engagements)
            upsert(transaction, schema.lead_change, [_change(connection, c) for c in found])
        put_cursor(transaction, connection, stream, page.cursor, at)


def _lead(connection: str, lead: Lead) -> dict[str, object]:
    texts = ("stage", "owner_id", "source", "person_id", "deal_id")
    row = {"connection": connection, **asdict(lead)}
    stored = {name: None if row[name] is None else storable(row[name]) for name in texts}
    return row | stored | {"own": dict(lead.own)}


def _change(connection: str, change: LeadChange) -> dict[str, object]:
    value = None if change.value is None else storable(change.value)
    return {
        "connection": connection,
        **asdict(change),
        "field": change.field.value,
        "value": value,
    }


def known_versions(
    engine: Engine, connection: str, lead_ids: Sequence[str]
) -> dict[str, frozenset[datetime]]:
    """The modification date under which a lead need not be read again."""
    table = schema.lead
    found: dict[str, frozenset[datetime]] = {}
    with reading(engine) as snapshot:
        for some in chunks(lead_ids):
            query = select(table.c.lead_id, table.c.modified_at).where(
                table.c.connection == connection, table.c.lead_id.in_(some)
            )
            found |= {lead_id: frozenset([at]) for lead_id, at in snapshot.execute(query)}
    return found


def listed_ids(engine: Engine, connection: str) -> set[str]:
    """Of those that the CRM should still list; one that became a deal it need not."""
    table = schema.lead
    with reading(engine) as snapshot:
        query = select(table.c.lead_id).where(
            table.c.connection == connection, table.c.deal_id.is_(None)
        )
        return set(snapshot.execute(query).scalars())


def count(engine: Engine, connection: str) -> int:
    table = schema.lead
    with reading(engine) as snapshot:
        query = select(func.count()).where(table.c.connection == connection)
        return snapshot.execute(query).scalar_one()


def actual_values(
    engine: Engine, connection: str, *, not_before: Mapping[str, datetime] | None = None
) -> dict[str, dict[str, str | None]]:
    """For each lead the values of our properties in the CRM, as far as known: those read, and over
    them what we wrote since it was last modified as read. not_before: as for deals."""
    lead, journal = schema.lead, schema.write_journal
    ours = lead.c.connection == connection
    held = select(lead.c.lead_id, lead.c.own, lead.c.modified_at).where(ours)
    written = (
        select(journal.c.deal_id, journal.c.after, journal.c.settled_at)
        .join(lead, and_(ours, lead.c.lead_id == journal.c.deal_id))
        .where(
            journal.c.connection == connection,
            journal.c.action == LEAD_ACTION,
            journal.c.state.in_(WRITTEN),
            journal.c.settled_at >= lead.c.modified_at,
        )
        .order_by(journal.c.id)
    )
    with reading(engine) as snapshot:
        values = {
            lead_id: seen_since(own or {}, at, not_before)
            for lead_id, own, at in snapshot.execute(held)
        }
        for lead_id, after, at in snapshot.execute(written):
            values[lead_id].update(seen_since(after, at, not_before))
    return values


def erase(engine: Engine, connection: str, gone: Collection[str]) -> None:
    """Everything that is held of these leads, what was written to them and told of them too."""
    journal, alert, delivery = schema.write_journal, schema.alert, schema.alert_delivery
    with writing(engine, alone=pulling(connection)) as transaction:
        for some in chunks(sorted(gone)):
            transaction.execute(
                delete(journal).where(
                    journal.c.connection == connection,
                    journal.c.action == LEAD_ACTION,
                    journal.c.deal_id.in_(some),
                )
            )
        for some in chunks(sorted(gone)):
            told = select(alert.c.id).where(
                alert.c.connection == connection,
                alert.c.rule.in_(sorted(LEAD_RULES)),
                alert.c.deal_id.in_(some),
            )
            transaction.execute(delete(delivery).where(delivery.c.alert_id.in_(told)))
            transaction.execute(delete(alert).where(alert.c.id.in_(told)))
        for table in _OF_A_LEAD:
            for some in chunks(sorted(gone)):
                transaction.execute(
                    delete(table).where(table.c.connection == connection, table.c.lead_id.in_(some))
                )
