"""v2 activities: list, one, create, change, delete."""

from collections.abc import Mapping
from typing import Any

from sync.sandbox.pipedrive import validation as v
from sync.sandbox.pipedrive.calls import Call, Reply
from sync.sandbox.pipedrive.errors import frozen, invalid, not_found
from sync.sandbox.pipedrive.instants import rfc3339
from sync.sandbox.pipedrive.listing import Walk
from sync.sandbox.pipedrive.records import Activity

TYPES = ("call", "meeting", "task", "deadline", "email", "lunch")
"""key_strings of a new account's activity types."""

_FILTERS = ("owner_id", "deal_id", "person_id", "org_id")
_CHECKS: dict[str, v.Check] = {
    "subject": v.filled,
    "type": v.one_of(*TYPES),
    "owner_id": v.whole,
    "deal_id": v.or_null(v.whole),
    "lead_id": v.or_null(v.text),
    "person_id": v.or_null(v.whole),
    "org_id": v.or_null(v.whole),
    "project_id": v.or_null(v.whole),
    "due_date": v.or_null(v.day),
    "due_time": v.or_null(v.text),
    "duration": v.or_null(v.text),
    "busy": v.boolean,
    "done": v.boolean,
    "location": v.or_null(v.mapping),
    "participants": v.objects,
    "attendees": v.objects,
    "public_description": v.or_null(v.text),
    "priority": v.or_null(v.whole),
    "note": v.or_null(v.text),
}
KEYS = frozenset(_CHECKS)
"""What a body may hold."""

_KEPT = (
    "subject", "type", "owner_id", "lead_id", "org_id", "due_date", "due_time", "duration", "busy",
    "participants", "public_description", "priority", "note",
)  # fmt: skip


def list_activities(call: Call) -> Reply:
    call.known(
        *_FILTERS, "filter_id", "ids", "lead_id", "done", "updated_since", "updated_until",
        "sort_by", "sort_direction", "include_fields", "limit", "cursor",
    )  # fmt: skip
    walk = Walk[Activity](call, ("id", "update_time", "add_time", "due_date"))
    exact = [(name, value) for name in _FILTERS if (value := call.whole(name)) is not None]
    since, until = call.instant("updated_since"), call.instant("updated_until")
    done = call.flag("done")
    ids = frozenset(call.names("ids")) if "ids" in call.query else None
    lead_id = call.query.get("lead_id")

    def wanted(activity: Activity) -> bool:
        if activity.is_deleted or (done is not None and activity.done != done):
            return False
        if since is not None and activity.update_time < since:
            return False
        if until is not None and activity.update_time >= until:
            return False
        if ids is not None and str(activity.id) not in ids:
            return False
        if lead_id not in (None, activity.lead_id):
            return False
        return all(getattr(activity, name) == value for name, value in exact)

    return walk.page(call.crm.activities, wanted, show)


def read_activity(call: Call) -> Reply:
    return Reply(show(_find(call)))


def create_activity(call: Call) -> Reply:
    body, crm, now = call.body(), call.crm, call.crm.now()
    _check(call, body)
    if "subject" not in body and "type" not in body:
        raise invalid(("subject", "Parameter 'subject' is required"))
    activity = Activity(
        crm.activities.new_id(), body.get("subject", ""), body.get("type", TYPES[0]),
        call.token.user_id, call.token.user_id, now, now,
    )  # fmt: skip
    _apply(call, activity, body)
    crm.activities.add(activity)
    crm.link_activity(activity, body.get("deal_id"))
    crm.inbox.link_activity(activity)
    crm.touched_by_activity(activity.deal_id)
    return Reply(show(activity))


def update_activity(call: Call) -> Reply:
    activity, body = _find(call), call.body()
    _check(call, body)
    _apply(call, activity, body)
    if "deal_id" in body:
        call.crm.link_activity(activity, body["deal_id"])
    activity.update_time = call.crm.now()
    call.crm.touched_by_activity(activity.deal_id)
    return Reply(show(activity))


def delete_activity(call: Call) -> Reply:
    activity = _find(call)
    activity.is_deleted, activity.update_time = True, call.crm.now()
    return Reply({"id": activity.id})


def show(activity: Activity) -> dict[str, Any]:
    return {
        "id": activity.id,
        "subject": activity.subject,
        "type": activity.type,
        "owner_id": activity.owner_id,
        "creator_user_id": activity.creator_user_id,
        "is_deleted": activity.is_deleted,
        "add_time": rfc3339(activity.add_time),
        "update_time": rfc3339(activity.update_time),
        "deal_id": activity.deal_id,
        "lead_id": activity.lead_id,
        "person_id": activity.person_id,
        "org_id": activity.org_id,
        "project_id": None,
        "due_date": activity.due_date,
        "due_time": activity.due_time or None,
        "duration": activity.duration or None,
        "busy": activity.busy,
        "done": activity.done,
        "marked_as_done_time": (
            None if activity.marked_as_done_time is None else rfc3339(activity.marked_as_done_time)
        ),
        "location": None,
        "participants": activity.participants,
        "attendees": [],
        "conference_meeting_client": None,
        "conference_meeting_url": None,
        "conference_meeting_id": None,
        "public_description": activity.public_description or None,
        "priority": activity.priority,
        "note": activity.note,
    }


def _find(call: Call) -> Activity:
    activity = call.crm.activities.find(call.path["id"])
    if activity is None or activity.is_deleted:
        raise not_found()
    return activity


def _check(call: Call, body: Mapping[str, Any]) -> None:
    problems = v.check(body, _CHECKS)
    owner = call.crm.users.find(body.get("owner_id"))
    if "owner_id" in body and (owner is None or not owner.active):
        problems.append(("owner_id", "User was not found"))
    if body.get("person_id") is not None:
        problems.append(("person_id", "Is read-only; set a primary participant instead"))
    if problems:
        raise invalid(*problems)
    deal = call.crm.deals.find(body["deal_id"]) if body.get("deal_id") is not None else None
    if body.get("deal_id") is not None and (deal is None or deal.is_deleted):
        raise invalid(("deal_id", "Deal was not found"))
    if deal is not None and deal.is_archived:
        raise frozen(f"Deal {deal.id} is archived and cannot be edited.")


def _apply(call: Call, activity: Activity, body: Mapping[str, Any]) -> None:
    for key in _KEPT:
        if key in body:
            setattr(activity, key, "" if body[key] is None and key in _TEXTS else body[key])
    for participant in body.get("participants", ()):
        if participant.get("primary"):
            activity.person_id = participant.get("person_id")
    if "done" in body and body["done"] != activity.done:
        activity.done = body["done"]
        activity.marked_as_done_time = call.crm.now() if activity.done else None


_TEXTS = ("due_time", "duration", "public_description")
