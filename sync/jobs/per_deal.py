"""What is said of each open deal, by the best method that this account's history supports."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import orjson
import polars as pl

from forecasting.history import KEY
from forecasting.methods import ForecastMethod, Multivariable, OpportunityStage
from forecasting.outlook import outlook
from forecasting.periods import PeriodKind, period_of
from forecasting.reasons import contributions, reasons
from forecasting.snapshot import Snapshot
from forecasting.wording import Language
from sync.jobs.forecasts import named

STATED: Final = ("opportunity_stage", "crm")
"""What the CRM itself says: kept beside ours, to be judged by the same measure."""


@dataclass(frozen=True, slots=True)
class Said:
    """`method`: name:variant that spoke; `outlook`: its outlook with expected_amount; `chances`:
    PREDICTION_SCHEMA, for the sentence where there are no `reasons` (connection, deal_id, reasons:
    the sentence, parts: JSON list of {code, text, points}).
    """

    method: str
    outlook: pl.DataFrame
    chances: pl.DataFrame
    reasons: pl.DataFrame | None


MOST_REASONS: Final = 3
SPEAKS: Final = ("multivariable", "additive")
FEWEST_WON: Final = 20
"""Wins to learn from below which chances that look exact would not be."""


def said(
    fitted: Sequence[ForecastMethod], snapshot: Snapshot, norms: pl.DataFrame, language: Language
) -> Said:
    """The open deals as the speaking method sees them."""
    method = speaker(fitted)
    stage = _stage(fitted)
    told = outlook(method, snapshot).with_columns(
        # an amount that is only a guess would look like a fact on the deal
        expected_amount=pl.when(pl.col("amount_source") == "deal").then(
            pl.col("amount_if_won") * pl.col("win_probability")
        )
    )
    why = _reasons(method, snapshot, norms, language) if isinstance(method, Multivariable) else None
    return Said(f"{method.name}:{method.variant}", told, stage.predict(snapshot.deals), why)


def _reasons(
    method: Multivariable, snapshot: Snapshot, norms: pl.DataFrame, language: Language
) -> pl.DataFrame:
    """Per deal the sentence, and as `parts` the sentence and its largest contributions."""
    largest = (
        contributions(method, snapshot)
        .group_by(KEY, maintain_order=True)
        .head(MOST_REASONS)
        .group_by(KEY, maintain_order=True)
        .agg("attribute", pl.col("points").round(4))
    )
    told = reasons(method, snapshot, norms, language).join(largest, on=KEY, how="left")
    parts = [
        orjson.dumps(
            [
                {"code": "chance", "text": row["reasons"], "points": row["win_probability"]},
                *(
                    {"code": code, "text": "", "points": points}
                    for code, points in zip(
                        row["attribute"] or (), row["points"] or (), strict=True
                    )
                ),
            ]
        ).decode()
        for row in told.iter_rows(named=True)
    ]
    return told.select(*KEY, "reasons", pl.Series("parts", parts, pl.String))


def speaker(fitted: Sequence[ForecastMethod]) -> ForecastMethod:
    """The method whose chances are shown per deal: multivariable where it has learned from enough
    wins, else opportunity_stage.
    """
    able = (m for m in fitted if (m.name, m.variant) == SPEAKS)
    many = next((m for m in able if getattr(m, "won_", 0) >= FEWEST_WON), None)
    return many or _stage(fitted)


def _stage(fitted: Sequence[ForecastMethod]) -> OpportunityStage:
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
