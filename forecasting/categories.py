"""What a forecast category is worth: the share won of the deals that people put into it."""

from collections.abc import Mapping
from typing import Final

import polars as pl

from forecasting.features import Landmarks

DEFAULTS: Final[Mapping[str, float]] = {
    "COMMIT": 0.85,
    "BEST_CASE": 0.40,
    "PIPELINE": 0.15,
    "OMITTED": 0.0,
    "CLOSED": 1.0,
}
"""Chances where nothing is learned: a commit is meant to come nearly always, a best case less than
every other time, and the rest as open pipelines commonly do, about one in seven.
"""


def category_rates(known: Landmarks, prior_deals: float) -> pl.DataFrame:
    """Per category: forecast_category, category_rate, category_sample, category_won.

    `(won + k * default) / (decided + k)` over decided deals that ever stood in it while open, each
    once per category; k = `prior_deals`. Every category with a default has a row.
    """
    counted = (
        known.facts.select("forecast_category")
        .with_columns(
            row=known.row, won=known.won, decided=pl.Series(known.won) | pl.Series(known.lost)
        )
        .filter(pl.col("decided") & pl.col("forecast_category").is_not_null())
        .unique(("forecast_category", "row"))
        .group_by("forecast_category")
        .agg(
            pl.len().cast(pl.Int64).alias("category_sample"),
            pl.col("won").sum().cast(pl.Int64).alias("category_won"),
        )
    )
    defaults = pl.DataFrame(
        {"forecast_category": list(DEFAULTS), "default": list(DEFAULTS.values())}
    )
    return (
        defaults.join(counted, on="forecast_category", how="left")
        .with_columns(pl.col("category_sample", "category_won").fill_null(0))
        .select(
            "forecast_category",
            (
                (pl.col("category_won") + prior_deals * pl.col("default"))
                / (pl.col("category_sample") + prior_deals)
            ).alias("category_rate"),
            "category_sample",
            "category_won",
        )
        .sort("forecast_category")
    )
