"""The mirror beside the simulated CRM's own records, read without the adapter."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Engine, Row, select

from sync.mirror import read, schema
from sync.mirror.engine import reading
from sync.sandbox.crm import Crm

Parse = Callable[[str], object]
Versions = list[tuple[datetime, object]]


def instant(text: str) -> datetime:
    if text.lstrip("-").isdigit():
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(text))
    return datetime.fromisoformat(text)


def category(text: str) -> str:
    return {"OMIT": "OMITTED"}.get(text, text)


VALUES: Mapping[str, tuple[str, Parse]] = {
    "pipeline": ("pipeline_id", str),
    "dealstage": ("stage_id", str),
    "hubspot_owner_id": ("owner_id", str),
    "amount": ("amount", Decimal),
    "amount_in_home_currency": ("amount_home", Decimal),
    "closedate": ("close_date", instant),
    "createdate": ("created_at", instant),
    "hs_manual_forecast_category": ("forecast_category", category),
    "closed_lost_reason": ("loss_reason", str),
    "hs_next_step": ("next_step", str),
    "notes_last_updated": ("last_activity_at", instant),
    "notes_next_activity_date": ("next_activity_at", instant),
}
"""Property of the CRM -> column of the mirror, and how the property's text is to be understood."""

PAST: Mapping[str, tuple[str, Parse]] = {
    "dealstage": ("stage", str),
    "pipeline": ("pipeline", str),
    "amount": ("amount", Decimal),
    "closedate": ("close_date", instant),
    "hubspot_owner_id": ("owner", str),
    "hs_manual_forecast_category": ("forecast_category", category),
}
"""Property of the CRM -> field of the history."""


def differences(crm: Crm, engine: Engine) -> list[str]:
    """Deal by deal, where the mirror is not what the CRM is; empty = equal."""
    with reading(engine) as snapshot:
        rows = {row.deal_id: row for row in snapshot.execute(select(schema.deal))}
        past = _past(snapshot.execute(select(schema.deal_change)).all())
    living = {deal_id for deal_id, row in rows.items() if row.removed_at is None}
    there = set(crm.deal_ids())
    found = [f"{deal_id}: not in the mirror" for deal_id in sorted(there - living)]
    found += [f"{i}: only in the mirror" for i in sorted(living - there)]
    for deal_id in sorted(living & there):
        found += [f"{deal_id}: {what}" for what in _of_state(crm, deal_id, rows[deal_id])]
        found += [f"{deal_id}: {what}" for what in _of_past(crm, deal_id, past)]
        last = past.get((deal_id, "status"), [(None, None)])[-1][1]
        if last != rows[deal_id].status:
            found.append(f"{deal_id}: status {rows[deal_id].status}, its history ends with {last}")
    for deal_id in sorted(rows.keys() - living):
        found += [f"{deal_id}: {what}" for what in _of_tombstone(crm, deal_id, rows[deal_id])]
    return found


def false_beliefs(crm: Crm, engine: Engine) -> list[str]:
    """Where the next write-back would start from something that the CRM does not hold."""
    found = []
    for deal_id, believed in read.actual_values(engine, "portal").items():
        if deal_id in crm.deal_ids():
            held = crm.deal(deal_id)
            found += [
                f"{deal_id}: {name} is believed to be {value!r}, in the CRM {held.get(name)!r}"
                for name, value in believed.items()
                if (value or None) != held.get(name)
            ]
    return found


def _of_state(crm: Crm, deal_id: str, row: Row[Any]) -> Iterator[str]:
    values = crm.deal(deal_id)
    wanted: dict[str, object] = {
        column: None if values[name] is None else parse(values[name] or "")
        for name, (column, parse) in VALUES.items()
    }
    closed, won = values["hs_is_closed"] == "true", values["hs_is_closed_won"] == "true"
    wanted |= {
        "name": values["dealname"] or "",
        "status": "won" if won else "lost" if closed else "open",
        "currency": values["deal_currency_code"] or crm.company.home_currency,
        "contact_count": crm.links.count("deals", int(deal_id), "contacts"),
        "company_count": crm.links.count("deals", int(deal_id), "companies"),
    }
    for column, value in wanted.items():
        if getattr(row, column) != value:
            yield f"{column} {getattr(row, column)!r}, in the CRM {value!r}"


def _of_past(crm: Crm, deal_id: str, past: Mapping[tuple[str, str], Versions]) -> Iterator[str]:
    for name, (field, parse) in PAST.items():
        told = past.get((deal_id, field), [])
        kept: Versions = [(at, None if new is None else parse(str(new))) for at, new in told]
        wanted = _versions(crm, deal_id, name, parse)
        if kept != wanted:
            yield f"history of {field} {_shown(kept)}, in the CRM {_shown(wanted)}"


def _versions(crm: Crm, deal_id: str, name: str, parse: Parse) -> Versions:
    """Those that changed something."""
    found: Versions = []
    for entry in crm.history(deal_id, name):
        text = str(entry["value"])
        value = parse(text) if text else None
        if value != (found[-1][1] if found else None):
            found.append((instant(str(entry["timestamp"])), value))
    return found


def _past(rows: Any) -> dict[tuple[str, str], Versions]:
    past: dict[tuple[str, str], Versions] = {}
    for row in sorted(rows, key=lambda row: (row.changed_at, row.ordinal)):
        past.setdefault((row.deal_id, row.field), []).append((row.changed_at, row.new))
    return past


def _shown(versions: Versions) -> list[str]:
    return [f"{at:%m-%d %H:%M:%S.%f} {value}" for at, value in versions]


def _of_tombstone(crm: Crm, deal_id: str, row: Row[Any]) -> Iterator[str]:
    table = crm.deals.table
    survivor = str(table.survivor(int(deal_id)))
    wanted: set[tuple[str, str | None]]
    if table.find(deal_id, archived=True) is not None:
        wanted = {("archived", None)}
    elif survivor == deal_id:
        wanted = {("purged", None)}
    else:
        wanted = {("merged", survivor)}
        if table.find(survivor) is None:  # gone itself: nobody tells any more what went into it
            wanted.add(("purged", None))
            between = str(row.survivor_id or deal_id)
            if str(table.survivor(int(between))) == survivor:  # as far as it was told
                wanted.add(("merged", between))
    held = (row.removed_reason, row.survivor_id)
    if held not in wanted:
        yield f"removed as {held}, in the CRM {sorted(wanted, key=str)}"
