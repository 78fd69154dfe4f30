"""A mirror, the simulated CRM over HTTP, and the adapter between them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine

from sync.crm.base import CrmSink, CrmSource, DealWrite, WriteOutcome
from sync.crm.hubspot.client import HubSpotClient
from sync.crm.hubspot.sink import HubSpotSink
from sync.crm.hubspot.source import HubSpotSource
from sync.crm.limiter import Limiter
from sync.mirror import job_runs, read, write
from sync.sandbox.company import (
    Company,
    CompanyDeal,
    CompanyOwner,
    CompanyPipeline,
    CompanyStage,
    Event,
)
from sync.sandbox.server import Behaviour, Sandbox, serve
from sync.writeback import fields, journal
from sync.writeback.apply import ApplyReport, apply, deals_read_back, reconcile
from sync.writeback.fields import PROPERTY_NAMES, Values
from sync.writeback.journal import State
from sync.writeback.plan import WritePlan, plan
from tests.fake_clock import FakeClock

CONNECTION = "main"
CREATED = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
STAGES = (
    CompanyStage("new", "New", Decimal("0.2")),
    CompanyStage("won", "Signed", Decimal(1), is_closed=True, is_won=True),
)
VALUES: Values = {
    fields.WIN_PROBABILITY: "0.40",
    fields.EXPECTED_AMOUNT: "400.00",
    fields.QUALITY_SCORE: "85",
    fields.FINDINGS: "amount_missing;stale",
    fields.STALE_DAYS: "20",
    fields.EXPLANATION: "Won 40 % of the time: blåbær & <sønn>.",
    fields.COMPUTED_AT: "2026-03-16T09:00:00Z",
}


class Killed(BaseException):
    """The process ends here: nothing after it runs."""


@dataclass
class Sink:
    """The real sink in smaller batches, with a place to be killed at."""

    real: CrmSink
    batch_size: int = 2
    before: Callable[[], None] = field(default=lambda: None)
    after: Callable[[], None] = field(default=lambda: None)

    @property
    def connection(self) -> str:
        return self.real.connection

    def property_states(self, specs: Any) -> Any:
        return self.real.property_states(specs)

    def ensure_properties(self, specs: Any) -> Any:
        return self.real.ensure_properties(specs)

    def write(self, batch: Sequence[DealWrite]) -> Sequence[WriteOutcome]:
        self.before()
        outcomes = self.real.write(batch)
        self.after()
        return outcomes


class Desk:
    """What the jobs do around write-back: pull, plan, apply. `ids`: of the deals, ascending."""

    def __init__(self, engine: Engine, clock: FakeClock, sandbox: Sandbox) -> None:
        self.engine = engine
        self.clock = clock
        self.sandbox = sandbox
        self.crm = sandbox.crm
        self.ids = self.crm.deal_ids()
        self.client = HubSpotClient(
            sandbox.token,
            base_url=sandbox.url,
            api_version="2026-09",
            timeout_s=5,
            deadline_s=60,
            limiter=Limiter(share=0.75, clock=clock),
            clock=clock,
        )
        self.source: CrmSource = HubSpotSource(
            CONNECTION,
            self.client,
            lookback=timedelta(minutes=10),
            own_properties=PROPERTY_NAMES,
            clock=clock,
        )
        self.sink = Sink(HubSpotSink(CONNECTION, self.client, clock))

    def pull(self) -> int:
        """How many deals came in."""
        self.clock.advance(minutes=1)
        pages = self.source.deals(
            read.cursor(self.engine, CONNECTION, "deals"),
            started_at=self.clock.now(),
            known=lambda ids: read.known_states(self.engine, CONNECTION, ids),
        )
        came = 0
        for page in pages:
            came += len(page.deals)
            history = self.source.capabilities.history
            at = self.clock.now()
            write.save_page(self.engine, CONNECTION, "deals", page, history=history, at=at)
        return came

    def plan(self, desired: Mapping[str, Values], closed: Sequence[str] = ()) -> WritePlan:
        return plan(desired, read.actual_values(self.engine, CONNECTION), closed=closed)

    def apply(self, made: WritePlan, **how: Any) -> ApplyReport:
        self.clock.advance(minutes=1)
        at = self.clock.now()
        run_id = job_runs.start_run(self.engine, "write_back", CONNECTION, at=at)
        source = how.pop("source", self.source)
        return apply(
            made,
            **{"sink": self.sink, **how},
            read_back=deals_read_back(source, self.engine),
            engine=self.engine,
            connection=CONNECTION,
            run_id=run_id,
            clock=self.clock,
        )

    def reconcile(self) -> Mapping[State, int]:
        self.clock.advance(minutes=1)
        return reconcile(
            read_back=deals_read_back(self.source, self.engine),
            engine=self.engine,
            connection=CONNECTION,
            clock=self.clock,
        )

    def cycle(self, desired: Mapping[str, Values], closed: Sequence[str] = ()) -> ApplyReport:
        """A whole run of write-back, as the job does it."""
        self.reconcile()
        return self.apply(self.plan(desired, closed))

    def held(self, deal_id: str) -> dict[str, str | None]:
        """Our values as the CRM holds them, empty ones left out."""
        values = self.crm.deal(deal_id)
        return {name: values[name] for name in PROPERTY_NAMES if values.get(name)}

    def written(self, deal_id: str, name: str = fields.WIN_PROBABILITY) -> list[object]:
        """Every value that a property ever had in the CRM, oldest first."""
        return [version["value"] for version in self.crm.history(deal_id, name)]

    def states(self, deal_id: str) -> list[State]:
        return [entry.state for entry in journal.history(self.engine, CONNECTION, deal_id)]


def deal(key: str) -> CompanyDeal:
    values = {
        "name": f"Deal {key}",
        "pipeline": "default",
        "stage": "new",
        "amount": "1000",
        "close_date": "2026-04-30T10:00:00+00:00",
        "owner": "101",
    }
    return CompanyDeal(key, CREATED, [Event(CREATED, name, text) for name, text in values.items()])


Open = Callable[..., Desk]


@pytest.fixture
def desk_of(engine: Engine, clock: FakeClock) -> Iterator[Open]:
    """Opens a desk with so many open deals, pulled, and our properties in the CRM."""
    with ExitStack() as stack:

        def open_desk(deals: int = 3, **behaviour: Any) -> Desk:
            company = Company(
                name="Vik AS",
                time_zone="Europe/Oslo",
                home_currency="NOK",
                pipelines=(CompanyPipeline("default", "Sales", STAGES),),
                owners=(CompanyOwner("101", "Kari", "Nordmann", "kari@vik.example"),),
                deals=[deal(str(number)) for number in range(deals)],
            )
            sandbox = stack.enter_context(
                serve(company, clock=clock, behaviour=Behaviour(**behaviour))
            )
            desk = Desk(engine, clock, sandbox)
            stack.callback(desk.client.close)
            desk.sink.ensure_properties(fields.specs("en"))
            desk.pull()
            return desk

        yield open_desk


@pytest.fixture
def desk(desk_of: Open) -> Desk:
    return desk_of()
