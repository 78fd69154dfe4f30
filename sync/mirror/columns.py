"""Query results as Polars frames, read column by column: no Python object per row beyond the
driver's tuples. Both databases hand over the same plain texts and numbers.
"""

from collections.abc import Callable
from typing import Any

import polars as pl
from sqlalchemy import (
    JSON,
    Boolean,
    ColumnElement,
    Date,
    Dialect,
    Engine,
    Float,
    Integer,
    Select,
    String,
    cast,
    func,
    type_coerce,
)

from forecasting.deals import INSTANT
from sync.mirror.engine import reading
from sync.mirror.types import Exact, Instant

FETCH = 50_000
_INSTANT_SQL = 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'
_INSTANT_POLARS = "%Y-%m-%dT%H:%M:%S%.6fZ"

Columns = ColumnElement[Any]
Parse = Callable[[pl.Expr], pl.Expr]


def frame(engine: Engine, query: Select[*tuple[Any, ...]]) -> pl.DataFrame:
    """The rows of `query`. Instants are `Datetime("us", "UTC")`, exact amounts float64, dates
    `Date`, JSON its text."""
    wanted = list(query.selected_columns)
    plain = [_plain(column, engine.dialect).label(column.key) for column in wanted]
    raw_schema = {column.key or "": _raw_type(column) for column in wanted}
    statement = query.with_only_columns(*plain, maintain_column_froms=True)
    # part by part: texts of instants and amounts take five times what they say
    parsed = [_parsed(pl.col(column.key or ""), column) for column in wanted]
    parts = [pl.DataFrame(schema=raw_schema).with_columns(parsed)]
    with reading(engine) as snapshot:
        cursor = snapshot.execute(statement).cursor
        while rows := cursor.fetchmany(FETCH):
            values = zip(raw_schema.items(), zip(*rows, strict=True), strict=True)
            part = pl.DataFrame(
                [pl.Series(name, column, dtype) for (name, dtype), column in values]
            )
            parts.append(part.with_columns(parsed))
    return pl.concat(parts)


def _plain(column: Columns, dialect: Dialect) -> Columns:
    """The column in a form that both drivers return alike."""
    sqlite = dialect.name == "sqlite"
    if isinstance(column.type, Instant):
        text = type_coerce(column, String)
        return text if sqlite else func.to_char(func.timezone("UTC", column), _INSTANT_SQL)
    if isinstance(column.type, Exact | JSON | Date):
        return type_coerce(column, String) if sqlite else cast(column, String)
    if isinstance(column.type, Boolean):
        return cast(column, Integer)
    return column


def _raw_type(column: Columns) -> type[pl.DataType]:
    if isinstance(column.type, Integer | Boolean):
        return pl.Int64
    return pl.Float64 if isinstance(column.type, Float) else pl.String


def _parsed(values: pl.Expr, column: Columns) -> pl.Expr:
    if isinstance(column.type, Instant):
        return values.str.to_datetime(_INSTANT_POLARS, time_unit="us").cast(INSTANT)
    if isinstance(column.type, Exact):
        return values.cast(pl.Float64)
    if isinstance(column.type, Date):
        return values.str.to_date("%Y-%m-%d")
    if isinstance(column.type, Boolean):
        return values.cast(pl.Boolean)
    return values
