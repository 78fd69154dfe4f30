"""Records as rows of plain values, the same for both databases, made column by column.

A million deals are converted in loops of C: one attrgetter a record, one pass a column. Instants
and amounts become the texts of `types.py`, which SQLite stores and Postgres reads as they are.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final

import orjson
from sqlalchemy import JSON, Boolean, Integer, Table
from sqlalchemy.types import TypeEngine

from sync.mirror.types import Exact, Instant
from sync.mirror.upsert import storable

Row = tuple[Any, ...]
Convert = Callable[[Sequence[Any]], Iterable[Any]]


class PlainRows:
    """Makes rows of records whose attributes are named as `names`, columns of `table`.

    Raises ValueError for what no column holds: an amount that is none, an instant without zone.
    """

    def __init__(self, table: Table, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._read = attrgetter(*names)
        self._convert = [_converter(table.c[name].type) for name in names]

    def __call__(self, records: Sequence[Any]) -> list[Row]:
        if not records:
            return []
        columns = zip(*map(self._read, records), strict=True)
        plain = [convert(column) for convert, column in zip(self._convert, columns, strict=True)]
        return list(zip(*plain, strict=True))


def instant_text(value: datetime) -> str:
    """UTC, of fixed width, so that texts sort as time does.

    Put together from texts made before: isoformat costs ten times as much, and a deal has seven.
    """
    if value.tzinfo is not UTC:
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        value = value.astimezone(UTC)
    day = _day(value.toordinal())
    minute = _MINUTES[value.hour * 60 + value.minute]
    millis, micros = divmod(value.microsecond, 1000)
    if micros:
        return f"{day}{minute}{value.second:02d}.{value.microsecond:06d}Z"
    return f"{day}{minute}{_SECONDS[value.second]}{_MILLIS[millis]}"


@lru_cache(20_000)
def _day(ordinal: int) -> str:
    return f"{date.fromordinal(ordinal)}T"


_MINUTES: Final = [f"{hour:02d}:{minute:02d}:" for hour in range(24) for minute in range(60)]
_SECONDS: Final = [f"{second:02d}" for second in range(60)]
_MILLIS: Final = [f".{millis:03d}000Z" for millis in range(1000)]


def exact_text(value: Decimal) -> str:
    text = str(value)
    if text.isdigit() or not text.strip("-.0123456789"):
        return text
    if not value.is_finite():
        raise ValueError(f"{value} is not an amount")
    return f"{value:f}"


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


def _as_is(values: Sequence[Any]) -> Iterable[Any]:
    return values


def _instants(values: Sequence[datetime | None]) -> list[str | None]:
    return [None if value is None else instant_text(value) for value in values]


def _exacts(values: Sequence[Decimal | None]) -> list[str | None]:
    return [None if value is None else exact_text(value) for value in values]


def _texts(values: Sequence[str | None]) -> Sequence[str | None]:
    """Enumerations as their values. A column is looked at as one text, not value by value."""
    plain = [value if value is None or type(value) is str else str(value) for value in values]
    if _all_storable("".join(filter(None, plain))):
        return plain
    return [value if value is None else storable(value) for value in plain]


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
