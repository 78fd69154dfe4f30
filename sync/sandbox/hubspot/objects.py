"""Deals and tasks one by one: list, read, create, update, archive, merge."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sync.sandbox.hubspot.calls import BadBody, Call, Reply, objects_in
from sync.sandbox.hubspot.errors import ApiError, invalid, not_found
from sync.sandbox.hubspot.shape import Shape, paging
from sync.sandbox.store.instants import DAY_MS
from sync.sandbox.store.kinds import Kind
from sync.sandbox.store.links import LINK_TYPES, OBJECT_NAMES
from sync.sandbox.store.records import Record
from sync.sandbox.store.refusals import Conflict, Missing, Problem, Refused

LIST_LIMIT, HISTORY_LIMIT = 100, 50
ENFORCED_VERSION = "2026-09"
_PLACE = "page:"


class New(NamedTuple):
    """links: to which type and id the new record is associated."""

    properties: dict[str, object]
    links: list[tuple[str, int]]


def kind_of(call: Call) -> Kind:
    return call.crm.kinds[OBJECT_NAMES[call.path["object_type"]]]


def read_scopes(call: Call) -> tuple[str, ...]:
    return kind_of(call).read_scopes


def write_scopes(call: Call) -> tuple[str, ...]:
    return kind_of(call).write_scopes


def list_objects(call: Call) -> Reply:
    kind, archived = kind_of(call), call.flag("archived")
    purge(call, kind)
    history = call.names("propertiesWithHistory")
    limit = whole(call.text("limit", "10"), "limit")
    most = HISTORY_LIMIT if history else LIST_LIMIT
    if not 1 <= limit <= most:
        raise invalid(f"limit must be between 1 and {most}, but was {limit}")
    after = _place(call)
    shape = Shape(call, kind, call.names("properties"), history, call.names("associations"))
    records, following = kind.table.page(after, limit, archived=archived)
    body: dict[str, object] = {"results": [shape.show(record) for record in records]}
    if following is not None:
        # the link names another version's path, as HubSpot's own does
        link = f"{call.origin}/crm/v3/objects/{kind.name}?limit={limit}&after={following}"
        body["paging"] = paging(_token(call, following), link)
    return Reply(200, body)


def read_object(call: Call) -> Reply:
    kind, archived = kind_of(call), call.flag("archived")
    purge(call, kind)
    _refuse_id_property(call.text("idProperty"), kind)
    record = find(kind, call.path["object_id"], archived=archived)
    shape = Shape(
        call,
        kind,
        call.names("properties"),
        call.names("propertiesWithHistory"),
        call.names("associations"),
    )
    return Reply(200, shape.show(record))


def create_object(call: Call) -> Reply:
    kind, body = kind_of(call), call.body()
    new = to_create(call, kind, body)
    record = call.crm.add(kind, new.properties, call.token, new.links)
    shown = Shape(call, kind, list(new.properties)).show(record)
    location = f"{call.origin}/crm/v3/objects/{kind.name}/{record.id}"
    return Reply(201, shown, {"Location": location})


def update_object(call: Call) -> Reply:
    """A merged id updates its survivor."""
    kind = kind_of(call)
    _refuse_id_property(call.text("idProperty"), kind)
    record = find(kind, call.path["object_id"])
    properties = properties_of(call.body())
    enforce(call, kind, record, properties)
    call.crm.write(kind, record, properties, call.token)
    return Reply(200, Shape(call, kind, list(properties)).show(record))


def archive_object(call: Call) -> Reply:
    """Idempotent, as HubSpot's."""
    kind = kind_of(call)
    record = kind.table.find(call.path["object_id"])
    if record is not None:
        kind.table.archive(record, call.crm.now())
    return Reply(204)


def merge_objects(call: Call) -> Reply:
    kind, body = kind_of(call), call.body()
    if kind.name != "deals":
        raise ApiError(400, "VALIDATION_ERROR", f"{kind.name} cannot be merged")
    winner, loser = str(body.get("primaryObjectId")), str(body.get("objectIdToMerge"))
    for object_id in (winner, loser):
        find(kind, object_id)
    try:
        survivor = call.crm.merge(winner, loser)
    except Conflict as conflict:
        raise invalid(str(conflict)) from conflict
    return Reply(200, Shape(call, kind).show(kind.table.get(survivor)))


def to_create(call: Call, kind: Kind, spec: Mapping[str, Any]) -> New:
    """What one input of a create asks for, checked. Raises Refused, BadBody, ApiError."""
    properties = properties_of(spec)
    require(properties, kind.required, "Property {} must be set on creation.")
    links = [link for asked in objects_in(spec, "associations") for link in _link(kind, asked)]
    call.crm.check(kind, None, properties)
    enforce(call, kind, None, properties)
    return New(properties, links)


def require(values: Mapping[str, object], names: Sequence[str], message: str) -> None:
    missing = [name for name in names if not values.get(name)]
    if missing:
        raise Refused([Problem(n, "REQUIRED_FIELD", message.format(n)) for n in missing])


def enforce(
    call: Call, kind: Kind, record: Record | None, properties: Mapping[str, object]
) -> None:
    """The newest API refuses a deal without what its stage requires, whatever is written."""
    if call.version != ENFORCED_VERSION or kind.name != "deals":
        return
    values = (record.values if record else {}) | dict(properties)
    required = call.behaviour.required_by_stage.get(str(values.get("dealstage")), ())
    require(values, required, "Property {} is required in this stage.")


def find(kind: Kind, object_id: str, *, archived: bool = False) -> Record:
    try:
        return kind.table.get(object_id, archived=archived)
    except Missing as missing:
        raise not_found(
            f"Object not found.  objectId are usually numeric: {object_id}", object_id
        ) from missing


def properties_of(spec: Mapping[str, Any]) -> dict[str, object]:
    properties = spec.get("properties")
    if not isinstance(properties, dict):
        raise BadBody("Some required fields were not set: [properties]")
    return properties


def _place(call: Call) -> int:
    """The id that `after` stands for; the top where it is not given."""
    given = call.text("after", "")
    if call.behaviour.list_after == "id" or not given:
        return whole(given or "0", "after")
    try:
        return int(base64.b64decode(given, validate=True).decode().removeprefix(_PLACE))
    except ValueError:
        raise invalid(f"after is not a valid paging token: {given}") from None


def _token(call: Call, following: int) -> str:
    if call.behaviour.list_after == "id":
        return str(following)
    return base64.b64encode(f"{_PLACE}{following}".encode()).decode()


def whole(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise invalid(f"{name} must be a whole number, but was {text}")
    return int(text)


def purge(call: Call, kind: Kind) -> None:
    kind.table.purge(call.crm.now() - call.behaviour.purge_after_days * DAY_MS)


def _refuse_id_property(name: str, kind: Kind) -> None:
    if name and name != "hs_object_id":
        raise invalid(f"Unable to find a unique property {name} of {kind.type_id}")


def _link(kind: Kind, spec: Mapping[str, Any]) -> list[tuple[str, int]]:
    """The object type follows from the association's number."""
    to_id = whole(str((spec.get("to") or {}).get("id", "")), "to.id")
    found = []
    for chosen in objects_in(spec, "types"):
        number = chosen.get("associationTypeId")
        targets = [
            to
            for (of, to), link_type in LINK_TYPES.items()
            if of == kind.name and number in (link_type.number, link_type.primary)
        ]
        if not targets:
            raise invalid(f"association type {number} does not go from {kind.name}")
        found.append((targets[0], to_id))
    if not found:
        raise invalid("Some required fields were not set: [types]")
    return found
