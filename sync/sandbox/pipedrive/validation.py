"""The strict reading of a v2 body: unknown keys, wrong types and impossible values are refused."""

import re
from collections.abc import Callable, Mapping
from datetime import date
from math import isfinite
from typing import Any

from sync.sandbox.pipedrive.fields import FieldDefinition
from sync.sandbox.pipedrive.instants import parsed

_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_CLOCK = re.compile(r"\d\d:\d\d(:\d\d)?")
Check = Callable[[Any], str | None]
"""What is wrong with a value, None where nothing is."""


class Invalid(ValueError):
    """A body that breaks the rules; nothing was written. `problems`: (key, what is wrong)."""

    def __init__(self, *problems: tuple[str, str]) -> None:
        super().__init__("; ".join(f"{key}: {text}" for key, text in problems))
        self.problems = problems


def check(body: Mapping[str, Any], checks: Mapping[str, Check]) -> list[tuple[str, str]]:
    """Every problem of the body's keys."""
    problems = []
    for key, value in body.items():
        one = checks.get(key)
        text = f"Parameter '{key}' is not allowed for this request" if one is None else one(value)
        if text is not None:
            problems.append((key, text))
    return problems


def whole(value: Any) -> str | None:
    return None if type(value) is int else "Expected integer"


def number(value: Any) -> str | None:
    good = type(value) in (int, float) and isfinite(value)
    return None if good else "Expected number"


def boolean(value: Any) -> str | None:
    return None if type(value) is bool else "Expected boolean"


def text(value: Any) -> str | None:
    return None if isinstance(value, str) else "Expected string"


def filled(value: Any) -> str | None:
    return text(value) or (None if value.strip() else "Expected a value that is not empty")


def percent(value: Any) -> str | None:
    return whole(value) or (None if 0 <= value <= 100 else "Expected a value between 0 and 100")


def day(value: Any) -> str | None:
    try:
        good = isinstance(value, str) and _DAY.fullmatch(value) and date.fromisoformat(value)
    except ValueError:
        good = None
    return None if good else f"'{value}' is not a valid date"


def instant(value: Any) -> str | None:
    good = isinstance(value, str) and parsed(value) is not None
    return None if good else f"'{value}' is not a valid datetime"


def wholes(value: Any) -> str | None:
    good = isinstance(value, list) and all(type(item) is int for item in value)
    return None if good else "Expected an array of integers"


def objects(value: Any) -> str | None:
    good = isinstance(value, list) and all(isinstance(item, dict) for item in value)
    return None if good else "Expected an array of objects"


def mapping(value: Any) -> str | None:
    return None if isinstance(value, dict) else "Expected object"


def one_of(*allowed: str) -> Check:
    def checked(value: Any) -> str | None:
        return None if value in allowed else f"Expected one of {', '.join(allowed)}"

    return checked


def or_null(inner: Check) -> Check:
    return lambda value: None if value is None else inner(value)


def custom_value(definition: FieldDefinition, value: Any) -> str | None:
    """What is wrong with the value of a custom field; None empties it."""
    return None if value is None else _OF_TYPE[definition.type](definition, value)


def _short(_: FieldDefinition, value: Any) -> str | None:
    return text(value) or (None if len(value) <= 255 else "Expected at most 255 characters")


def _long(_: FieldDefinition, value: Any) -> str | None:
    return text(value) or (None if len(value) <= 65_000 else "Expected at most 65000 characters")


def _number(_: FieldDefinition, value: Any) -> str | None:
    return number(value)


def _whole(_: FieldDefinition, value: Any) -> str | None:
    return whole(value)


def _day(_: FieldDefinition, value: Any) -> str | None:
    return day(value)


def _option(definition: FieldDefinition, value: Any) -> str | None:
    known = {option.id for option in definition.options or ()}
    return whole(value) or (None if value in known else f"'{value}' is not a valid option")


def _options(definition: FieldDefinition, value: Any) -> str | None:
    if wholes(value) or not value:
        return "Expected a non-empty array of option ids"
    return next((bad for bad in (_option(definition, item) for item in value) if bad), None)


def _parts(first: Check, **others: Check) -> Callable[[FieldDefinition, Any], str | None]:
    """An object with `value` and the parts named; all have to be there."""
    checks = {"value": first, **others}

    def checked(_: FieldDefinition, value: Any) -> str | None:
        if mapping(value) or not checks.keys() <= value.keys():
            return f"Expected an object with {', '.join(checks)}"
        return next((f"{key}: {bad}" for key, bad in check(value, checks)), None)

    return checked


def _address(_: FieldDefinition, value: Any) -> str | None:
    return mapping(value) or text(value.get("value"))


def _currency(value: Any) -> str | None:
    good = isinstance(value, str) and len(value) == 3 and value.isupper()
    return None if good else f"'{value}' is not a valid currency"


def _clock(value: Any) -> str | None:
    good = isinstance(value, str) and _CLOCK.fullmatch(value)
    return None if good else f"'{value}' is not a valid time"


def _time(_: FieldDefinition, value: Any) -> str | None:
    return mapping(value) or _clock(value.get("value"))


_OF_TYPE: dict[str, Callable[[FieldDefinition, Any], str | None]] = {
    "varchar": _short,
    "varchar_auto": _short,
    "text": _long,
    "phone": _short,
    "double": _number,
    "monetary": _parts(number, currency=_currency),
    "enum": _option,
    "set": _options,
    "user": _whole,
    "org": _whole,
    "people": _whole,
    "date": _day,
    "daterange": _parts(day, until=day),
    "time": _time,
    "timerange": _parts(_clock, until=_clock),
    "address": _address,
}
