"""The simulated CRM as a real HTTP server."""

import socket
import threading
import time
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

_START_TIMEOUT_S, _STOP_TIMEOUT_S = 10.0, 5.0


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
        self._server = uvicorn.Server(
            uvicorn.Config(
                self._gate,
                http=Protocol,
                ws="none",
                lifespan="off",
                loop="asyncio",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=1,
            )
        )
        self._thread = threading.Thread(target=self._run, name="sandbox", daemon=True)

    @property
    def requests(self) -> Requests:
        """Every API request since the start, or since `clear()`, oldest first."""
        return self._gate.requests

    def __enter__(self) -> "Sandbox":
        self._thread.start()
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                raise RuntimeError("the sandbox did not start")
            time.sleep(0.002)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.should_exit = True
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
