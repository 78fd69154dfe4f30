"""The reps: how good, how hopeful and how tidy each is, and when each was there."""

from dataclasses import dataclass

import numpy as np

from sync.sandbox.company import CompanyOwner
from sync.sandbox.generator import names
from sync.sandbox.generator.arrays import Floats, Indices
from sync.sandbox.generator.settings import CompanySettings

TEAMS = ("New business", "Key accounts", "Renewals")
_FIRST_ID = 71_000_101
_LEFT_AT = (0.70, 0.86)  # of the company's years: when the two leavers left
_HIRED_AT = (0.35, 0.60)


@dataclass(frozen=True, slots=True)
class Reps:
    """One entry per rep. skill, optimism: log-odds. lateness_days: mean delay of a push behind
    the passed close date. volume: share of new deals. hired, left: working time; inf = there."""

    owners: tuple[CompanyOwner, ...]
    team: Indices
    skill: Floats
    optimism: Floats
    lateness_days: Floats
    volume: Floats
    hired: Floats
    left: Floats


def hire(start: float, end: float, settings: CompanySettings, rng: np.random.Generator) -> Reps:
    """Eight to twelve reps who work between the positions `start` and `end`."""
    count = int(rng.integers(8, len(names.PEOPLE) + 1))
    team = np.array([2, 2, *(index % 2 for index in range(count - 2))], dtype=np.int64)
    hired, left = np.full(count, -np.inf), np.full(count, np.inf)
    # The first of every team stays all the time, so that somebody always takes new deals.
    left[[1, count - 1]] = [start + share * (end - start) for share in _LEFT_AT]
    hired[[count - 2, count - 3]] = [start + share * (end - start) for share in _HIRED_AT]
    skill = rng.normal(0.0, 1.0, count)
    skill = (skill - skill.mean()) * settings.skill_spread
    people = rng.permutation(len(names.PEOPLE))[:count].tolist()
    owners = tuple(
        CompanyOwner(
            id=str(_FIRST_ID + index * 37),
            first_name=names.PEOPLE[person][0],
            last_name=names.PEOPLE[person][1],
            email=names.address(*names.PEOPLE[person]),
            active=bool(np.isinf(left[index])),
            team=TEAMS[team[index]],
        )
        for index, person in enumerate(people)
    )
    return Reps(
        owners=owners,
        team=team,
        skill=skill,
        optimism=rng.normal(settings.optimism_mean, settings.optimism_spread, count),
        lateness_days=rng.gamma(3.0, 3.0, count) + 1.0,
        volume=rng.uniform(0.7, 1.4, count),
        hired=hired,
        left=left,
    )


def draw(weights: Floats, rng: np.random.Generator) -> Indices:
    """One column per row of `weights`, each chosen with a chance in proportion to its weight."""
    cumulated = np.cumsum(weights, axis=1)
    dice = rng.random(len(weights)) * cumulated[:, -1]
    return np.asarray(np.argmax(dice[:, None] < cumulated, axis=1), dtype=np.int64)


def at_work(reps: Reps, position: Floats, team_weights: Floats) -> Floats:
    """Weights (deal x rep) of who takes a deal at these positions; who is not there takes none."""
    there = (reps.hired <= position[:, None]) & (position[:, None] < reps.left)
    return np.asarray(team_weights[:, reps.team] * reps.volume * there, dtype=np.float64)
