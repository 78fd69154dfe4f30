"""v1 notes: list, create, one."""

from html import escape
from typing import Any

from sync.sandbox.pipedrive.calls import Call, Reply
from sync.sandbox.pipedrive.errors import bad_request, not_found
from sync.sandbox.pipedrive.instants import spaced
from sync.sandbox.pipedrive.listing import offset_page
from sync.sandbox.pipedrive.records import Note


def list_notes(call: Call) -> Reply:
    deal_id, since = call.whole("deal_id"), call.instant("updated_since")
    notes = [
        _show(call, note)
        for note in call.crm.notes
        if note.active
        and deal_id in (None, note.deal_id)
        and (since is None or note.update_time >= since)
    ]
    return offset_page(call, notes)


def read_note(call: Call) -> Reply:
    note = call.crm.notes.find(call.path["id"])
    if note is None:
        raise not_found()
    return Reply(_show(call, note))


def create_note(call: Call) -> Reply:
    body = call.body()
    content, deal_id = body.get("content"), body.get("deal_id")
    if not isinstance(content, str) or not content:
        raise bad_request("content is required")
    deal = call.crm.deals.find(deal_id) if type(deal_id) is int else None
    if deal is None or deal.is_deleted:
        raise bad_request("A note needs a deal, a lead, a person or an organization.")
    return Reply(_show(call, call.crm.write_note(_clean(content), deal, call.token.user_id)), {})


def _clean(content: str) -> str:
    """Scripts do not survive."""
    return content.replace("<script", escape("<script"))


def _show(call: Call, note: Note) -> dict[str, Any]:
    deal = call.crm.deals.find(note.deal_id) if note.deal_id is not None else None
    user = call.crm.users.get(note.user_id)
    return {
        "id": note.id,
        "active_flag": note.active,
        "add_time": spaced(note.add_time),
        "content": note.content,
        "deal": None if deal is None else {"title": deal.title},
        "lead_id": None,
        "deal_id": note.deal_id,
        "last_update_user_id": None,
        "org_id": None if deal is None else deal.org_id,
        "organization": None,
        "person": None,
        "person_id": None if deal is None else deal.person_id,
        "project_id": None,
        "project": None,
        "pinned_to_lead_flag": False,
        "pinned_to_deal_flag": note.pinned,
        "pinned_to_organization_flag": False,
        "pinned_to_person_flag": False,
        "pinned_to_project_flag": False,
        "update_time": spaced(note.update_time),
        "user": {
            "email": user.email,
            "icon_url": None,
            "is_you": user.id == call.token.user_id,
            "name": user.name,
        },
        "user_id": note.user_id,
    }
