"""The sandbox's own addresses under `/_sandbox/`: to play the salesperson from another process."""

from collections.abc import Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

from sync.sandbox.control import common_routes, route
from sync.sandbox.faults import Faults
from sync.sandbox.pipedrive.crm import PipedriveCrm
from sync.sandbox.pipedrive.ledger import Ledger
from sync.sandbox.request_log import Requests


class PipedriveControl:
    """Needs no token and answers only to this machine."""

    def __init__(
        self,
        crm: PipedriveCrm,
        faults: Faults,
        ledger: Ledger,
        requests: Callable[[], Requests],
    ) -> None:
        self._crm = crm
        self._faults = faults
        self._ledger = ledger
        self._requests = requests

    def starlette(self) -> Starlette:
        deal, crm = "/_sandbox/deals/{deal_id}", self._crm
        plain = {
            "win": crm.win,
            "reopen": crm.reopen,
            "archive": crm.archive,
            "unarchive": crm.unarchive,
            "delete": crm.delete,
            "restore": crm.restore,
        }
        return Starlette(
            routes=[
                route("GET", deal, self._deal),
                *(self._simple(f"{deal}/{name}", act) for name, act in plain.items()),
                route("POST", deal + "/edit", self._edit),
                route("POST", deal + "/move", self._move),
                route("POST", deal + "/lose", self._lose),
                route("POST", deal + "/merge", self._merge),
                route("POST", deal + "/activity", self._activity),
                route("GET", "/_sandbox/ledger", self._ledger_now),
                *common_routes(self._faults, self._requests, crm.company),
            ]
        )

    def _simple(self, path: str, act: Callable[[str], None]) -> Route:
        async def answering(request: Request) -> object:
            act(request.path_params["deal_id"])
            return self._crm.deal(request.path_params["deal_id"])

        return route("POST", path, answering)

    async def _deal(self, request: Request) -> object:
        return self._crm.deal(request.path_params["deal_id"])

    async def _edit(self, request: Request) -> object:
        deal_id = request.path_params["deal_id"]
        source = request.query_params.get("source", "app")
        self._crm.edit(deal_id, await request.json(), source=source)
        return self._crm.deal(deal_id)

    async def _move(self, request: Request) -> object:
        deal_id = request.path_params["deal_id"]
        self._crm.move(deal_id, (await request.json())["stage"])
        return self._crm.deal(deal_id)

    async def _lose(self, request: Request) -> object:
        deal_id = request.path_params["deal_id"]
        self._crm.lose(deal_id, (await request.json()).get("reason"))
        return self._crm.deal(deal_id)

    async def _merge(self, request: Request) -> object:
        loser = str((await request.json())["loser"])
        return {"id": self._crm.merge(request.path_params["deal_id"], loser)}

    async def _activity(self, request: Request) -> object:
        return {"id": self._crm.log_activity(request.path_params["deal_id"])}

    async def _ledger_now(self, _: Request) -> object:
        ledger = self._ledger
        return {
            "budget": ledger.budget,
            "used_today": ledger.used_today,
            "remaining": ledger.remaining,
            "by_operation": ledger.by_operation(),
        }
