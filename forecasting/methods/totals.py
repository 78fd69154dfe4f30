"""From chances per deal to the forecast of a period: the same sums for every method."""

from collections.abc import Sequence
from typing import Final

import polars as pl

from forecasting.history import KEY
from forecasting.methods.base import DEALS_SCHEMA, TOTALS_SCHEMA
from forecasting.periods import Period
from forecasting.segments import SegmentKind, by_segment, of_one_connection
from forecasting.snapshot import Snapshot

LEFT_OUT: Final = ("close_date_missing", "overdue", "amount_missing", "no_rate", "no_probability")
"""Why a deal could not count; the first that applies, so that each deal is told once. Deals won in
the period whose value is unknown are among them: they add nothing to what is won.
"""

SEGMENT_COLUMNS: Final = ("pipeline_id", "team", "owner_id", "deal_type")

NEW_COLUMNS: Final = ("new_expected", "new_variance", "new_third_moment")


def of_period(period: Period) -> list[pl.Expr]:
    """The columns that name a period."""
    return [
        pl.lit(period.kind.value).alias("period_kind"),
        pl.lit(period.start).alias("period_start"),
        pl.lit(period.end).alias("period_end"),
    ]


def totals(
    snapshot: Snapshot,
    chances: Sequence[tuple[Period, pl.DataFrame]],
    segments: Sequence[SegmentKind],
    *,
    sample: int,
    notes: Sequence[str | None],
    new: Sequence[pl.DataFrame] | None = None,
) -> pl.DataFrame:
    """`TOTALS_SCHEMA` from the open deals' chances in each period.

    `chances`: per period a row per open deal: connection, deal_id, inside (P(won in the period)),
    m1, m2, m3 (moments of the amount if won), left_out (reason or null; such a deal adds nothing).
    `new`: per period rows of expected revenue from deals not yet created, with the segment columns
    and `NEW_COLUMNS`; independent, so that they add up.
    """
    of_one_connection(snapshot.deals)
    won = snapshot.deals.filter(pl.col("status") == "won").select(
        *SEGMENT_COLUMNS, "closed_on", *_unvalued(), won_amount=pl.col("amount").fill_null(0.0)
    )
    opened = snapshot.deals.filter(pl.col("status") == "open").select(*KEY, *SEGMENT_COLUMNS)
    parts = []
    for index, (period, frame) in enumerate(chances):
        inside = won.filter(
            (pl.col("closed_on") >= period.start) & (pl.col("closed_on") < period.end)
        ).drop("closed_on")
        rows = [inside, opened.join(frame, on=KEY, how="inner").select(*_moments())]
        if new is not None:
            rows.append(new[index].select(*SEGMENT_COLUMNS, *NEW_COLUMNS))
        together = pl.concat(rows, how="diagonal")
        for column in TOTALS_SCHEMA:
            if column.startswith(("won_", "open_", "new_")) and column not in together.columns:
                together = together.with_columns(pl.lit(0.0).alias(column))
        parts.append(
            by_segment(together, _measures(), segments).select(
                *of_period(period),
                "segment_kind",
                "segment",
                *(name for name in TOTALS_SCHEMA if name.startswith(("won_", "open_", "new_"))),
                (pl.col("won_amount") + pl.col("open_expected") + pl.col("new_expected")).alias(
                    "forecast"
                ),
                pl.lit(sample).alias("sample"),
                pl.lit(notes[index], pl.String).alias("note"),
                pl.struct(LEFT_OUT).struct.json_encode().alias("left_out"),
            )
        )
    schema = pl.Schema(TOTALS_SCHEMA)
    return pl.concat(parts).cast(schema) if parts else pl.DataFrame(schema=schema)


def by_close_date(placed: pl.DataFrame, periods: Sequence[Period]) -> pl.DataFrame:
    """`DEALS_SCHEMA` of methods that take a deal's close date as the day it is won. `placed`: as
    `placed_deals` takes it, with amount_source.
    """
    chance = pl.col("win_probability")
    by = (
        pl.when(pl.col("unplaced").is_not_null() | chance.is_null())
        .then(None)
        .when(pl.col("close_date") < pl.col("period_end"))
        .then(chance)
        .otherwise(0.0)
    )
    parts = [
        placed.with_columns(*of_period(period))
        .with_columns(win_probability_by=by)
        .select(*DEALS_SCHEMA)
        for period in periods
    ]
    return pl.concat(parts) if parts else pl.DataFrame(schema=DEALS_SCHEMA)


def none_counts(placed: pl.DataFrame) -> bool:
    """Whether there are open deals, and none that can count in any period: `placed` as
    `placed_deals` takes it.
    """
    counts = pl.col("unplaced").is_null() & pl.col("win_probability").is_not_null()
    return placed.height > 0 and not placed.select(counts.any()).item()


def placed_deals(
    placed: pl.DataFrame, periods: Sequence[Period]
) -> list[tuple[Period, pl.DataFrame]]:
    """Per period the deals whose close date lies in it, and those that belong to none, as `totals`
    takes them. `placed`: connection, deal_id, close_date, win_probability, amount, amount_problem,
    unplaced (why the deal belongs to no period, or null).
    """
    unvalued = (
        pl.when(pl.col("amount").is_null() & (pl.col("amount_problem") == "no_rate"))
        .then(pl.lit("no_rate"))
        .when(pl.col("amount").is_null())
        .then(pl.lit("amount_missing"))
        .when(pl.col("win_probability").is_null())
        .then(pl.lit("no_probability"))
    )
    inside = pl.col("close_date").is_between(pl.col("start"), pl.col("end"), closed="left")
    return [
        (
            period,
            placed.with_columns(start=pl.lit(period.start), end=pl.lit(period.end))
            .filter(pl.col("unplaced").is_not_null() | inside.fill_null(False))
            .select(
                *KEY,
                pl.col("win_probability").alias("inside"),
                *((pl.col("amount") ** power).alias(f"m{power}") for power in (1, 2, 3)),
                pl.coalesce("unplaced", unvalued).alias("left_out"),
            ),
        )
        for period in periods
    ]


def _unvalued() -> list[pl.Expr]:
    """A won deal's part, but for its amount: one deal, and why its amount is unknown."""
    unknown, unpriced = pl.col("amount").is_null(), pl.col("amount_problem").eq_missing("no_rate")
    return [
        pl.lit(1, pl.Int64).alias("won_deals"),
        (unknown & ~unpriced).cast(pl.Int64).alias("amount_missing"),
        (unknown & unpriced).cast(pl.Int64).alias("no_rate"),
    ]


def _moments() -> list[pl.Expr]:
    """A deal's part: won with a chance, for an amount that is itself uncertain, or nothing."""
    counts = pl.col("left_out").is_null() & pl.col("m1").is_not_null()
    chance, first, second, third = (pl.col(name) for name in ("inside", "m1", "m2", "m3"))
    mean = chance * first
    zero = pl.lit(0.0)
    return [
        *(pl.col(name) for name in SEGMENT_COLUMNS),
        pl.when(counts).then(mean).otherwise(zero).alias("open_expected"),
        pl.when(counts).then(chance * second - mean**2).otherwise(zero).alias("open_variance"),
        pl.when(counts)
        .then(chance * third - 3 * chance * second * mean + 2 * mean**3)
        .otherwise(zero)
        .alias("open_third_moment"),
        counts.cast(pl.Int64).alias("open_deals"),
        *((pl.col("left_out") == reason).cast(pl.Int64).alias(reason) for reason in LEFT_OUT),
    ]


def _measures() -> list[pl.Expr]:
    counts = ("won_deals", "open_deals")
    amounts = [
        name
        for name in TOTALS_SCHEMA
        if name.startswith(("won_", "open_", "new_")) and name not in counts
    ]
    return [
        *(pl.col(name).sum() for name in amounts),
        *(pl.col(name).sum().cast(pl.Int64) for name in (*counts, *LEFT_OUT)),
    ]
