"""Selling days between two columns of days."""

import polars as pl

from forecasting.selling_days import SellingDays


def selling_days_between(calendar: SellingDays, start: pl.Expr, end: pl.Expr) -> pl.Expr:
    """`calendar.count` of two columns of days, as Int64; null where either is."""
    mask = [day not in calendar.weekend for day in range(7)]
    counted = pl.business_day_count(
        start, end, week_mask=mask, holidays=sorted(calendar.holidays) or ()
    )
    return counted.cast(pl.Int64).clip(lower_bound=0)
