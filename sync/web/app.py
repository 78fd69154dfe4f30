"""The routes: is it alive, is it ready, its metrics, and a page for a person."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from sync.config.secrets import redact
from sync.errors import DealpulseError
from sync.web import page
from sync.web.hints import refuse
from sync.web.status import Check, StatusSnapshot, readiness

_PROMETHEUS_TEXT = "text/plain; version=0.0.4; charset=utf-8"
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_PAGE_HEADERS = {
    **_HEADERS,
    "Content-Security-Policy": f"default-src 'none'; style-src '{page.STYLE_HASH}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}


Webhooks = Callable[[Request], Awaitable[Response]]


class Metrics(Protocol):
    def render(self) -> bytes:
        """The Prometheus text format."""


def create_app(
    status: Callable[[], StatusSnapshot], metrics: Metrics, webhooks: Webhooks = refuse
) -> Starlette:
    """The daemon's web application.

    `status` is called for every page and readiness check, in a thread; a DealpulseError from it
    means that the database does not answer.
    """

    async def live(_: Request) -> Response:
        return JSONResponse({"status": "alive"}, headers=_HEADERS)

    def ready(_: Request) -> Response:
        try:
            checks = readiness(status())
        except DealpulseError as error:
            checks = [Check("database", False, redact(str(error)))]
        ok = all(check.ok for check in checks)
        body = {
            "status": "ready" if ok else "not ready",
            "checks": [
                {"name": check.name, "ok": check.ok, "detail": redact(check.detail)}
                for check in checks
            ],
        }
        return JSONResponse(body, 200 if ok else 503, headers=_HEADERS)

    def scrape(_: Request) -> Response:
        return Response(metrics.render(), headers=_HEADERS, media_type=_PROMETHEUS_TEXT)

    async def hint(request: Request) -> Response:
        return await webhooks(request)

    def home(_: Request) -> Response:
        try:
            html, code = page.render(status()), 200
        except DealpulseError as error:
            html, code = page.render_problem(redact(str(error))), 503
        return HTMLResponse(html, code, headers=_PAGE_HEADERS)

    return Starlette(
        routes=[
            Route("/", home),
            Route("/health/live", live),
            Route("/health/ready", ready),
            Route("/metrics", scrape),
            Route("/webhooks/{connection}", hint, methods=["POST"]),
        ]
    )
