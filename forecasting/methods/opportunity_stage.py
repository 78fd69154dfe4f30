"""Opportunity stage: each open deal's amount times the chance of winning of its stage.

The chance is the CRM's own, or learned from what became of past deals in that stage. Formula,
assumptions and failures: docs/methods/opportunity-stage.md.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, Literal, Self

import numpy as np
import polars as pl

from forecasting.categories import category_rates
from forecasting.features import landmarks
from forecasting.history import KEY
from forecasting.methods.base import NotFittedError, register, weighted_amount
from forecasting.methods.totals import by_close_date, none_counts, placed_deals, totals
from forecasting.periods import Period
from forecasting.segments import ALL_SEGMENTS, SegmentKind
from forecasting.snapshot import Snapshot

_STAGE: Final = ("connection", "pipeline_id", "stage_id")
_PIPELINE: Final = ("connection", "pipeline_id")
_LEVELS: Final = ("stage", "pipeline", "account")


@register("opportunity_stage")
class OpportunityStage:
    """`probabilities`: "crm" takes the deal's own stage probability, else its stage's; "learned"
    counts the share won among decided deals that ever were in the stage; "category" rolls up by
    forecast category, with the shares won of deals that were in it. `prior_deals`: how many
    deals' worth of the pipeline's win rate are mixed into a stage's, and of the account's into a
    pipeline's.

    After `fit`: `stage_probabilities_`, and where learned `stage_rates_`, `pipeline_rates_` and
    `account_rates_`, each rate with its sample and the wins in it.
    """

    name = "opportunity_stage"

    def __init__(
        self,
        probabilities: Literal["crm", "learned", "category"] = "crm",
        prior_deals: float = 10.0,
    ) -> None:
        self.probabilities = probabilities
        self.prior_deals = prior_deals

    @property
    def variant(self) -> str:
        return self.probabilities

    @property
    def parameters(self) -> Mapping[str, float | int | str]:
        return {"probabilities": self.probabilities, "prior_deals": self.prior_deals}

    def fit(self, snapshot: Snapshot) -> Self:
        """Learn the rates from the deals decided by then; the stages say what the CRM states."""
        deals, stages, as_of = snapshot.deals, snapshot.stages, snapshot.as_of
        if self.probabilities not in ("crm", "learned", "category"):
            raise ValueError(
                f"probabilities is {self.probabilities!r}: 'crm', 'learned' or 'category'"
            )
        if not self.prior_deals > 0:
            raise ValueError(f"prior_deals is {self.prior_deals}: it has to be above 0")
        self.stage_probabilities_ = stages.unique(_STAGE, keep="first").select(
            *_STAGE, _stated(pl.col("probability")).alias("stage_states")
        )
        if self.probabilities == "category":
            self.category_rates_ = category_rates(landmarks(snapshot), self.prior_deals)
        if self.probabilities == "learned":
            deals = deals.with_columns(row=snapshot.row)
            self._learn(deals, snapshot.past.stages_reached(), stages, as_of)
        return self

    def _learn(
        self, deals: pl.DataFrame, stays: pl.DataFrame, stages: pl.DataFrame, as_of: datetime
    ) -> None:
        decided = deals.filter(
            pl.col("status").is_in(("won", "lost"))
            & (pl.col("created_at") <= as_of)
            & (pl.col("closed_at").is_null() | (pl.col("closed_at") <= as_of))
        ).select("row", *_STAGE, won=pl.col("status") == "won")
        reached = _reached(decided, stays, stages)
        self.account_rates_ = _counted(decided, ("connection",), "account").with_columns(
            # Laplace: an account with few decisions stays near one half
            account_rate=(pl.col("account_won") + 1) / (pl.col("account_sample") + 2)
        )
        self.pipeline_rates_ = self._shrunk(
            stages, _counted(decided, _PIPELINE, "pipeline"), self.account_rates_, "account"
        )
        self.stage_rates_ = self._shrunk(
            stages, _counted(reached, _STAGE, "stage"), self.pipeline_rates_, "pipeline"
        )

    def deals(self, snapshot: Snapshot, periods: Sequence[Period]) -> pl.DataFrame:
        """`DEALS_SCHEMA`; a deal is won by its close date, with the chance of its stage."""
        return by_close_date(self._placed(snapshot), periods)

    def totals(
        self,
        snapshot: Snapshot,
        periods: Sequence[Period],
        segments: Sequence[SegmentKind] = ALL_SEGMENTS,
    ) -> pl.DataFrame:
        """`TOTALS_SCHEMA`, without deals not yet created."""
        placed = self._placed(snapshot)
        sample, note = self._learned_from()
        if none_counts(placed):
            note = "not_enough_history:nothing"
        return totals(
            snapshot,
            placed_deals(placed, periods),
            segments,
            sample=sample,
            notes=[note] * len(periods),
        )

    def _learned_from(self) -> tuple[int, str | None]:
        """Decided deals that the chances rest on, and what is shown where there are none, or none
        that was won: what is learned from losses alone is the prior.
        """
        if self.probabilities == "crm":
            return 0, None
        if self.probabilities == "learned":
            rates, level, shown = self.account_rates_, "account", "crm"
        else:
            rates, level, shown = self.category_rates_, "category", "default_category"
        sample, won = (int(rates[f"{level}_{figure}"].sum()) for figure in ("sample", "won"))
        if not sample:
            return 0, f"not_enough_history:{shown}"
        return sample, None if won else "few_won_deals:0"

    def _placed(self, snapshot: Snapshot) -> pl.DataFrame:
        """The open deals with their chance, and why one belongs to no period."""
        unplaced = (
            pl.when(pl.col("close_date").is_null())
            .then(pl.lit("close_date_missing"))
            .when(pl.col("close_date") < snapshot.today)
            .then(pl.lit("overdue"))
        )
        return (
            self.predict(snapshot.deals)
            .join(
                snapshot.deals.select(*KEY, "close_date", "amount", "amount_problem"),
                on=KEY,
                how="left",
            )
            .with_columns(
                unplaced=unplaced,
                amount_source=pl.when(pl.col("amount").is_null())
                .then(pl.lit("none"))
                .otherwise(pl.lit("deal")),
            )
        )

    def predict(self, deals: pl.DataFrame) -> pl.DataFrame:
        """The open deals' chances. `probability_source`: learned_stage, learned_pipeline,
        learned_account (the narrowest with decided deals), crm_deal, crm_stage, or unknown.
        """
        if not hasattr(self, "stage_probabilities_"):
            raise NotFittedError("opportunity_stage has learned nothing yet: call fit first")
        if self.probabilities == "category":
            return self._by_category(deals)
        levels = _LEVELS if self.probabilities == "learned" else ()
        candidates = [
            *((f"learned_{level}", f"{level}_rate") for level in levels),
            ("crm_deal", "deal_states"),
            ("crm_stage", "stage_states"),
        ]
        source = [
            pl.when(pl.col(rate).is_not_null()).then(pl.lit(name)) for name, rate in candidates
        ]
        probability = pl.coalesce(*(rate for _, rate in candidates))
        nothing = pl.lit(None, pl.Int64)
        known = deals.filter(pl.col("status") == "open").with_columns(
            deal_states=_stated(pl.col("stage_probability"))
        )
        known = known.join(self.stage_probabilities_, on=_STAGE, how="left")
        return (
            (self._with_rates(known) if levels else known)
            .select(
                *KEY,
                probability.alias("win_probability"),
                weighted_amount(pl.col("amount"), probability).alias("weighted_amount"),
                pl.coalesce(*source, pl.lit("unknown")).alias("probability_source"),
                pl.coalesce(*(f"{level}_sample" for level in levels), nothing).alias("sample"),
                pl.coalesce(*(f"{level}_won" for level in levels), nothing).alias("sample_won"),
            )
            .sort(*KEY)
        )

    def _by_category(self, deals: pl.DataFrame) -> pl.DataFrame:
        """`probability_source`: learned_category, default_category, or unknown without one."""
        known = deals.filter(pl.col("status") == "open").join(
            self.category_rates_, on="forecast_category", how="left"
        )
        rate, sample = pl.col("category_rate"), pl.col("category_sample")
        source = (
            pl.when(rate.is_null())
            .then(pl.lit("unknown"))
            .when(sample > 0)
            .then(pl.lit("learned_category"))
            .otherwise(pl.lit("default_category"))
        )
        return known.select(
            *KEY,
            rate.alias("win_probability"),
            weighted_amount(pl.col("amount"), rate).alias("weighted_amount"),
            source.alias("probability_source"),
            pl.when(sample > 0).then(sample).alias("sample"),
            pl.when(sample > 0).then("category_won").alias("sample_won"),
        ).sort(*KEY)

    def _with_rates(self, deals: pl.DataFrame) -> pl.DataFrame:
        """The deals with every learned rate that applies; a rate without a sample is none."""
        return (
            deals.join(self.account_rates_, on="connection", how="left")
            .join(self.pipeline_rates_, on=_PIPELINE, how="left", nulls_equal=True)
            .join(self.stage_rates_, on=_STAGE, how="left")
            .with_columns(
                pl.when(pl.col(f"{level}_sample") > 0)
                .then(f"{level}_{figure}")
                .alias(f"{level}_{figure}")
                for level in _LEVELS
                for figure in ("rate", "sample", "won")
            )
        )

    def _shrunk(
        self, stages: pl.DataFrame, counts: pl.DataFrame, wider: pl.DataFrame, wider_level: str
    ) -> pl.DataFrame:
        """Per place, counted or among `stages`, the share won with its counts, shrunk towards the
        wider level's rate; null where that has none, which is where nothing at all is decided.
        """
        *keys, sample_of, won_of = counts.columns
        level = sample_of.removesuffix("_sample")
        wider_keys = [key for key in keys if key in wider.columns]
        won, sample = pl.col(won_of), pl.col(sample_of)
        prior = self.prior_deals
        rate = (won + prior * pl.col(f"{wider_level}_rate")) / (sample + prior)
        return (
            pl.concat([stages.select(keys), counts.select(keys)])
            .unique()
            .sort(keys)
            .join(counts, on=keys, how="left", nulls_equal=True)
            .with_columns(won.fill_null(0), sample.fill_null(0))
            .join(wider, on=wider_keys, how="left", nulls_equal=True)
            .select(*keys, sample, won, rate.alias(f"{level}_rate"))
        )


def _stated(probability: pl.Expr) -> pl.Expr:
    """A probability as the CRM states it; null where it is none."""
    return pl.when(probability.is_between(0, 1)).then(probability)


def _reached(decided: pl.DataFrame, stays: pl.DataFrame, stages: pl.DataFrame) -> pl.DataFrame:
    """One row per decided deal and open stage it ever was in.

    A deal without stage history still has been in the stage it ended in.
    """
    columns = (*_STAGE, "won")
    row, been = decided["row"].to_numpy(), stays["row"].to_numpy()
    which = np.full(1 + int(max(row.max(initial=0), been.max(initial=0))), -1)
    which[row] = np.arange(len(row))
    known = which[been] >= 0
    told = decided.select("connection", "won").gather(which[been[known]])
    entered = stays.filter(pl.Series(known)).with_columns(told.iter_columns())
    which[been] = -1
    ended = decided.filter(pl.Series(which[row] >= 0)).with_columns(
        _coded("pipeline_id", "stage_id")
    )
    open_stages = stages.filter(~pl.col("is_closed")).select(_STAGE).unique()
    return (
        pl.concat([entered.select(columns), ended.select(columns)])
        .join(
            open_stages.with_columns(_coded("pipeline_id", "stage_id")),
            on=_STAGE,
            how="semi",
        )
        .with_columns(pl.col("pipeline_id", "stage_id").cast(pl.String))
    )


def _coded(*columns: str) -> pl.Expr:
    """Millions of rows compare faster as numbers."""
    return pl.col(*columns).cast(pl.Categorical)


def _counted(deals: pl.DataFrame, by: tuple[str, ...], level: str) -> pl.DataFrame:
    return deals.group_by(by).agg(
        pl.len().cast(pl.Int64).alias(f"{level}_sample"),
        pl.col("won").sum().cast(pl.Int64).alias(f"{level}_won"),
    )
