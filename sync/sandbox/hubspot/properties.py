"""Property definitions and their groups."""

from sync.sandbox.hubspot.batch import answer
from sync.sandbox.hubspot.calls import Call, Reply
from sync.sandbox.hubspot.errors import ApiError, not_found
from sync.sandbox.hubspot.objects import kind_of
from sync.sandbox.store.definitions import BadDefinition, Definitions
from sync.sandbox.store.refusals import Conflict, Missing

BATCH_LIMIT = 100
SCHEMA_READ = ("crm.objects.deals.read", "crm.schemas.deals.read")


def schema_read(call: Call) -> tuple[str, ...]:
    """Either of them; tasks have no schema scope of their own."""
    name = _schema(call)
    return (f"crm.objects.{name}.read", f"crm.schemas.{name}.read")


def schema_write(call: Call) -> tuple[str, ...]:
    return (f"crm.schemas.{_schema(call)}.write",)


def _schema(call: Call) -> str:
    name = kind_of(call).name
    return name if name == "contacts" else "deals"


def list_properties(call: Call) -> Reply:
    found = _definitions(call).all(
        archived=call.flag("archived"), with_derived=call.behaviour.lists_stage_properties
    )
    return Reply(200, {"results": [definition.as_json() for definition in found]})


def read_property(call: Call) -> Reply:
    name = call.path["name"]
    try:
        found = _definitions(call).one(name, archived=call.flag("archived"))
    except Missing as missing:
        raise not_found(f"Property {name} does not exist", name) from missing
    return Reply(200, found.as_json())


def create_property(call: Call) -> Reply:
    try:
        made = _definitions(call).create(call.body(), call.crm.now())
    except Conflict as conflict:
        raise taken(str(conflict)) from conflict
    return Reply(201, made.as_json())


def create_properties(call: Call) -> Reply:
    results, errors = [], []
    for spec in call.inputs(BATCH_LIMIT):
        try:
            results.append(_definitions(call).create(spec, call.crm.now()).as_json())
        except Conflict as conflict:
            errors.append(_error("OBJECT_ALREADY_EXISTS", str(conflict), spec.get("name")))
        except BadDefinition as bad:
            errors.append(_error("VALIDATION_ERROR", str(bad), spec.get("name")))
    return answer(call, 201, results, errors)


def read_properties(call: Call) -> Reply:
    results, missing = [], []
    for spec in call.inputs(BATCH_LIMIT):
        name = str(spec.get("name"))
        try:
            found = _definitions(call).one(name, archived=bool(call.body().get("archived")))
            results.append(found.as_json())
        except Missing:
            missing.append(_error("OBJECT_NOT_FOUND", f"Property {name} does not exist", name))
    return answer(call, 200, results, missing)


def update_property(call: Call) -> Reply:
    name = call.path["name"]
    try:
        changed = _definitions(call).update(name, call.body(), call.crm.now())
    except Missing as missing:
        raise not_found(f"Property {name} does not exist", name) from missing
    return Reply(200, changed.as_json())


def archive_property(call: Call) -> Reply:
    name = call.path["name"]
    try:
        definition = _definitions(call).one(name)
    except Missing as missing:
        raise not_found(f"Property {name} does not exist", name) from missing
    if definition.hubspot_defined:
        raise BadDefinition(f"{name} is HubSpot's own and cannot be archived.")
    _definitions(call).archive(name, call.crm.now())
    return Reply(204)


def archive_properties(call: Call) -> Reply:
    for spec in call.inputs(BATCH_LIMIT):
        definition = _definitions(call).get(str(spec.get("name")))
        if definition is not None and not definition.hubspot_defined:
            _definitions(call).archive(definition.name, call.crm.now())
    return Reply(204)


def list_groups(call: Call) -> Reply:
    groups = _definitions(call).groups.values()
    return Reply(200, {"results": [group.as_json() for group in groups if not group.archived]})


def read_group(call: Call) -> Reply:
    name = call.path["name"]
    group = _definitions(call).groups.get(name)
    if group is None:
        raise not_found(f"Property group {name} does not exist", name)
    return Reply(200, group.as_json())


def create_group(call: Call) -> Reply:
    try:
        group = _definitions(call).create_group(call.body())
    except Conflict as conflict:
        raise taken(str(conflict)) from conflict
    return Reply(201, group.as_json())


def update_group(call: Call) -> Reply:
    name, body = call.path["name"], call.body()
    group = _definitions(call).groups.get(name)
    if group is None:
        raise not_found(f"Property group {name} does not exist", name)
    group.label = str(body.get("label", group.label))
    group.order = int(body.get("displayOrder", group.order))
    return Reply(200, group.as_json())


def taken(message: str) -> ApiError:
    return ApiError(409, "OBJECT_ALREADY_EXISTS", message)


def _definitions(call: Call) -> Definitions:
    return kind_of(call).definitions


def _error(category: str, message: str, name: object) -> dict[str, object]:
    return {
        "status": "error",
        "category": category,
        "message": message,
        "context": {"name": [str(name)]},
    }
