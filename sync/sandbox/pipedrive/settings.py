"""What an account is set up with: pipelines, stages, users, currencies, activity types."""

from typing import Any

from sync.sandbox.pipedrive.activities import TYPES
from sync.sandbox.pipedrive.calls import Call, Reply
from sync.sandbox.pipedrive.errors import not_found
from sync.sandbox.pipedrive.instants import rfc3339
from sync.sandbox.pipedrive.listing import whole_list
from sync.sandbox.pipedrive.people import UserShape
from sync.sandbox.store.refusals import Missing

_SORTS = ("id", "update_time", "add_time", "order_nr")
_SYMBOLS = {"NOK": "kr", "SEK": "kr", "DKK": "kr", "EUR": "€", "USD": "$", "GBP": "£"}
_NO_DECIMALS = ("JPY", "ISK")


def list_pipelines(call: Call) -> Reply:
    call.known("sort_by", "sort_direction", "limit", "cursor")
    standing = [p.as_json() for p in call.crm.pipelines.pipelines.values() if not p.is_deleted]
    return whole_list(call, _sorted(call, standing))


def read_pipeline(call: Call) -> Reply:
    try:
        return Reply(call.crm.pipelines.pipeline(call.path["id"]).as_json())
    except Missing as missing:
        raise not_found() from missing


def list_stages(call: Call) -> Reply:
    call.known("pipeline_id", "sort_by", "sort_direction", "limit", "cursor")
    pipeline = call.whole("pipeline_id")
    shown = [
        stage.as_json()
        for stage in call.crm.pipelines.stages.values()
        if pipeline in (None, stage.pipeline_id)
        and (call.behaviour.lists_deleted_stages or not stage.is_deleted)
    ]
    return whole_list(call, _sorted(call, shown))


def read_stage(call: Call) -> Reply:
    """A deleted one too."""
    try:
        return Reply(call.crm.pipelines.stage(call.path["id"]).as_json())
    except Missing as missing:
        raise not_found() from missing


def list_users(call: Call) -> Reply:
    """All at once; paging parameters are ignored."""
    shape = _users(call)
    you = call.token.user_id
    return Reply([shape.show(user, is_you=user.id == you) for user in call.crm.users])


def read_user(call: Call) -> Reply:
    try:
        user = call.crm.users.get(call.path["id"])
    except Missing as missing:
        raise not_found() from missing
    return Reply(_users(call).show(user, is_you=user.id == call.token.user_id))


def read_me(call: Call) -> Reply:
    crm = call.crm
    me = _users(call).show(crm.users.get(call.token.user_id), is_you=True)
    return Reply(
        me
        | {
            "company_id": crm.company_id,
            "company_name": crm.company.name,
            "company_domain": crm.domain,
            "company_country": "NO",
            "company_industry": "Software",
            "language": {"language_code": "en", "country_code": "US"},
        }
    )


def list_currencies(call: Call) -> Reply:
    term = call.query.get("term", "").upper()
    return Reply(
        [
            {
                "id": number,
                "code": code,
                "name": code,
                "decimal_points": 0 if code in _NO_DECIMALS else 2,
                "symbol": _SYMBOLS.get(code, code),
                "active_flag": True,
                "is_custom_flag": False,
            }
            for number, code in enumerate(sorted(call.crm.currencies), start=1)
            if term in code
        ]
    )


def list_activity_types(call: Call) -> Reply:
    since = rfc3339(call.crm.since).replace("T", " ").rstrip("Z")
    return Reply(
        [
            {
                "id": number,
                "order_nr": number,
                "name": key.capitalize(),
                "key_string": key,
                "icon_key": key,
                "active_flag": True,
                "color": "FFFFFF",
                "is_custom_flag": False,
                "add_time": since,
                "update_time": since,
            }
            for number, key in enumerate(TYPES, start=1)
        ]
    )


def _users(call: Call) -> UserShape:
    company = call.crm.company
    return UserShape(company.time_zone, company.home_currency, call.crm.clock.now())


def _sorted(call: Call, shown: list[dict[str, Any]]) -> list[dict[str, Any]]:
    key = call.one_of("sort_by", _SORTS)
    descending = call.one_of("sort_direction", ("asc", "desc")) == "desc"
    # an instant may be null: those come first
    return sorted(
        shown, key=lambda one: (one[key] is not None, one[key], one["id"]), reverse=descending
    )
