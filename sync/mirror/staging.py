"""A temporary table of rows that came in, so that the database compares and merges them itself."""

from collections.abc import Iterable, Sequence
from typing import Any

from psycopg import sql
from sqlalchemy import Boolean, Column, Connection, MetaData, Table, delete, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

Rows = Sequence[tuple[Any, ...]]

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
    put(transaction, incoming, [column.name for column in incoming.c], rows)


def put(transaction: Connection, table: Table, names: Sequence[str], rows: Rows) -> None:
    """Insert rows of plain values in the order of `names`; none of them may be there already."""
    if not rows:
        return
    if transaction.dialect.name == "sqlite":
        marks = ", ".join("?" * len(names))
        transaction.exec_driver_sql(
            f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({marks})",  # noqa: S608
            list(rows),
        )
        return
    columns = sql.SQL(", ").join(map(sql.Identifier, names))
    copy = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table.name), columns)
    driver: Any = transaction.connection.cursor()
    with driver.copy(copy) as stream:
        for row in rows:
            stream.write_row(row)


def insert_new_rows(transaction: Connection, table: Table, names: Sequence[str], rows: Rows) -> int:
    """Insert those of `rows` whose primary key is not there yet; returns how many."""
    if not rows:
        return 0
    listed = ", ".join(names)
    if transaction.dialect.name == "sqlite":
        marks = ", ".join("?" * len(names))
        statement = (
            f"INSERT INTO {table.name} ({listed}) VALUES ({marks}) "  # noqa: S608
            "ON CONFLICT DO NOTHING"
        )
        done = transaction.exec_driver_sql(statement, list(rows), execution_options=_COUNTED)
        return done.rowcount
    incoming = staging(table, names)
    fill(transaction, incoming, rows)
    merge = postgresql.insert(table).from_select(list(names), select(*incoming.c))
    return transaction.execute(merge.on_conflict_do_nothing(), execution_options=_COUNTED).rowcount
