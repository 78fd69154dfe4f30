"""v2 persons: list and one."""

from collections.abc import Sequence
from typing import Any

from sync.sandbox.pipedrive.calls import Call, Reply
from sync.sandbox.pipedrive.errors import invalid, not_found
from sync.sandbox.pipedrive.instants import rfc3339
from sync.sandbox.pipedrive.listing import Walk
from sync.sandbox.pipedrive.records import Person

INCLUDABLE = (
    "next_activity_id", "last_activity_id", "open_deals_count", "related_open_deals_count",
    "closed_deals_count", "related_closed_deals_count", "participant_open_deals_count",
    "participant_closed_deals_count", "email_messages_count", "activities_count",
    "done_activities_count", "undone_activities_count", "files_count", "notes_count",
    "followers_count", "won_deals_count", "related_won_deals_count", "lost_deals_count",
    "related_lost_deals_count", "last_incoming_mail_time", "last_outgoing_mail_time",
    "marketing_status", "doi_status", "smart_bcc_email",
)  # fmt: skip
_SHOWN = ("include_fields", "custom_fields", "include_option_labels", "include_labels")
_MOST_IDS = 100


def list_persons(call: Call) -> Reply:
    call.known(
        "filter_id", "ids", "owner_id", "org_id", "deal_id", "updated_since", "updated_until",
        "sort_by", "sort_direction", *_SHOWN, "limit", "cursor",
    )  # fmt: skip
    walk = Walk[Person](call, ("id", "update_time", "add_time"))
    since, until = call.instant("updated_since"), call.instant("updated_until")
    owner, org = call.whole("owner_id"), call.whole("org_id")
    ids = frozenset(call.names("ids")) if "ids" in call.query else None
    if ids is not None and len(ids) > _MOST_IDS:
        raise invalid(("ids", f"Expected at most {_MOST_IDS} ids"))
    include = _included(call)

    def wanted(person: Person) -> bool:
        return (
            (since is None or person.update_time >= since)
            and (until is None or person.update_time < until)
            and (ids is None or str(person.id) in ids)
            and owner in (None, person.owner_id)
            and org in (None, person.org_id)
        )

    return walk.page(call.crm.persons, wanted, lambda person: _show(person, include))


def read_person(call: Call) -> Reply:
    call.known(*_SHOWN)
    person = call.crm.persons.find(call.path["id"])
    if person is None:
        raise not_found()
    return Reply(_show(person, _included(call)))


def _included(call: Call) -> list[str]:
    include = call.names("include_fields")
    unknown = [name for name in include if name not in INCLUDABLE]
    if unknown:
        raise invalid(("include_fields", f"'{unknown[0]}' is not allowed"))
    return include


def _show(person: Person, include: Sequence[str]) -> dict[str, Any]:
    """Name and addresses always: there is no way to ask for less."""
    first, _, last = person.name.partition(" ")
    extras = dict.fromkeys(INCLUDABLE) | {
        "last_incoming_mail_time": _instant(person.last_incoming),
        "last_outgoing_mail_time": _instant(person.last_outgoing),
    }
    return {
        "id": person.id,
        "name": person.name,
        "first_name": first,
        "last_name": last,
        "owner_id": person.owner_id,
        "org_id": person.org_id,
        "add_time": rfc3339(person.add_time),
        "update_time": rfc3339(person.update_time),
        "emails": [{"value": person.email, "primary": True, "label": "work"}],
        "phones": [],
        "is_deleted": False,
        "visible_to": 3,
        "label_ids": [],
        "picture_id": None,
        "custom_fields": {},
    } | {name: extras[name] for name in include}


def _instant(at: int | None) -> str | None:
    return None if at is None else rfc3339(at)
