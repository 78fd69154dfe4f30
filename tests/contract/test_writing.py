"""What every sink promises."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from sync.bootstrap import App
from sync.crm.base import DealWrite, PropertyStatus, WriteResult
from sync.writeback.fields import specs
from sync.writeback.plan import same_value
from tests.contract.house import house, run
from tests.contract.world import World
from tests.contract.worlds import KINDS, world_of
from tests.fake_clock import FakeClock

SPECS = specs("en")
VALUES = {
    "dealpulse_win_probability": "0.42",
    "dealpulse_expected_amount": "1234.50",
    "dealpulse_quality_score": "80",
    "dealpulse_findings": "overdue;stale",
    "dealpulse_stale_days": "12",
    "dealpulse_explanation": "=1+1 because; of ÆØÅ",
    "dealpulse_computed_at": "2026-03-16T09:00:00Z",
}


@pytest.fixture(params=KINDS)
def world(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> Iterator[World]:
    with world_of(request.param, tmp_path, clock, deals=20) as running:
        running.settle()
        yield running


@pytest.fixture
def app(world: World, tmp_path: Path, clock: FakeClock, sqlite_template: Path) -> Iterator[App]:
    shutil.copy(sqlite_template, tmp_path / "mirror.db")
    with house([world], tmp_path, clock, tmp_path / "mirror.db") as opened:
        yield opened


def test_properties_are_there_once_ensured_and_made_once(app: App, world: World) -> None:
    (settings,) = app.settings(world.name)
    sink = app.connected(settings).sink
    sink.ensure_properties(SPECS)
    states = app.connected(settings).sink.property_states(SPECS)
    assert {state.name: state.status for state in states} == dict.fromkeys(
        [spec.name for spec in SPECS], PropertyStatus.PRESENT
    )
    again = app.connected(settings).sink.ensure_properties(SPECS)
    assert {state.status for state in again} == {PropertyStatus.PRESENT}


def test_what_is_written_is_read_back_and_can_be_cleared(app: App, world: World) -> None:
    (settings,) = app.settings(world.name)
    connected = app.connected(settings)
    connected.source.account()
    connected.source.pipelines()
    deal_id = world.living()[0]
    connected.sink.ensure_properties(SPECS)
    for values in (VALUES, dict.fromkeys(VALUES)):
        (outcome,) = connected.sink.write([DealWrite(deal_id, "t1", values)])
        assert outcome.result is WriteResult.WRITTEN, outcome.detail
        (deal,) = app.connected(settings).source.read([deal_id]).deals
        assert {n: v for n, v in values.items() if not same_value(n, v, deal.own.get(n))} == {}


def test_each_record_has_its_outcome_in_order(app: App, world: World) -> None:
    (settings,) = app.settings(world.name)
    connected = app.connected(settings)
    connected.source.account()
    connected.source.pipelines()
    first, gone, last = world.living()[:3]
    world.delete(gone)
    world.clock.advance(minutes=1)
    world.settle()
    connected.source.pipelines()
    connected.sink.ensure_properties(SPECS)
    note = {"dealpulse_explanation": "x"}
    batch = [DealWrite(deal_id, f"t-{deal_id}", note) for deal_id in (first, gone, last)]
    outcomes = connected.sink.write(batch)
    assert [outcome.trace_id for outcome in outcomes] == [write.trace_id for write in batch]
    assert [outcome.result for outcome in outcomes] == [
        WriteResult.WRITTEN,
        WriteResult.MISSING,
        WriteResult.WRITTEN,
    ]


def test_nothing_is_written_twice(app: App, world: World) -> None:
    first = {result.job: result for result in run(app, world)}
    assert first["write_back"].error is None
    assert first["write_back"].counts["confirmed"] > 0
    before = world.writes()
    assert before > 0
    world.clock.advance(minutes=15)
    second = {result.job: result for result in run(app, world)}
    assert not second["write_back"].counts.get("written")
    assert world.writes() == before
