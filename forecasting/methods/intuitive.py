"""Intuitive: what the salesperson says, as it stood at the time; and what that has been worth.

Formula, assumptions and failures: docs/methods/intuitive.md.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Literal, Self

import numpy as np
import polars as pl

from forecasting.additive import PRIOR_SD
from forecasting.categories import DEFAULTS
from forecasting.features import landmarks
from forecasting.history import KEY
from forecasting.logistic import Members, expit, fit_logistic, logit
from forecasting.methods.base import NotFittedError, register
from forecasting.methods.totals import by_close_date, none_counts, placed_deals, totals
from forecasting.periods import Period
from forecasting.segments import ALL_SEGMENTS, SegmentKind
from forecasting.snapshot import Snapshot
from forecasting.tracks import Floats, Ints

FEWEST_DECIDED: Final = 10
"""Decided deals with a word said about them, below which nobody is recalibrated."""

_SOURCES: Final = ("rep", "category")


@register("intuitive")
class Intuitive:
    """`reading`: "stated" takes people at their word, "recalibrated" corrects each by their record.

    What is said of a deal: the salesperson's own probability, else what its forecast category is
    commonly worth; the salesperson's own amount, else the deal's. Recalibration shifts log-odds:
    one shift for all, one for each source of the word, and one for each person, all drawn to zero.

    After `fit`, where recalibrated: `shifts_` (owner_id, deals, shift in log-odds, without those
    for all), `general_` (per source the shift for all) and `sample_`.
    """

    name = "intuitive"

    def __init__(self, reading: Literal["stated", "recalibrated"] = "stated") -> None:
        self.reading = reading

    @property
    def variant(self) -> str:
        return self.reading

    @property
    def parameters(self) -> Mapping[str, float | int | str]:
        return {"reading": self.reading}

    def fit(self, snapshot: Snapshot) -> Self:
        """Compare what was said of decided deals while they were open with what became of them."""
        if self.reading not in ("stated", "recalibrated"):
            raise ValueError(f"reading is {self.reading!r}: 'stated' or 'recalibrated'")
        self.sample_ = self.won_ = 0
        self.general_: dict[str, float] = dict.fromkeys(_SOURCES, 0.0)
        self.shifts_ = pl.DataFrame(
            schema={"owner_id": pl.String, "deals": pl.Int64, "shift": pl.Float64}
        )
        if self.reading == "recalibrated":
            self._learn(_record(snapshot))
        return self

    def _learn(self, record: pl.DataFrame) -> None:
        if record.height < FEWEST_DECIDED:
            return
        self.sample_, self.won_ = record.height, int(record["won"].sum())
        people = record["owner_id"].drop_nulls().unique().sort()
        owner = _place(record["owner_id"], people.to_list())
        source = _place(record["source"], _SOURCES)
        people_after = np.where(owner < 0, -1, owner + len(_SOURCES))
        design = Members([source, people_after], np.zeros(len(_SOURCES) + len(people)))
        penalty = np.full(design.width, PRIOR_SD**-2)
        beta = fit_logistic(
            design, record["won"].to_numpy(), record["said"].to_numpy(), 1.0, penalty
        )
        self.general_ = dict(zip(_SOURCES, beta[:2].tolist(), strict=True))
        self.shifts_ = pl.DataFrame(
            {
                "owner_id": people,
                "deals": np.bincount(owner[owner >= 0], minlength=len(people)),
                "shift": beta[2:],
            },
            schema=self.shifts_.schema,
        )

    def deals(self, snapshot: Snapshot, periods: Sequence[Period]) -> pl.DataFrame:
        """`DEALS_SCHEMA`; a deal is won by its close date, with the chance that is said of it."""
        return by_close_date(self._said(snapshot), periods)

    def totals(
        self,
        snapshot: Snapshot,
        periods: Sequence[Period],
        segments: Sequence[SegmentKind] = ALL_SEGMENTS,
    ) -> pl.DataFrame:
        """`TOTALS_SCHEMA`, without deals not yet created."""
        said = self._said(snapshot)
        note = None
        if none_counts(said):
            note = "not_enough_history:nothing"
        elif self.reading == "recalibrated" and not self.sample_:
            note = "not_enough_history:intuitive_stated"
        elif self.reading == "recalibrated" and not self.won_:
            note = "few_won_deals:0"
        return totals(
            snapshot,
            placed_deals(said, periods),
            segments,
            sample=self.sample_,
            notes=[note] * len(periods),
        )

    def _said(self, snapshot: Snapshot) -> pl.DataFrame:
        """The open deals with what is said of them, as `totals.placed_deals` takes it."""
        if not hasattr(self, "general_"):
            raise NotFittedError("intuitive has learned nothing yet: call fit first")
        opened = snapshot.deals.filter(pl.col("status") == "open").sort(*KEY)
        said = opened.with_columns(**_word())
        if self.sample_:
            shifts = said.select("owner_id").join(
                self.shifts_, on="owner_id", how="left", maintain_order="left"
            )
            general = said["source"].replace_strict(
                self.general_, default=0.0, return_dtype=pl.Float64
            )
            shift = shifts["shift"].fill_null(0.0) + general
            chance = said["win_probability"].fill_null(np.nan).to_numpy()
            corrected = expit(logit(chance) + shift.to_numpy())
            said = said.with_columns(win_probability=pl.Series(corrected).fill_nan(None))
        amount = pl.coalesce("rep_amount", "amount")
        return said.select(
            *KEY,
            "close_date",
            "amount_problem",
            "win_probability",
            amount.alias("amount"),
            pl.when(pl.col("rep_amount").is_not_null())
            .then(pl.lit("rep"))
            .when(amount.is_not_null())
            .then(pl.lit("deal"))
            .otherwise(pl.lit("none"))
            .alias("amount_source"),
            unplaced=pl.when(pl.col("close_date").is_null())
            .then(pl.lit("close_date_missing"))
            .when(pl.col("close_date") < snapshot.today)
            .then(pl.lit("overdue")),
        )


def _place(names: pl.Series, known: Sequence[str]) -> Ints:
    """Where each name stands among `known`, -1 where it does not."""
    if not known:
        return np.full(len(names), -1)
    places = names.replace_strict(
        list(known), list(range(len(known))), default=-1, return_dtype=pl.Int64
    )
    return places.fill_null(-1).to_numpy()


def _word() -> dict[str, pl.Expr]:
    """What is said: win_probability and the source of it."""
    own = pl.when(pl.col("rep_probability").is_between(0, 1)).then("rep_probability")
    category = pl.col("forecast_category").replace_strict(
        dict(DEFAULTS), default=None, return_dtype=pl.Float64
    )
    return {
        "win_probability": pl.coalesce(own, category),
        "source": pl.when(own.is_not_null())
        .then(pl.lit("rep"))
        .when(category.is_not_null())
        .then(pl.lit("category")),
    }


def _record(snapshot: Snapshot) -> pl.DataFrame:
    """One row per decided deal about which something was said while it was open: owner_id, source,
    said (mean log-odds over the days it stood) and won. Its owner is the last one of its open life.
    """
    known = landmarks(snapshot)
    states = snapshot.past.states(known.row, known.at)
    frame = (
        states.select("owner_id", "rep_probability", "forecast_category")
        .with_columns(row=known.row, at=known.at, won=known.won, lost=known.lost)
        .filter(pl.col("won") | pl.col("lost"))
        .with_columns(**_word())
        .filter(pl.col("win_probability").is_not_null())
    )
    said: Floats = logit(frame["win_probability"].clip(0.02, 0.98).to_numpy())
    return (
        frame.with_columns(said=said)
        .sort("row", "at")
        .group_by("row", maintain_order=True)
        .agg(
            pl.col("owner_id").last(),
            pl.col("source").last(),
            pl.col("said").mean(),
            pl.col("won").first(),
        )
    )
