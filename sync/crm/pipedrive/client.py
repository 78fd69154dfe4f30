"""Pipedrive over HTTP: one `requests` session, every call through limiter, ledger and `calls`."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any, Final

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError

from sync.clock import Clock
from sync.crm.breaker import Breaker
from sync.crm.calls import AttemptFailed, Calls
from sync.crm.limiter import Limiter, Window
from sync.crm.pipedrive import paths
from sync.crm.pipedrive.answers import BURST_S, Answer, Asked, Json, Paused, number, read
from sync.crm.pipedrive.credentials import Credentials
from sync.crm.pipedrive.ledger import Ledger, Purpose
from sync.crm.server_clock import ServerClock
from sync.errors import ConfigError, TransientError

CONNECT_TIMEOUT_S: Final = 5.0
MAX_BURSTS: Final = 3
"""After so many 429 in a row it is not us alone: going on would get the token blocked."""

GENERAL: Final = "general"
_NEVER_SENT: Final = (NewConnectionError, ConnectTimeoutError)

Query = Mapping[str, str]


class PipedriveClient:
    """One company's connection; may be used from several threads.

    timeout_s: for one answer; deadline_s: for one call with all its repetitions.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        base_url: str,
        timeout_s: float,
        deadline_s: float,
        limiter: Limiter,
        ledger: Ledger,
        clock: Clock,
        breaker: Breaker | None = None,
    ) -> None:
        self.ledger = ledger
        self.server_clock = ServerClock(clock)
        self._credentials = credentials
        self._host = base_url.rstrip("/")
        self._timeout_s = timeout_s
        limiter.declare(GENERAL, Window(credentials.burst, BURST_S))
        self._limiter = limiter
        self._calls = Calls(limiter, clock, deadline_s=deadline_s, breaker=breaker)
        self._session = requests.Session()
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=0, pool_maxsize=8))
        self._lock = threading.Lock()
        self._requests = 0
        self._bursts = 0

    @property
    def requests(self) -> int:
        """How many HTTP requests have been sent, repetitions included."""
        return self._requests

    def get(
        self, path: str, query: Query | None = None, *, what: str, purpose: Purpose = Purpose.READ
    ) -> Json:
        """`what` names the request in errors."""
        return self._run("GET", path, what=what, query=query or {}, purpose=purpose)

    def post(self, path: str, body: Json | list[Json], *, what: str) -> Json:
        """Never repeated once it may have been carried out."""
        return self._run("POST", path, what=what, body=body, idempotent=False)

    def patch(self, path: str, body: Json | list[Json], *, what: str) -> Json:
        return self._run("PATCH", path, what=what, body=body)

    def close(self) -> None:
        """Give the connections back, and keep what was spent."""
        self.ledger.save()
        self._session.close()

    def _run(
        self,
        method: str,
        path: str,
        *,
        what: str,
        query: Query | None = None,
        body: Json | list[Json] | None = None,
        purpose: Purpose = Purpose.WRITE,
        idempotent: bool = True,
    ) -> Json:
        renewed = False

        def attempt(seconds_left: float) -> Json:
            nonlocal renewed
            self.ledger.admit(paths.cost(method, path), purpose)
            secret = self._credentials.secret()
            timeout_s = min(self._timeout_s, seconds_left)
            answer = self._send(method, path, query, body, secret, timeout_s, what)
            self.server_clock.hear(answer.headers)
            self._learn(method, path, answer)
            if answer.status == 401 and not renewed and self._credentials.renew(secret):
                renewed = True
                raise AttemptFailed(f"The access token had ended at {what}.")
            try:
                return read(answer, Asked(method, what, paths.scopes(method, path), secret))
            except Paused as paused:
                self.ledger.pause(paused.seconds, str(paused))
                raise

        return self._calls.run(attempt, bucket=GENERAL, idempotent=idempotent)

    def _learn(self, method: str, path: str, answer: Answer) -> None:
        """Tokens, limits, and how often in a row we were too fast."""
        headers = answer.headers
        said = number(headers.get("x-token-cost"))
        assumed = 0 if answer.status in (401, 429) else paths.cost(method, path)
        self.ledger.book(assumed if said is None else said)
        burst = number(headers.get("x-ratelimit-limit"))
        if burst is not None:
            self._limiter.learn(GENERAL, Window(burst, BURST_S))
        budget = number(headers.get("x-daily-ratelimit-token-limit"))
        left = number(headers.get("x-daily-ratelimit-token-remaining"))
        if budget is not None:
            self.ledger.learn(budget)
        if budget and left is not None and answer.status != 429:
            self._limiter.learn_daily(remaining=left, limit=budget)
        self._count_bursts(answer)

    def _count_bursts(self, answer: Answer) -> None:
        with self._lock:
            self._bursts = self._bursts + 1 if answer.status == 429 else 0
            too_many, self._bursts = self._bursts >= MAX_BURSTS, self._bursts % MAX_BURSTS
        if too_many:
            raise TransientError(
                "Pipedrive keeps saying that its rate limit is reached (429); calling on would get "
                "the token blocked. Another app with the same token may be using the limit up: "
                "give dealpulse a token of its own."
            )

    def _send(
        self,
        method: str,
        path: str,
        query: Query | None,
        body: Json | Sequence[Json] | None,
        secret: str,
        timeout_s: float,
        what: str,
    ) -> Answer:
        with self._lock:
            self._requests += 1
        try:
            response = self._session.request(
                method,
                self._host + path,
                params=dict(query or {}),
                json=body,
                auth=_Header(*self._credentials.header(secret)),
                headers={"Accept": "application/json"},
                timeout=(min(CONNECT_TIMEOUT_S, timeout_s), timeout_s),
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise _no_answer(error, what, self._host) from None
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status_code, headers, response.content)


class _Header(requests.auth.AuthBase):
    """Sets the token; an explicit one also keeps a .netrc file's from being sent instead."""

    def __init__(self, name: str, value: str) -> None:
        self._name, self._value = name, value

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers[self._name] = self._value
        return request


def _no_answer(error: requests.RequestException, what: str, host: str) -> Exception:
    bad_address = (
        requests.exceptions.InvalidURL,
        requests.exceptions.InvalidSchema,
        requests.exceptions.MissingSchema,
    )
    if isinstance(error, bad_address):
        return ConfigError("base_url is not an address that can be called.")
    if isinstance(error, requests.exceptions.SSLError):
        return AttemptFailed(f"No trusted connection to Pipedrive could be made for {what} (TLS).")
    cause: Any = error.args[0] if error.args else None
    reason = cause.reason if isinstance(cause, MaxRetryError) else None
    if isinstance(reason, _NEVER_SENT) or isinstance(error, requests.exceptions.ConnectTimeout):
        return AttemptFailed(
            f"Pipedrive could not be reached at {host} for {what}: check the network."
        )
    if isinstance(error, requests.exceptions.Timeout):
        return AttemptFailed(f"Pipedrive did not answer {what} in time.", ambiguous=True)
    return AttemptFailed(f"The connection to Pipedrive broke during {what}.", ambiguous=True)
