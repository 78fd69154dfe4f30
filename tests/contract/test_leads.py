"""What every source of leads promises: the same people, however their CRM says it, read alike."""

import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from sync.bootstrap import App
from sync.jobs import chain
from sync.mirror import funnel_results, schema
from tests.contract.house import house, run
from tests.contract.worlds import WITH_LEADS, world_of
from tests.contract.worlds_over_http import HttpWorld
from tests.fake_clock import FakeClock
from tests.leads.conftest import after, contact

TOUCHED = "contacted_at"


def people() -> list[Any]:
    """Now is day 70."""
    lead = (1, "stage", "lead")
    return [
        contact("waits", (50, "stage", "lead")),
        contact("called", lead, (3, TOUCHED, after(3).isoformat())),
        contact("twice", lead, *((d, TOUCHED, after(d).isoformat()) for d in (3, 9))),
        contact(
            "met", lead, (4, TOUCHED, after(4).isoformat()), (4, "met_at", after(4).isoformat())
        ),
        contact("sells", lead, (60, "stage", "opportunity")),
        contact("buys", lead, (20, "stage", "opportunity"), (40, "stage", "customer")),
    ]


@pytest.fixture(params=WITH_LEADS)
def world(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> Iterator[HttpWorld]:
    with world_of(request.param, tmp_path, clock, deals=2, contacts=people()) as running:
        assert isinstance(running, HttpWorld)
        running.more["leads"] = {"enabled": True}
        yield running


@pytest.fixture
def app(world: HttpWorld, tmp_path: Path, clock: FakeClock, sqlite_template: Path) -> Iterator[App]:
    shutil.copy(sqlite_template, tmp_path / "mirror.db")
    with house([world], tmp_path, clock, tmp_path / "mirror.db") as opened:
        yield opened


def read(app: App, world: HttpWorld) -> None:
    for result in run(app, world, chain.PULL, chain.LEADS, chain.FUNNEL):
        if result.error is not None:
            raise result.error


def standing(app: App, world: HttpWorld) -> dict[str, tuple[str | None, str | None]]:
    """Contact's key -> the funnel's stage that it is in, and its owner's name."""
    of = {own: stage.name for stage in app.config.funnel.defined for own in stage.among}
    lead, owner = schema.lead.c, schema.owner.c
    query = select(lead.lead_id, lead.stage, owner.name).join_from(
        schema.lead, schema.owner, owner.owner_id == lead.owner_id, isouter=True
    )
    with app.engine.connect() as database:
        rows = {row.lead_id: (of.get(row.stage), row.name) for row in database.execute(query)}
    return {key: rows[lead_id] for key, lead_id in world.leads.items()}


def last(app: App, world: HttpWorld, field: str) -> dict[str, datetime]:
    """Contact's key -> the latest instant that is known of that field."""
    change = schema.lead_change.c
    query = select(change.lead_id, change.value).where(
        change.field == field, change.value.is_not(None)
    )
    keys = {lead_id: key for key, lead_id in world.leads.items()}
    found: dict[str, datetime] = {}
    with app.engine.connect() as database:
        for lead_id, value in database.execute(query):
            at = datetime.fromisoformat(value)
            found[keys[lead_id]] = max(at, found.get(keys[lead_id], at))
    return found


def funnel(app: App, world: HttpWorld) -> tuple[dict[str, int], set[str], dict[str, int]]:
    """How many entered each stage, who waits, and how many were due and given a response."""
    found = funnel_results.latest(app.engine, world.name)
    assert found is not None
    keys = {lead_id: key for key, lead_id in world.leads.items()}
    (response,) = found.of("response")
    return (
        {row["stage"]: row["entered"] for row in found.of("stage_total") if row["entered"]},
        {keys[row["lead_id"]] for row in found.of("untouched")},
        {name: response[name] for name in ("due", "answered", "waiting")},
    )


def test_the_same_people_are_read_alike(app: App, world: HttpWorld) -> None:
    read(app, world)
    kari = "Kari Nordmann"
    assert standing(app, world) == {
        **dict.fromkeys(("waits", "called", "twice", "met"), ("lead", kari)),
        "sells": ("opportunity", kari),
        "buys": ("customer", kari),
    }
    assert last(app, world, TOUCHED) == {
        "called": after(3), "twice": after(9), "met": after(4)
    }  # fmt: skip
    assert last(app, world, "met_at") == {"met": after(4)}
    entered, waiting, _ = funnel(app, world)
    assert entered == {"lead": 6, "opportunity": 2, "customer": 1}
    assert waiting >= {"waits"}
    assert not waiting & {"called", "twice", "met"}


def test_a_call_is_seen_by_the_next_reading_alike(app: App, world: HttpWorld) -> None:
    read(app, world)
    world.clock.advance(minutes=70)
    world.call(world.leads["waits"])
    called = world.clock.now().replace(microsecond=0)
    world.clock.advance(minutes=70)
    read(app, world)
    assert abs((last(app, world, TOUCHED)["waits"] - called).total_seconds()) <= 1
    assert "waits" not in funnel(app, world)[1]


def test_nothing_changed_brings_nothing(app: App, world: HttpWorld) -> None:
    read(app, world)
    world.clock.advance(minutes=70)
    (result,) = run(app, world, chain.LEADS)
    assert result.error is None
    assert (result.counts["leads"], result.counts["changes"]) == (0, 0)
    assert "example" not in str(standing(app, world))
