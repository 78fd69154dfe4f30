"""The whole loop, around twice, on both databases."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import func, select

from sync.bootstrap import App
from sync.jobs import chain
from sync.jobs.context import Silent
from sync.jobs.runner import run_job
from sync.mirror import schema
from sync.sandbox.behaviour import Behaviour
from sync.sandbox.generator import generate
from sync.sandbox.salespeople import perform, plan_edits
from sync.sandbox.server import Sandbox, serve
from tests.end_to_end.conftest import Installation, run_jobs
from tests.fake_clock import FakeClock


@pytest.fixture
def sandbox(clock: FakeClock) -> Iterator[Sandbox]:
    company = generate(seed=3, until=clock.now(), years=2, deals=250)
    with serve(company, clock=clock, behaviour=Behaviour(rate_limit=None)) as running:
        yield running


@pytest.fixture
def installation(sandbox: Sandbox, tmp_path: Path, database_url: str) -> Installation:
    return Installation(tmp_path, sandbox.url, sandbox.token, database_url).write()


def written_values(sandbox: Sandbox) -> dict[str, dict[str, str]]:
    values = {}
    for deal_id in sandbox.crm.deal_ids():
        deal = sandbox.crm.deal(deal_id)
        ours = {k: v for k, v in deal.items() if k.startswith("dealpulse_") and v}
        if ours:
            values[deal_id] = ours
    return values


def test_open_deals_carry_our_figures_and_closed_ones_none(
    installation: Installation, sandbox: Sandbox, clock: FakeClock
) -> None:
    with installation.app(clock) as app:
        run_jobs(app)
    open_deals = {
        i for i in sandbox.crm.deal_ids() if sandbox.crm.deal(i)["hs_is_closed"] == "false"
    }
    written = written_values(sandbox)
    assert set(written) == open_deals
    for values in written.values():
        assert 0 <= float(values["dealpulse_win_probability"]) <= 1
        assert 0 <= int(values["dealpulse_quality_score"]) <= 100
        assert values["dealpulse_explanation"]


def test_an_unchanged_crm_is_written_once_and_alerts_once(
    installation: Installation, sandbox: Sandbox, clock: FakeClock
) -> None:
    with installation.app(clock) as app:
        first = run_jobs(app)
        assert first["write_back"].counts["written"] > 0
        assert first["deliver_alerts"].counts["sent"] > 0
        before = written_values(sandbox)

        clock.advance(minutes=15)
        sandbox.requests.clear()
        second = run_jobs(app)
        writes = [r for r in sandbox.requests if r.path.endswith("/batch/update")]

    assert second["pull"].counts.get("updated", 0) == 0
    assert second["pull"].counts.get("changes", 0) == 0
    assert second["write_back"].counts.get("written", 0) == 0
    assert second["raise_alerts"].counts.get("raised", 0) == 0
    assert second["deliver_alerts"].counts.get("sent", 0) == 0
    assert writes == []
    assert written_values(sandbox) == before


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_an_unchanged_crm_costs_the_same_requests_whatever_its_size(
    tmp_path: Path, database_url: str, clock: FakeClock
) -> None:
    costs = {}
    for deals in (150, 900):
        company = generate(seed=5, until=clock.now(), years=2, deals=deals)
        home = tmp_path / str(deals)
        home.mkdir()
        url = f"sqlite:///{home / 'mirror.db'}"
        with serve(company, clock=clock, behaviour=Behaviour(rate_limit=None)) as sandbox:
            installation = Installation(home, sandbox.url, sandbox.token, url).write()
            with installation.app(clock) as app:
                run_jobs(app)
                clock.advance(minutes=15)
                sandbox.requests.clear()
                run_jobs(app)
                costs[deals] = Counter(request.path for request in sandbox.requests)
    assert costs[150] == costs[900]
    assert sum(costs[900].values()) <= 8


def test_what_salespeople_change_comes_in_and_nothing_else(
    installation: Installation, sandbox: Sandbox, clock: FakeClock
) -> None:
    with installation.app(clock) as app:
        run_jobs(app)
        clock.advance(minutes=15)
        edits = plan_edits(sandbox.crm, seed=1)
        perform(sandbox.crm, edits)
        clock.advance(minutes=1)
        second = run_jobs(app)
        with app.engine.connect() as database:
            mirrored = {
                row.deal_id: row
                for row in database.execute(select(schema.deal)).all()
                if row.removed_at is None
            }
            reasons = dict(
                database.execute(
                    select(schema.deal.c.removed_reason, func.count())
                    .where(schema.deal.c.removed_at.is_not(None))
                    .group_by(schema.deal.c.removed_reason)
                ).all()
            )

    pulled = second["pull"].counts
    assert 0 < pulled["created"] + pulled["updated"] <= len(edits)
    assert reasons == {"archived": 1, "merged": 2}
    assert set(mirrored) == set(sandbox.crm.deal_ids())
    for deal_id, row in mirrored.items():
        deal = sandbox.crm.deal(deal_id)
        assert row.stage_id == deal["dealstage"]
        assert (row.amount is None) == (not deal["amount"])
        if row.amount is not None:
            assert row.amount == type(row.amount)(deal["amount"])


def test_a_deal_that_is_won_loses_our_figures_and_its_alert(
    installation: Installation, sandbox: Sandbox, clock: FakeClock
) -> None:
    with installation.app(clock) as app:
        run_jobs(app)
        with app.engine.connect() as database:
            alerted = database.scalars(
                select(schema.alert.c.deal_id).where(schema.alert.c.state == "raised")
            ).first()
        assert alerted is not None
        clock.advance(minutes=15)
        pipeline = sandbox.crm.deal(alerted)["pipeline"]
        with app.engine.connect() as database:
            won = database.scalars(
                select(schema.stage.c.stage_id).where(
                    schema.stage.c.pipeline_id == pipeline, schema.stage.c.is_won
                )
            ).one()
        sandbox.crm.edit(alerted, {"dealstage": won})
        clock.advance(minutes=1)
        results = run_jobs(app)
        with app.engine.connect() as database:
            row = database.execute(
                select(schema.alert).where(schema.alert.c.deal_id == alerted)
            ).one()

    assert results["raise_alerts"].counts["resolved"] >= 1
    assert (row.state, row.resolution) == ("resolved", "deal closed")
    assert alerted not in written_values(sandbox)


def test_a_person_overwriting_our_figure_sees_it_put_right(
    installation: Installation, sandbox: Sandbox, clock: FakeClock
) -> None:
    with installation.app(clock) as app:
        run_jobs(app)
        deal_id, values = next(iter(written_values(sandbox).items()))
        clock.advance(minutes=15)
        sandbox.crm.edit(deal_id, {"dealpulse_quality_score": "-1"})
        clock.advance(minutes=1)
        results = run_jobs(app, *chain.cycle(app.config.connections[0]))
    assert results["write_back"].counts["written"] == 1
    now = written_values(sandbox)[deal_id]
    assert now["dealpulse_quality_score"] == values["dealpulse_quality_score"]


def test_a_deal_can_leave_for_the_bin_come_back_and_go_for_good(
    installation: Installation, sandbox: Sandbox, clock: FakeClock
) -> None:
    deal_id = sandbox.crm.deal_ids()[0]
    with installation.app(clock) as app:
        run_jobs(app, chain.PULL)
        sandbox.crm.archive(deal_id)
        run_jobs(app, chain.PULL)
        with app.engine.connect() as database:
            assert _removed(database, deal_id) == "archived"
        sandbox.crm.restore(deal_id)
        run_jobs(app, chain.PULL)
        with app.engine.connect() as database:
            assert _removed(database, deal_id) is None
        sandbox.crm.archive(deal_id)
        run_jobs(app, chain.PULL)
        sandbox.crm.purge(deal_id)
        run_jobs(app, chain.PULL)
        with app.engine.connect() as database:
            assert _removed(database, deal_id) == "purged"


def _removed(database, deal_id: str) -> str | None:
    return database.scalar(
        select(schema.deal.c.removed_reason).where(schema.deal.c.deal_id == deal_id)
    )


def test_a_deal_from_the_bin_comes_in_though_the_mirror_never_held_it(
    installation: Installation, sandbox: Sandbox, clock: FakeClock
) -> None:
    deal_id = sandbox.crm.deal_ids()[0]
    sandbox.crm.archive(deal_id)
    clock.advance(days=1)
    with installation.app(clock) as app:
        run_jobs(app, chain.PULL)
        clock.advance(days=1)
        sandbox.crm.restore(deal_id)
        run_jobs(app, chain.PULL)
        assert _stages(app, deal_id) == _stages_in(sandbox, deal_id)


def test_a_deal_restored_behind_the_first_load_comes_in(
    installation: Installation, sandbox: Sandbox, clock: FakeClock
) -> None:
    deal_id = sandbox.crm.deal_ids()[0]
    sandbox.crm.archive(deal_id)
    clock.advance(days=1)

    class RestoringAfterTheFirstPage(Silent):
        def step(self, what: str, done: int, total: int | None) -> None:
            if deal_id not in sandbox.crm.deal_ids():
                sandbox.crm.restore(deal_id)

    with installation.app(clock) as app:
        (settings,) = app.config.connections
        result = run_job(chain.PULL, app.context(settings, progress=RestoringAfterTheFirstPage()))
        assert result.ok
        assert _stages(app, deal_id) == _stages_in(sandbox, deal_id)


def _stages(app: App, deal_id: str) -> list[str | None]:
    change = schema.deal_change.c
    of_deal = (change.deal_id == deal_id, change.field == "stage")
    with app.engine.connect() as database:
        assert database.scalar(select(schema.deal.c.name).where(schema.deal.c.deal_id == deal_id))
        query = select(change.new).where(*of_deal).order_by(change.changed_at, change.ordinal)
        return list(database.scalars(query))


def _stages_in(sandbox: Sandbox, deal_id: str) -> list[object]:
    return [version["value"] for version in sandbox.crm.history(deal_id, "dealstage")]


def test_a_property_that_a_person_deleted_is_made_and_filled_again(
    installation: Installation, sandbox: Sandbox, clock: FakeClock
) -> None:
    with installation.app(clock) as app:
        run_jobs(app)
        before = written_values(sandbox)
        clock.advance(minutes=15)
        sandbox.crm.remove_property("dealpulse_quality_score")
        sandbox.crm.purge_property("dealpulse_quality_score")
        run_jobs(app, chain.PULL)
        context = app.context(app.config.connections[0])
        interrupted = replace(context, should_stop=lambda: True)
        assert run_job(chain.WRITE_BACK, interrupted).stopped, "made again, not yet filled"
        clock.advance(minutes=15)
        assert run_job(chain.WRITE_BACK, context).counts["confirmed"] == len(before)
        assert run_job(chain.WRITE_BACK, context).counts.get("written", 0) == 0
    assert written_values(sandbox) == before
