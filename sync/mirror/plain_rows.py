"""Records as rows of plain values, the same for both databases, made column by column.

A million deals are converted in loops of C: one attrgetter a record, one pass a column; those that
come as columns already save both. Instants and amounts are the texts of `types.py`, which SQLite
stores and Postgres reads as they are.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from typing import Any

import orjson
from sqlalchemy import JSON, Boolean, Integer, Table
from sqlalchemy.types import TypeEngine

from sync.crm.plain import exact_text, instant_text
from sync.mirror.types import Exact, Instant
from sync.mirror.upsert import storable

Row = tuple[Any, ...]
Columns = Sequence[Sequence[Any]]
Convert = Callable[[Sequence[Any]], Sequence[Any]]


class PlainRows:
    """Makes rows, or columns, of records whose attributes are named as `names`, columns of `table`.

    Raises ValueError for what no column holds: an amount that is none, an instant without zone.
    """

    def __init__(self, table: Table, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._read = attrgetter(*names)
        self._convert = [_converter(table.c[name].type) for name in names]
        self._store = [_STORE.get(convert, convert) for convert in self._convert]

    def __call__(self, records: Sequence[Any]) -> list[Row]:
        return list(zip(*self.columns(records), strict=True))

    def columns(self, records: Sequence[Any]) -> Columns:
        """In the order of `names`."""
        if not records:
            return [()] * len(self.names)
        columns = zip(*map(self._read, records), strict=True)
        return [of_column(c) for of_column, c in zip(self._convert, columns, strict=True)]

    def stored(self, columns: Mapping[str, Sequence[Any]]) -> Columns:
        """The same of columns whose amounts, instants and enumerations are texts already."""
        return [
            of_column(columns[name])
            for of_column, name in zip(self._store, self.names, strict=True)
        ]


def json_text(value: Any) -> str:
    """With sorted keys, so that equal values are equal texts."""
    try:
        text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    except TypeError:  # half of a surrogate pair somewhere in it
        return orjson.dumps(_storable(value), option=orjson.OPT_SORT_KEYS).decode()
    if "\\u0000" in text:
        return orjson.dumps(_storable(value), option=orjson.OPT_SORT_KEYS).decode()
    return text


def _converter(kind: TypeEngine[Any]) -> Convert:
    if isinstance(kind, Instant):
        return _instants
    if isinstance(kind, Exact):
        return _exacts
    if isinstance(kind, JSON):
        return _jsons
    return _as_is if isinstance(kind, Integer | Boolean) else _texts


def _as_is(values: Sequence[Any]) -> Sequence[Any]:
    return values


def _instants(values: Sequence[datetime | None]) -> list[str | None]:
    return [None if value is None else instant_text(value) for value in values]


def _exacts(values: Sequence[Decimal | None]) -> list[str | None]:
    return [None if value is None else exact_text(value) for value in values]


def _texts(values: Sequence[str | None]) -> Sequence[str | None]:
    """Enumerations as their values."""
    return _storables(
        [value if value is None or type(value) is str else str(value) for value in values]
    )


def _storables(values: Sequence[str | None]) -> Sequence[str | None]:
    """A column is looked at as one text, not value by value."""
    if _all_storable("".join(filter(None, values))):
        return values
    return [value if value is None else storable(value) for value in values]


def _all_storable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def _jsons(values: Sequence[Any]) -> list[str | None]:
    """Many deals hold the same few values of ours, mostly none: each text is made once."""
    known: dict[Any, str] = {}
    texts: list[str | None] = []
    for value in values:
        if value is None:
            texts.append(None)
            continue
        if not value:
            texts.append("{}")
            continue
        key = tuple(value.items()) if all(map(_is_text_or_empty, value.values())) else None
        text = known.get(key)
        if text is None:
            text = json_text(dict(value))
            if key is not None:
                known[key] = text
        texts.append(text)
    return texts


def _is_text_or_empty(value: Any) -> bool:
    """Other values are no keys: 1, 1.0 and True are equal, but not as JSON."""
    return value is None or type(value) is str


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {_storable(key): _storable(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(part) for part in value]
    return value


_STORE = {_instants: _as_is, _exacts: _as_is, _texts: _storables}
"""What is left of a conversion where a column has plain values already."""
