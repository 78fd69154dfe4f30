"""The additive part of `multivariable`: what lies beyond stage and time in stage.

The conversion table's log-odds are the offset; every attribute adds or takes log-odds of its own,
shrunk to nothing where there is little to learn from. So few deals give the table, many give more.
Attributes tell deals apart; how many are won in all is the table's to say first, for it has learned
from every move up to now, while lessons about a horizon end that long ago.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from forecasting.attributes import ATTRIBUTES, Classes
from forecasting.conversion import ConversionTable
from forecasting.features import Landmarks
from forecasting.logistic import Members, WithNumber, expit, fit_logistic, logit, shares
from forecasting.tracks import Floats, Ints

PRIOR_SD: Final = float(np.log(2))
"""How far an attribute is expected to move log-odds: by a factor of two in odds, either way."""

FEWEST_WON: Final = 20
"""Wins within a horizon below which nothing is learned about that horizon itself."""

HORIZONS: Final = (7.0, 14.0, 28.0, 56.0, 91.0, 182.0, 364.0, 728.0)
"""Horizons in days that adjustments are learned for; any other takes the nearest by ratio, for what
attributes add changes slowly while the table knows the exact day.
"""

LEVEL_SD: Final = 0.10 / 28
"""How far off the table's level is expected to be, in log-odds per day of the horizon: a tenth over
four weeks. What a way through the stages remembers, and the table forgets, adds up step by step.
"""

_MOST_ROWS: Final = 20_000
_WIDEST: Final = 10.0
_HALVINGS: Final = 40


@dataclass(frozen=True, slots=True)
class Adjustment:
    """Log-odds to add to the table's: `beta` per class, `slope` per standard deviation of the
    logarithm of the amount, `intercept` for all. `horizon`: days that it was learned for; `sample`:
    deals it was learned from.
    """

    classes: Classes
    beta: Floats
    centre: Floats
    slope: float
    intercept: float
    horizon: float
    sample: int

    def contributions(self, facts: pl.DataFrame, horizon: float) -> dict[str, Floats]:
        """Per attribute each deal's log-odds; the intercept stands under the name `general`."""
        places = self.classes.places(self.classes.codes(facts, horizon))
        columns = np.array(self.classes.columns())
        effect, usual = np.append(self.beta, 0.0), self.beta * self.centre
        told = {
            name: effect[place] - usual[columns == name].sum() for name, place in places.items()
        }
        told["amount"] = told.get("amount", 0.0) + self.slope * self.classes.size(facts)
        return {"general": np.full(facts.height, self.intercept), **told}

    def log_odds(self, facts: pl.DataFrame, horizon: float) -> Floats:
        """The sum of the contributions."""
        places = self.classes.places(self.classes.codes(facts, horizon))
        of_classes = Members([*places.values()], self.centre).scores(self.beta)
        return of_classes + self.slope * self.classes.size(facts) + self.intercept


def learn(
    known: Landmarks,
    table: ConversionTable,
    horizon: float,
    attributes: Sequence[str] = ATTRIBUTES,
) -> Adjustment | None:
    """The adjustment by `attributes` for `horizon`, or for the longest one that enough deals were
    followed over; None where there is none.
    """
    found = followed_for(known, horizon, _MOST_ROWS)
    if found is None:
        return None
    rows, horizon = found
    facts = known.facts.gather(rows)
    row = known.row[rows]
    won = known.won[rows] & (known.days[rows] <= horizon)
    offset = logit(table.chances(facts, horizon))
    classes = Classes(attributes).fit(facts, row)
    places = [*classes.places(classes.codes(facts, horizon)).values()]
    centre = shares(places, len(classes.columns()))
    general = np.full(len(rows), len(centre))  # the last class is of all deals
    members = Members([*places, general], np.append(centre, 0.0))
    design = WithNumber(members, classes.size(facts))
    penalty = np.full(design.width, PRIOR_SD**-2)
    beta = fit_logistic(design, won, offset, known.weight(horizon), penalty)
    lessons, beta[-2] = float(beta[-2]), 0.0  # what all have in common
    level = _level(offset, design.scores(beta))
    chance = expit(offset + design.scores(beta) + level)
    told = known.weight(horizon) * float((chance * (1 - chance)).sum())
    level += (lessons - level) * told / (told + (LEVEL_SD * horizon) ** -2)
    sample = int(np.unique(row).size)
    return Adjustment(classes, beta[:-2], centre, float(beta[-1]), level, horizon, sample)


def _level(offset: Floats, scores: Floats) -> float:
    """The log-odds to add to all, so that as many are won in all as `offset` alone says."""
    wanted = expit(offset).sum()
    low, high = -_WIDEST, _WIDEST
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if expit(offset + scores + middle).sum() > wanted:
            high = middle
        else:
            low = middle
    return (low + high) / 2


def followed_for(known: Landmarks, horizon: float, most: int) -> tuple[Ints, float] | None:
    """The landmarks that teach about `horizon`, or about the longest one below it that enough wins
    were followed over, `most` of them at most; None where there is none.
    """
    horizon = _longest(known, horizon)
    rows = np.flatnonzero(known.followed >= horizon)
    if horizon <= 0 or not rows.size:
        return None
    return rows[:: max(1, -(-rows.size // most))], horizon


def nearest(horizon: float) -> float:
    """The one of `HORIZONS` that adjustments for `horizon` days are learned for."""
    return min(HORIZONS, key=lambda days: abs(float(np.log(days / max(horizon, 1.0)))))


def _longest(known: Landmarks, horizon: float) -> float:
    """`horizon`, or the longest below it with enough wins among deals followed for all of it."""
    shorter = [days for days in reversed(HORIZONS) if days < horizon]
    for days in (horizon, *shorter):
        within = known.won & (known.days <= days) & (known.followed >= days)
        if np.unique(known.row[within]).size >= FEWEST_WON:
            return days
    return 0.0
