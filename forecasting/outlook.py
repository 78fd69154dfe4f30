"""What one method says of each open deal: its chances, its call and the day it would be won."""

import polars as pl

from forecasting.history import KEY
from forecasting.methods.base import ForecastMethod
from forecasting.methods.multivariable import Multivariable
from forecasting.periods import PeriodKind, period_of
from forecasting.reasons import calls
from forecasting.snapshot import Snapshot


def outlook(method: ForecastMethod, snapshot: Snapshot) -> pl.DataFrame:
    """connection, deal_id, win_probability, win_probability_by_month, win_probability_by_quarter,
    call, predicted_close_on, amount_if_won, amount_source of every open deal; null: unknown.

    `call`: the likeliest of WIN (won in this quarter), SLIP (won later) and LOSE. The predicted day
    is multivariable's alone: other methods have none but the deal's own close date.
    """
    month, quarter = (
        period_of(snapshot.today, kind) for kind in (PeriodKind.MONTH, PeriodKind.QUARTER)
    )
    told = method.deals(snapshot, [month, quarter])
    kind = pl.col("period_kind")
    months = told.filter(kind == "month").select(
        *KEY,
        "win_probability",
        pl.col("win_probability_by").alias("win_probability_by_month"),
        pl.col("amount").alias("amount_if_won"),
        "amount_source",
    )
    quarters = told.filter(kind == "quarter").select(
        *KEY, pl.col("win_probability_by").alias("win_probability_by_quarter")
    )
    both = months.join(quarters, on=KEY, how="left").sort(*KEY)
    if isinstance(method, Multivariable):
        dated = calls(method, snapshot, quarter.end).select(
            *KEY, "call", pl.col("predicted_close_date").alias("predicted_close_on")
        )
        return both.join(dated, on=KEY, how="left")
    return both.with_columns(call=_call(), predicted_close_on=pl.lit(None, pl.Date))


def _call() -> pl.Expr:
    ever, by = pl.col("win_probability"), pl.col("win_probability_by_quarter").fill_null(0.0)
    lost, later = 1 - ever, ever - by
    return (
        pl.when(ever.is_null())
        .then(None)
        .when((by >= lost) & (by >= later))
        .then(pl.lit("WIN"))
        .when(lost >= later)
        .then(pl.lit("LOSE"))
        .otherwise(pl.lit("SLIP"))
    )
