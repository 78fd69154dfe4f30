"""How a deal came to the stage it is in: stages left out, and steps back."""

from typing import Final

import polars as pl

from forecasting.history import AT_CREATION, KEY

USUAL: Final = 0.8
"""A stage through which this share of won deals went belongs to the process."""

_PLACE: Final = ("connection", "pipeline_id", "stage_id")


def moves(
    open_deals: pl.DataFrame, stays: pl.DataFrame, stages: pl.DataFrame, *, compare_with: int
) -> pl.DataFrame:
    """Per open deal with stage history: came_back_from, came_back_on, skipped, skipped_stages.

    came_back_from: the furthest stage it was in, where that is further than the present one;
    skipped_stages: how many earlier stages it never was in though `USUAL` of the pipeline's won
    deals were, skipped: the first of them. Null where the history does not begin with the deal, or
    fewer than `compare_with` won deals have any.
    """
    order = stages.filter(~pl.col("is_closed")).unique(_PLACE, keep="first")
    order = order.select(*_PLACE, "stage", "position")
    now = open_deals.select(*KEY, *_PLACE[1:], "created_at").join(
        order.select(*_PLACE, pl.col("position").alias("at")), on=_PLACE, how="inner"
    )
    mine = stays.join(now, on=(*KEY, "pipeline_id"), how="inner").join(order, on=_PLACE)
    back = (
        mine.filter(pl.col("position") > pl.col("at"))
        .sort(*KEY, "position", "left_at")
        .group_by(KEY, maintain_order=True)
        .agg(
            pl.col("stage").last().alias("came_back_from"),
            pl.col("left_at").last().alias("came_back_at"),
        )
    )
    return back.join(
        _skipped(now, mine, stays, order, compare_with), on=KEY, how="full", coalesce=True
    )


def _skipped(
    now: pl.DataFrame,
    mine: pl.DataFrame,
    stays: pl.DataFrame,
    order: pl.DataFrame,
    compare_with: int,
) -> pl.DataFrame:
    pipeline = ("connection", "pipeline_id")
    won = (
        stays.select(*_PLACE, "deal_id", won=pl.col("outcome") == "won")
        .filter("won")
        .drop("won")
        .join(order, on=_PLACE, how="semi")
        .unique()
    )
    winners = won.group_by(pipeline).agg(pl.col("deal_id").n_unique().alias("winners"))
    usual = (
        won.group_by(_PLACE)
        .len("visitors")
        .join(winners, on=pipeline)
        .filter(
            (pl.col("winners") >= compare_with) & (pl.col("visitors") >= USUAL * pl.col("winners"))
        )
        .join(order, on=_PLACE)
    )
    whole = (
        mine.group_by(*KEY, "created_at")
        .agg(pl.col("entered_at").min().alias("began"))
        .filter((pl.col("began") - pl.col("created_at")).abs() <= AT_CREATION)
    )
    expected = (
        now.join(whole, on=KEY, how="semi")
        .drop("stage_id")
        .join(usual.select(*_PLACE, "stage", "position"), on=pipeline)
        .filter(pl.col("position") < pl.col("at"))
    )
    return (
        expected.join(mine, on=(*KEY, "stage_id"), how="anti")
        .sort(*KEY, "position")
        .group_by(KEY, maintain_order=True)
        .agg(
            pl.col("stage").first().alias("skipped"),
            pl.len().cast(pl.Int64).alias("skipped_stages"),
        )
    )
