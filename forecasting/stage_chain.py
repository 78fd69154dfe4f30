"""A deal's way through the stages as a chain of stays: P(won within u days | stage, time in it).

A semi-Markov process (Lévy 1954; Smith 1955). From each stage a deal goes on, back, or out as won
or lost, at a rate that depends on how long it has been there; the chance of being won is put
together from those steps. So every move between stages teaches, not the wins alone, and a young
account whose first deals are still under way knows what becomes of early stages.
"""

from math import lgamma
from typing import Final, Self

import numpy as np

from forecasting.stage_exits import LOST, UNDER_WAY, WON, StageExits
from forecasting.tracks import Floats, Ints

AGES: Final = np.array(
    [0, 0.5, 1, 2, 3, 5, 7, 10, 14, 21, *range(28, 134, 7), 140, 200, 280, 365, 545, 728], float
)
"""Where the classes of time in stage begin, in paced days: each about half as long again, but weeks
up to a stay of twenty, so that what is due after a quarter is not spread over two months. Within a
class the rate of leaving is one.
"""

GRID: Final = np.concatenate(
    [np.arange(0, 7, 0.25), np.arange(7, 28, 0.5), np.arange(28, 182, 7), np.arange(182, 729, 42)]
)
"""Days at which chances are reckoned; straight lines between."""

PRIOR_EXITS: Final = 2.0
"""How many exits' worth of what is usual are mixed into a rate and into where exits lead."""

BREAKS: Final = 0.02
"""How often a class of time in stage is expected to be unlike the one before: a wait that has to
pass, after which all go on. Then its rate leans on the stage's, with one exit's worth.
"""

_ANEW_EXITS: Final = 1.0
_TINY: Final = 1e-12
_log_gamma: Final = np.vectorize(lgamma, otypes=[float])


class StageChain:
    """Learned from `StageExits`. After `fit`: `rate` (stage x class of `AGES`): exits per paced day
    in it; `leads` (stage x class x target): their shares by where they lead, the targets being the
    stages, then won, then lost.

    Thin cells lean on others by `prior_exits`: a stage's rate on that of all stages, its first
    class on the stage's, each later class on the one before it, unless that one could hardly have
    led to what was seen; what exits lead to likewise.
    """

    def __init__(self, prior_exits: float = PRIOR_EXITS) -> None:
        self.prior_exits = prior_exits

    def fit(self, exits: StageExits) -> Self:
        stages = exits.stages.height
        spent, left = _counted(exits, stages)
        self.rate = self._rates(spent, left.sum(axis=2))
        self.leads = self._leads(left, exits)
        widths = np.diff(AGES, append=2 * GRID[-1])
        parts = self.rate * widths
        # cumulative rates by the classes' bounds: of leaving at all, and to each target
        self._bounds = np.append(AGES, 2 * GRID[-1])
        self._gone = np.concatenate([np.zeros((stages, 1)), parts.cumsum(axis=1)], axis=1)
        towards = (parts[:, :, None] * self.leads).cumsum(axis=1)
        self._gone_to = np.concatenate([np.zeros((stages, 1, stages + 2)), towards], axis=1)
        self._known: dict[float, Floats] = {}
        self._entered()
        return self

    def by(self, stage: Ints, days: Floats, horizon: float) -> Floats:
        """P(won within `horizon` paced days) of deals that have been in `stage` for `days`."""
        if horizon not in self._known:
            self._known[horizon] = np.array(
                [self._chances(one, horizon) for one in range(len(self.rate))]
            ).reshape(len(self.rate), len(GRID))
        inside = np.minimum(days, GRID[-1])
        upper = np.clip(np.searchsorted(GRID, inside, "right"), 1, len(GRID) - 1)
        share = (inside - GRID[upper - 1]) / (GRID[upper] - GRID[upper - 1])
        known = self._known[horizon]
        return np.asarray(known[stage, upper - 1] * (1 - share) + known[stage, upper] * share)

    def foresee(self) -> None:
        """Reckon the chances within each of `GRID` days at once, for who will ask for them all."""
        stages = len(self.rate)
        middle = (GRID[1:] + GRID[:-1]) / 2
        left = GRID[:, None] - middle
        later = np.array([np.interp(left, GRID, won) * (left > 0) for won in self._won])
        found = np.zeros((stages, len(GRID), len(GRID)))  # stage, horizon, age
        for stage in range(stages):
            for target, share in self._leaving(stage, GRID, GRID).items():
                if target == stages:
                    found[stage, 1:] += share.cumsum(axis=1).T
                elif target < stages:
                    found[stage] += later[target] @ share.T
        for place, horizon in enumerate(GRID):
            self._known[float(horizon)] = np.minimum(found[:, place], 1.0)

    def _rates(self, spent: Floats, left: Floats) -> Floats:
        usual = float(left.sum()) / max(float(spent.sum()), _TINY)
        everyone = np.full(len(left), usual)
        of_stage, _ = _with_prior(left.sum(axis=1), spent.sum(axis=1), self.prior_exits, everyone)
        before, rates = of_stage, np.empty_like(left)
        for which in range(len(AGES)):
            seen = left[:, which], spent[:, which]
            like, evidence = _with_prior(*seen, self.prior_exits, before)
            anew, other = _with_prior(*seen, _ANEW_EXITS, of_stage)
            odds = BREAKS / (1 - BREAKS) * np.exp(np.clip(other - evidence, -50, 50))
            before = (like + odds * anew) / (1 + odds)
            rates[:, which] = before
        return rates

    def _leads(self, left: Floats, exits: StageExits) -> Floats:
        """A stage leans on its pipeline's exits as a whole, none of which leads to where it came
        from, and a pipeline in what was won and lost on those of all.
        """
        total, prior = left.sum(axis=1), self.prior_exits
        pipeline = exits.stages["pipeline_id"].fill_null("").rank("dense").to_numpy() - 1
        ended = total.sum(axis=0) / max(float(total.sum()), _TINY)
        ended[: len(total)] = 0.0
        usual = np.zeros_like(total)
        for one in np.unique(pipeline):
            usual[pipeline == one] = total[pipeline == one].sum(axis=0) + prior * ended
        itself = np.arange(len(total))
        usual[itself, itself] = 0.0
        usual /= np.maximum(usual.sum(axis=1, keepdims=True), _TINY)
        before = (total + prior * usual) / (total.sum(axis=1) + prior)[:, None]
        shares = np.empty_like(left)
        for which in range(len(AGES)):
            count = left[:, which].sum(axis=1)
            before = (left[:, which] + prior * before) / (count + prior)[:, None]
            shares[:, which] = before
        return shares

    def _leaving(self, stage: int, ages: Floats, steps: Floats) -> dict[int, Floats]:
        """By target what share of deals that are `ages` old in `stage` leaves it for there between
        one of `steps` (days from now) and the next: ages x steps.
        """
        at = ages[:, None] + steps
        gone = np.interp(at, self._bounds, self._gone[stage])
        still = np.exp(gone[:, :1] - gone)
        share = -np.diff(still, axis=1) / np.maximum(np.diff(gone, axis=1), _TINY)
        towards = self._gone_to[stage]
        return {
            int(target): share * np.diff(np.interp(at, self._bounds, towards[:, target]), axis=1)
            for target in np.flatnonzero(towards[-1] > 0)
        }

    def _entered(self) -> None:
        """`_won`: P(won within `GRID` days) of deals that have just come into each stage.

        Step by step, for whoever moves on within a step may be won in it: where a chain leads back
        to where it came from, these chances are the solution of linear equations.
        """
        stages = len(self.rate)
        self._won = np.zeros((stages, len(GRID)))
        here, there, moved = [], [], []
        won = np.zeros((stages, len(GRID) - 1))
        for stage in range(stages):
            for target, share in self._leaving(stage, np.zeros(1), GRID).items():
                if target == stages:  # the first after the stages: won
                    won[stage] = share[0]
                elif target < stages:
                    here.append(stage)
                    there.append(target)
                    moved.append(share[0])
        come, gone = np.array(here, np.int64), np.array(there, np.int64)
        moves = np.array(moved).reshape(len(come), len(GRID) - 1)
        won_by = won.cumsum(axis=1)
        for step in range(1, len(GRID)):
            left = GRID[step] - (GRID[:step] + GRID[1 : step + 1]) / 2
            lower = np.searchsorted(GRID, left, "right") - 1
            share = (left - GRID[lower]) / (GRID[lower + 1] - GRID[lower])
            later = self._won[gone]
            known = later[:, lower] * (1 - share) + later[:, lower + 1] * share
            total = won_by[:, step - 1] + np.bincount(
                come, (moves[:, :step] * known).sum(axis=1), minlength=stages
            )
            at_once = (moves[:, :step] * (share * (lower == step - 1))).sum(axis=1)
            matrix = np.eye(stages)
            np.subtract.at(matrix, (come, gone), at_once)
            self._won[:, step] = np.linalg.solve(matrix, total)

    def _chances(self, stage: int, horizon: float) -> Floats:
        """P(won within `horizon` days) of deals that have been in `stage` for `GRID` days."""
        steps = np.append(GRID[horizon > GRID], horizon)
        left = horizon - (steps[1:] + steps[:-1]) / 2
        chance = np.zeros(len(GRID))
        for target, share in self._leaving(stage, GRID, steps).items():
            if target == len(self.rate):
                chance += share.sum(axis=1)
            elif target < len(self.rate):
                chance += share @ np.interp(left, GRID, self._won[target])
        return np.minimum(chance, 1.0)


def _with_prior(
    exits: Floats, days: Floats, prior_exits: float, usual: Floats
) -> tuple[Floats, Floats]:
    """Exits a day where a gamma law of mean `usual`, worth `prior_exits`, was expected; and the
    logarithm of how likely that made what was seen, but for what all laws have in common.
    """
    prior_days = prior_exits / np.maximum(usual, _TINY)
    rate = (exits + prior_exits) / (days + prior_days)
    likely = (
        prior_exits * np.log(prior_days)
        + _log_gamma(exits + prior_exits)
        - lgamma(prior_exits)
        - (exits + prior_exits) * np.log(days + prior_days)
    )
    return rate, likely


def _counted(exits: StageExits, stages: int) -> tuple[Floats, Floats]:
    """Paced days spent in each class of each stage, and exits from it by target."""
    bounds = np.append(AGES, np.inf)
    spent = np.empty((stages, len(AGES)))
    for which in range(len(AGES)):
        inside = np.minimum(exits.days, bounds[which + 1]) - np.maximum(exits.since, AGES[which])
        spent[:, which] = np.bincount(exits.stage, np.maximum(inside, 0), minlength=stages)
    ended = np.flatnonzero(exits.to != UNDER_WAY)
    target = np.select(
        [exits.to[ended] == WON, exits.to[ended] == LOST],
        [stages, stages + 1],
        exits.to[ended],
    )
    age = np.searchsorted(AGES, exits.days[ended], "right") - 1
    place = (exits.stage[ended] * len(AGES) + age) * (stages + 2) + target
    left = np.bincount(place, minlength=stages * len(AGES) * (stages + 2)).astype(float)
    return spent, left.reshape(stages, len(AGES), stages + 2)
