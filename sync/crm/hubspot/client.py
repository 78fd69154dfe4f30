"""HubSpot over HTTP: hubspot-api-client carries the requests, we read the answers.

Of the package we use configuration, headers and connection pool, on one kept api object (each
property access would build a new pool), and take raw bytes: its typed models turn an HTML page
into an empty record without an error. Its `call_api` is passed by: it writes and takes apart each
URL twice, character by character, which with the names of all properties in it costs as much as
the parsing of a page. Its own retries are off; `calls` repeats.
"""

import json
import threading
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit
from zoneinfo import ZoneInfo

import urllib3
from hubspot import HubSpot

from sync.clock import Clock
from sync.crm.breaker import Breaker
from sync.crm.calls import AttemptFailed, Calls
from sync.crm.hubspot.answers import Answer, Asked, Json, read
from sync.crm.hubspot.limits import GENERAL, declare, learn
from sync.crm.hubspot.paths import Paths
from sync.crm.limiter import Limiter
from sync.crm.oauth import Credentials, StaticToken
from sync.crm.server_clock import ServerClock
from sync.errors import ConfigError

CONNECT_TIMEOUT_S: Final = 5.0

Query = Sequence[tuple[str, str]]


class HubSpotClient:
    """One account's connection; may be used from several threads.

    token: any bearer token (service key, private app), or an OAuth app's tokens.
    timeout_s: for one answer; deadline_s: for one call with all its repetitions.
    """

    def __init__(
        self,
        token: str | Credentials,
        *,
        base_url: str,
        api_version: str,
        timeout_s: float,
        deadline_s: float,
        limiter: Limiter,
        clock: Clock,
        breaker: Breaker | None = None,
    ) -> None:
        self.paths = Paths(api_version)
        self.zone = ZoneInfo("UTC")
        """The account's, once known: HubSpot's daily limits follow it."""
        self._credentials = StaticToken(token) if isinstance(token, str) else token
        self._host = base_url.rstrip("/")
        self._timeout_s = timeout_s
        declare(limiter)
        self._limiter = limiter
        self._clock = clock
        self.server_clock = ServerClock(clock)
        self._calls = Calls(limiter, clock, deadline_s=deadline_s, breaker=breaker)
        self._requests = 0
        self._counting = threading.Lock()
        hubspot = HubSpot(
            host=self._host,
            retry=urllib3.Retry(total=False),
        )
        self._transport: Any = hubspot.crm.deals.basic_api.api_client
        self._pool: Any = None

    @property
    def requests(self) -> int:
        """How many HTTP requests have been sent, repetitions included."""
        return self._requests

    def get(self, path: str, query: Query = (), *, what: str, expect: str | None = None) -> Json:
        """`what` names the request in errors; see `Asked.expect`."""
        return self._run("GET", path, what=what, expect=expect, query=query)

    def post(
        self,
        path: str,
        body: Json,
        *,
        what: str,
        expect: str | None = None,
        bucket: str = GENERAL,
        idempotent: bool,
    ) -> Json:
        """`idempotent`: may be sent again though it may have been carried out already."""
        return self._run(
            "POST", path, what=what, expect=expect, body=body, bucket=bucket, idempotent=idempotent
        )

    def patch(self, path: str, body: Json, *, what: str) -> Json:
        return self._run("PATCH", path, what=what, expect=None, body=body)

    def close(self) -> None:
        """Give the connections back."""
        self._pool = None
        self._transport.rest_client.pool_manager.clear()

    def _run(
        self,
        method: str,
        path: str,
        *,
        what: str,
        expect: str | None,
        query: Query = (),
        body: Json | None = None,
        bucket: str = GENERAL,
        idempotent: bool = True,
    ) -> Json:
        renewed = False

        def attempt(seconds_left: float) -> Json:
            nonlocal renewed
            secret = self._credentials.secret()
            timeout_s = min(self._timeout_s, seconds_left)
            answer = self._send(method, path, query, body, secret, timeout_s, what)
            self.server_clock.hear(answer.headers)
            learn(self._limiter, bucket, answer.headers)
            if answer.status == 401 and not renewed and self._credentials.renew(secret):
                renewed = True
                raise AttemptFailed(f"The access token had ended at {what}.")
            asked = Asked(what, expect, self._clock.now(), self.zone, secret)
            return read(answer, asked)

        return self._calls.run(attempt, bucket=bucket, idempotent=idempotent)

    def _send(
        self,
        method: str,
        path: str,
        query: Query,
        body: Json | None,
        secret: str,
        timeout_s: float,
        what: str,
    ) -> Answer:
        with self._counting:
            self._requests += 1
        headers = {
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
            "Authorization": f"Bearer {secret}",
            "User-Agent": self._transport.user_agent,
        }
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            response = self._connections().urlopen(
                method,
                _target(self._host, path, query),
                body=None if body is None else json.dumps(body).encode(),
                headers=headers,
                redirect=False,
                timeout=urllib3.Timeout(connect=min(CONNECT_TIMEOUT_S, timeout_s), read=timeout_s),
            )
            return Answer(response.status, _lower(response.headers), response.data)
        except urllib3.exceptions.LocationValueError:
            raise ConfigError("base_url is not an address that can be called.") from None
        except urllib3.exceptions.HTTPError as error:
            raise _no_answer(error, what, self._host) from None

    def _connections(self) -> Any:
        """The pool of the one host that is called."""
        pool = self._pool
        if pool is None:
            manager = self._transport.rest_client.pool_manager
            self._pool = pool = manager.connection_from_url(self._host)
        return pool


def _target(host: str, path: str, query: Query) -> str:
    """What is asked for, as it stands in the request; commas between names stay as they are."""
    asked = "?" + urlencode(query, quote_via=quote, safe=",") if query else ""
    return urlsplit(host).path + path + asked


def _lower(headers: Any) -> dict[str, str]:
    return {str(name).lower(): str(value) for name, value in headers.items()}


def _no_answer(error: urllib3.exceptions.HTTPError, what: str, host: str) -> AttemptFailed:
    if isinstance(error, urllib3.exceptions.SSLError):
        return AttemptFailed(f"No trusted connection to HubSpot could be made for {what} (TLS).")
    never_sent = (urllib3.exceptions.ConnectTimeoutError, urllib3.exceptions.NewConnectionError)
    if isinstance(error, never_sent):
        return AttemptFailed(
            f"HubSpot could not be reached at {host} for {what}: check the network."
        )
    if isinstance(error, urllib3.exceptions.TimeoutError):
        return AttemptFailed(f"HubSpot did not answer {what} in time.", ambiguous=True)
    return AttemptFailed(f"The connection to HubSpot broke during {what}.", ambiguous=True)
