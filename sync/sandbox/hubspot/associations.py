"""Associations between records (v4): read, and link by the default type."""

import zlib
from collections.abc import Sequence
from typing import Any

from sync.sandbox.hubspot.batch import answer
from sync.sandbox.hubspot.calls import Call, Reply
from sync.sandbox.hubspot.errors import invalid, not_found
from sync.sandbox.hubspot.objects import whole
from sync.sandbox.hubspot.scopes import refuse_unseen, scope_of
from sync.sandbox.hubspot.shape import paging
from sync.sandbox.store.links import LINK_TYPES, OBJECT_NAMES, Link, LinkType

PAGE_LIMIT, READ_LIMIT, LINK_LIMIT = 500, 1_000, 2_000


def read_scopes(call: Call) -> tuple[str, ...]:
    return (scope_of(OBJECT_NAMES[call.path["from_type"]], "read"),)


def write_scopes(call: Call) -> tuple[str, ...]:
    return (scope_of(OBJECT_NAMES[call.path["from_type"]], "write"),)


def read_links(call: Call) -> Reply:
    of, to, link_type = _types(call)
    refuse_unseen(call, to)
    record_id = whole(call.path["object_id"], "objectId")
    if not _exists(call, of, record_id):
        raise not_found(f"Object not found: {record_id}", str(record_id))
    limit = whole(call.text("limit", str(PAGE_LIMIT)), "limit")
    if not 1 <= limit <= PAGE_LIMIT:
        raise invalid(f"limit must be between 1 and {PAGE_LIMIT}, but was {limit}")
    after = whole(call.text("after", "0"), "after")
    page, following = _page(call.crm.links.of(of, record_id, to), after, limit)
    body: dict[str, object] = {"results": [_target(link, link_type) for link in page]}
    if following:
        path = f"/crm/v4/objects/{of}/{record_id}/associations/{to}?after={following}"
        body["paging"] = paging(following, call.origin + path)
    return Reply(200, body)


def batch_read_links(call: Call) -> Reply:
    """One that does not exist makes it a 207."""
    of, to, link_type = _types(call)
    refuse_unseen(call, to)
    results, errors = [], []
    for spec in call.inputs(READ_LIMIT):
        record_id = whole(str(spec.get("id", "")), "id")
        if not _exists(call, of, record_id):
            errors.append(_error(f"No {of} with id {record_id} exists", str(record_id)))
            continue
        after = whole(str(spec.get("after") or "0"), "after")
        page, following = _page(call.crm.links.of(of, record_id, to), after, PAGE_LIMIT)
        if not page:
            if call.behaviour.unassociated == "error":
                errors.append(_error(f"No {to} of {of} {record_id}", str(record_id)))
            continue
        found: dict[str, object] = {
            "from": {"id": str(record_id)},
            "to": [_target(link, link_type) for link in page],
        }
        if following:
            found["paging"] = {"next": {"after": following}}
        results.append(found)
    return answer(call, 200, results, errors)


def link_default(call: Call) -> Reply:
    of, to, _ = _types(call)
    made = _link(call, of, whole(call.path["object_id"], "id"), to, whole(call.path["to_id"], "id"))
    return answer(call, 200, made, [])


def batch_link_default(call: Call) -> Reply:
    of, to, _ = _types(call)
    results: list[dict[str, object]] = []
    errors = []
    for spec in call.inputs(LINK_LIMIT):
        from_id, to_id = (whole(str((spec.get(k) or {}).get("id", "")), k) for k in ("from", "to"))
        if _exists(call, of, from_id) and _exists(call, to, to_id):
            results += _link(call, of, from_id, to, to_id)
        else:
            errors.append(_error(f"{of} {from_id} or {to} {to_id} does not exist", str(from_id)))
    return answer(call, 200, results, errors)


def _types(call: Call) -> tuple[str, str, LinkType]:
    of, to = OBJECT_NAMES[call.path["from_type"]], OBJECT_NAMES[call.path["to_type"]]
    if (of, to) not in LINK_TYPES:
        raise invalid(f"No association type is defined from {of} to {to}")
    return of, to, LINK_TYPES[of, to]


def _exists(call: Call, kind: str, record_id: int) -> bool:
    """Contacts and companies exist here only as what something is associated with."""
    # deals are associated with contacts and companies that are no more than an id
    known = call.crm.kinds.get(kind) if kind != "contacts" else None
    return known is None or known.table.find(record_id) is not None


def _page(links: Sequence[Link], after: int, limit: int) -> tuple[Sequence[Link], str | None]:
    """`after`: the id of the page's first one, as the page before it said."""
    start = next((i for i, link in enumerate(links) if link.to == after), 0) if after else 0
    rest = links[start:]
    return rest[:limit], str(rest[limit].to) if len(rest) > limit else None


def _target(link: Link, link_type: LinkType) -> dict[str, object]:
    types: list[dict[str, Any]] = []
    if link.primary:
        types.append(
            {"category": "HUBSPOT_DEFINED", "typeId": link_type.primary, "label": "Primary"}
        )
    types.append({"category": "HUBSPOT_DEFINED", "typeId": link_type.number, "label": None})
    types += [
        {"category": "USER_DEFINED", "typeId": _label_id(label), "label": label}
        for label in link.labels
    ]
    return {"toObjectId": link.to, "associationTypes": types}


def _label_id(label: str) -> int:
    """An account numbers its own labels; the same one has the same number."""
    return 1 + zlib.crc32(label.encode()) % 1_000


def _link(call: Call, of: str, from_id: int, to: str, to_id: int) -> list[dict[str, object]]:
    """Both directions, as HubSpot reports them."""
    for kind, record_id in ((of, from_id), (to, to_id)):
        if not _exists(call, kind, record_id):
            raise not_found(f"Object not found: {record_id}", str(record_id))
    call.crm.associate(of, from_id, to, to_id)
    ways = ((of, from_id, to, to_id), (to, to_id, of, from_id))
    return [
        {
            "from": {"id": str(a_id)},
            "to": {"id": str(b_id)},
            "associationSpec": {
                "associationCategory": "HUBSPOT_DEFINED",
                "associationTypeId": LINK_TYPES[a, b].number,
            },
        }
        for a, a_id, b, b_id in ways
    ]


def _error(message: str, object_id: str) -> dict[str, object]:
    return {
        "status": "error",
        "category": "OBJECT_NOT_FOUND",
        "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
        "message": message,
        "context": {"fromObjectId": [object_id]},
    }
