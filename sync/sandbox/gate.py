"""What every request passes before and after the API: faults, the log, the longest URL."""

import asyncio
import contextlib
import socket
import struct
from asyncio import Transport
from collections.abc import Callable
from datetime import datetime
from email.utils import format_datetime
from typing import Any
from uuid import uuid4

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from sync.clock import Clock
from sync.sandbox.faults import Fault, Faults
from sync.sandbox.request_log import RequestLog, Requests

CONTROL = "/_sandbox/"
HTML = "text/html; charset=utf-8"
HTML_502 = b"<html><head><title>502 Bad Gateway</title></head><body>cloudflare</body></html>"
HTML_200 = b"<!DOCTYPE html><html><body><h1>We'll be right back</h1></body></html>"
HTML_524 = (
    b"<html><head><title>524: A timeout occurred</title></head><body>cloudflare</body></html>"
)
HTML_414 = b"<html><body><h1>414 Request-URI Too Large</h1></body></html>"

_transports: dict[tuple[object, object], Transport] = {}
"""Of the open connections, by both their ends."""


class Protocol(H11Protocol):
    """Remembers each connection, so that a fault can break it; sends at once."""

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._ends = (self.client, self.server)
        _transports[self._ends] = transport
        sock: Any = transport.get_extra_info("socket")
        # asyncio leaves Nagle's algorithm on for a socket made elsewhere: 40 ms an answer
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def connection_lost(self, exc: Exception | None) -> None:
        _transports.pop(self._ends, None)
        super().connection_lost(exc)


class Answer:
    """One answer, caught on its way out."""

    def __init__(self, status: int = 500, content_type: str = "", body: bytes = b"") -> None:
        self.status = status
        self.headers: list[tuple[bytes, bytes]] = [(b"content-type", content_type.encode())]
        self.body = body

    async def take(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = list(message["headers"])
        else:
            self.body += message.get("body", b"")

    def header(self, name: bytes, value: bytes) -> None:
        self.headers = [(k, v) for k, v in self.headers if k.lower() != name] + [(name, value)]

    async def send_half(self, send: Send) -> None:
        """Promise the whole length."""
        self.header(b"content-length", str(len(self.body)).encode())
        start = {"type": "http.response.start", "status": self.status, "headers": self.headers}
        await send(start)
        half = self.body[: len(self.body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})

    async def send(self, send: Send, now: datetime) -> None:
        self.header(b"date", format_datetime(now, usegmt=True).encode())
        self.header(b"content-length", str(len(self.body)).encode())
        self.header(b"cf-ray", uuid4().hex[:16].encode() + b"-OSL")
        start = {"type": "http.response.start", "status": self.status, "headers": self.headers}
        await send(start)
        await send({"type": "http.response.body", "body": self.body})


NOT_CARRIED_OUT = ("reset_before", "hang_before")
BREAKING = (*NOT_CARRIED_OUT, "reset_after_commit", "hang_after_commit")


Refusal = Callable[[Fault], Answer | None]
"""What a vendor answers instead of carrying a request out; None where the fault is another."""


class Gate:
    """Control requests pass untouched and unlogged. url_limit: longest path with query."""

    def __init__(
        self,
        api: ASGIApp,
        control: ASGIApp,
        faults: Faults,
        *,
        refusal: Refusal,
        clock: Clock,
        url_limit: int,
    ) -> None:
        self._api = api
        self._control = control
        self._faults = faults
        self._refusal = refusal
        self._clock = clock
        self._url_limit = url_limit
        self.requests = Requests()
        self._meanwhile: list[tuple[str, Callable[[], object]]] = []

    def meanwhile(self, path_contains: str, action: Callable[[], object]) -> None:
        """Do `action` once, right before the next request to such a path is answered."""
        self._meanwhile.append((path_contains, action))

    def _act(self, path: str) -> None:
        for waiting in list(self._meanwhile):
            if waiting[0] in path:
                self._meanwhile.remove(waiting)
                waiting[1]()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if path.startswith(CONTROL):
            await self._control(scope, receive, send)
            return
        self._act(path)
        fault = self._faults.take(scope["method"], path)
        if fault is not None and fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
            fault = None
        answer = self._instead(scope, fault)
        if answer is None and (fault is None or fault.kind not in NOT_CARRIED_OUT):
            answer = Answer()
            await self._api(scope, receive, answer.take)
            _spoil(answer, fault)
        if fault is not None and fault.kind in ("hang_before", "hang_after_commit"):
            await asyncio.sleep(fault.seconds)
        broken = fault is not None and fault.kind in BREAKING
        self._log(scope, 0 if broken or answer is None else answer.status)
        if broken or answer is None:
            await _break(scope, receive)
        elif fault is not None and fault.kind == "short_body":
            await answer.send_half(send)
            await _break(scope, receive, reset=False)
        else:
            await answer.send(send, self._clock.now())

    def _instead(self, scope: Scope, fault: Fault | None) -> Answer | None:
        """An answer given without carrying the request out."""
        target = len(scope["raw_path"]) + 1 + len(scope["query_string"])
        if target > self._url_limit:
            return Answer(414, HTML, HTML_414)
        if fault is None:
            return None
        pages = {"html_502": HTML_502, "html_414": HTML_414, "timeout_524": HTML_524}
        if fault.kind in pages:
            return Answer(int(fault.kind[-3:]), HTML, pages[fault.kind])
        return self._refusal(fault)

    def _log(self, scope: Scope, status: int) -> None:
        query = scope["query_string"].decode()
        entry = RequestLog(scope["method"], scope["path"], query, status, self._clock.now())
        self.requests.append(entry)


def _spoil(answer: Answer, fault: Fault | None) -> None:
    """The request was carried out; what comes back is not what it should be."""
    kind = fault.kind if fault else ""
    if kind == "html_200":
        answer.status, answer.body = 200, HTML_200
        answer.header(b"content-type", HTML.encode())
    elif kind == "truncated_json":
        answer.body = answer.body[: len(answer.body) // 2]
    elif kind == "empty_body":
        answer.body = b""
    elif kind == "null_200":
        answer.status, answer.body = 200, b"null"
    elif kind in ("no_paging", "half_answer_207"):
        _curtail(answer, kind)
    elif kind == "not_json_content_type":
        answer.header(b"content-type", b"text/plain")


def _curtail(answer: Answer, kind: str) -> None:
    """A sound answer that does not tell everything; one that has no records stays as it is."""
    body = orjson.loads(answer.body or b"{}")
    if not body.get("results"):
        return
    body.pop("paging", None)
    if kind == "half_answer_207":
        answer.status = 207
        left_out = body["results"].pop()
        error = {"status": "error", "category": "INTERNAL_ERROR", "message": "Try again."}
        body |= {"numErrors": 1, "errors": [error | {"context": {"ids": [left_out.get("id")]}}]}
    answer.body = orjson.dumps(body)


async def _break(scope: Scope, receive: Receive, *, reset: bool = True) -> None:
    """End the connection, with a reset or after what was sent, and wait until it is gone."""
    transport = _transports.get((scope["client"], scope["server"]))
    if transport is not None and not reset:
        transport.close()
    elif transport is not None:
        sock: Any = transport.get_extra_info("socket")
        with contextlib.suppress(OSError):  # the other side may have gone already
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    while (await receive())["type"] != "http.disconnect":
        pass
