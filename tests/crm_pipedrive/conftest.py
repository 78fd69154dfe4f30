"""A small company in the simulated Pipedrive, the adapter before it, and a real mirror behind."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import Engine, select

from sync.config.model import Config, PipedriveConnection
from sync.crm.base import Deal
from sync.crm.limiter import Limiter
from sync.crm.oauth import Authorizer, OAuthTokens
from sync.crm.pipedrive.client import PipedriveClient
from sync.crm.pipedrive.credentials import ApiToken, Credentials, OAuth
from sync.crm.pipedrive.field_map import FieldMap
from sync.crm.pipedrive.goals import PipedriveGoals
from sync.crm.pipedrive.ledger import Ledger
from sync.crm.pipedrive.memory import Memory
from sync.crm.pipedrive.reader import Reader
from sync.crm.pipedrive.sink import PipedriveSink
from sync.crm.pipedrive.source import PipedriveSource
from sync.crm.pipedrive.state import ProcessState, State
from sync.jobs.context import Counts, JobContext
from sync.jobs.pull import pull
from sync.mirror import read, schema
from sync.mirror.tokens import SealedTokens
from sync.sandbox.company import (
    Company,
    CompanyDeal,
    CompanyOwner,
    CompanyPipeline,
    CompanyStage,
    Event,
)
from sync.sandbox.pipedrive.behaviour import PipedriveBehaviour
from sync.sandbox.pipedrive.server import PipedriveSandbox, serve_pipedrive
from sync.sandbox.pipedrive.tokens import ALL_SCOPES
from sync.writeback.fields import specs
from tests.fake_clock import FakeClock

CREATED = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
SPECS = specs("en")

STAGES = (
    CompanyStage("new", "New", Decimal("0.2")),
    CompanyStage("offer", "Offer", Decimal("0.6")),
    CompanyStage("sign", "Signing", Decimal("0.9")),
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


class Account:
    """The sandbox, the adapter and the mirror. `state` and `memory` outlive each connection, as a
    daemon's do; `state` also the process."""

    def __init__(
        self, sandbox: PipedriveSandbox, engine: Engine, clock: FakeClock, **settings: Any
    ) -> None:
        self.sandbox = sandbox
        self.crm = sandbox.crm
        self.clock = clock
        self.engine = engine
        self.state: State = ProcessState()
        self.memory = Memory()
        self.rates: dict[str, Decimal] = settings.pop("rates", {})
        self.history_per_pull: int = settings.pop("history_per_pull", 250)
        self.specs = SPECS
        self.settings = PipedriveConnection(
            name="main", kind="pipedrive", base_url=sandbox.url, **settings
        )
        self._stack = ExitStack()
        self.reconnect()

    def reconnect(self, credentials: Credentials | None = None) -> None:
        """As each cycle of the daemon does it."""
        self.client = self.connect(credentials)
        field_map = FieldMap(self.client, self.specs, self.state)
        self.source = PipedriveSource(
            "main",
            self.client,
            lookback=timedelta(minutes=self.settings.lookback_minutes),
            rescan_open=timedelta(hours=self.settings.rescan_open_hours),
            own_properties=self.specs,
            state=self.state,
            clock=self.clock,
            rates=self.rates,
            history_per_pull=self.history_per_pull,
            memory=self.memory,
        )
        reader: Reader = self.source.reader
        self.sink = PipedriveSink("main", self.client, field_map, reader)
        self.goals = PipedriveGoals(self.client)

    def restart(self) -> None:
        """Only `state`, the mirror and Pipedrive remember."""
        self.memory = Memory()
        self.reconnect()

    def connect(self, credentials: Credentials | None = None, **more: Any) -> PipedriveClient:
        ledger = Ledger(
            share=self.settings.daily_budget_share,
            budget_tokens=self.settings.daily_budget_tokens,
            clock=self.clock,
            state=self.state,
        )
        client = PipedriveClient(
            credentials or ApiToken(self.sandbox.token),
            base_url=self.settings.base_url,
            limiter=Limiter(share=0.75, clock=self.clock),
            ledger=ledger,
            clock=self.clock,
            **{"timeout_s": 5.0, "deadline_s": 600.0, **more},
        )
        self._stack.callback(client.close)
        return client

    def context(self, should_stop: Callable[[], bool] = lambda: False) -> JobContext:
        return JobContext(
            config=Config(connections=[self.settings], exchange_rates=self.rates),
            settings=self.settings,
            engine=self.engine,
            clock=self.clock,
            source=self.source,
            sink=self.sink,
            channels=(),
            requests=lambda: self.client.requests,
            holder="test",
            should_stop=should_stop,
            goal_source=self.goals,
        )

    def second(self) -> datetime:
        """Now, as Pipedrive dates things."""
        return self.clock.now().replace(microsecond=0)

    def pull(self, should_stop: Callable[[], bool] = lambda: False) -> Counts:
        """As the daemon's next cycle does it: a new connection, the jobs' own pull."""
        self.reconnect()
        return pull(self.context(should_stop), 0)

    def deals(self) -> dict[str, Deal]:
        """The mirror's, those in the CRM, by id."""
        table = schema.deal
        with self.engine.connect() as connection:
            ids = connection.execute(select(table.c.deal_id).where(table.c.removed_at.is_(None)))
            return read.deals_by_id(self.engine, "main", list(ids.scalars()))

    def deal(self, key: str) -> Deal:
        return self.deals()[self.crm.id_of(key)]

    def history(self, key: str, field: str) -> list[tuple[str | None, str | None, datetime, str]]:
        """Rows of the mirror's history: old, new, when, by whom."""
        table = schema.deal_change
        query = (
            select(table.c.old, table.c.new, table.c.changed_at, table.c.source)
            .where(table.c.deal_id == self.crm.id_of(key), table.c.field == field)
            .order_by(table.c.changed_at, table.c.ordinal)
        )
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(query)]

    def removals(self) -> dict[str, str]:
        """deal id -> why it is marked as removed."""
        table = schema.deal
        query = select(table.c.deal_id, table.c.removed_reason).where(
            table.c.removed_at.is_not(None)
        )
        with self.engine.connect() as connection:
            return {row.deal_id: row.removed_reason for row in connection.execute(query)}

    def spent(self) -> dict[str, int]:
        """The sandbox's own count since the last time, by operation."""
        spent = self.sandbox.ledger.by_operation()
        self.sandbox.ledger.clear()
        return spent

    def close(self) -> None:
        self._stack.close()


OAUTH_KEY = Fernet.generate_key().decode()


def oauth(
    account: Account, scopes: tuple[str, ...] = tuple(ALL_SCOPES), refresh_token: str | None = None
) -> OAuth:
    """An installed app, its tokens in the mirror."""
    tokens = account.crm.tokens
    authorizer = Authorizer(
        vendor="Pipedrive",
        connection="main",
        authorize_url=f"{account.sandbox.url}/oauth/authorize",
        token_url=f"{account.sandbox.url}/oauth/token",
        client_id=tokens.client_id,
        client_secret=tokens.client_secret,
        basic=True,
    )
    store = SealedTokens(
        account.engine, "main", [OAUTH_KEY], account.clock, key_name="KEY", holder="test"
    )
    given = refresh_token or tokens.refresh_token(scopes)
    return OAuth(OAuthTokens(authorizer, store, account.clock, refresh_token=given))


Open = Callable[..., Account]


@pytest.fixture
def database_kind() -> str:
    return "sqlite"


@pytest.fixture
def account_of(clock: FakeClock, engine: Engine) -> Iterator[Open]:
    """Opens an account with these deals; closed when the test ends."""
    with ExitStack() as stack:

        def open_account(
            deals: Iterable[CompanyDeal] | Company = (),
            *,
            behaviour: PipedriveBehaviour | None = None,
            **settings: Any,
        ) -> Account:
            whole = deals if isinstance(deals, Company) else company(deals)
            sandbox = stack.enter_context(
                serve_pipedrive(whole, clock=clock, behaviour=behaviour or PipedriveBehaviour())
            )
            account = Account(sandbox, engine, clock, **settings)
            stack.callback(account.close)
            return account

        yield open_account


@pytest.fixture
def account(account_of: Open) -> Account:
    """Three open deals: a, b, c."""
    return account_of([deal("a"), deal("b"), deal("c")])
