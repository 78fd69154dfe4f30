"""v1 leads: the inbox, the archive, one, labels and sources. v2 has no list of them."""

from collections.abc import Sequence
from typing import Any

from sync.sandbox.pipedrive.calls import Call, Reply
from sync.sandbox.pipedrive.errors import invalid, not_found
from sync.sandbox.pipedrive.inbox import SOURCES
from sync.sandbox.pipedrive.instants import rfc3339
from sync.sandbox.pipedrive.records import Lead
from sync.sandbox.store.refusals import Missing

_ARCHIVED = ("limit", "start", "owner_id", "person_id", "organization_id", "filter_id", "sort")
_SORTS = ("id", "title", "owner_id", "add_time", "update_time")


def list_leads(call: Call) -> Reply:
    call.known(*_ARCHIVED, "updated_since")
    since = call.instant("updated_since")
    leads = call.crm.inbox.listed(archived=False)
    return _list(call, [lead for lead in leads if since is None or lead.update_time >= since])


def list_archived(call: Call) -> Reply:
    call.known(*_ARCHIVED)
    return _list(call, call.crm.inbox.listed(archived=True))


def read_lead(call: Call) -> Reply:
    try:
        return Reply(_show(call, call.crm.inbox.get(call.path["id"])))
    except Missing as missing:
        raise not_found() from missing


def list_labels(call: Call) -> Reply:
    """No pages."""
    return Reply(
        [
            {
                "id": label.id,
                "name": label.name,
                "color": label.color,
                "add_time": _instant(call.crm.since),
                "update_time": _instant(label.changed),
            }
            for label in call.crm.inbox.labels
        ]
    )


def list_sources(call: Call) -> Reply:  # noqa: ARG001 - a handler as the others
    return Reply([{"name": name} for name in SOURCES])


def _list(call: Call, leads: Sequence[Lead]) -> Reply:
    """The place in the list is a number: what leaves it before there moves all others up."""
    exact = {"owner_id": "owner_id", "person_id": "person_id", "organization_id": "org_id"}
    for name, attribute in exact.items():
        wanted = call.whole(name)
        if wanted is not None:
            leads = [lead for lead in leads if getattr(lead, attribute) == wanted]
    leads = _sorted(call, leads)
    start, limit = call.whole("start") or 0, call.limit()
    page = [_show(call, lead) for lead in leads[start : start + limit]]
    more = start + limit < len(leads)
    return Reply(page, {"start": start, "limit": limit, "more_items_in_collection": more})


def _sorted(call: Call, leads: Sequence[Lead]) -> Sequence[Lead]:
    wanted = call.query.get("sort")
    if wanted is None:
        return leads
    name, _, direction = wanted.partition(" ")
    if name not in _SORTS or direction.upper() not in ("", "ASC", "DESC"):
        raise invalid(("sort", f"Expected one of {', '.join(_SORTS)}, with ASC or DESC"))
    return sorted(leads, key=lambda lead: getattr(lead, name), reverse=direction.upper() == "DESC")


def _show(call: Call, lead: Lead) -> dict[str, Any]:
    planned = [a for a in call.crm.inbox.activities_of(lead.id) if not a.done]
    return {
        "id": lead.id,
        "title": lead.title,
        "owner_id": lead.owner_id,
        "creator_id": lead.owner_id,
        "label_ids": list(lead.label_ids),
        "person_id": lead.person_id,
        "organization_id": lead.org_id,
        "source_name": lead.source_name,
        "origin": "API" if lead.source_name == "API" else "ManuallyCreated",
        "origin_id": None,
        "channel": None,
        "channel_id": None,
        "source_deal_id": None,
        "is_archived": lead.is_archived,
        "was_seen": False,
        "value": None,
        "expected_close_date": None,
        "next_activity_id": planned[0].id if planned else None,
        "add_time": _instant(lead.add_time),
        "update_time": _instant(lead.update_time),
        "visible_to": "3",
        "cc_email": f"{call.crm.domain}+lead{lead.id}@pipedrivemail.com",
    }


def _instant(at: int) -> str:
    """With milliseconds, as only leads have them."""
    return rfc3339(at).replace("Z", ".000Z")
