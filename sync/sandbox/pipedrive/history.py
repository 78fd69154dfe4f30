"""What happened: a deal's changelog and flow, v1's recents, and the merging of two deals."""

from base64 import b64decode, b64encode
from binascii import Error as BadBase64
from datetime import UTC, datetime
from typing import Any

from sync.sandbox.pipedrive.calls import Call, Reply
from sync.sandbox.pipedrive.deals import find
from sync.sandbox.pipedrive.errors import bad_request, frozen, invalid, not_found
from sync.sandbox.pipedrive.instants import DAY_S, spaced, to_s
from sync.sandbox.pipedrive.listing import offset_page
from sync.sandbox.pipedrive.records import Change, Deal
from sync.sandbox.pipedrive.v1_deal import v1_deal
from sync.sandbox.store.refusals import Conflict, Missing

_RECENT_DAYS = 31
_AGENTS = {"app": "Mozilla/5.0", "api": "python-requests"}


def changelog(call: Call) -> Reply:
    """Newest first; the cursor is the number of the next row."""
    rows = list(reversed(_rows(call, find(call))))
    limit, cursor = call.limit(), call.query.get("cursor")
    if cursor:
        start = _row_number(cursor)
        rows = [row for row in rows if row.id <= start]
    following = rows[limit].id if len(rows) > limit else None
    encoded = None if following is None else b64encode(f"id:{following}".encode()).decode()
    return Reply([_shown(row) for row in rows[:limit]], {"next_cursor": encoded})


def flow(call: Call) -> Reply:
    """Newest first. Custom fields only with all_changes=1; `items` chooses kinds of rows."""
    deal, kinds = find(call), call.names("items")
    everything = call.query.get("all_changes") == "1"
    feed = [
        (row.at, _flow_change(deal, row))
        for row in _rows(call, deal)
        if everything or len(row.key) != 40
    ]
    feed += [
        (activity.add_time, _flow_row("activity", activity.add_time, {"id": activity.id}))
        for activity in call.crm.activities_of(deal.id)
    ]
    feed += [
        (note.add_time, _flow_row("note", note.add_time, {"id": note.id, "content": note.content}))
        for note in call.crm.notes
        if note.deal_id == deal.id
    ]
    feed.sort(key=lambda item: item[0], reverse=True)
    return offset_page(call, [r for _, r in feed if not kinds or r["object"] in kinds])


def recents(call: Call) -> Reply:
    """Of the last month, whatever is asked for; a row whose deal is deleted has no data."""
    since = _since(call)
    rows = [
        {
            "item": "deal",
            "id": deal.id,
            "data": None if deal.is_deleted else v1_deal(call.crm, deal),
        }
        for deal in sorted(call.crm.deals, key=lambda d: (d.update_time, d.id))
        if deal.update_time >= since and not call.crm.purged(deal)
    ]
    page = offset_page(call, rows)
    extra = {"since_timestamp": spaced(since), "last_timestamp_on_page": spaced(call.crm.now())}
    return Reply(page.data, {**extra, **(page.additional or {})})


def merge(call: Call) -> Reply:
    """The deal in the path goes into the other one, which survives."""
    other = call.body().get("merge_with_id")
    if type(other) is not int:
        raise invalid(("merge_with_id", "Expected integer"))
    loser, winner = find(call), call.crm.deals.find(other)
    if winner is None:
        raise not_found()
    try:
        call.crm.merge_deals(winner, loser, call.actor)
    except Missing as missing:
        raise not_found() from missing
    except Conflict as conflict:
        raise frozen(str(conflict)) from conflict
    return Reply(v1_deal(call.crm, winner) | {"merge_what_id": loser.id})


def _rows(call: Call, deal: Deal) -> list[Change]:
    days = call.behaviour.changelog_days
    if days is None:
        return deal.changes
    since = call.crm.now() - days * DAY_S
    return [row for row in deal.changes if row.at >= since]


def _shown(row: Change) -> dict[str, Any]:
    return {
        "field_key": row.key,
        "old_value": row.old,
        "new_value": row.new,
        "actor_user_id": row.actor.user_id,
        "time": spaced(row.at),
        "change_source": row.actor.source,
        "change_source_user_agent": _AGENTS.get(row.actor.source),
        "is_bulk_update_flag": False,
    }


def _flow_change(deal: Deal, row: Change) -> dict[str, Any]:
    data = {
        "id": row.id,
        "item_id": deal.id,
        "user_id": row.actor.user_id,
        "field_key": row.key,
        "old_value": row.old,
        "new_value": row.new,
        "is_bulk_update_flag": None,
        "log_time": spaced(row.at),
        "change_source": row.actor.source,
        "change_source_user_agent": _AGENTS.get(row.actor.source),
        "additional_data": [],
    }
    return _flow_row("dealChange", row.at, data)


def _flow_row(kind: str, at: int, data: dict[str, Any]) -> dict[str, Any]:
    return {"object": kind, "timestamp": spaced(at), "data": data}


def _row_number(cursor: str) -> int:
    try:
        return int(b64decode(cursor, validate=True).decode().removeprefix("id:"))
    except (BadBase64, ValueError) as error:
        raise bad_request("Invalid cursor") from error


def _since(call: Call) -> int:
    text = call.query.get("since_timestamp", "")
    try:
        asked = to_s(datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC))
    except ValueError as error:
        raise bad_request("since_timestamp must be YYYY-MM-DD HH:MM:SS") from error
    return max(asked, call.crm.now() - _RECENT_DAYS * DAY_S)
