"""Multivariable: many facts about each deal, learned from the account's own past.

P(won within the horizon) of every open deal from stage and time in stage (the conversion table)
and from what else is known of it (the additive part), plus revenue from deals not yet created.
Formula, assumptions and failures: docs/methods/multivariable.md.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Literal, Self

import numpy as np
import polars as pl

from forecasting import boosting
from forecasting.additive import Adjustment, learn, nearest
from forecasting.amounts import Amounts
from forecasting.boosting import Boosting
from forecasting.conversion import ConversionTable
from forecasting.features import Landmarks, landmarks, open_facts
from forecasting.history import KEY
from forecasting.logistic import expit, logit
from forecasting.methods.base import DEALS_SCHEMA, NotFittedError, register
from forecasting.methods.opportunity_stage import OpportunityStage
from forecasting.methods.totals import of_period, totals
from forecasting.new_business import NewBusiness
from forecasting.periods import Period
from forecasting.segments import ALL_SEGMENTS, SegmentKind
from forecasting.snapshot import Snapshot
from forecasting.stage_chain import GRID, PRIOR_EXITS
from forecasting.tracks import Floats

EVENTUALLY: float = float(GRID[-1])
"""Paced days within which a deal that is won at all is taken to be won."""

INSTEAD = "opportunity_stage"
NOTHING = "not_enough_history:nothing"

FEWEST_WON = 10
"""With fewer won deals than this the priors say more than the account does: the note tells so."""


MONEY = ("amount",)
"""What the table weighs besides stage and time: sums of money are wrong where large deals are won
less often than small ones.
"""


@register("multivariable")
class Multivariable:
    """`learned`: "table" takes stage and time in stage alone, "additive" everything that is known,
    "boosted" the same by boosted trees (needs LightGBM, see `forecasting.boosting`).
    `prior_exits`: how many exits' worth of what is usual are mixed into the table's rates.

    After `fit`: `table_`, `amounts_`, `new_`, `sample_` (deals that the lessons are of), `won_`.
    Where no deal of the past was seen both open and decided, there is nothing to learn from:
    `instead_` holds an opportunity_stage method that answers, and every row says so.
    """

    name = "multivariable"

    def __init__(
        self,
        learned: Literal["table", "additive", "boosted"] = "additive",
        prior_exits: float = PRIOR_EXITS,
    ) -> None:
        self.learned = learned
        self.prior_exits = prior_exits

    @property
    def variant(self) -> str:
        return self.learned

    @property
    def parameters(self) -> Mapping[str, float | int | str]:
        return {"learned": self.learned, "prior_exits": self.prior_exits}

    def fit(self, snapshot: Snapshot) -> Self:
        """Learn from every deal that was open at a past instant, decided or not. ImportError with
        the remedy for "boosted" where LightGBM is not installed.
        """
        if self.learned not in ("table", "additive", "boosted"):
            raise ValueError(f"learned is {self.learned!r}: 'table', 'additive' or 'boosted'")
        if self.learned == "boosted" and not boosting.available():
            raise ImportError(boosting.INSTALL)
        if not self.prior_exits > 0:
            raise ValueError(f"prior_exits is {self.prior_exits}: it has to be above 0")
        known = landmarks(snapshot)
        self.sample_ = int(np.unique(known.row).size)
        self.won_ = int(np.unique(known.row[known.won]).size)
        self.instead_: OpportunityStage | None = None
        if not (known.won | known.lost).any():
            self.instead_ = OpportunityStage("learned").fit(snapshot)
        else:
            self.table_ = ConversionTable(self.prior_exits).fit(known)
            self.amounts_ = Amounts().fit(snapshot, known)
            self.new_ = NewBusiness().fit(snapshot)
        self._known: Landmarks = known
        self._adjustments: dict[float, Adjustment | Boosting | None] = {}
        return self

    def adjustment(self, horizon: float) -> Adjustment | Boosting | None:
        """What the attributes add within `horizon` days; None where too few wins say anything."""
        learned_for = nearest(horizon)
        if learned_for not in self._adjustments:
            known, table = self._known, self.table_
            if self.learned == "boosted":
                found: Adjustment | Boosting | None = boosting.learn(known, table, learned_for)
            elif self.learned == "table":
                found = learn(known, table, learned_for, MONEY)
            else:
                found = learn(known, table, learned_for)
            self._adjustments[learned_for] = found
        return self._adjustments[learned_for]

    def days_to(self, day: date, snapshot: Snapshot) -> float:
        """Paced days from the snapshot's instant to where `day` begins, 0 where it has begun."""
        pace = self._known.pace
        return max(pace.by_day(day) - float(pace.at(snapshot.past.until)), 0.0)

    def after(self, paced_days: Floats, snapshot: Snapshot) -> pl.Series:
        """The account's days on which so many paced days from the snapshot's instant are full."""
        instants = self._known.pace.after(snapshot.past.until, paced_days)
        return (
            pl.Series(instants)
            .cast(pl.Datetime("us", "UTC"))
            .dt.convert_time_zone(snapshot.zone)
            .dt.date()
        )

    def chances(self, facts: pl.DataFrame, horizon: float) -> Floats:
        """P(won within `horizon` paced days) of deals as `features.open_facts` gives them."""
        if horizon <= 0:
            return np.zeros(facts.height)
        chance = self.table_.chances(facts, horizon)
        adjustment = self.adjustment(horizon)
        if adjustment is None or not facts.height:
            return chance
        return expit(logit(chance) + adjustment.log_odds(facts, horizon))

    def deals(self, snapshot: Snapshot, periods: Sequence[Period]) -> pl.DataFrame:
        """`DEALS_SCHEMA`: every open deal can be won in any period to come."""
        instead = self._instead()
        if instead is not None:
            return instead.deals(snapshot, periods)
        facts = open_facts(snapshot)
        ends = [self.days_to(period.end, snapshot) for period in periods]
        by = self._growing(facts, [*ends, EVENTUALLY])
        amounts = self.amounts_.of(facts)
        parts = [
            facts.select(
                *KEY,
                *of_period(period),
                win_probability=by[EVENTUALLY],
                win_probability_by=by[end],
                amount=amounts["m1"],
                amount_source=amounts["amount_source"],
            )
            for period, end in zip(periods, ends, strict=True)
        ]
        return pl.concat(parts) if parts else pl.DataFrame(schema=DEALS_SCHEMA)

    def totals(
        self,
        snapshot: Snapshot,
        periods: Sequence[Period],
        segments: Sequence[SegmentKind] = ALL_SEGMENTS,
    ) -> pl.DataFrame:
        """`TOTALS_SCHEMA` with deals not yet created."""
        instead = self._instead()
        if instead is not None:
            told = instead.totals(snapshot, periods, segments)
            nothing = pl.col("note").eq_missing(NOTHING)
            shown = pl.lit(f"not_enough_history:{INSTEAD}")
            return told.with_columns(note=pl.when(nothing).then("note").otherwise(shown))
        facts = open_facts(snapshot)
        spans = [(self.days_to(p.start, snapshot), self.days_to(p.end, snapshot)) for p in periods]
        by = self._growing(facts, [day for span in spans for day in span])
        moments = self.amounts_.of(facts)
        left_out = (
            pl.when(pl.col("m1").is_not_null())
            .then(None)
            .when(pl.col("amount_problem").fill_null("") == "no_rate")
            .then(pl.lit("no_rate"))
            .otherwise(pl.lit("amount_missing"))
        )
        base = facts.select(*KEY, "amount_problem").with_columns(
            moments.select("m1", "m2", "m3").iter_columns()
        )
        chances = [
            (
                period,
                base.select(*KEY, "m1", "m2", "m3", left_out=left_out, inside=by[end] - by[start]),
            )
            for period, (start, end) in zip(periods, spans, strict=True)
        ]
        return totals(
            snapshot,
            chances,
            segments,
            sample=self.sample_,
            notes=[self._note(moments["m1"].count())] * len(periods),
            new=self.new_.expected(periods, snapshot),
        )

    def _note(self, priced: int) -> str | None:
        """What the figures lack. `priced`: open deals that an amount can be stated for."""
        if self.won_ < FEWEST_WON:
            return f"few_won_deals:{self.won_}"
        # without a single amount, open or won, a sum of 0 is no forecast
        return None if priced or self.amounts_.won_ else NOTHING

    def _growing(self, facts: pl.DataFrame, horizons: Sequence[float]) -> dict[float, Floats]:
        """Chances by each horizon; what is won by a day is won by every later one."""
        found: dict[float, Floats] = {}
        least = np.zeros(facts.height)
        for horizon in sorted(set(horizons)):
            least = np.maximum(least, self.chances(facts, horizon))
            found[horizon] = least
        return found

    def _instead(self) -> OpportunityStage | None:
        if not hasattr(self, "instead_"):
            raise NotFittedError("multivariable has learned nothing yet: call fit first")
        return self.instead_
