"""The webhook endpoint: it checks and answers at once; what was named is written down behind it."""

import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from sync.clock import Clock
from sync.crm.webhooks import Hint, Notification, Receiver, Unreadable, Untrusted
from sync.errors import DealpulseError

MAX_BODY: Final = 1_000_000
"""Bytes; HubSpot sends at most 100 events at once."""

MAX_WAITING: Final = 20_000
"""Deals of one connection that wait to be written down; beyond, polling finds them."""

Remember = Callable[[str, Mapping[str, datetime]], None]


class Inbox:
    """Writes hints down in a thread of its own, so that no answer waits for the database.

    remember: (connection, deal id -> when); tell: the connection whose next pull should come soon.
    owner: the account id of a connection, None = not known yet.
    """

    def __init__(
        self,
        remember: Remember,
        *,
        tell: Callable[[str], None],
        owner: Callable[[str], str | None],
    ) -> None:
        self._remember = remember
        self._tell = tell
        self._owner = owner
        self._waiting: dict[str, dict[str, Hint]] = {}
        self._something = threading.Condition()
        self._ending = False
        self._writing = False
        self._thread = threading.Thread(target=self._write, name="hints", daemon=True)

    def __enter__(self) -> "Inbox":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """What still waits is written first."""
        with self._something:
            self._ending = True
            self._something.notify_all()
        self._thread.join()

    def put(self, connection: str, hints: list[Hint]) -> None:
        """Returns at once."""
        with self._something:
            waiting = self._waiting.setdefault(connection, {})
            for hint in hints:
                known = waiting.get(hint.deal_id)
                if known is None and len(waiting) >= MAX_WAITING:
                    continue
                if known is None or known.occurred_at < hint.occurred_at:
                    waiting[hint.deal_id] = hint
            self._something.notify_all()

    def flush(self) -> None:
        """Wait until everything that was put is written down."""
        with self._something:
            self._something.wait_for(lambda: not self._waiting and not self._writing)

    def _write(self) -> None:
        while True:
            with self._something:
                self._writing = False
                self._something.notify_all()
                self._something.wait_for(lambda: self._waiting or self._ending)
                taken, self._waiting = self._waiting, {}
                ending, self._writing = self._ending, True
            for connection, hints in taken.items():
                self._write_down(connection, hints)
            if ending:
                break
        with self._something:
            self._writing = False
            self._something.notify_all()

    def _write_down(self, connection: str, hints: Mapping[str, Hint]) -> None:
        try:
            owner = self._owner(connection)
            ours = {
                hint.deal_id: hint.occurred_at
                for hint in hints.values()
                if owner is None or hint.account_id in (None, owner)
            }
            if ours:
                self._remember(connection, ours)
                self._tell(connection)
        except DealpulseError:
            # the database is away, which the worker says; the next pull finds these deals anyway
            return


class Endpoint:
    """`POST /webhooks/{connection}`. receivers: of the connections that take webhooks.

    204 taken; 401 not signed by the CRM, also for a connection that takes none; 400 no
    notification; 413 too long.
    """

    def __init__(self, receivers: Mapping[str, Receiver], inbox: Inbox, clock: Clock) -> None:
        self._receivers = receivers
        self._inbox = inbox
        self._clock = clock

    async def __call__(self, request: Request) -> Response:
        name = request.path_params["connection"]
        receiver = self._receivers.get(name)
        if receiver is None:
            return Response(status_code=401)
        body = await _body(request)
        if body is None:
            return Response(status_code=413)
        headers = {key.lower(): value for key, value in request.headers.items()}
        notification = Notification(request.method, headers, body)
        try:
            hints = receiver.hints(notification, now=self._clock.now())
        except Untrusted:
            return Response(status_code=401)
        except Unreadable:
            return Response(status_code=400)
        self._inbox.put(name, list(hints))
        return Response(status_code=204)


async def refuse(_: Request) -> Response:
    """The endpoint while no connection takes webhooks."""
    return Response(status_code=401)


async def _body(request: Request) -> bytes | None:
    """None where it is too long; it is not read to the end then."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY:
            return None
    return body
