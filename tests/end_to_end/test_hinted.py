"""A webhook's hint brings a deal that the search for changes does not show yet."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from sync.bootstrap import App
from sync.jobs import chain
from sync.mirror import hints, schema
from sync.sandbox.server import Behaviour, Sandbox, serve
from tests.crm.conftest import company, deal
from tests.end_to_end.conftest import Installation, run_jobs
from tests.fake_clock import FakeClock


@pytest.fixture
def sandbox(clock: FakeClock) -> Iterator[Sandbox]:
    lagging = Behaviour(rate_limit=None, index_lag_s=3600)
    with serve(company([deal("a"), deal("b")]), clock=clock, behaviour=lagging) as running:
        yield running


@pytest.fixture
def app(sandbox: Sandbox, tmp_path: Path, clock: FakeClock) -> Iterator[App]:
    url = f"sqlite:///{tmp_path / 'mirror.db'}"
    installation = Installation(tmp_path, sandbox.url, sandbox.token, url, write_back=False)
    with installation.write().app(clock) as opened:
        run_jobs(opened, chain.PULL)
        clock.advance(minutes=1)
        yield opened


def amounts(app: App) -> dict[str, str]:
    with app.engine.connect() as connection:
        rows = connection.execute(select(schema.deal.c.deal_id, schema.deal.c.amount))
        return {row.deal_id: f"{row.amount:f}" for row in rows}


def test_a_named_deal_is_read_though_the_search_does_not_show_it(
    app: App, sandbox: Sandbox, clock: FakeClock
) -> None:
    a, b = sandbox.crm.id_of("a"), sandbox.crm.id_of("b")
    for deal_id in (a, b):
        sandbox.crm.edit(deal_id, {"amount": "7"})
    hints.remember(app.engine, "portal", {a: clock.now(), "999": clock.now()})
    clock.advance(seconds=1)
    result = run_jobs(app, chain.PULL)["pull"]
    assert amounts(app) == {a: "7", b: "1000"}
    assert result.counts["hinted"] == 2, "one that does not exist is no harm"
    assert hints.pending(app.engine, "portal", 10) == {}


def test_what_the_pull_has_brought_already_is_not_read_again(
    app: App, sandbox: Sandbox, clock: FakeClock
) -> None:
    hints.remember(app.engine, "portal", {sandbox.crm.id_of("a"): clock.now() - timedelta(days=99)})
    result = run_jobs(app, chain.PULL)["pull"]
    assert result.counts.get("hinted", 0) == 0
    assert hints.pending(app.engine, "portal", 10) == {}
