"""Who may call the simulated Pipedrive: API tokens, and OAuth with its two kinds of token."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from sync.clock import Clock
from sync.sandbox.pipedrive.behaviour import PipedriveBehaviour
from sync.sandbox.pipedrive.instants import DAY_S, to_s

ALL_SCOPES = frozenset(
    {
        "base", "deals:full", "activities:full", "contacts:read", "users:read", "recents:read",
        "deal-fields:full", "goals:read", "leads:read", "search:read", "admin",
    }
)  # fmt: skip
CODE_LIFE_S = 300


@dataclass(slots=True)
class Token:
    """`expires`: epoch seconds, None = never. `user_id`: whose rights it has."""

    value: str
    user_id: int
    scopes: frozenset[str]
    oauth: bool = False
    expires: int | None = None


@dataclass(slots=True)
class Grant:
    """A code or a refresh token: what it can be exchanged for, and until when."""

    user_id: int
    scopes: frozenset[str]
    expires: int


class InvalidGrant(ValueError):
    """A code or refresh token that is not, or no longer, good."""


class Tokens:
    """Not locked: its caller is. `client_id`, `client_secret`: of the one registered app."""

    def __init__(self, clock: Clock, behaviour: PipedriveBehaviour, user_id: int) -> None:
        self._clock = clock
        self._behaviour = behaviour
        self._user_id = user_id
        self._tokens: dict[str, Token] = {}
        self._codes: dict[str, Grant] = {}
        self._refresh: dict[str, Grant] = {}
        self.client_id = secrets.token_hex(8)
        self.client_secret = secrets.token_hex(20)

    def add(self, user_id: int | None = None) -> str:
        """An API token, which has every right of its user."""
        value = secrets.token_hex(20)
        self._tokens[value] = Token(value, user_id or self._user_id, ALL_SCOPES)
        return value

    def revoke(self, value: str) -> None:
        del self._tokens[value]

    def find(self, value: str, *, oauth: bool) -> Token | None:
        token = self._tokens.get(value)
        if token is None or token.oauth != oauth:
            return None
        if token.expires is not None and self._now() >= token.expires:
            return None
        return token

    def code(self, scopes: Iterable[str] = ALL_SCOPES) -> str:
        """What the customer's consent gives; good for five minutes, once."""
        value = secrets.token_hex(20)
        self._codes[value] = Grant(self._user_id, frozenset(scopes), self._now() + CODE_LIFE_S)
        return value

    def refresh_token(self, scopes: Iterable[str] = ALL_SCOPES) -> str:
        """One that an app got earlier."""
        return self._new_refresh(Grant(self._user_id, frozenset(scopes), 0))

    def revoke_refresh_token(self, value: str) -> None:
        del self._refresh[value]

    def exchange_code(self, value: str) -> tuple[Token, str]:
        """An access and a refresh token. Raises InvalidGrant."""
        grant = self._codes.pop(value, None)
        if grant is None or self._now() >= grant.expires:
            raise InvalidGrant("authorization_code is invalid")
        return self._access(grant), self._new_refresh(grant)

    def exchange_refresh_token(self, value: str) -> tuple[Token, str]:
        """A new access token and the refresh token to go on with. Raises InvalidGrant."""
        grant = self._refresh.get(value)
        if grant is None or self._now() >= grant.expires:
            raise InvalidGrant("refresh_token is invalid")
        if self._behaviour.rotates_refresh_token:
            del self._refresh[value]
            return self._access(grant), self._new_refresh(grant)
        grant.expires = self._now() + self._behaviour.refresh_token_days * DAY_S
        return self._access(grant), value

    def _access(self, grant: Grant) -> Token:
        value = f"v1u:{secrets.token_urlsafe(48)}"
        expires = self._now() + self._behaviour.access_token_s
        self._tokens[value] = Token(value, grant.user_id, grant.scopes, oauth=True, expires=expires)
        return self._tokens[value]

    def _new_refresh(self, grant: Grant) -> str:
        value = f"{self._user_id}:{secrets.token_hex(20)}"
        expires = self._now() + self._behaviour.refresh_token_days * DAY_S
        self._refresh[value] = Grant(grant.user_id, grant.scopes, expires)
        return value

    def _now(self) -> int:
        return to_s(self._clock.now())
