"""Our properties in HubSpot's words: what to create, and how what is there differs. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sync.crm.base import PropertySpec, PropertyState, PropertyStatus, ValueKind
from sync.crm.hubspot import values
from sync.crm.hubspot.values import Doubts

Json = dict[str, Any]

GROUP: Final = "dealpulse"
GROUP_LABEL: Final = "dealpulse"

_SHAPES: Final[Mapping[ValueKind, Json]] = {
    ValueKind.PROBABILITY: {
        "type": "number",
        "fieldType": "number",
        "numberDisplayHint": "percentage",
    },
    ValueKind.AMOUNT: {
        "type": "number",
        "fieldType": "number",
        "numberDisplayHint": "currency",
        "showCurrencySymbol": True,
    },
    ValueKind.INTEGER: {
        "type": "number",
        "fieldType": "number",
        "numberDisplayHint": "formatted",
    },
    ValueKind.DATE: {"type": "date", "fieldType": "date"},
    ValueKind.DATETIME: {"type": "datetime", "fieldType": "date"},
    ValueKind.CHOICE: {"type": "enumeration", "fieldType": "select"},
    ValueKind.CHOICES: {"type": "enumeration", "fieldType": "checkbox"},
    ValueKind.TEXT: {"type": "string", "fieldType": "textarea"},
}

_WITH_OPTIONS: Final = (ValueKind.CHOICE, ValueKind.CHOICES)


def group() -> Json:
    """The group under which salespeople find the properties."""
    return {"name": GROUP, "label": GROUP_LABEL, "displayOrder": -1}


def definition(spec: PropertySpec, position: int) -> Json:
    """What creates the property. Not offered in forms, which are for customers."""
    return {
        "name": spec.name,
        "groupName": GROUP,
        "label": spec.label,
        "description": spec.description,
        "displayOrder": position,
        "formField": False,
        "hasUniqueValue": False,
        "hidden": False,
        **_SHAPES[spec.kind],
        **({"options": _options(spec, ())} if spec.kind in _WITH_OPTIONS else {}),
    }


def correction(spec: PropertySpec, there: Mapping[str, Any]) -> Json:
    """What puts label, description and options right. Options that exist are never taken away:
    deals may hold them, and somebody may have added them on purpose.
    """
    wanted: Json = {"label": spec.label, "description": spec.description}
    if spec.kind in _WITH_OPTIONS:
        wanted["options"] = _options(spec, there.get("options") or ())
    return wanted


def state(spec: PropertySpec, there: Mapping[str, Any] | None) -> PropertyState:
    """How HubSpot's property compares to ours; `there` None = HubSpot has none of that name."""
    if there is None:
        return PropertyState(spec.name, PropertyStatus.MISSING)
    created_at = Doubts("").parse("createdAt", values.instant, there.get("createdAt"))
    conflict = _conflict(spec, there)
    if conflict:
        return PropertyState(spec.name, PropertyStatus.CONFLICT, conflict, created_at)
    differing = [
        part for part in ("label", "description") if (there.get(part) or "") != getattr(spec, part)
    ]
    if spec.kind in _WITH_OPTIONS and not _has_options(spec, there.get("options") or ()):
        differing.append("options")
    if differing:
        detail = ", ".join(differing)
        return PropertyState(spec.name, PropertyStatus.DIFFERS, detail, created_at)
    return PropertyState(spec.name, PropertyStatus.PRESENT, created_at=created_at)


def _conflict(spec: PropertySpec, there: Mapping[str, Any]) -> str:
    shape = _SHAPES[spec.kind]
    if there.get("type") != shape["type"]:
        return f"it is of type {there.get('type')}, ours has to be {shape['type']}"
    if spec.kind is ValueKind.CHOICES and there.get("fieldType") != shape["fieldType"]:
        return f"it is a {there.get('fieldType')}, ours has to be a checkbox for several values"
    metadata = there.get("modificationMetadata") or {}
    if there.get("calculated") or metadata.get("readOnlyValue"):
        return "its value is calculated or read-only"
    return ""


def _has_options(spec: PropertySpec, there: Sequence[Mapping[str, Any]]) -> bool:
    labels = {option.get("value"): option.get("label") for option in there}
    return all(labels.get(value) == label for value, label in spec.options)


def _options(spec: PropertySpec, there: Sequence[Mapping[str, Any]]) -> list[Json]:
    """Ours first, in our order, then the others as they are."""
    ours = {value for value, _ in spec.options}
    chosen: list[Json] = [
        {"value": value, "label": label, "hidden": False} for value, label in spec.options
    ]
    chosen += [
        {key: option[key] for key in ("value", "label", "hidden", "description") if key in option}
        for option in there
        if option.get("value") not in ours
    ]
    return [{**option, "displayOrder": position} for position, option in enumerate(chosen)]
