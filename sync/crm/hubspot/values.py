"""HubSpot's values, which are strings of many habits, as ours. Pure and tolerant.

Each parser gives None for an empty value and raises ValueError for one that it cannot
understand; callers count those. What the habits are: BEHAVIOR.md.
"""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, TypeVar

from sync.crm.doubts import Doubts

__all__ = [
    "Doubts",
    "each_once",
    "forecast_category",
    "instant",
    "instants",
    "iso",
    "number",
    "numbers",
    "plain",
    "probability",
    "text",
    "texts",
    "truth",
]

T = TypeVar("T")

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_GROUPED: Final = re.compile(r"[+-]?\d{1,3}([, \u00a0\u202f])\d{3}(\1\d{3})*(\.\d+)?", re.ASCII)
_USUAL_NUMBERS: Final = re.compile(r"(?:(?:0|-?[1-9]\d{0,14})(?:\.\d{1,15})?\n)*", re.ASCII)
"""One a line, each as `plain` writes it but for zeros behind the point."""
_DIGITS: Final = 30
"""More digits on either side of the point than any amount has; keeps 1e999 out of memory."""


def text(raw: Any) -> str | None:
    """`""` and blanks are as empty as null."""
    if raw is None:
        return None
    value = str(raw)
    return value if value.strip() else None


def number(raw: Any) -> Decimal | None:
    """`1500.00`, `1.5E3` and, from old data, `1,000`; without needless zeros behind the point."""
    value = None if isinstance(raw, bool) else text(raw)
    if value is None:
        if isinstance(raw, bool):
            raise ValueError("a truth value is no number")
        return None
    value = value.strip()
    if _GROUPED.fullmatch(value):
        value = re.sub(r"[, \u00a0\u202f]", "", value)
    if not _NUMBER.fullmatch(value):
        raise ValueError("not a number")
    parsed = Decimal(value)
    exponent = parsed.as_tuple().exponent
    if parsed.adjusted() > _DIGITS or not isinstance(exponent, int) or exponent < -_DIGITS:
        raise ValueError("a number of absurd size")
    return Decimal(plain(parsed))


def plain(value: Decimal) -> str:
    """The one text of a number: no exponent, no needless zeros, no minus before zero."""
    digits = f"{value:f}"
    if "." in digits:
        digits = digits.rstrip("0").rstrip(".")
    return "0" if digits == "-0" else digits


def instant(raw: Any) -> datetime | None:
    """ISO 8601 with or without time and zone (none = UTC), or epoch milliseconds, even `1.7E12`."""
    value = None if isinstance(raw, bool) else text(raw)
    if value is None:
        if isinstance(raw, bool):
            raise ValueError("a truth value is no instant")
        return None
    value = value.strip()
    try:
        if _NUMBER.fullmatch(value):
            return _EPOCH + timedelta(milliseconds=int(Decimal(value)))
        parsed = datetime.fromisoformat(value)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        raise ValueError("an instant outside of history") from None


def iso(value: datetime) -> str:
    """ISO 8601 in UTC: `2026-03-31T21:30:00Z`, with milliseconds only where there are any."""
    spec = "milliseconds" if value.microsecond else "seconds"
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec=spec) + "Z"


def truth(raw: Any) -> bool | None:
    """`"false"` is False, which `bool("false")` is not."""
    if isinstance(raw, bool):
        return raw
    value = text(raw)
    if value is None:
        return None
    lowered = value.strip().lower()
    if lowered not in ("true", "false"):
        raise ValueError("neither true nor false")
    return lowered == "true"


def probability(raw: Any) -> Decimal | None:
    """0-1, or percent where it is above 1, since HubSpot does not say which; 1 is certainty."""
    value = number(raw)
    if value is None:
        return None
    if not 0 <= value <= 100:
        raise ValueError("no probability")
    return value if value <= 1 else Decimal(plain(value / 100))


def forecast_category(raw: Any) -> str | None:
    """Upper case; HubSpot's `OMIT` is our OMITTED. One that we do not know stays as it is."""
    value = text(raw)
    if value is None:
        return None
    upper = re.sub(r"[\s-]+", "_", value.strip().upper())
    return {"OMIT": "OMITTED", "CLOSED_WON": "CLOSED"}.get(upper, upper)


def texts(raws: Sequence[Any]) -> list[str | None]:
    """Each as `text` gives it."""
    if _are_texts(raws):
        filled = list(filter(None, raws))
        if "" not in raws and all(map(str.strip, filled)):
            return list(raws)
    return [text(raw) for raw in raws]


def numbers(raws: Sequence[Any]) -> list[Decimal | None]:
    """Each as `number` gives it; raises ValueError where it does so for any."""
    if _are_texts(raws):
        filled = list(filter(None, raws))
        lines = "\n".join([*filled, ""])
        if _USUAL_NUMBERS.fullmatch(lines) and lines.count("\n") == len(filled):
            return [_usual_number(raw) if raw else None for raw in raws]
    return [number(raw) for raw in raws]


def _usual_number(raw: str) -> Decimal:
    return Decimal(raw.rstrip("0").rstrip(".") if "." in raw else raw)


def instants(raws: Sequence[Any]) -> list[datetime | None]:
    """Each as `instant` gives it; raises ValueError where it does so for any."""
    if _are_texts(raws):
        try:
            found = [datetime.fromisoformat(raw) if raw else None for raw in raws]
        except ValueError:
            found = []
        if found and all(at is None or at.tzinfo is UTC for at in found):
            return found
    return [instant(raw) for raw in raws]


def each_once(parse: Callable[[Any], T | None], raws: Sequence[Any]) -> list[T | None]:
    """Each as `parse` gives it, which is asked once for equal texts; raises what it raises."""
    if not _are_texts(raws):
        return [parse(raw) for raw in raws]
    parsed = {raw: parse(raw) for raw in set(raws)}
    return [parsed[raw] for raw in raws]


def _are_texts(raws: Sequence[Any]) -> bool:
    """All are texts or empty."""
    return {str, type(None)}.issuperset(map(type, raws))
