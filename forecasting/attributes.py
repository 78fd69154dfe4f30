"""What a deal is and how it has been treated, as classes that an additive model can weigh."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Self

import numpy as np
import polars as pl

from forecasting.findings_then import FINDINGS
from forecasting.tracks import Floats, Ints

_MOST_CLASSES: Final = 40
_FEWEST_DEALS: Final = 5

NAMED: Final[Mapping[str, str]] = {
    "owner": "owner_id",
    "type": "deal_type",
    "source": "lead_source",
    "category": "forecast_category",
    "route": "route",
}
"""Attributes whose classes are names: what the CRM holds, and the stage with the moves it took."""

CUTS: Final[Mapping[str, tuple[str, tuple[float, ...]]]] = {
    "age": ("age_days", (1, 3, 7, 14, 28, 56, 112, 224)),
    "quiet": ("quiet_days", (1, 3, 7, 14, 28, 56)),
    "pushes": ("pushes", (1, 2, 3, 5)),
    "moves": ("moves", (1, 2, 3, 5, 8)),
}
"""Attributes that are numbers, with the bounds of their classes."""

DUE: Final = (0.0, 0.5, 1.0, 2.0)
"""Bounds of the close date's classes, as shares of the horizon: overdue, soon, within, after."""

_AMOUNT_SHARES: Final = tuple(tenths / 10 for tenths in range(1, 10))
"""Tenths of the deals: a total weighs each chance by its amount, so sizes are told apart finely."""

ATTRIBUTES: Final = (*NAMED, *CUTS, "due", "amount", "next_step", *FINDINGS)


class Classes:
    """The classes of each attribute, as found among training rows; `codes` gives any deal's.

    A deal whose attribute is unknown, or of a class with fewer than five deals, is of none: the
    attribute then says nothing about it. `attributes`: those that `places` and `columns` speak of.
    """

    def __init__(self, attributes: Sequence[str] = ATTRIBUTES) -> None:
        self.attributes = attributes

    def fit(self, facts: pl.DataFrame, row: Ints) -> Self:
        self.named_ = {name: _frequent(facts[column], row) for name, column in NAMED.items()}
        found = {name: sorted(_frequent(facts[name], row)) for name in FINDINGS}
        # what is found of all deals alike, or of none, tells none from another
        self.found_ = {name: some if len(some) > 1 else [] for name, some in found.items()}
        amounts = facts["amount"].drop_nulls()
        bounds = [amounts.quantile(share) for share in _AMOUNT_SHARES] if len(amounts) else []
        self.amounts_ = np.unique(np.array(bounds, float))
        sizes = _log_amount(facts).drop_nulls().to_numpy()
        spread = float(sizes.std(ddof=1)) if sizes.size > 1 else 0.0
        self.scale_ = float(sizes.mean()) if sizes.size else 0.0, spread or 1.0
        self.steps_ = bool(facts["next_step"].any())
        return self

    def size(self, facts: pl.DataFrame) -> Floats:
        """How many standard deviations the logarithm of each amount lies above their mean, within
        4; 0 where no amount above 0 is known.
        """
        mean, deviation = self.scale_
        above = ((_log_amount(facts) - mean) / deviation).fill_null(0.0).to_numpy()
        return np.asarray(np.clip(above, -4, 4))

    def sizes(self) -> dict[str, int]:
        """How many classes each attribute has."""
        return {
            **{name: len(classes) for name, classes in self.named_.items()},
            **{name: len(bounds) + 1 for name, (_, bounds) in CUTS.items()},
            "due": len(DUE) + 1,
            "amount": len(self.amounts_) + 1,
            "next_step": 2,
            **{name: len(some) for name, some in self.found_.items()},
        }

    def codes(self, facts: pl.DataFrame, horizon: float) -> dict[str, Ints]:
        """Per attribute each deal's class, -1 for none."""
        found = {name: _numbered(facts[NAMED[name]], some) for name, some in self.named_.items()}
        found |= {name: _numbered(facts[name], some) for name, some in self.found_.items()}
        for name, (column, bounds) in CUTS.items():
            found[name] = _cut(facts[column], np.array(bounds))
        found["due"] = _cut(facts["due_days"], np.array(DUE) * horizon)
        found["amount"] = _cut(facts["amount"], self.amounts_)
        steps = facts["next_step"].cast(pl.Int64).to_numpy()
        found["next_step"] = steps if self.steps_ else np.full(facts.height, -1)
        return found

    def places(self, codes: Mapping[str, Ints]) -> dict[str, Ints]:
        """Per attribute that has classes the column of each deal's among `columns`, -1 for none."""
        found, begin = {}, 0
        for name, size in ((name, self.sizes()[name]) for name in self.attributes):
            if size:
                found[name] = np.where(codes[name] < 0, -1, codes[name] + begin)
            begin += size
        return found

    def columns(self) -> list[str]:
        """The attribute of each class, in order: the columns of a design."""
        sizes = self.sizes()
        return [name for name in self.attributes for _ in range(sizes[name])]


def _frequent(values: pl.Series, row: Ints) -> list[Any]:
    """The classes that enough deals are of, the most frequent first."""
    counts = (
        pl.DataFrame({"class": values, "row": row})
        .drop_nulls()
        .group_by("class")
        .agg(pl.col("row").n_unique().alias("deals"))
        .filter(pl.col("deals") >= _FEWEST_DEALS)
        .sort("deals", "class", descending=[True, False])
    )
    return counts["class"].head(_MOST_CLASSES).to_list()


def _numbered(values: pl.Series, classes: Sequence[Any]) -> Ints:
    """Which of `classes` each value is, -1 for none."""
    if not classes:
        return np.full(len(values), -1)
    numbers = list(range(len(classes)))
    told = values.replace_strict(classes, numbers, default=-1, return_dtype=pl.Int64)
    return told.fill_null(-1).to_numpy()


def _log_amount(facts: pl.DataFrame) -> pl.Series:
    return facts.select(pl.when(pl.col("amount") > 0).then(pl.col("amount").log())).to_series()


def _cut(values: pl.Series, bounds: Floats) -> Ints:
    numbers = values.cast(pl.Float64).fill_null(np.nan).to_numpy()
    classes = np.searchsorted(bounds, np.nan_to_num(numbers), "right")
    return np.asarray(np.where(np.isnan(numbers), -1, classes))
