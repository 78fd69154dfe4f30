"""Revenue expected in each period: what is won already plus what the open deals are worth."""

import json
from collections.abc import Sequence
from datetime import date

import polars as pl

from forecasting.history import KEY
from forecasting.methods.base import ForecastMethod
from forecasting.periods import Period
from forecasting.segments import SEGMENTS, SegmentKind, by_segment, of_one_connection

LEFT_OUT = ("close_date_missing", "overdue", "amount_missing", "no_rate", "no_probability")
"""Why a deal could not count; the first that applies, so that each deal is told once."""


def forecast(
    method: ForecastMethod,
    predictions: pl.DataFrame,
    deals: pl.DataFrame,
    periods: Sequence[Period],
    *,
    today: date,
    segments: Sequence[SegmentKind] = SEGMENTS,
) -> pl.DataFrame:
    """The forecast of one connection by `method`, a row per period and segment.

    `predictions`: what `method.predict(deals)` gave. Columns: method, variant, period_kind,
    period_start, period_end (the first day after), segment_kind, segment, forecast (= won_amount
    + weighted_amount), won_amount, won_deals, open_amount, open_deals, weighted_amount, left_out
    (JSON: reason -> deals), parameters (JSON). Amounts in home currency.

    Won deals count in the period of their closed_on, open ones in that of their close_date. Open
    deals without a close date or with one before `today` count in no period and are reported in
    each. Every total is the sum over pipelines, and over owners. ValueError where `deals` hold
    several connections.
    """
    of_one_connection(deals)
    relevant = deals.filter(pl.col("status").is_in(("open", "won"))).join(
        predictions.select(*KEY, "weighted_amount"), on=KEY, how="left"
    )
    parts = [
        by_segment(_in_play(relevant, period, today), _measures(), segments).select(
            pl.lit(method.name).alias("method"),
            pl.lit(method.variant).alias("variant"),
            pl.lit(period.kind.value).alias("period_kind"),
            pl.lit(period.start).alias("period_start"),
            pl.lit(period.end).alias("period_end"),
            "segment_kind",
            "segment",
            (pl.col("won_amount") + pl.col("weighted_amount")).alias("forecast"),
            "won_amount",
            "won_deals",
            "open_amount",
            "open_deals",
            "weighted_amount",
            pl.struct(LEFT_OUT).struct.json_encode().alias("left_out"),
            pl.lit(json.dumps(dict(method.parameters))).alias("parameters"),
        )
        for period in periods
    ]
    return pl.concat(parts)


def _in_play(deals: pl.DataFrame, period: Period, today: date) -> pl.DataFrame:
    """The deals that belong to the period or cannot be placed, each with `part`: won, open or the
    reason for which it is left out.
    """
    is_open = pl.col("status") == "open"
    day = pl.when(is_open).then("close_date").otherwise("closed_on")
    inside = (day >= period.start) & (day < period.end)
    part = (
        pl.when(is_open & pl.col("close_date").is_null())
        .then(pl.lit("close_date_missing"))
        .when(is_open & (pl.col("close_date") < today))
        .then(pl.lit("overdue"))
        .when(~inside.fill_null(False))
        .then(None)
        .when(pl.col("amount").is_null() & (pl.col("amount_problem") == "no_rate"))
        .then(pl.lit("no_rate"))
        .when(pl.col("amount").is_null())
        .then(pl.lit("amount_missing"))
        .when(is_open & pl.col("weighted_amount").is_null())
        .then(pl.lit("no_probability"))
        .otherwise("status")
    )
    return deals.with_columns(part=part).filter(pl.col("part").is_not_null())


def _measures() -> list[pl.Expr]:
    won, opened = pl.col("part") == "won", pl.col("part") == "open"
    return [
        pl.col("amount").filter(won).sum().alias("won_amount"),
        won.sum().cast(pl.Int64).alias("won_deals"),
        pl.col("amount").filter(opened).sum().alias("open_amount"),
        opened.sum().cast(pl.Int64).alias("open_deals"),
        pl.col("weighted_amount").filter(opened).sum().alias("weighted_amount"),
        *((pl.col("part") == reason).sum().alias(reason) for reason in LEFT_OUT),
    ]
