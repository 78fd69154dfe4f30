"""A company small enough to know by heart, and a client that adds nothing to plain HTTP."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import requests

from sync.sandbox.company import (
    Company,
    CompanyDeal,
    CompanyOwner,
    CompanyPipeline,
    CompanyStage,
    Event,
)
from sync.sandbox.server import (
    Behaviour,
    PipedriveBehaviour,
    PipedriveSandbox,
    Sandbox,
    serve,
    serve_pipedrive,
)
from tests.fake_clock import FakeClock

CREATED = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)


def company(*deals: CompanyDeal) -> Company:
    """Fjord AS: one pipeline of four stages, two active owners and one who left."""
    stages = (
        CompanyStage("qualify", "Qualify", Decimal("0.2")),
        CompanyStage("propose", "Propose", Decimal("0.6")),
        CompanyStage("closedwon", "Won", Decimal(1), is_closed=True, is_won=True),
        CompanyStage("closedlost", "Lost", Decimal(0), is_closed=True),
    )
    return Company(
        name="Fjord AS",
        time_zone="Europe/Oslo",
        home_currency="NOK",
        pipelines=(CompanyPipeline("default", "Sales", stages),),
        owners=(
            CompanyOwner("101", "Kari", "Nordmann", "kari@fjord.example", team="North"),
            CompanyOwner("102", "Ola", "Nordmann", "ola@fjord.example"),
            CompanyOwner("103", "Per", "Gone", "per@fjord.example", active=False),
        ),
        deals=list(deals),
        exchange_rates={"EUR": Decimal("11.5")},
        truth={"win_rate": 0.3},
    )


def deal(key: str, *events: Event, stage: str = "qualify", **fields: Any) -> CompanyDeal:
    """An open deal of 1000 in the first stage, created on 5 January, unless `events` go on."""
    first = {
        "name": f"Deal {key}",
        "pipeline": "default",
        "stage": stage,
        "amount": "1000",
        "close_date": "2026-04-30T10:00:00+00:00",
        "owner": "101",
    }
    values = first | fields.pop("values", {})
    begun = [Event(CREATED, field, value) for field, value in values.items()]
    return CompanyDeal(key, fields.pop("created_at", CREATED), [*begun, *events], **fields)


class Client:
    """`get`, `post`, ... with the sandbox's token; `path` may be a whole URL's path and query."""

    def __init__(self, sandbox: Sandbox, clock: FakeClock) -> None:
        self.sandbox = sandbox
        self.clock = clock
        self.crm = sandbox.crm
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {sandbox.token}"

    def send(self, method: str, path: str, **arguments: Any) -> requests.Response:
        return self.session.request(method, self.sandbox.url + path, timeout=10, **arguments)

    def get(self, path: str, **params: Any) -> requests.Response:
        return self.send("GET", path, params=params)

    def post(self, path: str, body: Any) -> requests.Response:
        return self.send("POST", path, json=body)

    def patch(self, path: str, body: Any) -> requests.Response:
        return self.send("PATCH", path, json=body)


Start = Callable[..., Client]


@pytest.fixture
def start() -> Iterator[Start]:
    """start(*deals, **behaviour) -> a client of a freshly served company; default three deals."""
    with ExitStack() as stack:

        def begin(*deals: CompanyDeal, **behaviour: Any) -> Client:
            clock = FakeClock()
            served = company(*(deals or (deal("a"), deal("b"), deal("c"))))
            sandbox = stack.enter_context(
                serve(served, clock=clock, behaviour=Behaviour(**behaviour))
            )
            client = Client(sandbox, clock)
            stack.callback(client.session.close)
            return client

        yield begin


class PipedriveClient:
    """Plain HTTP to a simulated Pipedrive, with its administrator's token."""

    def __init__(self, sandbox: PipedriveSandbox, clock: FakeClock) -> None:
        self.sandbox = sandbox
        self.clock = clock
        self.crm = sandbox.crm
        self.session = requests.Session()
        self.session.headers["x-api-token"] = sandbox.token

    def send(self, method: str, path: str, **arguments: Any) -> requests.Response:
        return self.session.request(method, self.sandbox.url + path, timeout=10, **arguments)

    def get(self, path: str, **params: Any) -> requests.Response:
        return self.send("GET", path, params=params)

    def data(self, path: str, **params: Any) -> Any:
        """The `data` of an answer that has to be good."""
        response = self.get(path, **params)
        assert response.status_code == 200, response.text
        return response.json()["data"]

    def walk(self, path: str, **params: Any) -> list[dict[str, Any]]:
        """Every row of a v2 list."""
        rows: list[dict[str, Any]] = []
        while True:
            body = self.get(path, **params).json()
            rows += body["data"]
            cursor = body["additional_data"]["next_cursor"]
            if cursor is None:
                return rows
            params["cursor"] = cursor

    def patch(self, deal_id: str, **fields: Any) -> requests.Response:
        return self.send("PATCH", f"/api/v2/deals/{deal_id}", json=fields)


StartPipedrive = Callable[..., PipedriveClient]


@pytest.fixture
def pipedrive() -> Iterator[StartPipedrive]:
    """pipedrive(*deals, **behaviour) -> a client of a freshly served company, as `start`."""
    with ExitStack() as stack:

        def begin(*deals: CompanyDeal, **behaviour: Any) -> PipedriveClient:
            clock = FakeClock()
            served = company(*(deals or (deal("a"), deal("b"), deal("c"))))
            sandbox = stack.enter_context(
                serve_pipedrive(served, clock=clock, behaviour=PipedriveBehaviour(**behaviour))
            )
            client = PipedriveClient(sandbox, clock)
            stack.callback(client.session.close)
            return client

        yield begin
