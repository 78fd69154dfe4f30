"""OAuth: an app's access tokens, renewed before they end, by one thread of one process at a time.

A vendor differs only in addresses and in how the app shows who it is. Where the tokens are kept is
the store's matter: it encrypts them, and it lets one process at a time renew.
"""

import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from urllib.parse import urlencode

import requests

from sync.clock import Clock
from sync.crm.calls import AttemptFailed
from sync.errors import AuthError, ConfigError, TransientError

RENEW_AT: Final = 0.8
"""An access token is renewed after this share of its life."""

LAST_MOMENT_S: Final = 15.0
"""A token that ends this soon is not used any more, also when it could not be renewed."""

RETRY_EARLY_S: Final = 60.0
"""So long after a renewal ahead of time failed, the next one is tried."""

WAIT_FOR_OTHERS_S: Final = 45.0
_LOOK_AGAIN_S: Final = 0.5

Values = Mapping[str, str]


class Credentials(Protocol):
    """What a client shows with each request."""

    def secret(self) -> str:
        """The token to send now. Raises AuthError, AttemptFailed."""

    def renew(self, refused: str) -> bool:
        """After 401 for `refused`: whether there is another token now, worth another attempt."""


class StaticToken:
    """A token that never ends: service key, private app, a user's API token."""

    def __init__(self, token: str) -> None:
        self._token = clean(token)

    def secret(self) -> str:
        return self._token

    def renew(self, refused: str) -> bool:
        return False


class TokenStore(Protocol):
    """One connection's tokens, kept for good."""

    def load(self) -> Values:
        """Empty where there are none. Raises ConfigError where they cannot be decrypted."""

    def save(self, values: Values) -> None:
        """Replaces them, for good once it returns."""

    def claim(self) -> bool:
        """Whether this process may renew now; False while another one does."""

    def release(self) -> None:
        """Give the claim back."""


@dataclass(frozen=True, slots=True)
class Granted:
    """What the log-in gave. refresh_token: None where the one that was shown stays good."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    expires_in_s: float


@dataclass(frozen=True, slots=True)
class Authorizer:
    """A vendor's log-in, for one app. `basic`: the app shows itself in a header, else in the form.

    connection: for the remedy in errors.
    """

    vendor: str
    connection: str
    authorize_url: str
    token_url: str
    client_id: str
    client_secret: str = field(repr=False)
    scopes: Sequence[str] = ()
    basic: bool = False
    timeout_s: float = 30.0

    def consent_url(self, *, redirect_uri: str, state: str) -> str:
        """Where a person allows the app to read and write."""
        query = {"client_id": self.client_id, "redirect_uri": redirect_uri, "state": state}
        if self.scopes:
            query["scope"] = " ".join(self.scopes)
        return f"{self.authorize_url}?{urlencode(query)}"

    def exchange(self, code: str, *, redirect_uri: str) -> Granted:
        """For the code that the consent gave; it is good once, for minutes."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        return self._post(form)

    def refresh(self, refresh_token: str) -> Granted:
        return self._post({"grant_type": "refresh_token", "refresh_token": refresh_token})

    def _post(self, form: dict[str, str]) -> Granted:
        """Raises AuthError for what a person has to put right, AttemptFailed for what may pass."""
        shown = {"client_id": self.client_id, "client_secret": self.client_secret}
        try:
            response = requests.post(
                self.token_url,
                data=form if self.basic else form | shown,
                # an explicit one also keeps a .netrc file's from being sent
                auth=(self.client_id, self.client_secret) if self.basic else _unchanged,
                headers={"Accept": "application/json"},
                timeout=(5.0, self.timeout_s),
                allow_redirects=False,
            )
        except requests.RequestException:
            raise AttemptFailed(f"{self.vendor}'s log-in did not answer.") from None
        status, body = response.status_code, _json(response)
        if status == 200 and body is not None:
            granted = _granted(body)
            if granted is not None:
                return granted
        if status == 429:
            wait = _seconds(response.headers.get("Retry-After"))
            raise AttemptFailed(f"{self.vendor}'s log-in asks for a pause (429).", wait_s=wait)
        if status in (400, 401, 403) and body is not None:
            raise self._refused(status, body)
        raise AttemptFailed(f"{self.vendor}'s log-in has a fault ({status}).")

    def _refused(self, status: int, body: dict[str, Any]) -> AuthError:
        """`invalid_client` and its kin are about the app, everything else about the grant."""
        said = " ".join(str(body.get(key, "")) for key in ("error", "status", "message")).lower()
        if "client" in said:
            return AuthError(
                f"{self.vendor}'s log-in does not know the app ({status}): check the client id, "
                "and that the client secret belongs to it."
            )
        return AuthError(
            f"{self.vendor} no longer accepts the app's grant ({status}): the app was uninstalled, "
            "the consent withdrawn, or the refresh token used up. Run "
            f"`dealpulse connect {self.connection}`, then start again."
        )


class OAuthTokens:
    """Access tokens of one connection, from the store or anew. May be used from several threads.

    refresh_token: from the environment, for an app installed elsewhere; None = `dealpulse connect`
    has put one into the store. A new one in the environment wins over what is stored.
    """

    def __init__(
        self,
        authorizer: Authorizer,
        store: TokenStore,
        clock: Clock,
        *,
        refresh_token: str | None = None,
    ) -> None:
        self.authorizer = authorizer
        self._store = store
        self._clock = clock
        self._given = clean(refresh_token) if refresh_token else None
        self._mark = hashlib.sha256(self._given.encode()).hexdigest()[:16] if self._given else ""
        self._renewing = threading.Lock()
        self._known: Values = {}
        self._not_before = float("-inf")

    def secret(self) -> str:
        known = self._known
        if self._young(known):
            return known["access_token"]
        with self._renewing:
            try:
                return self._renewed(self._young)
            except AttemptFailed:
                if not self._usable(self._known):
                    raise
                self._not_before = self._clock.monotonic() + RETRY_EARLY_S
                return self._known["access_token"]

    def renew(self, refused: str) -> bool:
        with self._renewing:
            self._renewed(lambda kept: kept.get("access_token", refused) != refused)
        return True

    def connect(self, code: str, *, redirect_uri: str) -> None:
        """Take what a consent gave; it replaces what was stored. Raises AuthError for a code that
        is not good, TransientError where the log-in does not answer.
        """
        try:
            with self._renewing:
                self._claim(lambda: False)
                try:
                    self._keep(self.authorizer.exchange(code, redirect_uri=redirect_uri), None)
                finally:
                    self._store.release()
        except AttemptFailed as failure:
            raise TransientError(f"{failure.text} Nothing was stored; try again.") from None

    def forget(self) -> None:
        """Keep nothing of what was granted."""
        self._store.save({})
        self._known = {}

    def _renewed(self, good: Callable[[Values], bool]) -> str:
        """Another thread, or another process, may have been first: then theirs is taken."""

        def found() -> bool:
            self._known = self._stored()
            return good(self._known)

        if not self._claim(found):
            return self._known["access_token"]
        try:
            if not found():
                refresh_token = self._known.get("refresh_token") or self._given
                if refresh_token is None:
                    raise AuthError(
                        f"{self.authorizer.connection} is not connected yet: run "
                        f"`dealpulse connect {self.authorizer.connection}`."
                    )
                self._keep(self.authorizer.refresh(refresh_token), refresh_token)
            return self._known["access_token"]
        finally:
            self._store.release()

    def _claim(self, done: Callable[[], bool]) -> bool:
        """Wait to be the one that renews; False where it is `done` before that."""
        waits_until = self._clock.monotonic() + WAIT_FOR_OTHERS_S
        while not done():
            if self._store.claim():
                return True
            if self._clock.monotonic() >= waits_until:
                raise AttemptFailed("Another process has been renewing the token for too long.")
            self._clock.sleep(_LOOK_AGAIN_S)
        return False

    def _keep(self, granted: Granted, shown: str | None) -> None:
        """Stored before it is used: a rotated refresh token that is lost cannot be had again."""
        now = self._clock.now().timestamp()
        values = {
            "mark": self._mark,
            "access_token": granted.access_token,
            "refresh_token": granted.refresh_token or shown or "",
            "renew_at": str(now + granted.expires_in_s * RENEW_AT),
            "ends_at": str(now + granted.expires_in_s),
        }
        self._store.save(values)
        self._known = values
        self._not_before = float("-inf")

    def _stored(self) -> Values:
        """What belongs to the refresh token of the environment, where there is one."""
        stored = self._store.load()
        return stored if not self._mark or stored.get("mark") == self._mark else {}

    def _young(self, kept: Values) -> bool:
        if not self._usable(kept):
            return False
        early = self._clock.now().timestamp() < float(kept["renew_at"])
        return early or self._clock.monotonic() < self._not_before

    def _usable(self, kept: Values) -> bool:
        if not kept.get("access_token"):
            return False
        return self._clock.now().timestamp() < float(kept["ends_at"]) - LAST_MOMENT_S


def clean(token: str) -> str:
    """Without surrounding blanks. Raises ConfigError for what can be no token."""
    stripped = token.strip()
    if not stripped or not stripped.isascii() or not stripped.isprintable() or " " in stripped:
        raise ConfigError(
            "The access token is empty or has characters in it that no token has: copy it again, "
            "whole, into the connection's environment variable."
        )
    return stripped


def _unchanged(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _json(response: requests.Response) -> dict[str, Any] | None:
    try:
        body = response.json()
    except requests.RequestException:
        return None
    return body if isinstance(body, dict) else None


def _granted(body: dict[str, Any]) -> Granted | None:
    token, refresh, seconds = (body.get(k) for k in ("access_token", "refresh_token", "expires_in"))
    if not isinstance(token, str) or not token or not isinstance(seconds, int | float):
        return None
    return Granted(token, str(refresh) if refresh else None, float(seconds))


def _seconds(text: str | None) -> float | None:
    return float(text) if text is not None and text.isascii() and text.isdigit() else None
