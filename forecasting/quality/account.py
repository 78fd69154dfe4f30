"""What an account does as a rule, so that a single deal can be told from the habit.

A round amount is a guess only where won deals are seldom round; a month's end is a placeholder
only where deals are not really won then. What the CRM never gives cannot be missing.
"""

from typing import Final

import polars as pl

_ROUND_FROM: Final = 1000
"""Below this an amount with one digit and zeros is as likely a price."""


def is_round() -> pl.Expr:
    """Whether `amount` is one digit followed by zeros, and at least `_ROUND_FROM`."""
    amount = pl.col("amount")
    leading = amount / pl.lit(10.0).pow(amount.clip(lower_bound=1.0).log10().floor())
    return (amount >= _ROUND_FROM) & ((leading - leading.round()).abs() < 1e-9)


def at_month_end(column: str) -> pl.Expr:
    return pl.col(column) == pl.col(column).dt.month_end()


def habits(deals: pl.DataFrame) -> pl.DataFrame:
    """Per connection: which values its CRM gives at all, and how its won and open deals are.

    Columns: connection, gives_* (true where at least one deal has such a value), won_deals (with
    an amount), won_round and open_round (shares of amounts), won_at_month_end and
    open_at_month_end (shares of dates), open_month_ends (how many).
    """

    def given(*columns: str) -> pl.Expr:
        return pl.any_horizontal(pl.col(columns).is_not_null().any())

    is_open, won = pl.col("status") == "open", pl.col("status") == "won"
    looked_at = deals.filter(pl.col("status") != "lost").select(
        "connection", "status", "amount", "close_date", "closed_on", rounded=is_round()
    )
    shares = looked_at.group_by("connection").agg(
        (won & pl.col("amount").is_not_null()).sum().alias("won_deals"),
        pl.col("rounded").filter(won).mean().alias("won_round"),
        pl.col("rounded").filter(is_open).mean().alias("open_round"),
        at_month_end("closed_on").filter(won).mean().alias("won_at_month_end"),
        at_month_end("close_date").filter(is_open).mean().alias("open_at_month_end"),
        at_month_end("close_date").filter(is_open).sum().alias("open_month_ends"),
    )
    gives = deals.group_by("connection").agg(
        given("next_step").alias("gives_next_step"),
        given("next_activity_at", "last_activity_at").alias("gives_activities"),
        given("contact_count").alias("gives_contacts"),
        given("company_count").alias("gives_companies"),
        given("currency").alias("gives_currency"),
        given("loss_reason").alias("gives_loss_reason"),
        given("last_contacted_at", "contact_attempts").alias("gives_contacting"),
        given("last_reply_at").alias("gives_replies"),
    )
    return gives.join(shares, on="connection", how="left").with_columns(
        pl.col("won_deals").fill_null(0)
    )


def repeated(deals: pl.DataFrame) -> pl.DataFrame:
    """Per pipeline and amount of its open deals: how many open deals have it, and which share of
    the open and of the won ones.

    Columns: connection, pipeline_id, amount, same_open, same_open_share, same_won_share.
    """
    place = ("connection", "pipeline_id")
    with_amount = deals.filter(pl.col("amount").is_not_null() & (pl.col("status") != "lost"))
    is_open, won = pl.col("status") == "open", pl.col("status") == "won"
    sizes = with_amount.group_by(place).agg(
        is_open.sum().alias("open_in_all"), won.sum().alias("won_in_all")
    )
    return (
        with_amount.group_by(*place, "amount")
        .agg(is_open.sum().alias("same_open"), won.sum().alias("same_won"))
        .filter(pl.col("same_open") > 1)
        .join(sizes, on=place, nulls_equal=True)
        .select(
            *place,
            "amount",
            "same_open",
            (pl.col("same_open") / pl.col("open_in_all")).alias("same_open_share"),
            pl.when(pl.col("won_in_all") > 0)
            .then(pl.col("same_won") / pl.col("won_in_all"))
            .otherwise(0.0)
            .alias("same_won_share"),
        )
    )
