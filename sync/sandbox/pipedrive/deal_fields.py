"""v2 deal fields: list, one, create, change, delete, and their options."""

from typing import Any

from sync.sandbox.pipedrive import validation as v
from sync.sandbox.pipedrive.calls import Call, Reply
from sync.sandbox.pipedrive.errors import capped, forbidden, invalid, not_found
from sync.sandbox.pipedrive.fields import CREATABLE, EXTRAS, MOST_OPTIONS, FieldDefinition
from sync.sandbox.pipedrive.listing import whole_list
from sync.sandbox.store.refusals import Conflict, Missing

_CHANGEABLE: dict[str, v.Check] = {
    "field_name": v.filled,
    "description": v.or_null(v.text),
    "ui_visibility": v.mapping,
    "important_fields": v.mapping,
    "required_fields": v.mapping,
}
_CREATED = _CHANGEABLE | {"field_type": v.one_of(*CREATABLE), "options": v.objects}


KEYS, KEYS_OF_NEW = frozenset(_CHANGEABLE), frozenset(_CREATED)
"""What a body may hold."""


def list_fields(call: Call) -> Reply:
    call.known("include_fields", "limit", "cursor")
    include = _include(call)
    return whole_list(call, [definition.as_json(include) for definition in call.crm.fields])


def read_field(call: Call) -> Reply:
    return Reply(_find(call).as_json(_include(call)))


def create_field(call: Call) -> Reply:
    _permit(call)
    body = call.body()
    problems = v.check(body, _CREATED)
    problems += [
        (key, f"Parameter '{key}' is required")
        for key in ("field_name", "field_type")
        if key not in body
    ]
    kind = body.get("field_type")
    if kind in ("enum", "set") and not body.get("options"):
        problems.append(("options", "Parameter 'options' is required for this field type"))
    if kind not in ("enum", "set") and body.get("options"):
        problems.append(("options", "Options are not allowed for this field type"))
    if problems:
        raise invalid(*problems)
    labels = _labels(body.get("options", []))
    if len(call.crm.fields.custom()) >= call.behaviour.custom_fields:
        text = "Couldn't add the field. Custom fields limit reached."
        raise capped(text, "feature_capping_custom_fields_limit")
    description = body.get("description") or ""
    definition = call.crm.fields.add(body["field_name"], body["field_type"], labels, description)
    definition.extra |= {name: body[name] for name in EXTRAS if name in body}
    return Reply(definition.as_json())


def update_field(call: Call) -> Reply:
    _permit(call)
    definition, body = _find(call), call.body()
    problems = v.check(body, _CHANGEABLE)
    if problems or not body:
        raise invalid(*problems or [("body", "Expected at least one property")])
    definition.name = body.get("field_name", definition.name)
    definition.description = body.get("description", definition.description) or ""
    definition.extra |= {name: body[name] for name in EXTRAS if name in body}
    return Reply(definition.as_json())


def delete_field(call: Call) -> Reply:
    _permit(call)
    definition = _find(call)
    try:
        call.crm.delete_field(definition.code)
    except Conflict as conflict:
        raise forbidden(str(conflict)) from conflict
    return Reply(definition.as_json())


def add_options(call: Call) -> Reply:
    definition = _with_options(call)
    added = [call.crm.fields.option(label) for label in _labels(call.json())]
    _options(definition).extend(added)
    return Reply([option.as_json() for option in added], {})


def update_options(call: Call) -> Reply:
    definition, given = _with_options(call), call.json()
    labels = _labels(given)
    known = {option.id: option for option in _options(definition)}
    if any(item.get("id") not in known for item in given):
        raise not_found()
    changed = [known[item["id"]] for item in given]
    for option, label in zip(changed, labels, strict=True):
        option.label = label
    return Reply([option.as_json() for option in changed], {})


def delete_options(call: Call) -> Reply:
    definition, given = _with_options(call), call.json()
    if v.objects(given) or not given:
        raise invalid(("options", "Expected a non-empty array of objects"))
    ids = {item.get("id") for item in given}
    gone = [option for option in _options(definition) if option.id in ids]
    if len(gone) != len(ids):
        raise not_found()
    definition.options = [o for o in _options(definition) if o.id not in ids]
    return Reply([option.as_json() for option in gone], {})


def _find(call: Call) -> FieldDefinition:
    try:
        return call.crm.fields.get(call.path["field_code"])
    except Missing as missing:
        raise not_found() from missing


def _with_options(call: Call) -> FieldDefinition:
    _permit(call)
    definition = _find(call)
    if definition.options is None:
        raise invalid(("field_code", "The field has no options"))
    return definition


def _options(definition: FieldDefinition) -> list[Any]:
    return definition.options if definition.options is not None else []


def _labels(given: Any) -> list[str]:
    if v.objects(given) or any(v.filled(item.get("label")) for item in given):
        raise invalid(("options", "Each option needs a label"))
    if len(given) > MOST_OPTIONS:
        raise invalid(("options", f"Expected at most {MOST_OPTIONS} options"))
    return [item["label"] for item in given]


def _include(call: Call) -> list[str]:
    include = call.names("include_fields")
    if any(name not in EXTRAS for name in include):
        raise invalid(("include_fields", f"Expected some of {', '.join(EXTRAS)}"))
    return include


def _permit(call: Call) -> None:
    if not call.behaviour.may_manage_fields:
        raise forbidden("You do not have permission to do this.")
