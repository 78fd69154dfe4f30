"""An ASGI application as a real HTTP server on a thread of its own."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

import uvicorn

from sync.sandbox.gate import Gate, Protocol
from sync.sandbox.request_log import Requests

_START_TIMEOUT_S, _STOP_TIMEOUT_S, _LAST_ANSWERS_S = 10.0, 5.0, 1.0


class _Server(uvicorn.Server):
    """Ends as soon as it is told to, not at its next look at the clock."""

    _end: asyncio.Event
    _loop: asyncio.AbstractEventLoop

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = threading.Event()

    async def main_loop(self) -> None:
        self._end = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self.listening.set()
        await self._end.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        with contextlib.suppress(TimeoutError):  # a call that still hangs is left to its fate
            async with asyncio.timeout(_LAST_ANSWERS_S):
                while self.server_state.connections:
                    await asyncio.sleep(0.001)

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._end.set)


class Hosted:
    """Serves what is behind the gate while its `with` block runs."""

    def __init__(self, gate: Gate, host: str, port: int) -> None:
        self._gate = gate
        self._socket = socket.create_server((host, port))
        self.url = f"http://{host}:{self._socket.getsockname()[1]}"
        self._server = _Server(
            uvicorn.Config(
                gate,
                http=Protocol,
                ws="none",
                lifespan="off",
                loop="asyncio",
                log_config=None,
                access_log=False,
                server_header=False,
                date_header=False,
                timeout_keep_alive=75,
            )
        )
        self._thread = threading.Thread(target=self._run, name="sandbox", daemon=True)

    @property
    def requests(self) -> Requests:
        """Every API request since the start, or since `clear()`, oldest first."""
        return self._gate.requests

    def meanwhile(self, path_contains: str, action: Callable[[], object]) -> None:
        """Somebody does `action` once, right before the next request to such a path is answered."""
        self._gate.meanwhile(path_contains, action)

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._server.listening.wait(_START_TIMEOUT_S):
            raise RuntimeError("the sandbox did not start")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.end()
        self._thread.join(_STOP_TIMEOUT_S)
        self._socket.close()

    def wait(self) -> None:
        """Block until the server ends; an interrupt (Ctrl-C) goes through to the caller."""
        while self._thread.is_alive():
            self._thread.join(0.5)

    def _run(self) -> None:
        self._server.run(sockets=[self._socket])
