"""Sales velocity: how much money a day the sales process turns out, and what drives it.

An indicator, not a forecast. Definitions, cut-offs and samples: docs/velocity.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from forecasting.segments import SEGMENTS, SegmentKind, by_segment, of_one_connection


def sales_velocity(
    opportunities: float, average_value: float, win_rate: float, cycle_length_days: float
) -> float:
    """Money per day: opportunities x average value x win rate (0-1) / cycle length in days.

    ValueError where a driver cannot be: a cycle of 0 days or less, a rate outside 0-1, fewer than
    no opportunities.
    """
    if not cycle_length_days > 0:
        raise ValueError(f"cycle_length_days is {cycle_length_days}: it has to be above 0")
    if not 0 <= win_rate <= 1:
        raise ValueError(f"win_rate is {win_rate}: it has to be 0-1")
    if not opportunities >= 0:
        raise ValueError(f"opportunities is {opportunities}: it cannot be below 0")
    return opportunities * average_value * win_rate / cycle_length_days


@dataclass(frozen=True, slots=True)
class Drivers:
    """The four drivers of sales velocity, with the meanings of `sales_velocity`."""

    opportunities: float
    average_value: float
    win_rate: float
    cycle_length_days: float

    @property
    def sales_velocity(self) -> float:
        """Money per day."""
        return sales_velocity(
            self.opportunities, self.average_value, self.win_rate, self.cycle_length_days
        )


def what_if(
    drivers: Drivers,
    *,
    win_rate: float | None = None,
    cycle_length_days: float | None = None,
    value_factor: float = 1.0,
    opportunities_factor: float = 1.0,
) -> Drivers:
    """The drivers as they would be; None and 1.0 leave one as it is."""
    return Drivers(
        opportunities=drivers.opportunities * opportunities_factor,
        average_value=drivers.average_value * value_factor,
        win_rate=drivers.win_rate if win_rate is None else win_rate,
        cycle_length_days=(
            drivers.cycle_length_days if cycle_length_days is None else cycle_length_days
        ),
    )


def measure(
    deals: pl.DataFrame,
    *,
    today: date,
    window_days: int = 365,
    segments: Sequence[SegmentKind] = SEGMENTS,
) -> pl.DataFrame:
    """The drivers and the velocity of one connection, a row per segment.

    Columns: window_start, window_end (both days in the window; the end is `today`), segment_kind,
    segment, opportunities, average_value, win_rate, cycle_length_days, sales_velocity, won_deals,
    decided_deals. A driver without a deal to measure it on is null, and the velocity with it.
    ValueError where `deals` hold several connections.
    """
    of_one_connection(deals)
    start = today - timedelta(days=window_days - 1)
    decided = pl.col("status").is_in(("won", "lost")) & pl.col("closed_on").is_between(start, today)
    won = decided & (pl.col("status") == "won")
    measures = [
        (pl.col("status") == "open").sum().cast(pl.Int64).alias("opportunities"),
        pl.col("amount").filter(won).mean().alias("average_value"),
        _cycle_days().filter(won).mean().alias("cycle_length_days"),
        won.sum().cast(pl.Int64).alias("won_deals"),
        decided.sum().cast(pl.Int64).alias("decided_deals"),
    ]
    relevant = deals.filter((pl.col("status") == "open") | decided)
    win_rate = pl.col("won_deals") / pl.col("decided_deals")
    velocity = (
        pl.col("opportunities")
        * pl.col("average_value")
        * pl.col("win_rate")
        / pl.when(pl.col("cycle_length_days") > 0).then("cycle_length_days")
    )
    return (
        by_segment(relevant, measures, segments)
        .with_columns(win_rate=pl.when(pl.col("decided_deals") > 0).then(win_rate))
        .select(
            pl.lit(start).alias("window_start"),
            pl.lit(today).alias("window_end"),
            "segment_kind",
            "segment",
            "opportunities",
            "average_value",
            "win_rate",
            "cycle_length_days",
            velocity.alias("sales_velocity"),
            "won_deals",
            "decided_deals",
        )
    )


def _cycle_days() -> pl.Expr:
    """Creation to closing in days; null where a deal was closed on a day before its creation."""
    days = (pl.col("closed_at") - pl.col("created_at")).dt.total_seconds(fractional=True) / 86_400
    return pl.when(pl.col("closed_on") >= pl.col("created_on")).then(days.clip(lower_bound=0))
