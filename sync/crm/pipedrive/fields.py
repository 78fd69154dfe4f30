"""Our properties as Pipedrive's custom deal fields. Pure.

Pipedrive gives a field a random key of 40 hex digits, and people see and change its name. Ours are
found by the key kept from creating them, else by the mark at the end of their description.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from sync.crm.base import PropertySpec, PropertyState, PropertyStatus, ValueKind
from sync.crm.pipedrive import values

Json = dict[str, Any]

Keys = Mapping[str, str]
"""Property -> the field's key."""

_TYPES: Final[Mapping[ValueKind, str]] = {
    ValueKind.PROBABILITY: "double",
    ValueKind.AMOUNT: "monetary",
    ValueKind.INTEGER: "double",
    ValueKind.DATE: "date",
    ValueKind.DATETIME: "varchar",  # Pipedrive has no type for an instant
    ValueKind.CHOICE: "enum",
    ValueKind.CHOICES: "set",
    ValueKind.TEXT: "text",
}
_MARK: Final = re.compile(r"\[(dealpulse_\w+)\]\s*$")


def name(spec: PropertySpec) -> str:
    """What salespeople see. Pipedrive shows no percent sign by itself."""
    return f"{spec.label} (%)" if spec.kind is ValueKind.PROBABILITY else spec.label


def definition(spec: PropertySpec) -> Json:
    """What creates the field."""
    return {
        "field_name": name(spec),
        "field_type": _TYPES[spec.kind],
        "description": description(spec),
        **({"options": [{"label": label} for _, label in spec.options]} if spec.options else {}),
    }


def description(spec: PropertySpec) -> str:
    """Ends with the mark by which the field is found again."""
    return f"{spec.description} [{spec.name}]"


def find(names: Sequence[str], listed: Sequence[Json], kept: Keys) -> dict[str, Json]:
    """Our property -> its field. A kept key that is no more is forgotten; a name never counts."""
    by_key = {str(entry.get("field_code")): entry for entry in listed}
    marked: dict[str, Json] = {}
    for entry in listed:
        mark = _MARK.search(values.text(entry.get("description")) or "")
        if mark and entry.get("is_custom_field", True):
            marked.setdefault(mark.group(1), entry)
    found = {p: by_key.get(kept.get(p, "")) or marked.get(p) for p in names}
    return {p: entry for p, entry in found.items() if entry is not None}


def state(spec: PropertySpec, there: Json | None) -> PropertyState:
    """How Pipedrive's field compares to ours; `there` None = Pipedrive has none of ours."""
    if there is None:
        return PropertyState(spec.name, PropertyStatus.MISSING)
    wanted = _TYPES[spec.kind]
    if there.get("field_type") != wanted:
        detail = f"its field is of type {there.get('field_type')}, ours has to be {wanted}"
        return PropertyState(spec.name, PropertyStatus.CONFLICT, detail)
    differing = []
    if there.get("field_name") != name(spec):
        differing.append("label")
    if (there.get("description") or "") != description(spec):
        differing.append("description")
    if missing_options(spec, there):
        differing.append("options")
    if differing:
        return PropertyState(spec.name, PropertyStatus.DIFFERS, ", ".join(differing))
    return PropertyState(spec.name, PropertyStatus.PRESENT)


def missing_options(spec: PropertySpec, there: Json) -> list[Json]:
    """Those of our choices that the field does not offer under their present labels."""
    labels = {option.get("label") for option in there.get("options") or ()}
    return [{"label": label} for _, label in spec.options if label not in labels]


def choices(spec: PropertySpec, there: Json) -> dict[str, int]:
    """Our choice -> the option's number."""
    numbers = {option.get("label"): option.get("id") for option in there.get("options") or ()}
    return {value: int(numbers[label]) for value, label in spec.options if label in numbers}


def encode(kind: ValueKind, text: str | None, *, currency: str, choices: Mapping[str, int]) -> Any:
    """A value as PATCH wants it; null empties. Choices that the field does not offer are left out;
    an empty set is null, since Pipedrive refuses `[]`."""
    if text is None or not text.strip():
        return None
    match kind:
        case ValueKind.PROBABILITY:
            return _json_number(Decimal(text) * 100)
        case ValueKind.AMOUNT:
            return {"value": _json_number(Decimal(text)), "currency": currency}
        case ValueKind.INTEGER:
            return _json_number(Decimal(text))
        case ValueKind.DATETIME:
            at = datetime.fromisoformat(text).astimezone(UTC)
            return f"{at:%Y-%m-%d %H:%M:%S} UTC"
        case ValueKind.CHOICE:
            return choices.get(text)
        case ValueKind.CHOICES:
            return sorted(choices[part] for part in text.split(";") if part in choices) or None
        case _:
            return text


def decode(kind: ValueKind, raw: Any, *, choices: Mapping[str, int]) -> str | None:
    """A field's value in our text form; what cannot be understood comes as it is."""
    if raw is None or raw in ("", []):
        return None
    try:
        match kind:
            case ValueKind.PROBABILITY:
                return _text(values.number(raw), 100)
            case ValueKind.AMOUNT:
                return _text(values.number(raw.get("value") if isinstance(raw, dict) else raw))
            case ValueKind.INTEGER:
                return _text(values.number(raw))
            case ValueKind.DATETIME:
                at = values.instant(str(raw).removesuffix(" UTC"))
                return None if at is None else values.iso(at)
            case ValueKind.CHOICE:
                codes = {number: code for code, number in choices.items()}
                return codes.get(int(raw), f"#{raw}")
            case ValueKind.CHOICES:
                codes = {number: code for code, number in choices.items()}
                return ";".join(sorted(codes.get(number, f"#{number}") for number in raw))
            case _:
                return str(raw)
    except (ValueError, TypeError):
        return str(raw)


def _text(value: Decimal | None, divisor: int = 1) -> str | None:
    return None if value is None else values.plain(value / divisor)


def _json_number(value: Decimal) -> int | float:
    """Pipedrive takes numbers only, never texts."""
    return int(value) if value == value.to_integral_value() else float(value)
