"""The deal properties that the customer asked for besides ours: which, of what kind, their values.

Pure; `selection.py` asks HubSpot for the definitions.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Final

from sync.crm.base import ExtraValue, FieldDefinition, FieldKind
from sync.crm.hubspot import values
from sync.crm.hubspot.values import Doubts

Json = Mapping[str, Any]

_KINDS: Final[Mapping[str, FieldKind]] = {
    "number": FieldKind.NUMBER,
    "bool": FieldKind.BOOL,
    "date": FieldKind.DATE,
    "datetime": FieldKind.DATETIME,
    "enumeration": FieldKind.CHOICE,
}
_EXACT_DIGITS: Final = 15
"""A float holds so many decimal digits."""


@dataclass(frozen=True, slots=True)
class Extra:
    """`fields` by name. `left_out`: what was asked for and is not there, with what to do."""

    fields: Mapping[str, FieldDefinition] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()


def chosen(patterns: Iterable[str], listed: Iterable[Json], taken: Collection[str]) -> Extra:
    """Those of the `listed` definitions that the patterns name, in order of their names."""
    known = {str(d["name"]): d for d in listed if d.get("name") and not d.get("archived")}
    names: set[str] = set()
    left_out: list[str] = []
    for pattern in dict.fromkeys(patterns):
        if pattern.endswith("*"):
            found = {n for n in known if n.startswith(pattern[:-1]) and n not in taken}
            if not found:
                left_out.append(f"extra_properties: no deal property begins with {pattern[:-1]!r}.")
        else:
            found = {pattern} & known.keys()
            if not found:
                left_out.append(_unknown(pattern, known))
        names |= found
    fields = {name: _definition(known[name]) for name in sorted(names)}
    return Extra(fields, tuple(left_out))


def values_of(
    props: Json, fields: Mapping[str, FieldDefinition], doubts: Doubts
) -> dict[str, ExtraValue]:
    """By name. A property that HubSpot leaves out of its answer is left out here too: it was
    deleted since its definition was read."""
    found: dict[str, ExtraValue] = {}
    for name, wanted in fields.items():
        if name in props:
            found[name] = doubts.parse(f"extra.{name}", _PARSERS[wanted.kind], props[name])
    return found


def _unknown(name: str, known: Collection[str]) -> str:
    near = get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    return (
        f"extra_properties: HubSpot has no deal property {name!r} (its internal name, not its "
        f"label){hint}"
    )


def _definition(record: Json) -> FieldDefinition:
    name, field_type = str(record["name"]), record.get("fieldType")
    kind = _KINDS.get(str(record.get("type")), FieldKind.TEXT)
    if kind is FieldKind.CHOICE and field_type in ("checkbox", "booleancheckbox"):
        kind = FieldKind.CHOICES if field_type == "checkbox" else FieldKind.BOOL
    return FieldDefinition(name, values.text(record.get("label")) or name, kind)


def _number(raw: Any) -> ExtraValue:
    value = values.number(raw)
    if value is None:
        return None
    if len(value.as_tuple().digits) > _EXACT_DIGITS:
        return values.plain(value)
    return int(value) if value == value.to_integral_value() else float(value)


def _day(raw: Any) -> ExtraValue:
    """HubSpot's dates are days without a zone: `2026-05-31`, or midnight UTC in milliseconds."""
    at = values.instant(raw)
    return None if at is None else at.date().isoformat()


def _instant(raw: Any) -> ExtraValue:
    at = values.instant(raw)
    return None if at is None else values.iso(at)


def _choices(raw: Any) -> ExtraValue:
    text = values.text(raw)
    parts = {part.strip() for part in (text or "").split(";")} - {""}
    return sorted(parts) or None


_PARSERS: Final[Mapping[FieldKind, Callable[[Any], Any]]] = {
    FieldKind.NUMBER: _number,
    FieldKind.BOOL: values.truth,
    FieldKind.DATE: _day,
    FieldKind.DATETIME: _instant,
    FieldKind.CHOICE: values.text,
    FieldKind.CHOICES: _choices,
    FieldKind.TEXT: values.text,
}
