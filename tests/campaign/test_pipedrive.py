"""The same over Pipedrive: edits, faults and kills at random, then one cycle and one sweep."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from sync.bootstrap import App
from sync.jobs import chain
from sync.sandbox.faults import COMMON, PIPEDRIVE_ONLY
from tests.campaign.mortal import Killed, mortal, raise_killed
from tests.campaign.unseen import come_late, unseen_by_pulls_of_pipedrive
from tests.contract.house import house, mirrored, run
from tests.contract.world import OPEN_STAGES, World
from tests.contract.worlds import world_of
from tests.contract.worlds_over_http import PipedriveWorld
from tests.fake_clock import FakeClock

KINDS = COMMON + PIPEDRIVE_ONLY
PATHS = ("", "/deals", "/stages", "/users", "/changelog", "/flow", "/recents", "/dealFields")
FEW = 2


def seeds() -> range:
    one, first = os.environ.get("SEED"), int(os.environ.get("FIRST") or 0)
    if one:
        return range(int(one), int(one) + 1)
    many = os.environ.get("SEEDS")
    return range(first, first + (int(many) // 5 if many else FEW))


def edit(world: World, dice: Random) -> None:
    living = world.living()
    one, other = dice.sample(living, 2)
    decided = world.truth()[one].status != "open"
    acts: list[Callable[[], object]] = [
        lambda: world.create(dice.randrange(10**6)),
        lambda: world.price(one, dice.randrange(10**7)),
        lambda: world.rename(one, f"Kjøkken {dice.randrange(10**6)}"),
        lambda: world.move(one, dice.choice(OPEN_STAGES)),
        lambda: None if decided else world.win(one),
        lambda: None if decided else world.lose(one),
        lambda: world.restore(dice.choice(world.gone())) if world.gone() else None,
        lambda: world.rename_stage(dice.choice(OPEN_STAGES), f"Fase {dice.randrange(10**6)}"),
        world.owner_leaves,
    ]
    if len(living) > 4:
        acts += [
            lambda: world.merge(one, other),
            lambda: world.archive(one),
            lambda: world.delete(one),
        ]
    dice.choice(acts)()
    world.clock.advance(seconds=dice.choice([0, 0, 1, 20]))


def trouble(world: World, dice: Random, first: int) -> None:
    assert world.faults is not None
    for kind in (KINDS[first % len(KINDS)], *dice.sample(KINDS, dice.randrange(3))):
        times = dice.choice([1, 1, 2, 5])
        world.faults.add(kind, times, dice.choice(PATHS), after=dice.randrange(6), seconds=0.02)


def settled(app: App, world: World, dice: Random) -> list[str]:
    """What two cycles and a sweep could not do, although nothing hinders them any more. Two: the
    changelogs that the second pull reads tell of what the first one's assessment did not know.
    At last an old page comes late."""
    assert isinstance(world, PipedriveWorld)
    assert world.faults is not None
    world.faults.clear()
    world.clock.advance(days=1, minutes=30)  # also what the budget of a day kept back
    results = run(app, world)
    world.clock.advance(minutes=1)  # dates are of whole seconds: within one nothing is older
    context = app.context(app.settings(world.name)[0])
    late = unseen_by_pulls_of_pipedrive(world.crm, dice, context)
    results += [*run(app, world, chain.PULL, chain.SWEEP), *run(app, world)]
    if late is not None:
        come_late(context, late)
    return [f"{result.job}: {result.error}" for result in results if result.error]


@pytest.mark.parametrize("seed", seeds(), ids=lambda seed: f"seed {seed}")
def test_after_faults_and_kills_the_mirror_equals_pipedrive(
    seed: int, tmp_path: Path, sqlite_template: Path
) -> None:
    dice, clock = Random(seed), FakeClock()
    shutil.copy(sqlite_template, tmp_path / "mirror.db")
    with (
        world_of("pipedrive", tmp_path, clock, deals=dice.randrange(6, 30)) as world,
        house([world], tmp_path, clock, tmp_path / "mirror.db") as app,
    ):
        for cycle in range(dice.randint(3, 5)):
            for _ in range(dice.randrange(8)):
                edit(world, dice)
            if dice.random() < 0.7:
                trouble(world, dice, seed + cycle)
            steps = dice.randint(1, 2 ** dice.randint(3, 9)) if dice.random() < 0.4 else None
            try:
                with mortal(app.engine, steps, raise_killed):
                    run(app, world)
            except Killed:
                clock.advance(minutes=1)
            clock.advance(minutes=dice.randint(1, 60))
        again = f"again: make campaign SEED={seed}"
        assert settled(app, world, dice) == [], again
        assert mirrored(app, world) == world.truth(), again
        written = world.writes()
        clock.advance(minutes=15)
        assert all(result.ok for result in run(app, world)), again
        assert world.writes() == written, f"what was there is written again; {again}"
