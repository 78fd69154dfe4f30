"""Shares and times of two ways out, with those still under way counted for as long as they were
watched: Aalen-Johansen, with late entry.

A deal enters the risk set at the age at which watching begins and leaves it when it ends or when
watching stops. So a deal that is still open is neither a win nor a loss, and it is not left out.
"""

from collections.abc import Sequence
from typing import Final

import polars as pl

Z95: Final = 1.959963984540054
"""Half the width of a 95 % interval in standard errors."""

_LEAST_DAYS: Final = 1e-6
_QUANTILES: Final = {"median_days": 0.5, "p75_days": 0.75, "p90_days": 0.9}


def incidence(
    spells: pl.DataFrame, by: Sequence[str], *, horizon_days: float | None = None, z: float = Z95
) -> pl.DataFrame:
    """Per group of `by`, what share ends in the first way out, and how long that takes.

    `spells`: a row each, with from_days and to_days (its age in days when watching began and
    stopped) and outcome: "won", "lost", or anything else for still under way. Columns: `by`, then
    spells, won, lost, open; share (ends in "won" by `horizon_days`, None = as far as was watched),
    share_error (standard error), share_low, share_high; lost_share; mean_days, median_days,
    p75_days, p90_days of those that end in "won" (null where none does), their intervals
    mean_low, mean_high, median_low, median_high; followed_days (the last age with an ending).
    Where nothing ended, share is null.
    """
    keys = [*by] or ["_all"]
    frame = spells if by else spells.with_columns(pl.lit("").alias("_all"))
    if horizon_days is not None:
        frame = _cut(frame, horizon_days)
    counts = frame.group_by(keys).agg(
        pl.len().cast(pl.Int64).alias("spells"),
        *((pl.col("outcome") == way).sum().cast(pl.Int64).alias(way) for way in ("won", "lost")),
    )
    found = (
        counts.join(_ended(_steps(frame, keys), keys), on=keys, how="left", nulls_equal=True)
        .with_columns(open=pl.col("spells") - pl.col("won") - pl.col("lost"))
        .with_columns(*_share_interval(z))
        .with_columns(*_mean_interval(z))
        .sort(keys)
    )
    return found.select(
        *by, "spells", "won", "lost", "open", "share", "share_error", "share_low", "share_high",
        "lost_share", "mean_days", "mean_low", "mean_high", "median_days", "median_low",
        "median_high", "p75_days", "p90_days", "followed_days",
    )  # fmt: skip


def _cut(spells: pl.DataFrame, horizon_days: float) -> pl.DataFrame:
    """What can be seen of the spells up to that age."""
    later = pl.col("to_days") > horizon_days
    return spells.filter(pl.col("from_days") < horizon_days).with_columns(
        pl.when(later).then(pl.lit("open")).otherwise("outcome").alias("outcome"),
        pl.col("to_days").clip(upper_bound=horizon_days),
    )


def _steps(spells: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    """A row per group and age at which something happens: at_risk just before it, hazards."""
    ends = pl.max_horizontal(pl.col("to_days"), pl.col("from_days") + _LEAST_DAYS)
    entering = spells.group_by(*keys, pl.col("from_days").alias("age")).agg(
        pl.len().cast(pl.Int64).alias("net"), won=pl.lit(0, pl.Int64), lost=pl.lit(0, pl.Int64)
    )
    leaving = spells.group_by(*keys, ends.alias("age")).agg(
        -pl.len().cast(pl.Int64).alias("net"),
        *((pl.col("outcome") == way).sum().cast(pl.Int64).alias(way) for way in ("won", "lost")),
    )
    ended = pl.col("won") + pl.col("lost")
    return (
        pl.concat([entering, leaving])
        .group_by(*keys, "age")
        .agg(pl.col("net", "won", "lost").sum())
        .sort(*keys, "age")
        .with_columns(at_risk=(pl.col("net").cum_sum().over(keys) - pl.col("net")))
        .filter(ended > 0)
        .with_columns(staying=1 - ended / pl.col("at_risk"))
        .with_columns(after=pl.col("staying").cum_prod().over(keys))
        .with_columns(before=pl.col("after").shift(1).over(keys).fill_null(1.0))
        .with_columns(
            step=pl.col("before") * pl.col("won") / pl.col("at_risk"),
            lost_step=pl.col("before") * pl.col("lost") / pl.col("at_risk"),
        )
        .with_columns(reached=pl.col("step").cum_sum().over(keys))
        .with_columns(share=pl.col("reached").last().over(keys))
    )


def _ended(steps: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    """Shares, their variance (Marubini and Valsecchi) and times, a row per group."""
    at_risk, ended = pl.col("at_risk"), pl.col("won") + pl.col("lost")
    rest = pl.col("share") - pl.col("reached")
    first = pl.when(at_risk > ended).then(rest**2 * ended / (at_risk * (at_risk - ended)))
    second = pl.col("before") ** 2 * pl.col("won") * (at_risk - pl.col("won")) / at_risk**3
    third = 2 * rest * pl.col("before") * pl.col("won") / at_risk**2
    weight = pl.col("step") / pl.col("share")
    wins = pl.col("won").sum()
    half_width = Z95 * (0.25 / wins).sqrt()

    def reached(part: pl.Expr | float, name: str) -> pl.Expr:
        level = pl.col("share") * part * (1 - 1e-12)
        return pl.col("age").filter(pl.col("reached") >= level).first().alias(name)

    return (
        steps.group_by(keys, maintain_order=True)
        .agg(
            pl.col("share").last(),
            pl.col("lost_step").sum().alias("lost_share"),
            (first.fill_null(0.0) + second - third).sum().clip(lower_bound=0).alias("variance"),
            pl.col("age").last().alias("followed_days"),
            (pl.col("age") * weight).sum().alias("mean_days"),
            (pl.col("age") ** 2 * weight).sum().alias("square"),
            *(reached(part, name) for name, part in _QUANTILES.items()),
            reached((0.5 - half_width).clip(lower_bound=0.0), "median_low"),
            reached((0.5 + half_width).clip(upper_bound=1.0), "median_high"),
        )
        .with_columns(
            pl.when(pl.col("share") > 0).then(column).alias(column)
            for column in ("mean_days", "square", *_QUANTILES, "median_low", "median_high")
        )
    )


def _share_interval(z: float) -> list[pl.Expr]:
    """On the scale of log-odds; Wilson's where all or none of those that ended were won."""
    share, ended = pl.col("share"), (pl.col("won") + pl.col("lost")).cast(pl.Float64)
    error = pl.col("variance").sqrt()
    inside = (share > 1e-9) & (share < 1 - 1e-9) & (error > 0)
    odds = (share / (1 - share)).log()
    width = z * error / (share * (1 - share))
    middle = (share + z**2 / (2 * ended)) / (1 + z**2 / ended)
    half = (share * (1 - share) / ended + z**2 / (4 * ended**2)).clip(lower_bound=0).sqrt()
    wilson = z * half / (1 + z**2 / ended)

    def limit(sign: int) -> pl.Expr:
        plain = (middle + sign * wilson).clip(0.0, 1.0)
        return pl.when(inside).then(1 / (1 + (-(odds + sign * width)).exp())).otherwise(plain)

    # nobody's share is known without error, even where all ended alike
    known = pl.when(inside).then(error).otherwise((limit(1) - limit(-1)) / (2 * z))
    return [
        known.alias("share_error"),
        limit(-1).alias("share_low"),
        limit(1).alias("share_high"),
    ]


def _mean_interval(z: float) -> list[pl.Expr]:
    spread = (pl.col("square") - pl.col("mean_days") ** 2).clip(lower_bound=0).sqrt()
    half = z * spread / (pl.col("won") - 1).cast(pl.Float64).sqrt()
    known = pl.when(pl.col("won") >= 2)
    return [
        known.then((pl.col("mean_days") - half).clip(lower_bound=0)).alias("mean_low"),
        known.then(pl.col("mean_days") + half).alias("mean_high"),
    ]
