"""Deals as columns of plain values, which both databases take as they are.

Amounts are decimal texts, instants UTC texts of fixed width, which sort as time does. Most of what
a CRM sends has nearly that form already: a million deals go into the mirror without an object for
each amount and each instant on the way.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from itertools import chain
from typing import Any, Final, get_args, overload

from sync.crm.base import Deal, DealStatus


class PlainDeals(Sequence[Deal]):
    """`columns`: by field of `Deal`, a value for each deal; amounts, instants and the status as
    text, all others as there. A `Deal` is made of each that is looked at.
    """

    def __init__(self, columns: Mapping[str, Sequence[Any]]) -> None:
        self.columns = columns

    @staticmethod
    def joined(parts: Sequence["PlainDeals"]) -> "PlainDeals":
        return PlainDeals(
            {name: list(chain.from_iterable(p.columns[name] for p in parts)) for name in _READ}
        )

    def __len__(self) -> int:
        return len(self.columns["deal_id"])

    def __iter__(self) -> Iterator[Deal]:
        return map(Deal, *(map(_READ[name], self.columns[name]) for name in _READ))

    @overload
    def __getitem__(self, at: int) -> Deal: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Deal]: ...
    def __getitem__(self, at: int | slice) -> Deal | Sequence[Deal]:
        if isinstance(at, slice):
            return PlainDeals({name: column[at] for name, column in self.columns.items()})
        return Deal(**{name: read(self.columns[name][at]) for name, read in _READ.items()})


def instant_text(value: datetime) -> str:
    """UTC, of fixed width. Raises ValueError for an instant without zone.

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


def exact_text(value: Decimal) -> str:
    """Without exponent. Raises ValueError for what is no amount."""
    text = str(value)
    if text.isdigit() or not text.strip("-.0123456789"):
        return text
    if not value.is_finite():
        raise ValueError(f"{value} is not an amount")
    return f"{value:f}"


@lru_cache(20_000)
def _day(ordinal: int) -> str:
    return f"{date.fromordinal(ordinal)}T"


_MINUTES: Final = [f"{hour:02d}:{minute:02d}:" for hour in range(24) for minute in range(60)]
_SECONDS: Final = [f"{second:02d}" for second in range(60)]
_MILLIS: Final = [f".{millis:03d}000Z" for millis in range(1000)]


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _exact(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _as_it_is(value: Any) -> Any:
    return value


def _reader(kind: Any) -> Callable[[Any], Any]:
    readers = {datetime: _instant, Decimal: _exact, DealStatus: DealStatus}
    return next((readers[k] for k in (kind, *get_args(kind)) if k in readers), _as_it_is)


_READ: Final = {entry.name: _reader(entry.type) for entry in fields(Deal)}
"""By field of `Deal`, in their order: what makes its value of a plain one."""

NO_DEALS: Final = PlainDeals.joined(())
