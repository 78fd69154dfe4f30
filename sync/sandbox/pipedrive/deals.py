"""v2 deals: lists, one, create, change, delete, search."""

from collections.abc import Callable
from typing import Any

from sync.sandbox.pipedrive.calls import Call, Reply
from sync.sandbox.pipedrive.editing import OpenDealsLimit
from sync.sandbox.pipedrive.errors import capped, frozen, invalid, not_found
from sync.sandbox.pipedrive.listing import Walk
from sync.sandbox.pipedrive.records import Deal
from sync.sandbox.pipedrive.shape import INCLUDABLE, DealShape
from sync.sandbox.store.refusals import Conflict

MOST_IDS, MOST_CODES = 100, 15
_SORTS = ("id", "update_time", "add_time")
_STATUSES = ("open", "won", "lost", "deleted")
_LABELS = ("include_option_labels", "include_labels")
_ARCHIVED = (
    "filter_id", "ids", "owner_id", "person_id", "org_id", "pipeline_id", "stage_id", "status",
    "updated_since", "updated_until", "sort_by", "sort_direction", "include_fields",
    "custom_fields", "limit", "cursor",
)  # fmt: skip

Wanted = Callable[[Deal], bool]


def list_deals(call: Call) -> Reply:
    call.known(*_ARCHIVED, *_LABELS)
    return _list(call, archived=False)


def list_archived(call: Call) -> Reply:
    call.known(*_ARCHIVED)
    return _list(call, archived=True)


def read_deal(call: Call) -> Reply:
    """A deleted or archived one too, until it is gone for ever."""
    call.known("include_fields", "custom_fields", *_LABELS)
    return Reply(_shape(call).show(find(call)))


def create_deal(call: Call) -> Reply:
    try:
        deal = call.crm.add(call.body(), call.actor)
    except OpenDealsLimit as limit:
        text = "Couldn't add the deal. Open deals limit reached."
        raise capped(text, "feature_capping_deals_limit") from limit
    return Reply(DealShape(call.crm).show(deal))


def update_deal(call: Call) -> Reply:
    deal = find(call)
    try:
        call.crm.write(deal, call.body(), call.actor)
    except Conflict as conflict:
        raise frozen(str(conflict)) from conflict
    return Reply(DealShape(call.crm).show(deal))


def delete_deal(call: Call) -> Reply:
    deal = find(call)
    if deal.is_deleted:
        raise not_found()
    call.crm.delete_deal(deal)
    return Reply({"id": deal.id})


def search_deals(call: Call) -> Reply:
    """By words in the title only."""
    term = call.query.get("term", "").lower()
    if len(term) < 2 and not (term and call.flag("exact_match")):
        raise invalid(("term", "Expected at least 2 characters"))
    exact = call.flag("exact_match")

    def matches(deal: Deal) -> bool:
        title = deal.title.lower()
        hit = title == term if exact else term in title
        status = call.query.get("status")
        return hit and not deal.is_deleted and status in (None, deal.status)

    reply: Reply = Walk[Deal](call, ("id",)).page(
        call.crm.deals, matches, lambda deal: _hit(call, deal)
    )
    return Reply({"items": reply.data}, reply.additional)


def find(call: Call, name: str = "id") -> Deal:
    deal = call.crm.deals.find(call.path[name])
    if deal is None or call.crm.purged(deal):
        raise not_found()
    return deal


def _list(call: Call, *, archived: bool) -> Reply:
    walk = Walk[Deal](call, _SORTS)
    filter_id = call.whole("filter_id")
    wanted = _filtered(call) if filter_id is None else _in_filter(call, filter_id)
    shape = _shape(call)

    def listed(deal: Deal) -> bool:
        if call.crm.purged(deal):
            return False
        return (deal.is_deleted or deal.is_archived == archived) and wanted(deal)

    return walk.page(call.crm.deals, listed, shape.show)


def _in_filter(call: Call, filter_id: int) -> Wanted:
    """With a filter every other one is ignored without a word."""
    found = call.crm.filters.get(filter_id)
    if found is None:
        raise not_found()
    return lambda deal: deal.id in found and not deal.is_deleted


def _filtered(call: Call) -> Wanted:
    ids = _ids(call)
    since, until = call.instant("updated_since"), call.instant("updated_until")
    statuses = _statuses(call)
    exact = [
        (name, value)
        for name in ("owner_id", "person_id", "org_id", "pipeline_id", "stage_id")
        if (value := call.whole(name)) is not None
    ]

    def wanted(deal: Deal) -> bool:
        if since is not None and deal.update_time < since:
            return False
        if until is not None and deal.update_time >= until:
            return False
        if ("deleted" if deal.is_deleted else deal.status) not in statuses:
            return False
        if ids is not None and deal.id not in ids:
            return False
        return all(getattr(deal, name) == value for name, value in exact)

    return wanted


def _statuses(call: Call) -> frozenset[str]:
    statuses = call.names("status") or list(_STATUSES[:3])
    if any(status not in _STATUSES for status in statuses):
        raise invalid(("status", f"Expected one of {', '.join(_STATUSES)}"))
    return frozenset(statuses)


def _ids(call: Call) -> frozenset[int] | None:
    if "ids" not in call.query:
        return None
    ids = call.names("ids")
    if len(ids) > MOST_IDS or not all(i.isascii() and i.isdigit() for i in ids):
        raise invalid(("ids", f"Expected at most {MOST_IDS} ids"))
    return frozenset(map(int, ids))


def _shape(call: Call) -> DealShape:
    codes = call.names("custom_fields")
    if len(codes) > MOST_CODES:
        raise invalid(("custom_fields", f"Expected at most {MOST_CODES} keys"))
    include = call.names("include_fields")
    unknown = [name for name in include if name not in INCLUDABLE]
    if unknown:
        raise invalid(("include_fields", f"'{unknown[0]}' is not allowed"))
    return DealShape(
        call.crm,
        codes=codes or None,
        include=include,
        option_labels=bool(call.flag("include_option_labels")),
        labels=bool(call.flag("include_labels")),
    )


def _hit(call: Call, deal: Deal) -> dict[str, Any]:
    shown = DealShape(call.crm).show(deal)
    item = {key: shown[key] for key in ("id", "title", "value", "currency", "status", "visible_to")}
    stage = call.crm.pipelines.stage(deal.stage_id)
    item |= {
        "type": "deal",
        "owner": {"id": deal.owner_id},
        "stage": {"id": stage.id, "name": stage.name},
        "person": None if deal.person_id is None else {"id": deal.person_id, "name": ""},
        "organization": None if deal.org_id is None else {"id": deal.org_id, "name": ""},
        "custom_fields": [],
        "notes": [],
        "is_archived": deal.is_archived,
    }
    return {"result_score": 1.0, "item": item}
