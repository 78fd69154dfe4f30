"""Sales velocity: how much money a day the sales process turns out, and what drives it.

An indicator, not a forecast. Definitions, cut-offs and samples: docs/velocity.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, Literal

import polars as pl

from forecasting.backtest import start_of
from forecasting.competing_risks import Z95, incidence
from forecasting.deals import INSTANT
from forecasting.segments import (
    ALL_SEGMENTS,
    SEGMENT_OF,
    SEGMENTS,
    SegmentKind,
    by_segment,
    of_one_connection,
)


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
        cycle_days().filter(won).mean().alias("cycle_length_days"),
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


def cycle_days() -> pl.Expr:
    """Creation to closing in days; null where a deal was closed on a day before its creation."""
    days = (pl.col("closed_at") - pl.col("created_at")).dt.total_seconds(fractional=True) / 86_400
    return pl.when(pl.col("closed_on") >= pl.col("created_on")).then(days.clip(lower_bound=0))


VelocitySegment = SegmentKind | Literal["size"]

TOO_FEW_WON: Final = 5
TOO_FEW_DECIDED: Final = 20
"""Below either, a segment's velocity is marked as resting on too few deals."""

CREATED_OVER_DAYS: Final = 91
"""How far back the deals created per week are counted."""

DRIVER_COLUMNS: Final = (
    "opportunities", "created_per_week", "average_value", "median_value", "value_error",
    "win_rate", "win_rate_low", "win_rate_high", "win_rate_error",
    "cycle_days", "cycle_days_low", "cycle_days_high", "median_cycle_days", "p75_cycle_days",
    "p90_cycle_days", "sales_velocity", "sales_velocity_low", "sales_velocity_high",
    "textbook_win_rate", "textbook_cycle_days", "textbook_velocity",
    "won_deals", "decided_deals", "watched_deals", "without_amount", "without_rate",
    "without_cycle", "note",
)  # fmt: skip


def drivers(
    deals: pl.DataFrame,
    *,
    as_of: datetime,
    today: date,
    zone: str,
    window_days: int = 365,
    segments: Sequence[VelocitySegment] = ALL_SEGMENTS,
) -> pl.DataFrame:
    """The drivers of one connection with open deals respected, and the textbook's beside them.

    A row per segment: segment_kind, segment, `DRIVER_COLUMNS`. `win_rate` and the cycle are those
    of all deals watched at any time in the window, at the ages they then had (`incidence`): an
    open deal counts as still under way, a dead one that nobody closes as not won. `textbook_*`
    are `measure`'s. Intervals are 95 %; that of the velocity takes the open deals as counted.
    `note`: null, nothing_decided, nothing_won, no_amount or too_few. Kind "size" needs a column
    size_class (`sizes.with_size_class`). ValueError where `deals` hold several connections.
    """
    of_one_connection(deals)
    start = today - timedelta(days=window_days - 1)
    known = deals.with_columns(segment_of(kind).alias(f"by_{kind}") for kind in segments)
    decided = pl.col("status").is_in(("won", "lost")) & pl.col("closed_on").is_between(start, today)
    relevant = known.filter((pl.col("status") == "open") | decided)
    watched = watched_spells(known, since=start_of(start, zone), as_of=as_of, today=today)
    parts = []
    for kind in segments:
        by = f"by_{kind}"
        counted = _counted(relevant, decided, today, None if kind == "total" else by)
        rates = incidence(watched, [] if kind == "total" else [by])
        if kind == "total":
            counted, rates = (each.with_columns(pl.lit("").alias(by)) for each in (counted, rates))
        both = counted.join(rates, on=by, how="left")
        parts.append(
            _velocities(both)
            .sort(by)
            .select(
                pl.lit(kind).alias("segment_kind"), pl.col(by).alias("segment"), *DRIVER_COLUMNS
            )
        )
    return pl.concat(parts)


def watched_spells(
    deals: pl.DataFrame, *, since: datetime, as_of: datetime, today: date
) -> pl.DataFrame:
    """`deals` that were open at any time from `since` to `as_of`, as spells for `incidence`:
    from_days and to_days since their creation, and outcome as of then.

    Left out: decided deals without a closing day, or closed before they were created.
    """
    ended = pl.col("status").is_in(("won", "lost")) & (pl.col("closed_on") <= today)
    until = pl.when(ended).then("closed_at").otherwise(pl.lit(as_of, INSTANT))
    undated = (pl.col("status") != "open") & pl.col("closed_on").is_null()
    backwards = ended & (pl.col("closed_on") < pl.col("created_on"))
    return (
        deals.filter(~undated & ~backwards & (pl.col("created_at") <= as_of))
        .with_columns(until=until, outcome=pl.when(ended).then("status").otherwise(pl.lit("open")))
        .filter(pl.col("until") >= since)
        .with_columns(
            from_days=_days(pl.lit(since, INSTANT) - pl.col("created_at")).clip(lower_bound=0.0),
            to_days=_days(pl.col("until") - pl.col("created_at")).clip(lower_bound=0.0),
        )
    )


def segment_of(kind: VelocitySegment) -> pl.Expr:
    """The segment of each deal, "" for none; kind "size" is read from column size_class."""
    if kind == "total":
        return pl.lit("")
    if kind == "size":
        return pl.col("size_class").fill_null("")
    return SEGMENT_OF[kind]


def _days(duration: pl.Expr) -> pl.Expr:
    return duration.dt.total_seconds(fractional=True) / 86_400


def _counted(relevant: pl.DataFrame, decided: pl.Expr, today: date, by: str | None) -> pl.DataFrame:
    won = decided & (pl.col("status") == "won")
    value, cycle = pl.col("amount").filter(won), cycle_days().filter(won)
    problem = pl.col("amount_problem").fill_null("") == "no_rate"
    created = pl.col("created_on") > today - timedelta(days=CREATED_OVER_DAYS)
    measures = [
        (pl.col("status") == "open").sum().cast(pl.Int64).alias("opportunities"),
        (created.sum() / (CREATED_OVER_DAYS / 7)).alias("created_per_week"),
        value.mean().alias("average_value"),
        value.median().alias("median_value"),
        (value.std() / value.count().cast(pl.Float64).sqrt()).alias("value_error"),
        cycle.mean().alias("textbook_cycle_days"),
        won.sum().cast(pl.Int64).alias("won_deals"),
        decided.sum().cast(pl.Int64).alias("decided_deals"),
        (won & pl.col("amount").is_null() & ~problem).sum().cast(pl.Int64).alias("without_amount"),
        (won & pl.col("amount").is_null() & problem).sum().cast(pl.Int64).alias("without_rate"),
        (won & cycle_days().is_null()).sum().cast(pl.Int64).alias("without_cycle"),
    ]
    return relevant.select(measures) if by is None else relevant.group_by(by).agg(measures)


def _velocities(both: pl.DataFrame) -> pl.DataFrame:
    """From counts and rates the velocity, its interval (errors of the factors added as of a
    product) and what is to be said against it.
    """

    def product(rate: str, cycle: str) -> pl.Expr:
        days = pl.when(pl.col(cycle) > 0).then(cycle)
        return pl.col("opportunities") * pl.col("average_value") * pl.col(rate) / days

    named = both.with_columns(
        win_rate="share",
        win_rate_low="share_low",
        win_rate_high="share_high",
        win_rate_error="share_error",
        cycle_days="mean_days",
        cycle_days_low="mean_low",
        cycle_days_high="mean_high",
        median_cycle_days="median_days",
        p75_cycle_days="p75_days",
        p90_cycle_days="p90_days",
        watched_deals=pl.col("spells").fill_null(0),
        textbook_win_rate=pl.when(pl.col("decided_deals") > 0).then(
            pl.col("won_deals") / pl.col("decided_deals")
        ),
    ).with_columns(
        sales_velocity=product("win_rate", "cycle_days"),
        textbook_velocity=product("textbook_win_rate", "textbook_cycle_days"),
    )
    cycle_error = (pl.col("cycle_days_high") - pl.col("cycle_days_low")) / (2 * Z95)
    spread = (
        (pl.col("value_error") / pl.col("average_value")) ** 2
        + (pl.col("win_rate_error") / pl.col("win_rate")) ** 2
        + (cycle_error / pl.col("cycle_days")) ** 2
    ).sqrt()
    few = (pl.col("won_deals") < TOO_FEW_WON) | (pl.col("decided_deals") < TOO_FEW_DECIDED)
    return named.with_columns(
        sales_velocity_low=pl.col("sales_velocity") * (-Z95 * spread).exp(),
        sales_velocity_high=pl.col("sales_velocity") * (Z95 * spread).exp(),
        note=pl.when(pl.col("decided_deals") == 0)
        .then(pl.lit("nothing_decided"))
        .when(pl.col("won_deals") == 0)
        .then(pl.lit("nothing_won"))
        .when(pl.col("average_value").is_null())
        .then(pl.lit("no_amount"))
        .when(few)
        .then(pl.lit("too_few")),
    )
