"""A webhook's server for tests: real HTTP, scripted answers."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Webhook:
    """status: what to answer; None = read the request, then close without an answer."""

    port: int = 0
    path: str = "/services/T000/B000/secretsecret"
    status: int | None = 200
    headers: dict[str, str] = field(default_factory=dict)
    posts: list[dict[str, Any]] = field(default_factory=list)
    hits: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.path}"


@contextmanager
def serve(webhook: Webhook) -> Iterator[Webhook]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            webhook.hits += 1
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if webhook.status is None:
                self.close_connection = True
                return
            if webhook.status < 300 and self.path == webhook.path:
                assert self.headers["Content-Type"] == "application/json"
                webhook.posts.append(json.loads(body))
            self.send_response(webhook.status)
            for name, value in webhook.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        webhook.port = http.server_address[1]
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield webhook
        finally:
            http.shutdown()
            thread.join()
