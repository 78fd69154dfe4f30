"""Who we are to Pipedrive: a user's token, or an app's OAuth tokens, refreshed when they end."""

import hashlib
import threading
from collections.abc import Mapping
from typing import Final, Protocol

import requests

from sync.clock import Clock
from sync.crm.calls import AttemptFailed
from sync.crm.pipedrive.state import State
from sync.errors import AuthError, ConfigError, PermanentError

TOKEN_URL: Final = "https://oauth.pipedrive.com/oauth/token"  # noqa: S105 - an address
EARLY_S: Final = 60.0
"""An access token is renewed so long before it ends."""

_PART: Final = "oauth"


class Credentials(Protocol):
    """What goes into each request's header."""

    @property
    def burst(self) -> int:
        """Calls in two seconds on the smallest plan."""

    def secret(self) -> str:
        """The token to send now. Raises AuthError, AttemptFailed."""

    def header(self, secret: str) -> tuple[str, str]: ...

    def renew(self, refused: str) -> bool:
        """After 401 for `refused`: whether there is another token now, worth another attempt."""


class ApiToken:
    """A user's personal token. It never ends, and can do all that its user can."""

    burst = 20

    def __init__(self, token: str) -> None:
        self._token = clean(token)

    def secret(self) -> str:
        return self._token

    def header(self, secret: str) -> tuple[str, str]:
        return "x-api-token", secret

    def renew(self, refused: str) -> bool:
        return False


class OAuth:
    """An installed app's tokens. The refresh token that Pipedrive gives back is kept each time,
    and only one thread renews: Pipedrive may take an old one for stolen.

    refresh_token: the one from installing the app; a kept one wins over it.
    """

    burst = 80

    def __init__(
        self,
        *,
        client_id: str,
        client_secret: str,
        refresh_token: str,
        state: State,
        clock: Clock,
        token_url: str = TOKEN_URL,
        timeout_s: float = 30,
    ) -> None:
        self._client = (clean(client_id), clean(client_secret))
        self._first = clean(refresh_token)
        self._installation = hashlib.sha256(self._first.encode()).hexdigest()[:12]
        self._state = state
        self._clock = clock
        self._url = token_url
        self._timeout_s = timeout_s
        self._renewing = threading.Lock()

    def secret(self) -> str:
        kept = self._kept()
        if self._lasts(kept):
            return kept["access_token"]
        with self._renewing:
            kept = self._kept()  # another thread may have been first
            return kept["access_token"] if self._lasts(kept) else self._refresh(kept)

    def header(self, secret: str) -> tuple[str, str]:
        return "Authorization", f"Bearer {secret}"

    def renew(self, refused: str) -> bool:
        with self._renewing:
            kept = self._kept()
            if kept.get("access_token") == refused:
                self._refresh(kept)
        return True

    def _kept(self) -> Mapping[str, str]:
        """What was kept for this very installation; another refresh token starts anew."""
        kept = self._state.load(_PART)
        return kept if kept.get("first") == self._installation else {}

    def _lasts(self, kept: Mapping[str, str]) -> bool:
        ends = float(kept.get("ends", 0))
        return "access_token" in kept and self._clock.now().timestamp() < ends - EARLY_S

    def _refresh(self, kept: Mapping[str, str]) -> str:
        refresh_token = kept.get("refresh_token", self._first)
        given = self._post(refresh_token)
        access_token = str(given["access_token"])
        self._state.save(
            _PART,
            {
                "first": self._installation,
                "access_token": access_token,
                "refresh_token": str(given.get("refresh_token") or refresh_token),
                "ends": str(
                    self._clock.now().timestamp() + float(str(given.get("expires_in") or 3600))
                ),
            },
        )
        return access_token

    def _post(self, refresh_token: str) -> dict[str, object]:
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        try:
            response = requests.post(
                self._url,
                data=form,
                auth=self._client,
                timeout=self._timeout_s,
                allow_redirects=False,
            )
            body = response.json()
        except requests.RequestException:
            # it may have been carried out; with a rotating token only the kept one tells
            raise AttemptFailed("Pipedrive's log-in did not answer.", ambiguous=False) from None
        if response.status_code == 200 and isinstance(body, dict) and body.get("access_token"):
            return body
        if response.status_code >= 500 or response.status_code == 429:
            raise AttemptFailed(f"Pipedrive's log-in has a fault ({response.status_code}).")
        if response.status_code in (400, 401):
            raise AuthError(
                "Pipedrive no longer accepts the app's refresh token: the app was uninstalled, not "
                "used for 60 days, or its secret changed. Install the app again and set the new "
                "refresh token."
            )
        raise PermanentError(
            f"Pipedrive's log-in answered with {response.status_code}: check its address."
        )


def clean(token: str) -> str:
    """Without surrounding blanks. Raises ConfigError for what can be no token."""
    stripped = token.strip()
    if not stripped or not stripped.isascii() or not stripped.isprintable() or " " in stripped:
        raise ConfigError(
            "The access token is empty or has characters in it that no token has: copy it again, "
            "whole, into the connection's environment variable."
        )
    return stripped
