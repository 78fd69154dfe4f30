"""Serving an application from a thread of its own, so that the daemon's work goes on."""

import socket
import threading
from types import TracebackType
from typing import Self

import uvicorn
from starlette.types import ASGIApp

from sync.errors import ConfigError

STOP_WITHIN_S = 5


class RunningServer:
    """A server that answers from the moment it exists. `port` is the one really bound."""

    def __init__(self, app: ASGIApp, listening: socket.socket) -> None:
        self.host, self.port = listening.getsockname()[:2]
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                lifespan="off",
                log_config=None,  # the daemon's own logging takes its lines
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=STOP_WITHIN_S,
            )
        )
        self._listening = listening
        self._thread = threading.Thread(
            target=self._server.run, args=([listening],), name="web", daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        """Where to find it, without a slash at the end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def stop(self) -> None:
        """Answer what has been asked, then close; a second call does nothing."""
        self._server.should_exit = True
        self._thread.join()
        self._listening.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def serve_in_thread(app: ASGIApp, host: str, port: int) -> RunningServer:
    """Bind, listen and serve; port 0 takes any free one. Also a context manager, which stops it.

    Raises ConfigError when the address cannot be had.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.create_server(address[:2], family=family, backlog=128)
    except OSError as error:
        raise ConfigError(
            f"web: cannot listen on {host} port {port} ({error.strerror}): choose another "
            "web.host or web.port, or end the program that uses it"
        ) from None
    return RunningServer(app, listening)
