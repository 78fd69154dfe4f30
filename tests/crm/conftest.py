"""A small company in the sandbox, and the adapter connected to it over HTTP."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from sync.crm.base import Change, Cursor, Deal, DealPage, Known, Removal
from sync.crm.hubspot.client import HubSpotClient
from sync.crm.hubspot.sink import HubSpotSink
from sync.crm.hubspot.source import HubSpotSource
from sync.crm.limiter import Limiter
from sync.sandbox.company import (
    Company,
    CompanyDeal,
    CompanyOwner,
    CompanyPipeline,
    CompanyStage,
    Event,
)
from sync.sandbox.server import Behaviour, Sandbox, serve
from tests.fake_clock import FakeClock

CREATED = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
LOOKBACK = timedelta(minutes=10)
OWN = ("dealpulse_win_probability", "dealpulse_findings")

STAGES = (
    CompanyStage("new", "New", Decimal("0.2")),
    CompanyStage("offer", "Offer", Decimal("0.6")),
    CompanyStage("won", "Signed", Decimal(1), is_closed=True, is_won=True),
    CompanyStage("lost", "Gone", Decimal(0), is_closed=True),
)


def deal(key: str, *later: Event, **more: Any) -> CompanyDeal:
    """An open deal of 1000 in the first stage; fields of CompanyDeal, and of it by `values`."""
    values = {
        "name": f"Deal {key}",
        "pipeline": "default",
        "stage": "new",
        "amount": "1000",
        "close_date": "2026-04-30T10:00:00+00:00",
        "owner": "101",
        **more.pop("values", {}),
    }
    first = [Event(CREATED, name, value) for name, value in values.items()]
    return CompanyDeal(key, CREATED, [*first, *later], **more)


def company(deals: Iterable[CompanyDeal]) -> Company:
    return Company(
        name="Vik AS",
        time_zone="Europe/Oslo",
        home_currency="NOK",
        pipelines=(CompanyPipeline("default", "Sales", STAGES),),
        owners=(
            CompanyOwner("101", "Kari", "Nordmann", "kari@vik.example", team="North"),
            CompanyOwner("102", "Per", "Gone", "per@vik.example", active=False),
        ),
        deals=list(deals),
        exchange_rates={"EUR": Decimal("11.5")},
    )


@dataclass(slots=True)
class Mirror:
    """What pulls have brought, kept as a mirror does; `cursor` is the last page's."""

    deals: dict[str, Deal] = field(default_factory=dict)
    changes: dict[str, list[Change]] = field(default_factory=dict)
    removals: dict[str, Removal] = field(default_factory=dict)
    cursor: Cursor | None = None
    pages: int = 0

    def take(self, page: DealPage) -> None:
        self.pages += 1
        self.cursor = page.cursor
        for found in page.deals:
            self.deals[found.deal_id] = found
        if page.history_read:
            self.take_past(page)
        for removal in page.removals:
            self.removals[removal.deal_id] = removal
            self.deals.pop(removal.deal_id, None)

    def take_past(self, page: DealPage) -> None:
        for found in page.deals:
            self.changes[found.deal_id] = [c for c in page.changes if c.deal_id == found.deal_id]

    def known(self, deal_ids: Sequence[str]) -> Mapping[str, Known]:
        held = (self.deals[i] for i in deal_ids if i in self.deals)
        return {deal.deal_id: Known(deal, frozenset({deal.modified_at})) for deal in held}


class Portal:
    """The sandbox with the adapter before it."""

    def __init__(self, sandbox: Sandbox, clock: FakeClock, api_version: str) -> None:
        self.sandbox = sandbox
        self.crm = sandbox.crm
        self.clock = clock
        self.api_version = api_version
        self.mirror = Mirror()
        self.client = self.connect()
        self.source = self.source_of(self.client)
        self.sink = HubSpotSink("main", self.client, clock)

    def connect(
        self, token: str | None = None, *, timeout_s: float = 5, deadline_s: float = 600
    ) -> HubSpotClient:
        return HubSpotClient(
            token or self.sandbox.token,
            base_url=self.sandbox.url,
            api_version=self.api_version,
            timeout_s=timeout_s,
            deadline_s=deadline_s,
            limiter=Limiter(share=0.75, clock=self.clock),
            clock=self.clock,
        )

    def source_of(self, client: HubSpotClient) -> HubSpotSource:
        return HubSpotSource(
            "main", client, lookback=LOOKBACK, own_properties=OWN, clock=self.clock
        )

    def pages(self, source: HubSpotSource | None = None) -> Iterator[DealPage]:
        """The next pull, page by page; each is in the mirror before the next is asked for."""
        reading = (source or self.source).deals(
            self.mirror.cursor, started_at=self.clock.now(), known=self.mirror.known
        )
        for page in reading:
            self.mirror.take(page)
            yield page

    def pull(self) -> list[DealPage]:
        """The next pull's pages; of deals that they bring without their past it is read too."""
        pages = list(self.pages())
        unread = [deal_id for deal_id in self.mirror.deals if deal_id not in self.mirror.changes]
        for past in self.source.histories(unread) if unread else ():
            self.mirror.take_past(past.page)
        return pages

    def sent(self) -> list[str]:
        """The requests since the last time, as `GET /path`."""
        requests = [f"{entry.method} {entry.path}" for entry in self.sandbox.requests]
        self.sandbox.requests.clear()
        return requests


Open = Callable[..., Portal]


@pytest.fixture(params=["2026-09", "v3"])
def api_version(request: pytest.FixtureRequest) -> str:
    version: str = request.param
    return version


@pytest.fixture
def portal_of(clock: FakeClock, api_version: str) -> Iterator[Open]:
    """Opens a portal with these deals; closed when the test ends."""
    with ExitStack() as stack:

        def open_portal(deals: Iterable[CompanyDeal] = (), **behaviour: Any) -> Portal:
            sandbox = serve(company(deals), clock=clock, behaviour=Behaviour(**behaviour))
            portal = Portal(stack.enter_context(sandbox), clock, api_version)
            stack.callback(portal.client.close)
            return portal

        yield open_portal


@pytest.fixture
def portal(portal_of: Open) -> Portal:
    """Three open deals: a, b, c."""
    return portal_of([deal("a"), deal("b"), deal("c")])
