"""Property definitions of one object type: HubSpot's own, the account's, and the groups."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sync.sandbox.store.instants import iso
from sync.sandbox.store.refusals import Conflict, Missing

FIELD_TYPES = {
    "string": ("text", "textarea", "html", "file", "phonenumber", "calculation_equation"),
    "number": ("number", "calculation_equation"),
    "bool": ("booleancheckbox", "calculation_equation"),
    "enumeration": ("select", "radio", "checkbox", "booleancheckbox", "calculation_equation"),
    "date": ("date",),
    "datetime": ("date",),
}
_NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")
_CHANGEABLE = ("label", "description", "groupName", "displayOrder", "hidden", "formField")
_ATTRIBUTES = {
    "groupName": "group",
    "fieldType": "field_type",
    "displayOrder": "display_order",
    "formField": "form_field",
    "numberDisplayHint": "number_display_hint",
    "showCurrencySymbol": "show_currency_symbol",
    "hasUniqueValue": "has_unique_value",
}


@dataclass(slots=True)
class Option:
    value: str
    label: str
    order: int = -1
    hidden: bool = False
    description: str | None = None

    def as_json(self) -> dict[str, object]:
        known: dict[str, object] = {
            "label": self.label,
            "value": self.value,
            "displayOrder": self.order,
            "hidden": self.hidden,
        }
        return known | ({"description": self.description} if self.description else {})


@dataclass(slots=True)
class Definition:
    """`options_from` gives the options where they live elsewhere (stages, pipelines)."""

    name: str
    label: str
    type: str
    field_type: str
    group: str = "dealinformation"
    description: str = ""
    options: list[Option] = field(default_factory=list)
    calculated: bool = False
    read_only: bool = False
    external_options: bool = False
    hubspot_defined: bool = False
    has_unique_value: bool = False
    hidden: bool = False
    display_order: int = -1
    form_field: bool = False
    number_display_hint: str | None = None
    show_currency_symbol: bool | None = None
    created: int = 0
    updated: int = 0
    archived: int | None = None
    options_from: Callable[[], list[Option]] | None = None

    def choices(self) -> list[Option]:
        return self.options_from() if self.options_from else self.options

    def as_json(self) -> dict[str, object]:
        answer: dict[str, object] = {
            "updatedAt": iso(self.updated),
            "createdAt": iso(self.created),
            "name": self.name,
            "label": self.label,
            "type": self.type,
            "fieldType": self.field_type,
            "description": self.description,
            "groupName": self.group,
            "options": [option.as_json() for option in self.choices()],
            "displayOrder": self.display_order,
            "calculated": self.calculated,
            "externalOptions": self.external_options,
            "archived": self.archived is not None,
            "hasUniqueValue": self.has_unique_value,
            "hidden": self.hidden,
            "hubspotDefined": self.hubspot_defined,
            "modificationMetadata": {
                "archivable": not self.hubspot_defined,
                "readOnlyDefinition": self.hubspot_defined,
                "readOnlyValue": self.read_only,
                "readOnlyOptions": self.hubspot_defined and self.read_only,
            },
            "formField": self.form_field,
            "dataSensitivity": "non_sensitive",
        }
        if self.archived is not None:
            answer["archivedAt"] = iso(self.archived)
        if self.number_display_hint:
            answer["numberDisplayHint"] = self.number_display_hint
        if self.show_currency_symbol is not None:
            answer["showCurrencySymbol"] = self.show_currency_symbol
        return answer


@dataclass(slots=True)
class Group:
    name: str
    label: str
    order: int = -1
    archived: bool = False

    def as_json(self) -> dict[str, object]:
        return {
            "name": self.name,
            "label": self.label,
            "displayOrder": self.order,
            "archived": self.archived,
        }


class BadDefinition(ValueError):
    """A definition that HubSpot would not accept."""


class Definitions:
    """`derived` gives the definitions that follow from something else, such as the stages."""

    def __init__(
        self,
        definitions: Iterable[Definition],
        groups: Iterable[Group],
        derived: Callable[[], Mapping[str, Definition]] = dict,
    ) -> None:
        self._definitions = {d.name: d for d in definitions}
        self.groups = {g.name: g for g in groups}
        self.derived = derived

    def get(self, name: str) -> Definition | None:
        """A live definition; None where there is none or it is archived."""
        found = self._definitions.get(name)
        if found is not None:
            return found if found.archived is None else None
        return self.derived().get(name) if name.startswith("hs_v2_") else None

    def one(self, name: str, *, archived: bool = False) -> Definition:
        found = self._definitions.get(name) if archived else self.get(name)
        if found is None or (found.archived is not None) != archived:
            raise Missing(f"no property {name}")
        return found

    def all(self, *, archived: bool = False, with_derived: bool = False) -> list[Definition]:
        own = [d for d in self._definitions.values() if (d.archived is not None) == archived]
        return own + (list(self.derived().values()) if with_derived and not archived else [])

    def create(self, spec: Mapping[str, Any], at: int) -> Definition:
        """Raises Conflict for a name in use, also by an archived property, and BadDefinition."""
        name = str(spec.get("name") or "")
        if name in self._definitions or name in self.derived():
            raise Conflict(f"A property named '{name}' already exists.")
        _check_new(name, spec)
        definition = Definition(
            name,
            str(spec["label"]),
            str(spec["type"]),
            str(spec["fieldType"]),
            created=at,
            updated=at,
        )
        self._set(definition, spec)
        if definition.type == "enumeration" and not definition.options:
            raise BadDefinition("Enumeration properties must have options.")
        self._definitions[name] = definition
        return definition

    def update(self, name: str, spec: Mapping[str, Any], at: int) -> Definition:
        definition = self.one(name)
        if definition.hubspot_defined:
            raise BadDefinition(f"The definition of {name} is read only.")
        new_type = str(spec.get("type", definition.type))
        field_type = str(spec.get("fieldType", definition.field_type))
        _check_types(new_type, field_type)
        self._set(definition, spec)
        definition.type, definition.field_type, definition.updated = new_type, field_type, at
        return definition

    def archive(self, name: str, at: int) -> None:
        if name not in self._definitions:
            raise Missing(f"no property {name}")
        self._definitions[name].archived = at

    def purge(self, name: str) -> None:
        """An archived one, for ever: its name is free again. Raises Missing."""
        self.one(name, archived=True)
        del self._definitions[name]

    def create_group(self, spec: Mapping[str, Any]) -> Group:
        name, label = str(spec.get("name") or ""), str(spec.get("label") or "")
        if name in self.groups:
            raise Conflict(f"A property group named '{name}' already exists.")
        if not _NAME.fullmatch(name) or not label:
            raise BadDefinition("A property group needs a name in lower case and a label.")
        self.groups[name] = Group(name, label, int(spec.get("displayOrder", -1)))
        return self.groups[name]

    def _set(self, definition: Definition, spec: Mapping[str, Any]) -> None:
        if "groupName" in spec and spec["groupName"] not in self.groups:
            raise BadDefinition(f"Property group {spec['groupName']} does not exist.")
        options = (
            [_option(o, i) for i, o in enumerate(spec["options"])] if "options" in spec else None
        )
        for key in (*_CHANGEABLE, "numberDisplayHint", "showCurrencySymbol", "hasUniqueValue"):
            if key in spec:
                setattr(definition, _ATTRIBUTES.get(key, key), spec[key])
        if options is not None:
            definition.options = options


def _option(spec: Mapping[str, Any], position: int) -> Option:
    if "value" not in spec or "label" not in spec:
        raise BadDefinition("An option needs a value and a label.")
    return Option(
        str(spec["value"]),
        str(spec["label"]),
        int(spec.get("displayOrder", position)),
        bool(spec.get("hidden", False)),
        spec.get("description"),
    )


def _check_new(name: str, spec: Mapping[str, Any]) -> None:
    missing = [k for k in ("name", "label", "type", "fieldType", "groupName") if not spec.get(k)]
    if missing:
        raise BadDefinition(f"Some required fields were not set: {missing}")
    if not _NAME.fullmatch(name):
        raise BadDefinition(f"{name!r} is not a valid property name.")
    if name.startswith(("hs_", "hubspot")):
        raise BadDefinition(f"{name!r} starts with a reserved prefix.")
    _check_types(str(spec["type"]), str(spec["fieldType"]))


def _check_types(value_type: str, field_type: str) -> None:
    if field_type not in FIELD_TYPES.get(value_type, ()):
        raise BadDefinition(f"fieldType {field_type} does not go with type {value_type}.")
