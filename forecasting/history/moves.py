"""What was done to deals: close dates pushed and pulled in, slips, amounts and owners changed."""

from datetime import datetime, timedelta
from typing import Final

import polars as pl

from forecasting.deals import INSTANT
from forecasting.history.states import AT_CREATION, KEY, account_day, changes_of, stage_facts

CLOSING: Final = timedelta(seconds=5)
"""A CRM that rewrites the close date on closing does so within this much of the closing."""


def pushes(
    changes: pl.DataFrame,
    deals: pl.DataFrame,
    as_of: datetime,
    zone: str,
    *,
    stages: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """How often and how far the close date moved while the deal was open; a row per deal.

    Columns: connection, deal_id, pushes, pushed_days, slips (pushes past the end of a calendar
    quarter), pull_ins, pulled_in_days, first_close_date.
    Days are whole days of the account, both sums positive; a change within one day is none.
    Closing rewrites the close date in some CRMs: changes at or after the closing do not count,
    which takes status history, or stage history with `stages`, or else the deal's closed_at.
    Zeros where there is no history.
    """
    moves = changes_of(changes, "close_date", as_of).join(
        deals.select(*KEY, "closed_at"), on=KEY, how="semi"
    )
    day = account_day(pl.col("new"), zone)
    moves = moves.with_columns(
        to_day=day, from_day=account_day(pl.coalesce("old", pl.col("new").shift().over(KEY)), zone)
    )
    moved = (
        _while_open(moves, changes.filter(pl.col("changed_at") <= as_of), deals, stages, as_of)
        .with_columns(days=(pl.col("to_day") - pl.col("from_day")).dt.total_days())
        .group_by(KEY)
        .agg(
            (pl.col("days") > 0).sum().cast(pl.Int64).alias("pushes"),
            pl.col("days").filter(pl.col("days") > 0).sum().alias("pushed_days"),
            (pl.col("to_day").dt.truncate("1q") > pl.col("from_day").dt.truncate("1q"))
            .sum()
            .cast(pl.Int64)
            .alias("slips"),
            (pl.col("days") < 0).sum().cast(pl.Int64).alias("pull_ins"),
            (-pl.col("days").filter(pl.col("days") < 0).sum()).alias("pulled_in_days"),
        )
    )
    first = moves.group_by(KEY).agg(
        pl.coalesce("from_day", "to_day").drop_nulls().first().alias("first_close_date")
    )
    counts = ("pushes", "pushed_days", "slips", "pull_ins", "pulled_in_days")
    return (
        deals.filter(pl.col("created_at") <= as_of)
        .select(*KEY)
        .join(moved, on=KEY, how="left")
        .join(first, on=KEY, how="left")
        .with_columns(pl.col(counts).fill_null(0))
        .sort(*KEY)
    )


def _while_open(
    moves: pl.DataFrame,
    changes: pl.DataFrame,
    deals: pl.DataFrame,
    stages: pl.DataFrame | None,
    as_of: datetime,
) -> pl.DataFrame:
    """Those of `moves` after which the deal was still open."""
    turns = changes.filter(pl.col("field") == "status").select(
        *KEY, "ordinal", settled_at="changed_at", status_then="new"
    )
    if stages is not None:
        by_stage = (
            changes.filter(pl.col("field") == "stage")
            .join(turns, on=KEY, how="anti")
            .select(*KEY, "ordinal", settled_at="changed_at", stage="new")
            .join(stage_facts(stages), on=("connection", "stage"), how="inner")
            .select(*KEY, "ordinal", "settled_at", status_then="stage_status")
        )
        turns = pl.concat([turns, by_stage])
    turns = turns.sort("settled_at", "ordinal").drop("ordinal")
    settled = moves.with_columns(settled_at=pl.col("changed_at") + CLOSING).sort("settled_at")
    closed_by_then = (pl.col("closed_at") <= pl.col("settled_at")) & (pl.col("closed_at") <= as_of)
    return (
        settled.join_asof(turns, on="settled_at", by=KEY, check_sortedness=False)
        .join(deals.select(*KEY, "closed_at"), on=KEY, how="left")
        .filter(
            pl.when(pl.col("status_then").is_not_null())
            .then(pl.col("status_then") == "open")
            .otherwise(closed_by_then.fill_null(False).not_())
        )
    )


def counted_changes(
    changes: pl.DataFrame, deals: pl.DataFrame, as_of: datetime, *, since: datetime | None = None
) -> pl.DataFrame:
    """How often amount and owner became another one after the creation; a row per deal.

    Columns: connection, deal_id, amount_changes, owner_changes. `since`: only changes after it.
    What is first filled in after the creation counts, what closing changes too. Zeros where there
    is no history.
    """
    born = deals.filter(pl.col("created_at") <= as_of).select(*KEY, "created_at")
    counts = born.select(*KEY)
    for field in ("amount", "owner"):
        after = pl.max_horizontal(pl.col("created_at") + AT_CREATION, pl.lit(since, INSTANT))
        moved = (
            changes_of(changes, field, as_of)
            .join(born, on=KEY)
            .filter((pl.col("changed_at") > after) & pl.col("new").ne_missing(pl.col("old")))
            .group_by(KEY)
            .agg(pl.len().cast(pl.Int64).alias(f"{field}_changes"))
        )
        counts = counts.join(moved, on=KEY, how="left")
    return counts.with_columns(pl.col("amount_changes", "owner_changes").fill_null(0)).sort(*KEY)
