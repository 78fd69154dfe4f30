"""HubSpot's values, which are strings of many habits, as ours. Pure and tolerant.

Each parser gives None for an empty value and raises ValueError for one that it cannot
understand; callers count those. What the habits are: BEHAVIOR.md.
"""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from sync.crm.doubts import Doubts
from sync.crm.plain import exact_text, instant_text

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
    "written",
]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_GROUPED: Final = re.compile(r"[+-]?\d{1,3}([, \u00a0\u202f])\d{3}(\1\d{3})*(\.\d+)?", re.ASCII)
_USUAL_NUMBERS: Final = re.compile(r"(?>(?:0|-?[1-9]\d{0,14}+)(?:\.\d{1,15}+)?+\n)*+", re.ASCII)
"""One a line, each as `plain` writes it but for zeros behind the point."""
_USUAL_INSTANT: Final = {4: b"-", 7: b"-", 10: b"T", 13: b":", 16: b":", 19: b".", 23: b"Z"}
"""Where `2026-04-30T09:44:37.845Z` has what; `2026-04-30T09:44:37Z` is as usual."""
_WIDTH: Final = 24
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


def texts(raws: Sequence[Any]) -> Sequence[str | None]:
    """Each as `text` gives it."""
    filled = _filled(raws)
    if filled is not None and "" not in raws and all(map(str.strip, filled)):
        return raws
    return [text(raw) for raw in raws]


def numbers(raws: Sequence[Any]) -> Sequence[str | None]:
    """Each as text, as `number` gives it; raises ValueError where it does so for any."""
    filled = _filled(raws)
    if filled is not None:
        lines = "\n".join([*filled, ""])
        if _USUAL_NUMBERS.fullmatch(lines) and lines.count("\n") == len(filled):
            if "." in lines:
                filled = [n.rstrip("0").rstrip(".") if "." in n else n for n in filled]
            return _between_empty(raws, filled)
    return [written(number(raw)) for raw in raws]


def instants(raws: Sequence[Any]) -> Sequence[str | None]:
    """Each as text, as `instant` gives it; raises ValueError where it does so for any."""
    filled = _filled(raws)
    plain = None if filled is None else _usual_instants(filled)
    if plain is not None:
        return _between_empty(raws, plain)
    return [written(instant(raw)) for raw in raws]


def each_once(parse: Callable[[Any], Any], raws: Sequence[Any]) -> list[Any]:
    """Each as `parse` gives it, numbers as text; it is asked once for equal texts. Raises what it
    raises."""
    if _filled(raws) is None:
        return [written(parse(raw)) for raw in raws]
    parsed = {raw: written(parse(raw)) for raw in set(raws)}
    return list(map(parsed.__getitem__, raws))


def written(value: Any) -> Any:
    """A number or an instant as text, any other value as it is."""
    if isinstance(value, Decimal):
        return exact_text(value)
    return instant_text(value) if isinstance(value, datetime) else value


def _filled(raws: Sequence[Any]) -> list[str] | None:
    """Those that are not empty; None where any is neither a text nor empty."""
    if {str, type(None)}.issuperset(map(type, raws)):
        return list(filter(None, raws))
    return None


def _between_empty(raws: Sequence[Any], filled: Sequence[str]) -> Sequence[str | None]:
    """A value for each of `raws`: for those that are not empty the ones of `filled`, in order."""
    if len(filled) == len(raws):
        return filled
    following = iter(filled)
    return [next(following) if raw else None for raw in raws]


def _usual_instants(filled: list[str]) -> list[str] | None:
    """As `instant_text` writes them; None where any is not of the usual form.

    The signs are where they have to be, so that what Python understands in between are the digits;
    from 3.13 on it knows an hour 24.
    """
    if not filled:
        return filled
    widths = set(map(len, filled))
    if not widths <= {_WIDTH, _WIDTH - 4}:
        return None
    if len(widths) > 1 or _WIDTH not in widths:
        filled = [raw if len(raw) == _WIDTH else f"{raw[:-1]}.000{raw[-1]}" for raw in filled]
    try:
        one = "".join(filled).encode("ascii")
        if any(one[at::_WIDTH] != sign * len(filled) for at, sign in _USUAL_INSTANT.items()):
            return None
        all(map(datetime.fromisoformat, filled))
    except ValueError:
        return None
    return None if b"T24" in one else "\n".join(filled).replace("Z", "000Z").split("\n")
