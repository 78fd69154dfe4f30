"""What one method says of each open deal: its chances, its call and the day it would be won."""

from datetime import date, timedelta
from typing import Final

import numpy as np
import polars as pl

from forecasting.deals import Period, PeriodKind, period_of
from forecasting.history import KEY
from forecasting.methods.base import ForecastMethod
from forecasting.snapshot import Snapshot

AHEAD_DAYS: Final = (7, 14, 28, 42, 63, 91, 126, 182, 273, 365, 547, 730)
"""Where the chance of having won by then is asked for; straight lines between."""

QUARTERS: Final = 5
"""A close date further off than this many quarters counts as if there were no limit."""

EVEN: Final = 0.5


def outlook(method: ForecastMethod, snapshot: Snapshot, *, dated: bool = True) -> pl.DataFrame:
    """connection, deal_id, win_probability, win_probability_by_month, win_probability_by_quarter,
    call, predicted_close_on, amount_if_won, amount_source of every open deal; null: unknown.

    `call`: LOSE where it is more likely not won at all; else WIN where it is won by the end of the
    quarter of its close date (of this quarter where that is missing or past) as likely as not, else
    SLIP. `predicted_close_on`: the day by which half of the chance has come in; null within
    `AHEAD_DAYS` if it has not, and always where not `dated`, for methods that take the deal's own
    close date.
    """
    month = period_of(snapshot.today, PeriodKind.MONTH)
    quarters = [period_of(snapshot.today, PeriodKind.QUARTER)]
    while len(quarters) < QUARTERS:
        quarters.append(quarters[-1].next())
    told = method.deals(snapshot, [month, *quarters])
    months = told.filter(pl.col("period_kind") == "month").select(
        *KEY,
        "win_probability",
        pl.col("win_probability_by").alias("win_probability_by_month"),
        pl.col("amount").alias("amount_if_won"),
        "amount_source",
    )
    this_quarter = told.filter(
        (pl.col("period_kind") == "quarter") & (pl.col("period_start") == quarters[0].start)
    ).select(*KEY, pl.col("win_probability_by").alias("win_probability_by_quarter"))
    return (
        months.join(this_quarter, on=KEY, how="left")
        .join(_due(told, snapshot), on=KEY, how="left")
        .join(_days(method, snapshot, dated), on=KEY, how="left")
        .with_columns(
            call=pl.when(pl.col("win_probability") < EVEN)
            .then(pl.lit("LOSE"))
            .when(pl.coalesce("by_due", "win_probability") >= EVEN)
            .then(pl.lit("WIN"))
            .when(pl.col("win_probability").is_not_null())
            .then(pl.lit("SLIP"))
        )
        .drop("by_due")
        .sort(*KEY)
    )


def _due(told: pl.DataFrame, snapshot: Snapshot) -> pl.DataFrame:
    """Per deal the chance of being won by the end of the quarter it should close in."""
    due = pl.max_horizontal(pl.col("close_date").fill_null(snapshot.today), pl.lit(snapshot.today))
    dates = snapshot.deals.filter(pl.col("status") == "open").select(*KEY, due.alias("due"))
    return (
        told.filter(pl.col("period_kind") == "quarter")
        .join(dates, on=KEY, how="inner")
        .filter(pl.col("due").is_between("period_start", "period_end", closed="left"))
        .select(*KEY, pl.col("win_probability_by").alias("by_due"))
    )


def _days(method: ForecastMethod, snapshot: Snapshot, dated: bool) -> pl.DataFrame:
    """Per deal the day by which half of its chance of winning has come in."""
    if not dated:
        nothing = pl.lit(None, pl.Date).alias("predicted_close_on")
        return snapshot.deals.filter(pl.col("status") == "open").select(*KEY, nothing)
    told = method.deals(snapshot, [_window(snapshot.today, days) for days in AHEAD_DAYS])
    by = told.pivot("period_end", index=[*KEY, "win_probability"], values="win_probability_by")
    ends = [str(_window(snapshot.today, days).end) for days in AHEAD_DAYS]
    chances = by.select(ends).fill_null(0.0).to_numpy()
    ever = by["win_probability"].fill_null(pl.Series(chances[:, -1])).to_numpy()
    day = _reached(chances, ever / 2)
    start = pl.lit(snapshot.today)
    offset = pl.Series("day", day).fill_nan(None).ceil().cast(pl.Int64)
    return by.select(*KEY, offset).select(
        *KEY, (start + pl.duration(days="day")).cast(pl.Date).alias("predicted_close_on")
    )


def _window(today: date, days: int) -> Period:
    return Period(today, today + timedelta(days=days), PeriodKind.WINDOW)


def _reached(chances: np.ndarray, half: np.ndarray) -> np.ndarray:
    """Days until a row of `chances` at `AHEAD_DAYS` reaches `half`; NaN where it does not."""
    days = np.concatenate([[0.0], AHEAD_DAYS])
    risen = np.maximum.accumulate(np.column_stack([np.zeros(len(chances)), chances]), axis=1)
    after = (risen < half[:, None]).sum(axis=1)
    there = (after < days.size) & (half > 0)
    at = np.clip(after, 1, days.size - 1)
    rows = np.arange(len(risen))
    low, high = risen[rows, at - 1], risen[rows, at]
    step = np.divide(half - low, high - low, out=np.zeros(len(risen)), where=high > low)
    reached = days[at - 1] + step * (days[at] - days[at - 1])
    return np.where(there, reached, np.nan)
