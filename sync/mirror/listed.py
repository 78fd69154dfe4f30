"""Tables of what a CRM lists whole: what it lists no more keeps its row, and is marked."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, Table, select

from sync.mirror.upsert import upsert


def save_listed(
    transaction: Connection,
    table: Table,
    connection: str,
    listed: Sequence[dict[str, Any]],
    at: datetime,
    *,
    when_missing: Mapping[str, Any] | None = None,
) -> None:
    """Make `table` hold `listed`, and mark what is there but not listed as missing since `at`,
    or since it was first missed. Columns that `listed` does not name stay as they are."""
    blank = dict.fromkeys(column.name for column in table.c)
    key = [column.name for column in table.primary_key if column.name != "connection"]
    known = {
        tuple(row[name] for name in key): row
        for row in rows_of(transaction, select(table).where(table.c.connection == connection))
    }
    rows = {}
    for entry in listed:
        identity = tuple(entry[name] for name in key)
        since = known.get(identity, {}).get("missing_since") or at
        told = {name: value for name, value in entry.items() if name != "missing"}
        told |= {"connection": connection, "missing_since": since if entry["missing"] else None}
        rows[identity] = {**blank, **known.get(identity, {}), **told}
    for identity, row in known.items():
        if identity not in rows:
            gone = {"missing_since": row["missing_since"] or at}
            rows[identity] = {**row, **gone, **(when_missing or {})}
    upsert(
        transaction, table, [row for identity, row in rows.items() if row != known.get(identity)]
    )


def rows_of(transaction: Connection, query: Select[*tuple[Any, ...]]) -> list[dict[str, Any]]:
    """Column name -> value, a mapping a row."""
    return [row._asdict() for row in transaction.execute(query)]
