"""Pipedrive's values as ours. Pure and tolerant.

Each parser gives None for an empty value and raises ValueError for one that it cannot understand;
callers count those. What the habits are: BEHAVIOR.md.
"""

from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from zoneinfo import ZoneInfo

_ZERO_DATE: Final = "0000-00-00"
_DIGITS: Final = 30
_NOON: Final = time(12)


def text(raw: Any) -> str | None:
    """`""` and blanks are as empty as null."""
    if raw is None:
        return None
    value = str(raw)
    return value if value.strip() else None


def identity(raw: Any) -> str | None:
    """An id as text. v1 wraps some in an object; 0 is nobody."""
    if isinstance(raw, dict):
        raw = raw.get("value", raw.get("id"))
    value = text(raw)
    return None if value in (None, "0") else value


def number(raw: Any) -> Decimal | None:
    """A JSON number, or one in a text as v1's history has it; without needless zeros."""
    if raw is True or raw is False:
        raise ValueError("a truth value is no number")
    value = text(raw)
    if value is None:
        return None
    try:
        parsed = Decimal(value.strip())
    except InvalidOperation:
        raise ValueError("not a number") from None
    exponent = parsed.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -_DIGITS or parsed.adjusted() > _DIGITS:
        raise ValueError("no number, or one of absurd size")
    return Decimal(plain(parsed))


def plain(value: Decimal) -> str:
    """The one text of a number: no exponent, no needless zeros, no minus before zero."""
    digits = f"{value:f}"
    if "." in digits:
        digits = digits.rstrip("0").rstrip(".")
    return "0" if digits == "-0" else digits


def instant(raw: Any) -> datetime | None:
    """v2's RFC 3339, v1's `2026-03-01 08:00:00` (UTC without saying so), zero dates as empty."""
    value = text(raw)
    if value is None or value.startswith(_ZERO_DATE):
        return None
    try:
        parsed = datetime.fromisoformat(value.strip())
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        raise ValueError("an instant outside of history") from None


def day(raw: Any) -> date | None:
    """A calendar day, `2026-11-30`; of an instant its date."""
    value = text(raw)
    if value is None or value.startswith(_ZERO_DATE):
        return None
    return date.fromisoformat(value.strip()[:10])


def noon(of: date, zone: ZoneInfo) -> datetime:
    """The account's noon of that day: it stays the same day in any zone that is near."""
    return datetime.combine(of, _NOON, zone).astimezone(UTC)


def iso(value: datetime) -> str:
    """Whole seconds in UTC: Pipedrive refuses fractions in a query."""
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def percent(raw: Any) -> Decimal | None:
    """0-1 of Pipedrive's 0-100."""
    value = number(raw)
    if value is None:
        return None
    if not 0 <= value <= 100:
        raise ValueError("no probability")
    return Decimal(plain(value / 100))
