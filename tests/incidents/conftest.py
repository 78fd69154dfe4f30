"""A portal with an installation beside it, in which incidents are brought about."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Row, Table, select

from sync.bootstrap import App
from sync.jobs import chain
from sync.jobs.context import JobContext
from sync.jobs.runner import JobResult, run_job
from sync.mirror import schema
from sync.mirror.tokens import new_key
from sync.sandbox.company import Company, CompanyDeal
from sync.sandbox.server import Behaviour, Sandbox, serve
from tests.crm.conftest import company, deal
from tests.end_to_end.conftest import Installation
from tests.fake_clock import FakeClock

STATE = {
    "dealname": "name",
    "dealstage": "stage_id",
    "pipeline": "pipeline_id",
    "hubspot_owner_id": "owner_id",
    "amount": "amount",
}


class House:
    """`context`: as the daemon keeps it from cycle to cycle."""

    def __init__(self, sandbox: Sandbox, app: App, clock: FakeClock) -> None:
        self.sandbox = sandbox
        self.crm = sandbox.crm
        self.app = app
        self.clock = clock
        self.context: JobContext = app.context(app.config.connections[0])

    def try_to_pull(self) -> JobResult:
        return run_job(chain.PULL, self.context)

    def pull(self) -> dict[str, int]:
        """What it did; the error that ended it otherwise."""
        result = self.try_to_pull()
        if result.error is not None:
            raise result.error
        return dict(result.counts)

    def rows(self, table: Table) -> list[Row[Any]]:
        with self.app.engine.connect() as database:
            return list(database.execute(select(table)).all())

    def held(self) -> dict[str, Row[Any]]:
        """The deals that count, by id."""
        return {row.deal_id: row for row in self.rows(schema.deal) if row.removed_at is None}

    def difference(self) -> dict[str, object]:
        """Deal by deal, where the mirror is not what the portal is; empty = equal."""
        held, there = self.held(), self.crm.deal_ids()
        found: dict[str, object] = dict.fromkeys(held.keys() - set(there), "only in the mirror")
        for deal_id in there:
            if deal_id not in held:
                found[deal_id] = "not in the mirror"
                continue
            portal, row = self.crm.deal(deal_id), held[deal_id]
            differing = {
                name: (portal[name], getattr(row, column))
                for name, column in STATE.items()
                if _plain(portal[name]) != _plain(getattr(row, column))
            }
            if differing:
                found[deal_id] = differing
        return found

    def asked(self, part: str = "") -> list[str]:
        """The addresses asked for since the last time that have `part` in them."""
        found = [f"{r.method} {r.path}?{r.query}" for r in self.sandbox.requests]
        self.sandbox.requests.clear()
        return [address for address in found if part in address]


def _plain(value: object) -> str | None:
    text = None if value is None else str(value)
    return text.rstrip("0").rstrip(".") if text and "." in text else text


def _app_of(sandbox: Sandbox) -> tuple[dict[str, str], dict[str, str]]:
    """An OAuth app that the account has allowed: its settings and its secrets."""
    tokens = sandbox.crm.tokens
    return {"client_id": tokens.client_id}, {
        "HUBSPOT_CLIENT_SECRET": tokens.client_secret,
        "HUBSPOT_REFRESH_TOKEN": tokens.refresh_token(),
        "DEALPULSE_ENCRYPTION_KEY": new_key(),
    }


Build = Callable[..., House]


@pytest.fixture
def house_of(clock: FakeClock, tmp_path: Path, sqlite_template: Path) -> Iterator[Build]:
    """Builds houses: of these deals or company, with these settings of the connection, `oauth`:
    with an app's tokens; further keywords are the sandbox's behaviour. Rate limits are off unless
    asked for."""
    with ExitStack() as stack:
        built = 0

        def build(
            deals: Iterable[CompanyDeal] | Company = (),
            *,
            connection: dict[str, object] | None = None,
            oauth: bool = False,
            **behaviour: Any,
        ) -> House:
            nonlocal built
            built += 1
            home = tmp_path / f"house{built}"
            home.mkdir()
            (home / "mirror.db").write_bytes(sqlite_template.read_bytes())
            whole = deals if isinstance(deals, Company) else company(deals)
            switches = Behaviour(**{"rate_limit": None, **behaviour})
            sandbox = stack.enter_context(serve(whole, clock=clock, behaviour=switches))
            url = f"sqlite:///{home / 'mirror.db'}"
            settings = dict(connection or {})
            secrets: dict[str, str] = {}
            if oauth:
                app, secrets = _app_of(sandbox)
                settings["oauth"] = app
            installation = Installation(
                home, sandbox.url, sandbox.token, url, connection=settings, secrets=secrets
            ).write()
            return House(sandbox, stack.enter_context(installation.app(clock)), clock)

        yield build


@pytest.fixture
def house(house_of: Build) -> House:
    """Three open deals, a, b and c, pulled an hour ago."""
    loaded = house_of([deal("a"), deal("b"), deal("c")])
    loaded.pull()
    loaded.clock.advance(minutes=60)
    loaded.asked()
    return loaded
