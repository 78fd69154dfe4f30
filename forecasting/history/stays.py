"""How long deals stayed in their stages."""

from datetime import datetime

import polars as pl

from forecasting.deals import INSTANT
from forecasting.history.states import KEY, numbered, row_numbers, stage_facts


def stage_stays(
    changes: pl.DataFrame, deals: pl.DataFrame, stages: pl.DataFrame, as_of: datetime
) -> pl.DataFrame:
    """One row per stay of a deal in a stage, closed stages included.

    Columns: connection, deal_id, pipeline_id, stage_id, entered_at, left_at, days, outcome.
    `left_at`: into another stage, or decided while in an open one; null = still in. `days`: to
    `left_at`, else to `as_of`. `outcome`: open, won or lost as of `as_of`. Deals without stage
    history have no row. A deal that comes back to a stage has a row for each time.
    """
    deals = deals.filter(pl.col("created_at") <= as_of).sort(*KEY)
    rows = row_numbers(deals, changes)
    facts = stage_facts(stages)
    moves = numbered(changes, rows, "stage", as_of)
    row, same = pl.col("row"), pl.col("row") == pl.col("row").shift()
    stays = (
        moves.filter(~same.fill_null(False) | pl.col("new").ne_missing(pl.col("new").shift()))
        .with_columns(left_at=pl.when(row == row.shift(-1)).then(pl.col("at").shift(-1)))
        .filter(pl.col("new").is_not_null())
        .rename({"new": "stage", "at": "entered_at"})
    )
    facts_of_deals = _outcomes(numbered(changes, rows, "status", as_of), moves, deals, facts, as_of)
    stays = stays.with_columns(
        facts_of_deals.select(pl.exclude("row").gather(stays["row"])).iter_columns()
    ).join(facts, on=("connection", "stage"), how="left", maintain_order="left")
    ended = (
        pl.col("left_at").is_null()
        & (pl.col("outcome") != "open")
        & (pl.col("stage_status").fill_null("open") == "open")
        & (pl.col("closed_at") >= pl.col("entered_at"))
    )
    return (
        _with_pipeline_then(stays, numbered(changes, rows, "pipeline", as_of))
        .select(
            "row",
            *KEY,
            pl.coalesce("stage_pipeline", "pipeline_then", "pipeline_id").alias("pipeline_id"),
            pl.col("stage").alias("stage_id"),
            "entered_at",
            pl.when(ended).then("closed_at").otherwise("left_at").alias("left_at"),
            "outcome",
        )
        .sort("row", "entered_at", "left_at", "stage_id", nulls_last=True)
        .select(
            *KEY,
            *("pipeline_id", "stage_id", "entered_at", "left_at"),
            (pl.col("left_at").fill_null(pl.lit(as_of, INSTANT)) - pl.col("entered_at"))
            .dt.total_seconds(fractional=True)
            .truediv(86_400)
            .alias("days"),
            "outcome",
        )
    )


def _with_pipeline_then(stays: pl.DataFrame, moves: pl.DataFrame) -> pl.DataFrame:
    """`pipeline_then`: where the history told the deal to be on entering the stage."""
    if moves.is_empty():
        return stays.with_columns(pipeline_then=pl.lit(None, pl.String))
    moves = moves.select(
        "row", pl.col("at").alias("entered_at"), pl.col("new").alias("pipeline_then")
    )
    return stays.sort("entered_at").join_asof(
        moves.sort("entered_at"), on="entered_at", by="row", check_sortedness=False
    )


def _outcomes(
    turns: pl.DataFrame,
    moves: pl.DataFrame,
    deals: pl.DataFrame,
    facts: pl.DataFrame,
    as_of: datetime,
) -> pl.DataFrame:
    """Per deal, in their order: row, connection, deal_id, present pipeline_id, closing instant by
    then, and outcome then: as the status history tells, else by the closing instant, else by the
    stage.
    """

    def last(found: pl.DataFrame, name: str) -> pl.DataFrame:
        return found.filter(pl.col("row").ne_missing(pl.col("row").shift(-1))).select(
            "row", pl.col("new").alias(name)
        )

    closed_by_then = pl.col("closed_at") <= as_of
    return (
        deals.select(*KEY, "pipeline_id", "closed_at", "status")
        .with_row_index("row")
        .join(last(turns, "told"), on="row", how="left", maintain_order="left")
        .join(last(moves, "stage"), on="row", how="left", maintain_order="left")
        .join(facts, on=("connection", "stage"), how="left", maintain_order="left")
        .select(
            "row",
            *KEY,
            "pipeline_id",
            pl.when(closed_by_then).then("closed_at").alias("closed_at"),
            pl.coalesce(
                "told", pl.when(closed_by_then).then("status"), "stage_status", pl.lit("open")
            ).alias("outcome"),
        )
    )
