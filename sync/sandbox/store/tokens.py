"""Bearer tokens of the simulated account: who they stand for, their scopes, their end."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass

ALL_SCOPES = frozenset(
    {
        "oauth",
        "crm.objects.deals.read",
        "crm.objects.deals.write",
        "crm.schemas.deals.read",
        "crm.schemas.deals.write",
        "crm.objects.contacts.read",
        "crm.objects.contacts.write",
        "crm.objects.companies.read",
        "crm.objects.owners.read",
        "crm.objects.tasks.read",
        "crm.objects.tasks.write",
        "settings.currencies.read",
    }
)


@dataclass(slots=True)
class Token:
    """`expired`: since when, in epoch milliseconds; None while it is good."""

    value: str
    app_id: int
    scopes: frozenset[str]
    expired: int | None = None


class Tokens:
    def __init__(self) -> None:
        self._tokens: dict[str, Token] = {}

    def add(self, scopes: Iterable[str] = ALL_SCOPES) -> Token:
        value = f"pat-eu1-sandbox-{secrets.token_hex(12)}"
        token = Token(value, 3_100_000 + len(self._tokens), frozenset(scopes))
        self._tokens[value] = token
        return token

    def find(self, value: str) -> Token | None:
        return self._tokens.get(value)

    def get(self, value: str) -> Token:
        return self._tokens[value]
