"""The sandbox's own addresses under `/_sandbox/`: to play the salesperson from another process."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from ipaddress import ip_address

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sync.sandbox.company import Company
from sync.sandbox.crm import Crm
from sync.sandbox.faults import Faults
from sync.sandbox.request_log import Requests
from sync.sandbox.store.refusals import Conflict, Missing, Refused

Answering = Callable[[Request], Awaitable[object]]


class Control:
    """Needs no token and answers only to this machine."""

    def __init__(self, crm: Crm, faults: Faults, requests: Callable[[], Requests]) -> None:
        self._crm = crm
        self._faults = faults
        self._requests = requests

    def starlette(self) -> Starlette:
        deal = "/_sandbox/deals/{deal_id}"
        return Starlette(
            routes=[
                route("GET", deal, self._deal),
                route("POST", deal + "/edit", self._edit),
                route("POST", deal + "/archive", self._archive),
                route("POST", deal + "/restore", self._restore),
                route("POST", deal + "/merge", self._merge),
                *common_routes(self._faults, self._requests, self._crm.company),
            ]
        )

    async def _deal(self, request: Request) -> object:
        return self._crm.deal(request.path_params["deal_id"])

    async def _edit(self, request: Request) -> object:
        deal_id = request.path_params["deal_id"]
        self._crm.edit(deal_id, await request.json(), request.query_params.get("source", "CRM_UI"))
        return self._crm.deal(deal_id)

    async def _archive(self, request: Request) -> object:
        self._crm.archive(request.path_params["deal_id"])
        return {}

    async def _restore(self, request: Request) -> object:
        self._crm.restore(request.path_params["deal_id"])
        return {}

    async def _merge(self, request: Request) -> object:
        loser = str((await request.json())["loser"])
        return {"id": self._crm.merge(request.path_params["deal_id"], loser)}


def common_routes(
    faults: Faults, requests: Callable[[], Requests], company: Company
) -> list[Route]:
    """What every simulated CRM has: its faults, the requests it got, the company's truth."""

    async def list_faults(_: Request) -> object:
        return faults.pending()

    async def add_fault(request: Request) -> object:
        faults.add(**await request.json())
        return faults.pending()

    async def clear_faults(_: Request) -> object:
        faults.clear()
        return []

    async def list_requests(_: Request) -> object:
        return [asdict(entry) for entry in requests()]

    async def clear_requests(_: Request) -> object:
        requests().clear()
        return []

    async def truth(_: Request) -> object:
        return dict(company.truth)

    return [
        route("GET", "/_sandbox/faults", list_faults),
        route("POST", "/_sandbox/faults", add_fault),
        route("DELETE", "/_sandbox/faults", clear_faults),
        route("GET", "/_sandbox/requests", list_requests),
        route("DELETE", "/_sandbox/requests", clear_requests),
        route("GET", "/_sandbox/truth", truth),
    ]


def route(method: str, path: str, answering: Answering) -> Route:
    """Answers to this machine only; a refusal becomes 400, 404 or 409."""

    async def endpoint(request: Request) -> Response:
        if request.client is None or not ip_address(request.client.host).is_loopback:
            return _json({"error": "only from this machine"}, 403)
        try:
            return _json(await answering(request))
        except Missing as missing:
            return _json({"error": str(missing)}, 404)
        except Conflict as conflict:
            return _json({"error": str(conflict)}, 409)
        except (Refused, ValueError, TypeError, KeyError) as bad:
            return _json({"error": str(bad)}, 400)

    return Route(path, endpoint, methods=[method])


def _json(body: object, status: int = 200) -> Response:
    content = orjson.dumps(body, default=str, option=orjson.OPT_NON_STR_KEYS)
    return Response(content, status, media_type="application/json")
