"""Archiving dead deals: proposed, closed when somebody says so, and put back as it was."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from sync.bootstrap import App
from sync.crm.base import Deal
from sync.errors import ConfigError, SafetyStop
from sync.jobs.archive import archive, planned, undo
from sync.jobs.runner import Job, JobResult, run_chain
from sync.mirror import job_runs
from sync.mirror.engine import writing
from sync.mirror.quality_rows import save_quality
from sync.report.archive import archive_report
from sync.writeback import journal
from sync.writeback.journal import Action, State
from sync.writeback.plan import PlannedWrite
from tests.contract.house import house, pull
from tests.contract.world import Truth, World
from tests.contract.worlds import world_of
from tests.contract.worlds_over_http import HubSpotWorld
from tests.fake_clock import FakeClock

REASON = "No activity (closed by dealpulse)"


@pytest.fixture(params=["hubspot", "pipedrive"])
def world(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> Iterator[World]:
    with world_of(request.param, tmp_path, clock, deals=40) as running:
        running.settle()
        yield running


@pytest.fixture
def app(world: World, tmp_path: Path, clock: FakeClock, sqlite_template: Path) -> Iterator[App]:
    shutil.copy(sqlite_template, tmp_path / "mirror.db")
    with house([world], tmp_path, clock, tmp_path / "mirror.db") as opened:
        pull(opened, world)
        yield opened


def run(app: App, world: World, job: Any, **more: Any) -> JobResult:
    (settings,) = app.settings(world.name)
    (result,) = run_chain([Job(job.__name__, job)], app.context(settings, **more))
    return result


def done(app: App, world: World, job: Any, **more: Any) -> dict[str, int]:
    result = run(app, world, job, **more)
    assert result.error is None
    world.clock.advance(minutes=1)
    world.settle()
    return {name: count for name, count in result.counts.items() if count}


def open_ids(world: World) -> list[str]:
    return [deal_id for deal_id, deal in sorted(world.truth().items()) if deal.status == "open"]


def propose(app: App, world: World, deal_ids: Sequence[str]) -> None:
    """As assess would."""
    evidence = {
        "state": "dead",
        "silent_days": 150,
        "norm_days": 10,
        "dead_days": 33,
        "last_activity_on": date(2025, 8, 1),
        "planned": False,
        "days_in_stage": 210,
        "compared_with": "stage",
        "earlier": 80,
        "earlier_won": 0,
        "chance_at_most": 0.046,
        "archive": True,
    }
    rows = pl.DataFrame([{"deal_id": deal_id, **evidence} for deal_id in deal_ids])
    common = {"connection": world.name, "as_of": app.clock.now()}
    with writing(app.engine) as transaction:
        save_quality(transaction, common, {"deal_staleness": rows})


def in_crm(app: App, world: World, deal_id: str) -> Deal:
    (settings,) = app.settings(world.name)
    (deal,) = app.connected(settings).source.read([deal_id]).deals
    return deal


def test_a_plan_shows_the_evidence_and_writes_nothing(app: App, world: World) -> None:
    dead = open_ids(world)[:2]
    propose(app, world, dead)
    before = world.truth()
    (settings,) = app.settings(world.name)
    rows, plan = planned(app.context(settings))
    assert [row["deal_id"] for row in rows] == dead
    assert {(row["earlier"], row["chance_at_most"]) for row in rows} == {(80, 0.046)}
    assert [write.deal_id for write in plan.writes] == dead
    shown = archive_report(app.engine, settings, app.config, rows, plan).rows
    assert [row["deal_id"] for row in shown] == dead
    assert all(row["owner"] for row in shown)
    assert [row["amount"] is None for row in shown] == [before[it].amount is None for it in dead]
    assert world.truth() == before
    assert world.writes() == 0


def test_what_is_closed_is_lost_with_a_reason_and_undo_restores_exactly(
    app: App, world: World
) -> None:
    dead = open_ids(world)[:3]
    propose(app, world, dead)
    before = world.truth()
    held = {deal_id: in_crm(app, world, deal_id) for deal_id in dead}
    assert done(app, world, archive) == {"confirmed": 3}
    closed = world.truth()
    assert {closed[deal_id].status for deal_id in dead} == {"lost"}
    assert {in_crm(app, world, deal_id).loss_reason for deal_id in dead} == {REASON}
    assert {k: v for k, v in closed.items() if k not in dead} == {
        k: v for k, v in before.items() if k not in dead
    }
    pull(app, world)
    assert done(app, world, undo) == {"confirmed": 3}
    assert world.truth() == before
    for deal_id, was in held.items():
        now = in_crm(app, world, deal_id)
        assert (now.stage_id, now.close_date) == (was.stage_id, was.close_date)
        assert (now.loss_reason, now.closed_at) == (was.loss_reason, None)


def test_an_undo_is_done_once(app: App, world: World) -> None:
    propose(app, world, open_ids(world)[:1])
    done(app, world, archive)
    done(app, world, undo)
    result = run(app, world, undo)
    assert isinstance(result.error, ConfigError)
    assert "no run has closed a deal that is not put back yet" in str(result.error)


def test_a_deal_that_somebody_touched_since_the_pull_is_left_alone(app: App, world: World) -> None:
    touched, dead = open_ids(world)[:2]
    propose(app, world, [touched, dead])
    world.price(touched, 77_000)
    world.clock.advance(minutes=1)
    world.settle()
    assert done(app, world, archive) == {"left_alone": 1, "confirmed": 1}
    assert (world.truth()[touched].status, world.truth()[dead].status) == ("open", "lost")


def test_undo_leaves_alone_what_somebody_has_changed_since(app: App, world: World) -> None:
    won, dead = open_ids(world)[:2]
    propose(app, world, [won, dead])
    done(app, world, archive)
    world.win(won)
    world.clock.advance(minutes=1)
    world.settle()
    assert done(app, world, undo) == {"left_alone": 1, "confirmed": 1}
    assert (world.truth()[won].status, world.truth()[dead].status) == ("won", "open")


def test_far_too_many_are_refused_until_somebody_insists(app: App, world: World) -> None:
    dead = open_ids(world)[:20]
    propose(app, world, dead)
    before: dict[str, Truth] = world.truth()
    refused = run(app, world, archive)
    assert isinstance(refused.error, SafetyStop)
    assert "would close 20 of 32 open deals" in str(refused.error)
    assert world.truth() == before
    assert done(app, world, archive, allow_mass_change=True) == {"confirmed": 20}


def test_what_a_killed_run_left_open_is_looked_up_first(app: App, world: World) -> None:
    """Journaled, and never sent."""
    (dead,) = open_ids(world)[:1]
    propose(app, world, [dead])
    at = app.clock.now()
    run_id = job_runs.start_run(app.engine, "archive", world.name, at=at)
    was = in_crm(app, world, dead)
    write = PlannedWrite(
        dead,
        {"status": "open", "loss_reason": None},
        {"status": "lost", "loss_reason": REASON},
    )
    assert was.status == "open"
    journal.record(app.engine, world.name, run_id, [write], at=at, action=Action.ARCHIVE)
    assert done(app, world, archive) == {"confirmed": 1}
    states = [row.state for row in journal.history(app.engine, world.name, dead)]
    assert states == [State.NOT_WRITTEN, State.CONFIRMED]


def test_a_deal_that_the_crm_refuses_is_named_and_the_others_are_closed(
    app: App, world: World
) -> None:
    *_, other, refused = sorted(open_ids(world), key=int)
    propose(app, world, [other, refused])
    if isinstance(world, HubSpotWorld):
        rules = {"lost": ("closed_lost_reason", "hs_next_step")}
        world.crm.behaviour = replace(world.crm.behaviour, required_by_stage=rules)
        world.crm.edit(other, {"hs_next_step": "None"})
        pull(app, world)
        propose(app, world, [other, refused])
    else:
        assert world.faults is not None
        world.faults.add("forbidden_403", -1, f"/deals/{refused}", "PATCH")
    result = run(app, world, archive)
    assert result.ok
    assert (result.counts["confirmed"], result.counts["rejected"]) == (1, 1)
    (told,) = result.refused
    assert told.exit_code == 7
    assert [record.split(" (")[0] for record in told.records] == [f"deal {refused}"]
    assert world.truth()[other].status == "lost"
    assert world.truth()[refused].status == "open"


def test_write_back_knows_nothing_of_moves(app: App, world: World) -> None:
    propose(app, world, open_ids(world)[:1])
    done(app, world, archive)
    assert journal.unsettled(app.engine, world.name) == []
    assert not journal.refused(app.engine, world.name, at=app.clock.now())


def test_files_are_never_changed(tmp_path: Path, clock: FakeClock, sqlite_template: Path) -> None:
    shutil.copy(sqlite_template, tmp_path / "mirror.db")
    with (
        world_of("file", tmp_path, clock, deals=10) as world,
        house([world], tmp_path, clock, tmp_path / "mirror.db") as app,
    ):
        world.settle()
        pull(app, world)
        propose(app, world, open_ids(world)[:1])
        result = run(app, world, archive)
        assert isinstance(result.error, ConfigError)
        assert "dealpulse stale --archive --format csv" in str(result.error)
