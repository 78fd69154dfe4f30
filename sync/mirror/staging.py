"""A temporary table of rows that came in, so that the database compares and merges them itself; and
how rows get into a table by the thousand.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import repeat
from typing import Any, Final

from psycopg import sql
from sqlalchemy import Boolean, Column, Connection, MetaData, Table, delete, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

Rows = Sequence[tuple[Any, ...]]
Columns = Mapping[str, Sequence[Any]]

TOGETHER: Final = 10
"""Rows in one statement on SQLite, where each value that is handed over costs as much as storing
it: those that all rows share are handed over once."""

_COUNTED = {"preserve_rowcount": True}


def staging(table: Table, names: Iterable[str], *flags: str) -> Table:
    """What holds rows of these columns of `table` until they are merged; `flags` are added."""
    return Table(
        f"incoming_{table.name}",
        MetaData(),
        *(Column(name, table.c[name].type) for name in names),
        *(Column(flag, Boolean) for flag in flags),
        prefixes=["TEMPORARY"],
        postgresql_on_commit="DELETE ROWS",
    )


def fill(transaction: Connection, incoming: Table, rows: Rows) -> None:
    """Make `incoming` hold exactly these rows of plain values, in the order of its columns."""
    transaction.execute(CreateTable(incoming, if_not_exists=True))
    transaction.execute(delete(incoming))
    put(transaction, incoming, _by_name([column.name for column in incoming.c], rows))


def put(transaction: Connection, table: Table, columns: Columns) -> None:
    """Insert rows of plain values, given column by column; none of them may be there already."""
    if transaction.dialect.name == "sqlite":
        _insert_sqlite(transaction, table, columns)
    elif columns:
        names = sql.SQL(", ").join(map(sql.Identifier, columns))
        copy = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table.name), names)
        driver: Any = transaction.connection.cursor()
        with driver.copy(copy) as stream:
            for row in zip(*columns.values(), strict=True):
                stream.write_row(row)


def insert_new_rows(transaction: Connection, table: Table, names: Sequence[str], rows: Rows) -> int:
    """Insert those of `rows` whose primary key is not there yet; returns how many."""
    if not rows:
        return 0
    if transaction.dialect.name == "sqlite":
        new = _by_name(names, rows)
        return _insert_sqlite(transaction, table, new, otherwise="ON CONFLICT DO NOTHING")
    incoming = staging(table, names)
    fill(transaction, incoming, rows)
    merge = postgresql.insert(table).from_select(list(names), select(*incoming.c))
    return transaction.execute(merge.on_conflict_do_nothing(), execution_options=_COUNTED).rowcount


def _by_name(names: Sequence[str], rows: Rows) -> Columns:
    """No columns where there are no rows."""
    return dict(zip(names, zip(*rows, strict=True), strict=False))


def _insert_sqlite(
    transaction: Connection, table: Table, columns: Columns, *, otherwise: str = ""
) -> int:
    """Returns how many rows were inserted."""
    count = min(map(len, columns.values()), default=0)
    whole = count - count % TOGETHER
    varied = {
        name: column
        for name, column in columns.items()
        if not whole or column[0] != column[-1] or column.count(column[0]) < count
    } or columns
    shared = {name: column for name, column in columns.items() if name not in varied}
    inserted = 0
    if whole:
        values = [
            *(repeat(column[0], whole // TOGETHER) for column in shared.values()),
            *(column[n:whole:TOGETHER] for n in range(TOGETHER) for column in varied.values()),
        ]
        into = _into(table.name, tuple(shared), tuple(varied), TOGETHER)
        inserted += _executed(transaction, f"{into} {otherwise}", values)
    if count > whole:
        into = _into(table.name, (), tuple(columns), 1)
        rest = [column[whole:] for column in columns.values()]
        inserted += _executed(transaction, f"{into} {otherwise}", rest)
    return inserted


def _executed(transaction: Connection, statement: str, values: Iterable[Iterable[Any]]) -> int:
    given = list(zip(*values, strict=True))
    return transaction.exec_driver_sql(statement, given, execution_options=_COUNTED).rowcount


@lru_cache
def _into(table: str, shared: tuple[str, ...], varied: tuple[str, ...], rows: int) -> str:
    """An INSERT of so many rows; its parameters are those of `shared`, then those of each row."""
    each = [f"?{n + 1}" for n in range(len(shared) + rows * len(varied))]
    first, rest = each[: len(shared)], each[len(shared) :]
    tuples = [
        ", ".join([*first, *rest[n : n + len(varied)]]) for n in range(0, len(rest), len(varied))
    ]
    names = ", ".join((*shared, *varied))
    return f"INSERT INTO {table} ({names}) VALUES {', '.join(f'({row})' for row in tuples)}"  # noqa: S608
