"""Owners: live and deactivated ones apart, in pages."""

from sync.sandbox.hubspot.calls import Call, Reply
from sync.sandbox.hubspot.errors import invalid, not_found
from sync.sandbox.hubspot.objects import whole
from sync.sandbox.hubspot.shape import paging

DEFAULT_LIMIT, MOST = 100, 500


def list_owners(call: Call) -> Reply:
    limit = whole(call.text("limit", str(DEFAULT_LIMIT)), "limit")
    if not 1 <= limit <= MOST:
        raise invalid(f"limit must be between 1 and {MOST}, but was {limit}")
    archived, email = call.flag("archived"), call.text("email")
    after = whole(call.text("after", "0"), "after")
    owners = [
        owner
        for owner in call.crm.owners
        if owner.archived == archived and int(owner.id) >= after and email in ("", owner.email)
    ]
    body: dict[str, object] = {"results": [owner.as_json() for owner in owners[:limit]]}
    if len(owners) > limit:
        following = owners[limit].id
        body["paging"] = paging(following, f"{call.origin}/crm/v3/owners/?after={following}")
    return Reply(200, body)


def read_owner(call: Call) -> Reply:
    owner_id, archived = call.path["owner_id"], call.flag("archived")
    by_user = call.text("idProperty", "id").lower() == "userid"
    for owner in call.crm.owners:
        own_id = str(owner.user_id) if by_user else owner.id
        if own_id == owner_id and owner.archived == archived:
            return Reply(200, owner.as_json())
    raise not_found(f"Owner {owner_id} does not exist", owner_id)
