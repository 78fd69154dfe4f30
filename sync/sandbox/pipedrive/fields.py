"""Deal fields: Pipedrive's own and the customer's, the latter under random 40-hex codes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from secrets import token_hex

from sync.sandbox.store.refusals import Conflict, Missing

CREATABLE = (
    "varchar", "varchar_auto", "text", "double", "monetary", "enum", "set", "user", "org",
    "people", "phone", "date", "daterange", "time", "timerange", "address",
)  # fmt: skip
"""The types that a custom field can have."""

MOST_OPTIONS = 10_000
_OWN = """
id ID int
title Title varchar
creator_user_id Creator user
owner_id Owner user
value Value monetary
currency Currency varchar
probability Probability int
org_id Organization org
person_id Contact_person people
pipeline_id Pipeline double
stage_id Stage stage
status Status status
label_ids Labels set
add_time Deal_created date
update_time Update_time date
stage_change_time Last_stage_change date
close_time Deal_closed_on date
won_time Won_time date
lost_time Lost_time date
lost_reason Lost_reason varchar_options
expected_close_date Expected_close_date date
is_archived Archived boolean
archive_time Archive_time date
origin Source_origin varchar
visible_to Visible_to visible_to
"""
_STATUSES = ("open", "won", "lost", "deleted")


@dataclass(slots=True)
class Option:
    id: int | str
    label: str
    color: str | None = None

    def as_json(self) -> dict[str, object]:
        return {"id": self.id, "label": self.label, "color": self.color}


@dataclass(slots=True)
class FieldDefinition:
    code: str
    name: str
    type: str
    description: str = ""
    options: list[Option] | None = None
    is_custom: bool = False
    extra: dict[str, object] = field(default_factory=dict)

    def as_json(self, include: Iterable[str] = ()) -> dict[str, object]:
        """`include`: of ui_visibility, important_fields and required_fields."""
        shown: dict[str, object] = {
            "field_name": self.name,
            "field_code": self.code,
            "description": self.description,
            "field_type": self.type,
            "options": None if self.options is None else [o.as_json() for o in self.options],
            "subfields": self._subfields(),
            "is_custom_field": self.is_custom,
            "is_optional_response_field": False,
        }
        return shown | {name: self.extra.get(name) or _EXTRA[name] for name in include}

    def _subfields(self) -> list[dict[str, str]] | None:
        if self.type != "monetary":
            return None
        return [
            {"field_code": code, "field_name": f"{name} of {self.name}", "field_type": kind}
            for code, name, kind in (
                ("value", "Amount", "double"),
                ("currency", "Currency", "varchar"),
            )
        ]


_EXTRA: dict[str, dict[str, object]] = {
    "ui_visibility": {
        "add_visible_flag": False,
        "details_visible_flag": True,
        "projects_detail_visible_flag": False,
        "show_in_pipelines": {"show_in_all": True, "pipeline_ids": []},
    },
    "important_fields": {"enabled": False, "stage_ids": []},
    "required_fields": {"enabled": False, "stage_ids": [], "statuses": {}},
}
EXTRAS = tuple(_EXTRA)


class Fields:
    """`field_code` -> definition; a deleted field is simply gone."""

    def __init__(self) -> None:
        self._fields: dict[str, FieldDefinition] = {}
        self._option_id = 1
        for line in _OWN.strip().splitlines():
            code, name, kind = line.split()
            options = [Option(s, s.capitalize()) for s in _STATUSES] if kind == "status" else None
            options = [] if kind == "set" else options
            self._fields[code] = FieldDefinition(
                code, name.replace("_", " "), kind, options=options
            )

    def __iter__(self) -> Iterator[FieldDefinition]:
        return iter(self._fields.values())

    def custom(self) -> list[FieldDefinition]:
        return [f for f in self._fields.values() if f.is_custom]

    def find(self, code: str) -> FieldDefinition | None:
        return self._fields.get(code)

    def get(self, code: str) -> FieldDefinition:
        """Raises Missing."""
        if code not in self._fields:
            raise Missing(f"no field {code}")
        return self._fields[code]

    def named(self, name: str) -> FieldDefinition:
        """The first custom field of that display name. Raises Missing."""
        for definition in self.custom():
            if definition.name == name:
                return definition
        raise Missing(f"no custom field {name!r}")

    def add(
        self, name: str, kind: str, labels: Iterable[str] = (), description: str = ""
    ) -> FieldDefinition:
        code = token_hex(20)
        options = [self.option(label) for label in labels] if kind in ("enum", "set") else None
        definition = FieldDefinition(code, name, kind, description, options, is_custom=True)
        self._fields[code] = definition
        return definition

    def option(self, label: str) -> Option:
        """A new option; its number is unique in the account."""
        self._option_id += 1
        return Option(self._option_id - 1, label)

    def delete(self, code: str) -> FieldDefinition:
        """Raises Missing, and Conflict for one of Pipedrive's own."""
        definition = self.get(code)
        if not definition.is_custom:
            raise Conflict(f"{code} cannot be deleted")
        return self._fields.pop(code)
