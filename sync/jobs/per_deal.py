"""What is said of each open deal, by the best method that this account's history supports."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from forecasting.deals import PeriodKind, period_of
from forecasting.history import KEY
from forecasting.methods import ForecastMethod, OpportunityStage
from forecasting.outlook import outlook
from forecasting.snapshot import Snapshot
from sync.jobs.forecasts import named

STATED: Final = ("opportunity_stage", "crm")
"""What the CRM itself says: kept beside ours, to be judged by the same measure."""


@dataclass(frozen=True, slots=True)
class Said:
    """`method`: name:variant that spoke; `outlook`: its outlook with expected_amount; `chances`:
    PREDICTION_SCHEMA, for the sentence.
    """

    method: str
    outlook: pl.DataFrame
    chances: pl.DataFrame


def said(fitted: Sequence[ForecastMethod], snapshot: Snapshot) -> Said:
    """The open deals as the speaking method sees them."""
    method = speaker(fitted)
    stage = next(m for m in fitted if isinstance(m, OpportunityStage) and m.variant == "learned")
    told = outlook(method, snapshot, dated=method is not stage).with_columns(
        # an amount that is only a guess would look like a fact on the deal
        expected_amount=pl.when(pl.col("amount_source") == "deal").then(
            pl.col("amount_if_won") * pl.col("win_probability")
        )
    )
    return Said(f"{method.name}:{method.variant}", told, stage.predict(snapshot.deals))


def speaker(fitted: Sequence[ForecastMethod]) -> ForecastMethod:
    """The method whose chances are shown per deal."""
    return next(m for m in fitted if isinstance(m, OpportunityStage) and m.variant == "learned")


def predictions(fitted: Sequence[ForecastMethod], snapshot: Snapshot) -> pl.DataFrame:
    """The rows of table `prediction`: the speaking method's and the CRM's own chances for this
    month and quarter.
    """
    periods = [period_of(snapshot.today, kind) for kind in (PeriodKind.MONTH, PeriodKind.QUARTER)]
    stated = [m for m in fitted if (m.name, m.variant) == STATED]
    parts = [
        method.deals(snapshot, periods).select(
            *named(method),
            pl.exclude(*KEY, "amount", "amount_source"),
            "deal_id",
        )
        for method in (speaker(fitted), *stated)
    ]
    return pl.concat(parts)
