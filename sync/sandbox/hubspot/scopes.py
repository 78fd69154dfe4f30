"""What a token has to have for records that are read or linked beside others."""

from typing import Final, Literal

from sync.sandbox.hubspot.calls import Call
from sync.sandbox.hubspot.errors import missing_scopes

_OF: Final = {
    "deals": "crm.objects.deals",
    "tasks": "crm.objects.contacts",
    "contacts": "crm.objects.contacts",
    "companies": "crm.objects.companies",
}


def scope_of(kind: str, doing: Literal["read", "write"]) -> str:
    return f"{_OF[kind]}.{doing}"


def refuse_unseen(call: Call, kind: str) -> None:
    """Associations with records are shown only to who may read them."""
    scope = scope_of(kind, "read")
    if scope not in call.token.scopes:
        raise missing_scopes([scope])
