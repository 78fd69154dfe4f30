"""How long sales take, and what each size of deal takes of the work and gives of the money."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final

import polars as pl

from forecasting.sizes import with_size_class
from forecasting.velocity import cycle_days, watched_spells

_TIMES: Final = (("median_days", 0.5), ("p75_days", 0.75), ("p90_days", 0.9))


def cycle_table(
    deals: pl.DataFrame, bounds: Sequence[float], *, since: date, today: date
) -> pl.DataFrame:
    """Cycle lengths of deals decided from `since` to `today`, won against lost, by size class.

    Columns: size_class ("all", then the classes of `sizes.with_size_class`, "" without an amount),
    outcome (won | lost), deals, mean_days, median_days, p75_days, p90_days. Deals closed on a day
    before their creation are counted in `deals` and have no time.
    """
    decided = (
        with_size_class(deals, bounds)
        .filter(
            pl.col("status").is_in(("won", "lost")) & pl.col("closed_on").is_between(since, today)
        )
        .with_columns(days=cycle_days(), size_class=pl.col("size_class").fill_null(""))
    )
    every = pl.concat([decided.with_columns(size_class=pl.lit("all")), decided])
    first = pl.col("size_class") != "all"
    return (
        every.group_by("size_class", outcome="status")
        .agg(
            pl.len().cast(pl.Int64).alias("deals"),
            pl.col("days").mean().alias("mean_days"),
            *(pl.col("days").quantile(share, "linear").alias(name) for name, share in _TIMES),
        )
        .sort(first, "size_class", pl.col("outcome") == "lost")
        .select("size_class", "outcome", "deals", "mean_days", *(name for name, _ in _TIMES))
    )


def effort_by_size(
    deals: pl.DataFrame,
    bounds: Sequence[float],
    *,
    since: datetime,
    as_of: datetime,
    today: date,
    cost_per_day: float | None = None,
) -> pl.DataFrame:
    """What each size class takes and gives between `since` and `as_of`.

    Columns: size_class, deals (open at some time of it), deal_days (days that they were open in
    it), won_deals, won_amount; deal_share, days_share, amount_share (0-1 of all classes); cost
    (`cost_per_day` of all sales work, by share of the deal-days: as if every open deal took equal
    time of its owner; null without it) and amount_per_deal_day (won amount / deal_days).
    """
    watched = watched_spells(
        with_size_class(deals, bounds), since=since, as_of=as_of, today=today
    ).with_columns(
        size_class=pl.col("size_class").fill_null(""), open=pl.col("to_days") - pl.col("from_days")
    )
    won = pl.col("outcome") == "won"
    table = watched.group_by("size_class").agg(
        pl.len().cast(pl.Int64).alias("deals"),
        pl.col("open").sum().alias("deal_days"),
        won.sum().cast(pl.Int64).alias("won_deals"),
        pl.col("amount").filter(won).sum().alias("won_amount"),
    )
    length = (as_of - since).total_seconds() / 86_400

    def share(column: str) -> pl.Expr:
        return pl.when(pl.col(column).sum() > 0).then(pl.col(column) / pl.col(column).sum())

    cost = pl.lit(None, pl.Float64)
    if cost_per_day is not None:
        cost = share("deal_days") * cost_per_day * length
    return table.sort("size_class").with_columns(
        share("deals").alias("deal_share"),
        share("deal_days").alias("days_share"),
        share("won_amount").alias("amount_share"),
        cost.alias("cost"),
        pl.when(pl.col("deal_days") > 0)
        .then(pl.col("won_amount") / pl.col("deal_days"))
        .alias("amount_per_deal_day"),
    )
