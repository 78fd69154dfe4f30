"""Boosted trees in place of the additive part of `multivariable`, where LightGBM is installed.

The conversion table's log-odds are where boosting starts. What the trees add is multiplied by a
slope learned from deals that they were not shown: trees that only remember get a slope near 0, and
the chance is the table's again.
"""

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Final

import numpy as np
import polars as pl

from forecasting.additive import followed_for
from forecasting.attributes import ATTRIBUTES, Classes
from forecasting.conversion import ConversionTable
from forecasting.features import Landmarks
from forecasting.logistic import Columns, fit_logistic, logit
from forecasting.tracks import Bools, Floats, Ints

INSTALL: Final = "boosted trees need LightGBM: pip install 'dealpulse[boost]'"

_PARAMETERS: Final = {
    "objective": "binary",
    "num_leaves": 7,  # of small trees no deal is a leaf of its own
    "learning_rate": 0.1,
    "lambda_l2": 10.0,
    "max_bin": 63,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "seed": 0,
    "verbosity": -1,
}
_ROUNDS: Final = 60
_MOST_ROWS: Final = 10_000
_FOLDS: Final = 2
_LEAF_DEALS: Final = 20
"""Deals' worth of rows that a leaf needs: landmarks of one deal are one lesson told again."""


def available() -> bool:
    """Whether LightGBM is installed."""
    return find_spec("lightgbm") is not None


@dataclass(frozen=True, slots=True)
class Boosting:
    """Log-odds to add to the table's. `slope`: what is kept of the trees' own, 0 to 1; `horizon`:
    days that it was learned for; `sample`: deals it was learned from.
    """

    classes: Classes
    trees: Any
    slope: float
    intercept: float
    horizon: float
    sample: int

    def contributions(self, facts: pl.DataFrame, horizon: float) -> dict[str, Floats]:
        """Per attribute each deal's log-odds (Shapley values of the trees); what holds for all
        deals stands under the name `general`.
        """
        features = _features(self.classes, facts, horizon)
        parts = self.slope * np.asarray(self.trees.predict(features, pred_contrib=True))
        named = {name: parts[:, place] for place, name in enumerate(ATTRIBUTES)}
        return {"general": parts[:, -1] + self.intercept, **named}

    def log_odds(self, facts: pl.DataFrame, horizon: float) -> Floats:
        """The sum of the contributions."""
        features = _features(self.classes, facts, horizon)
        raw = np.asarray(self.trees.predict(features, raw_score=True))
        return np.asarray(self.slope * raw + self.intercept)


def learn(known: Landmarks, table: ConversionTable, horizon: float) -> Boosting | None:
    """The trees for `horizon`, or for the longest one that enough deals were followed over; None
    where there is none. ImportError with the remedy where LightGBM is not installed.
    """
    found = followed_for(known, horizon, _MOST_ROWS)
    if found is None:
        return None
    rows, horizon = found
    facts, row = known.facts.gather(rows), known.row[rows]
    won = known.won[rows] & (known.days[rows] <= horizon)
    offset = logit(table.chances(facts, horizon))
    classes = Classes().fit(facts, row)
    features = _features(classes, facts, horizon)
    leaf = int(np.ceil(_LEAF_DEALS * len(rows) / np.unique(row).size))
    intercept, slope = _kept(features, won, offset, row, leaf, known.weight(horizon))
    trees = _grown(features, won, offset, leaf)
    return Boosting(classes, trees, slope, intercept, horizon, int(np.unique(row).size))


def _kept(
    features: Floats, won: Bools, offset: Floats, row: Ints, leaf: int, weight: float
) -> tuple[float, float]:
    """Intercept and slope of the trees' log-odds on deals that they did not see."""
    unseen = np.zeros(len(won))
    for fold in range(_FOLDS):
        held = row % _FOLDS == fold
        if not held.any() or not won[~held].any() or won[~held].all():
            return 0.0, 0.0
        trees = _grown(features[~held], won[~held], offset[~held], leaf)
        unseen[held] = trees.predict(features[held], raw_score=True)
    design = Columns(np.column_stack([np.ones(len(won)), unseen]))
    intercept, slope = fit_logistic(design, won, offset, weight, np.ones(2))
    return float(intercept), float(np.clip(slope, 0.0, 1.0))


def _grown(features: Floats, won: Bools, offset: Floats, leaf: int) -> Any:
    try:
        import lightgbm  # an extra: imported where it is used
    except ImportError as missing:
        raise ImportError(INSTALL) from missing
    data = lightgbm.Dataset(
        features,
        label=won.astype(float),
        init_score=offset,
        categorical_feature=_NAMED,
        params={"verbosity": -1, "max_bin": _PARAMETERS["max_bin"]},
        free_raw_data=True,
    )
    return lightgbm.train({**_PARAMETERS, "min_data_in_leaf": leaf}, data, num_boost_round=_ROUNDS)


_NAMED: Final = [
    ATTRIBUTES.index(name) for name in ("owner", "type", "source", "category", "route")
]


def _features(classes: Classes, facts: pl.DataFrame, horizon: float) -> Floats:
    """A column per attribute: the deal's class, missing for none."""
    codes = classes.codes(facts, horizon)
    table = np.column_stack([codes[name] for name in ATTRIBUTES]).astype(float)
    table[table < 0] = np.nan
    return table
