"""Leads of a CRM that keeps no history: what is new is found by comparing with what was known."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from sync.crm.leads import Engagement, LeadChange, LeadField
from sync.mirror import schema
from sync.mirror.upsert import chunks

_STAYS = ("source", "owner_id", "person_id", "deal_id")
"""What is kept where a lead tells it no more."""


def keep_what_is_no_longer_told(
    transaction: Connection, connection: str, leads: Mapping[str, dict[str, Any]]
) -> None:
    """Fills gaps of `leads`, by id, from the mirror. What was first seen of a lead's beginning
    stands for ever."""
    table = schema.lead
    for some in chunks(sorted(leads)):
        held = select(table).where(table.c.connection == connection, table.c.lead_id.in_(some))
        for row in transaction.execute(held):
            lead = leads[row.lead_id]
            lead |= {name: lead[name] or getattr(row, name) for name in _STAYS}
            lead |= {"known_since": row.known_since, "created_at": row.created_at}


def moves(
    transaction: Connection, connection: str, leads: Mapping[str, Mapping[str, Any]]
) -> list[LeadChange]:
    """Of leads that are in another stage than their history says: dated when they were changed
    last, the latest that it can have been."""
    last = _last_stages(transaction, connection, sorted(leads))
    found = []
    for lead_id, lead in leads.items():
        before = last.get(lead_id)
        if before is not None and before.value == lead["stage"]:
            continue
        at = lead["modified_at"] if before is None else max(before.changed_at, lead["modified_at"])
        ordinal = before.ordinal + 1 if before is not None and before.changed_at == at else 0
        found.append(LeadChange(lead_id, LeadField.STAGE, at, lead["stage"], ordinal))
    return found


def _last_stages(
    transaction: Connection, connection: str, lead_ids: Sequence[str]
) -> dict[str, LeadChange]:
    table = schema.lead_change
    of_stage = (table.c.connection == connection, table.c.field == LeadField.STAGE.value)
    found: dict[str, LeadChange] = {}
    for some in chunks(lead_ids):
        newest = (
            select(table.c.lead_id, func.max(table.c.changed_at).label("at"))
            .where(*of_stage, table.c.lead_id.in_(some))
            .group_by(table.c.lead_id)
            .subquery()
        )
        query = (
            select(table.c.lead_id, table.c.changed_at, table.c.value, table.c.ordinal)
            .join(newest, table.c.lead_id == newest.c.lead_id)
            .where(*of_stage, table.c.changed_at == newest.c.at)
            .order_by(table.c.ordinal)
        )
        for row in transaction.execute(query):
            found[row.lead_id] = LeadChange(
                row.lead_id, LeadField.STAGE, row.changed_at, row.value, row.ordinal
            )
    return found


def spread(
    transaction: Connection, connection: str, engagements: Iterable[Engagement]
) -> list[LeadChange]:
    """Each engagement as a change of the leads that it was with."""
    happened: dict[str, defaultdict[str, list[Engagement]]] = {
        name: defaultdict(list) for name in ("lead_id", "deal_id", "person_id")
    }
    for each in engagements:
        for name, by in happened.items():
            if (about := getattr(each, name)) is not None:
                by[about].append(each)
                break
    found: dict[tuple[str, LeadField, datetime], LeadChange] = {}
    table = schema.lead
    for name, by in happened.items():
        column = table.c[name]
        for some in chunks(sorted(by)):
            query = select(table.c.lead_id, column.label("about"), table.c.created_at).where(
                table.c.connection == connection, column.in_(some)
            )
            for row in transaction.execute(query):
                for each in by[row.about]:
                    if each.at >= row.created_at:
                        key = (row.lead_id, each.field, each.at)
                        found[key] = LeadChange(*key, each.at.isoformat())
    return list(found.values())
