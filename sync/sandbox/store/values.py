"""Values as HubSpot accepts and keeps them: text of one form per type, or empty."""

from collections.abc import Callable
from decimal import Decimal, InvalidOperation

from sync.sandbox.store.definitions import Definition
from sync.sandbox.store.instants import DAY_MS, iso, parse_ms

LONGEST_TEXT = 65_536


class Invalid(ValueError):
    """`code` in HubSpot's words."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def accepted(definition: Definition, raw: object, present: str | None) -> str | None:
    """What is kept of a written value; None = emptied. `present`: for values that append.

    Raises Invalid.
    """
    if raw is None or raw == "":
        return None
    text = _text(raw)
    if definition.external_options:
        return text
    return _PARSERS[definition.type](definition, text, present)


def _text(raw: object) -> str:
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if isinstance(raw, str | int | float):
        return str(raw)
    raise Invalid("INVALID_FORMAT", f"{raw!r} is not a value.")


def _string(definition: Definition, text: str, _: str | None) -> str:
    if len(text) > LONGEST_TEXT:
        raise Invalid(
            "PROPERTY_VALUE_TOO_LONG",
            f"Property {definition.name} is longer than {LONGEST_TEXT} characters.",
        )
    return text


def _number(_: Definition, text: str, __: str | None) -> str:
    try:
        finite = Decimal(text.strip()).is_finite()
    except InvalidOperation:
        finite = False
    if not finite:
        raise Invalid("INVALID_INTEGER", f"{text} was not a valid number.")
    return text.strip()


def _bool(_: Definition, text: str, __: str | None) -> str:
    if text.lower() not in ("true", "false"):
        raise Invalid("INVALID_BOOLEAN", f"{text} was not a valid boolean.")
    return text.lower()


def _date(_: Definition, text: str, __: str | None) -> str:
    ms = parse_ms(text)
    if ms is None:
        raise Invalid("INVALID_DATE", f"{text} was not a valid date.")
    if ms % DAY_MS:
        clock = iso(ms)[11:].rstrip("Z")
        raise Invalid("INVALID_DATE", f"{text} is at {clock} UTC, not midnight!")
    return iso(ms)[:10]


def _datetime(_: Definition, text: str, __: str | None) -> str:
    ms = parse_ms(text)
    if ms is None:
        raise Invalid("INVALID_DATE", f"{text} was not a valid date.")
    return iso(ms)


def _enumeration(definition: Definition, text: str, present: str | None) -> str:
    allowed = [option.value for option in definition.choices()]
    several = definition.field_type == "checkbox"
    parts = [part for part in text.split(";") if part] if several else [text]
    for part in parts:
        if part not in allowed:
            raise Invalid("INVALID_OPTION", f"{part} was not one of the allowed options: {allowed}")
    if several and text.startswith(";") and present:
        parts = [*present.split(";"), *parts]
    return ";".join(dict.fromkeys(parts))


_PARSERS: dict[str, Callable[[Definition, str, str | None], str]] = {
    "string": _string,
    "number": _number,
    "bool": _bool,
    "date": _date,
    "datetime": _datetime,
    "enumeration": _enumeration,
}
