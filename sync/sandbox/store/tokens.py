"""Bearer tokens of the simulated account: who they stand for, their scopes, their end; and the
codes and refresh tokens of the one OAuth app."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import uuid4

ALL_SCOPES = frozenset(
    {
        "oauth",
        "crm.objects.deals.read",
        "crm.objects.deals.write",
        "crm.schemas.deals.read",
        "crm.schemas.deals.write",
        "crm.objects.contacts.read",
        "crm.objects.contacts.write",
        "crm.schemas.contacts.read",
        "crm.schemas.contacts.write",
        "crm.objects.companies.read",
        "crm.objects.owners.read",
        "crm.objects.goals.read",
        "crm.objects.tasks.read",
        "crm.objects.tasks.write",
        "settings.currencies.read",
    }
)


@dataclass(slots=True)
class Token:
    """`expired`: since when, in epoch milliseconds; None while it is good. `ends`: when it will."""

    value: str
    app_id: int
    scopes: frozenset[str]
    expired: int | None = None
    ends: int | None = None

    def expired_at(self, now: int) -> int | None:
        if self.expired is None and self.ends is not None and now >= self.ends:
            return self.ends
        return self.expired


class InvalidGrant(ValueError):
    """A code or refresh token that is not, or no longer, good."""


class Tokens:
    """Not locked: its caller is. `client_id`, `client_secret`: of the one registered app."""

    def __init__(self) -> None:
        self._tokens: dict[str, Token] = {}
        self._codes: dict[str, frozenset[str]] = {}
        self._refresh: dict[str, frozenset[str]] = {}
        self.client_id = str(uuid4())
        self.client_secret = str(uuid4())

    def add(self, scopes: Iterable[str] = ALL_SCOPES) -> Token:
        value = f"pat-eu1-sandbox-{secrets.token_hex(12)}"
        token = Token(value, 3_100_000 + len(self._tokens), frozenset(scopes))
        self._tokens[value] = token
        return token

    def find(self, value: str) -> Token | None:
        return self._tokens.get(value)

    def get(self, value: str) -> Token:
        return self._tokens[value]

    def expire(self, at: int) -> None:
        """All that were given out so far, before their time."""
        for token in self._tokens.values():
            token.expired = at if token.expired is None else token.expired

    def code(self, scopes: Iterable[str] = ALL_SCOPES) -> str:
        """What the customer's consent gives; good once."""
        value = secrets.token_hex(18)
        self._codes[value] = frozenset(scopes)
        return value

    def refresh_token(self, scopes: Iterable[str] = ALL_SCOPES) -> str:
        """One that an app got earlier."""
        value = f"eu1-{secrets.token_hex(2)}-{uuid4()}"
        self._refresh[value] = frozenset(scopes)
        return value

    def revoke_refresh_token(self, value: str) -> None:
        """The app was uninstalled; access tokens that were given out live on."""
        del self._refresh[value]

    def exchange_code(self, value: str, *, ends: int) -> tuple[Token, str]:
        """An access and a refresh token. Raises InvalidGrant."""
        scopes = self._codes.pop(value, None)
        if scopes is None:
            raise InvalidGrant("missing or unknown auth code")
        return self._access(scopes, ends), self.refresh_token(scopes)

    def exchange_refresh_token(self, value: str, *, ends: int, rotate: bool) -> tuple[Token, str]:
        """A new access token and the refresh token to go on with. Raises InvalidGrant."""
        scopes = self._refresh.get(value)
        if scopes is None:
            raise InvalidGrant("missing or invalid refresh token")
        if rotate:
            del self._refresh[value]
            return self._access(scopes, ends), self.refresh_token(scopes)
        return self._access(scopes, ends), value

    def _access(self, scopes: frozenset[str], ends: int) -> Token:
        value = f"CN{secrets.token_urlsafe(96)}"
        self._tokens[value] = Token(value, 3_000_001, scopes, ends=ends)
        return self._tokens[value]
