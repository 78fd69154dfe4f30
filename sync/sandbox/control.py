"""The sandbox's own addresses under `/_sandbox/`: to play the salesperson from another process."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from ipaddress import ip_address

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

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
                _route("GET", deal, self._deal),
                _route("POST", deal + "/edit", self._edit),
                _route("POST", deal + "/archive", self._archive),
                _route("POST", deal + "/restore", self._restore),
                _route("POST", deal + "/merge", self._merge),
                _route("GET", "/_sandbox/faults", self._list_faults),
                _route("POST", "/_sandbox/faults", self._add_fault),
                _route("DELETE", "/_sandbox/faults", self._clear_faults),
                _route("GET", "/_sandbox/requests", self._list_requests),
                _route("DELETE", "/_sandbox/requests", self._clear_requests),
                _route("GET", "/_sandbox/truth", self._truth),
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

    async def _list_faults(self, _: Request) -> object:
        return self._faults.pending()

    async def _add_fault(self, request: Request) -> object:
        self._faults.add(**await request.json())
        return self._faults.pending()

    async def _clear_faults(self, _: Request) -> object:
        self._faults.clear()
        return []

    async def _list_requests(self, _: Request) -> object:
        return [asdict(entry) for entry in self._requests()]

    async def _clear_requests(self, _: Request) -> object:
        self._requests().clear()
        return []

    async def _truth(self, _: Request) -> object:
        return dict(self._crm.company.truth)


def _route(method: str, path: str, answering: Answering) -> Route:
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
