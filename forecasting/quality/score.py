"""The quality score: 100 less the points of what is wrong."""

import math
from collections.abc import Mapping
from typing import Final

import polars as pl

from forecasting.history import KEY
from forecasting.quality.rules import RULES


def weights_in_force(own: Mapping[str, float] | None = None) -> dict[str, float]:
    """The published weights, with `own` in their place where given.

    ValueError for a rule that does not exist, or a weight that is negative or not finite.
    """
    weights = {rule.code: float(rule.weight) for rule in RULES}
    for code, weight in (own or {}).items():
        if code not in weights:
            raise ValueError(f"no quality rule {code!r}; there are {', '.join(sorted(weights))}")
        if not math.isfinite(weight) or weight < 0:
            raise ValueError(f"the weight of {code} is {weight}; it has to be 0 or more")
        weights[code] = float(weight)
    return weights


def score(
    deals: pl.DataFrame, findings: pl.DataFrame, weights: Mapping[str, float] | None = None
) -> pl.DataFrame:
    """connection, deal_id, quality_score (0-100) of every open deal.

    100 less the weights of the deal's findings, not below 0, rounded to a whole number.
    """
    in_force = weights_in_force(weights)
    lost = findings.group_by(KEY).agg(
        pl.col("rule").replace_strict(in_force, return_dtype=pl.Float64).sum().alias("lost")
    )
    return (
        deals.filter(pl.col("status") == "open")
        .select(KEY)
        .join(lost, on=KEY, how="left")
        .select(
            *KEY,
            (100 - pl.col("lost").fill_null(0))
            .clip(lower_bound=0)
            .round()
            .cast(pl.Int64)
            .alias("quality_score"),
        )
        .sort(*KEY)
    )


SEGMENTS: Final[Mapping[str, str | None]] = {
    "total": None,
    "pipeline": "pipeline_id",
    "team": "team",
    "owner": "owner_id",
}
"""What scores are told of, and the column of the deal frame that says which one."""


def segment_scores(
    deals: pl.DataFrame, scores: pl.DataFrame, findings: pl.DataFrame
) -> pl.DataFrame:
    """The mean score of all open deals, and by pipeline, team and owner.

    Columns: connection, segment (of `SEGMENTS`), name (empty for the total and for nobody),
    deals, findings (of open deals), score (0-100).
    """
    found = findings.group_by(KEY).agg(pl.len().alias("findings"))
    rows = (
        deals.filter(pl.col("status") == "open")
        .join(scores, on=KEY)
        .join(found, on=KEY, how="left")
    )
    return pl.concat(
        rows.with_columns(
            pl.lit(segment).alias("segment"),
            (pl.lit("") if column is None else pl.col(column).fill_null("")).alias("name"),
        )
        .group_by("connection", "segment", "name")
        .agg(
            pl.len().cast(pl.Int64).alias("deals"),
            pl.col("findings").fill_null(0).sum().cast(pl.Int64),
            pl.col("quality_score").mean().alias("score"),
        )
        for segment, column in SEGMENTS.items()
    ).sort("connection", "segment", "name")
