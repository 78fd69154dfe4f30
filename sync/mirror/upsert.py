"""Inserting rows that may be there already, in either database's dialect."""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

Row = Mapping[str, Any]
T = TypeVar("T")

CHUNK = 5_000
"""Values in one IN list: both databases take more, neither is faster with more."""


def insert(transaction: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An insert with `on_conflict_...` in the dialect of `transaction`."""
    return _insert(transaction.dialect.name, table)


def _insert(dialect: str, table: Table) -> sqlite.Insert | postgresql.Insert:
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


def upsert(
    transaction: Connection, table: Table, rows: Sequence[Row], *, keep: Sequence[str] = ()
) -> None:
    """Insert `rows`, or overwrite those with the same primary key except for the columns `keep`."""
    if not rows:
        return
    statement = _overwriting(transaction.dialect.name, table, tuple(rows[0]), tuple(keep))
    transaction.execute(statement, list(rows))


@lru_cache
def _overwriting(
    dialect: str, table: Table, names: tuple[str, ...], keep: tuple[str, ...]
) -> sqlite.Insert | postgresql.Insert:
    """Made once: a pull says the same with every page."""
    statement = _insert(dialect, table)
    key = [column.name for column in table.primary_key]
    changed = {
        name: statement.excluded[name] for name in names if name not in key and name not in keep
    }
    return statement.on_conflict_do_update(index_elements=key, set_=changed)


def chunks(values: Sequence[T], size: int = CHUNK) -> Iterator[Sequence[T]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]


def storable(text: str) -> str:
    """`text` without what no database can store: NUL characters and halves of surrogate pairs."""
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "")
