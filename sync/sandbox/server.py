"""The simulated CRM as a real HTTP server."""

import asyncio
import contextlib
import socket
import threading
from types import TracebackType

import uvicorn

from sync.clock import Clock, SystemClock
from sync.sandbox.behaviour import Behaviour
from sync.sandbox.company import Company
from sync.sandbox.control import Control
from sync.sandbox.crm import Crm
from sync.sandbox.faults import Faults
from sync.sandbox.hubspot.app import Api
from sync.sandbox.hubspot.gate import Gate, Protocol
from sync.sandbox.limits import Limits
from sync.sandbox.request_log import RequestLog, Requests

__all__ = ["Behaviour", "RequestLog", "Sandbox", "serve"]

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


class Sandbox:
    """Serves while its `with` block runs. `token` has every scope."""

    def __init__(
        self, company: Company, clock: Clock, host: str, port: int, behaviour: Behaviour
    ) -> None:
        self.crm = Crm(company, clock, behaviour)
        self.faults = Faults()
        self.token = self.crm.tokens.add().value
        limits = Limits(behaviour, clock, company.time_zone, self.crm.portal_id)
        control = Control(self.crm, self.faults, lambda: self.requests)
        api = Api(self.crm, limits).starlette()
        self._gate = Gate(api, control.starlette(), self.crm, self.faults)
        self._socket = socket.create_server((host, port))
        self.url = f"http://{host}:{self._socket.getsockname()[1]}"
        self._server = _Server(
            uvicorn.Config(
                self._gate,
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

    def __enter__(self) -> "Sandbox":
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


def serve(
    company: Company,
    *,
    clock: Clock | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    behaviour: Behaviour | None = None,
) -> Sandbox:
    """A CRM filled from `company`; a context manager. Port 0 = a free one.

    Raises OSError where the port is taken.
    """
    return Sandbox(company, clock or SystemClock(), host, port, behaviour or Behaviour())
