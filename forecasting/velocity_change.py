"""Sales velocity month by month, and what made it change: four drivers and the mix, exactly.

The effects are Shapley values: each driver is changed from the earlier month's to the later one's
in every possible order, and its effect is the mean of what its change did. So they add up to the
whole change, none depends on the order in which one happens to look, and a driver may be 0.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import combinations, pairwise
from math import factorial
from typing import Final

import numpy as np
import polars as pl

from forecasting.periods import PeriodKind, period_of
from forecasting.segments import of_one_connection
from forecasting.tracks import Floats
from forecasting.velocity import (
    TOO_FEW_DECIDED,
    TOO_FEW_WON,
    VelocitySegment,
    cycle_days,
    segment_of,
)

EFFECTS: Final = ("opportunities", "average_value", "win_rate", "cycle_days", "mix")

_SUMS: Final = (
    "opportunities", "won_deals", "decided_deals", "priced_won", "won_amount", "timed_won",
    "won_days",
)  # fmt: skip


def months_until(today: date, count: int) -> list[date]:
    """The first days of the last `count` months, that of `today` included, in order."""
    months = [period_of(today, PeriodKind.MONTH).start]
    while len(months) < count:
        months.append(period_of(months[-1] - timedelta(days=1), PeriodKind.MONTH).start)
    return months[::-1]


def monthly(
    deals: pl.DataFrame,
    *,
    today: date,
    months: int = 13,
    over_months: int = 1,
    kind: VelocitySegment = "pipeline",
) -> pl.DataFrame:
    """What the drivers of each month and segment are made of, as sums; one connection.

    Columns: month (its first day), segment, opportunities (open at its end, or now), won_deals,
    decided_deals, priced_won and won_amount (of won deals with an amount), timed_won and won_days
    (of those not closed before their creation). Won and decided are those of the `over_months`
    months that end with it. Months before the first deal have no row. Past opportunities follow
    from the days of creation and closing.
    """
    of_one_connection(deals)
    known = deals.select(
        segment_of(kind).alias("segment"),
        "status",
        "created_on",
        "closed_on",
        "amount",
        days=cycle_days(),
    )
    firsts = months_until(today, months + over_months - 1)
    parts = [
        _month(known, firsts[number], firsts[number - over_months + 1], today)
        for number in range(over_months - 1, len(firsts))
    ]
    return pl.concat(parts)


def _month(known: pl.DataFrame, month: date, since: date, today: date) -> pl.DataFrame:
    end = min(period_of(month, PeriodKind.MONTH).last_day, today)
    is_open = (pl.col("created_on") <= end) & (
        (pl.col("status") == "open") | (pl.col("closed_on") > end)
    )
    decided = pl.col("status").is_in(("won", "lost")) & pl.col("closed_on").is_between(since, end)
    won = decided & (pl.col("status") == "won")
    return (
        known.filter(is_open | decided)
        .group_by("segment")
        .agg(
            is_open.sum().cast(pl.Float64).alias("opportunities"),
            won.sum().cast(pl.Float64).alias("won_deals"),
            decided.sum().cast(pl.Float64).alias("decided_deals"),
            pl.col("amount").filter(won).count().cast(pl.Float64).alias("priced_won"),
            pl.col("amount").filter(won).sum().cast(pl.Float64).alias("won_amount"),
            pl.col("days").filter(won).count().cast(pl.Float64).alias("timed_won"),
            pl.col("days").filter(won).sum().cast(pl.Float64).alias("won_days"),
        )
        .sort("segment")
        .select(pl.lit(month).alias("month"), "segment", *_SUMS)
    )


def month_drivers(months: pl.DataFrame) -> pl.DataFrame:
    """Per month of `monthly`, all segments together: month, opportunities, average_value, win_rate,
    cycle_days, sales_velocity (null where a driver is unknown or the cycle is 0), won_deals,
    decided_deals, note (null | nothing_won | too_few).
    """

    def ratio(part: str, whole: str) -> pl.Expr:
        return pl.when(pl.col(whole) > 0).then(pl.col(part) / pl.col(whole))

    few = (pl.col("won_deals") < TOO_FEW_WON) | (pl.col("decided_deals") < TOO_FEW_DECIDED)
    return (
        months.group_by("month")
        .agg(pl.col(_SUMS).sum())
        .with_columns(
            average_value=ratio("won_amount", "priced_won"),
            win_rate=ratio("won_deals", "decided_deals"),
            cycle_days=ratio("won_days", "timed_won"),
        )
        .with_columns(
            sales_velocity=pl.col("opportunities")
            * pl.col("average_value")
            * pl.col("win_rate")
            / pl.when(pl.col("cycle_days") > 0).then("cycle_days"),
            note=pl.when(pl.col("won_deals") == 0)
            .then(pl.lit("nothing_won"))
            .when(few)
            .then(pl.lit("too_few")),
        )
        .select(
            "month", pl.col("opportunities").cast(pl.Int64), "average_value", "win_rate",
            "cycle_days", "sales_velocity", pl.col("won_deals", "decided_deals").cast(pl.Int64),
            "note",
        )
        .sort("month")
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Change:
    """Velocity (money per day) of two months, and the part of each of `EFFECTS` in the change.

    `mix`: that won and decided deals were of other segments than before. The effects add up to
    `after - before`.
    """

    before: float
    after: float
    effects: dict[str, float]


def change(before: pl.DataFrame, after: pl.DataFrame) -> Change | None:
    """From one month's rows of `monthly` to another's; None where a month has no velocity."""
    sides = before.join(after, on="segment", how="full", coalesce=True, suffix="_after")
    known = sides.sort("segment").fill_null(0.0)
    then, now = (_Side.of(known, suffix) for suffix in ("", "_after"))
    if then is None or now is None:
        return None
    for one, other in ((then, now), (now, then)):
        one.borrow(other)
    if min(mix.days_shares @ side.days for mix in (then, now) for side in (then, now)) <= 0:
        # one month's shares with the other's cycles would be closed at once: no mix can be told
        whole = pl.lit("").alias("segment")
        return change(*(rows.select(whole, pl.col(_SUMS).sum()) for rows in (before, after)))

    def velocity(changed: frozenset[str]) -> float:
        def of(name: str) -> _Side:
            return now if name in changed else then

        mix = of("mix")
        value = mix.value_shares @ of("average_value").value
        rate = mix.rate_shares @ of("win_rate").rate
        days = mix.days_shares @ of("cycle_days").days
        return float(of("opportunities").opportunities * value * rate / days)

    return Change(
        before=velocity(frozenset()),
        after=velocity(frozenset(EFFECTS)),
        effects={name: _shapley(name, velocity) for name in EFFECTS},
    )


def _shapley(player: str, worth: Callable[[frozenset[str]], float]) -> float:
    others = [name for name in EFFECTS if name != player]
    total = 0.0
    for size in range(len(EFFECTS)):
        weight = factorial(size) * factorial(len(others) - size) / factorial(len(EFFECTS))
        for group in combinations(others, size):
            joined = frozenset(group)
            total += weight * (worth(joined | {player}) - worth(joined))
    return total


@dataclass(slots=True)
class _Side:
    """One month: per segment its rates, and its share of the deals that each is a mean over."""

    opportunities: float
    value: Floats
    rate: Floats
    days: Floats
    value_shares: Floats
    rate_shares: Floats
    days_shares: Floats

    @classmethod
    def of(cls, known: pl.DataFrame, suffix: str) -> "_Side | None":
        """None where nothing was won, or nothing that was has an amount and a time."""
        sums = {name: known[f"{name}{suffix}"].to_numpy() for name in _SUMS}
        wholes = ("priced_won", "decided_deals", "timed_won")
        if any(sums[name].sum() <= 0 for name in wholes) or sums["won_days"].sum() <= 0:
            return None
        parts = ("won_amount", "won_deals", "won_days")
        rates = [_ratio(sums[part], sums[whole]) for part, whole in zip(parts, wholes, strict=True)]
        shares = [sums[name] / sums[name].sum() for name in wholes]
        return cls(float(sums["opportunities"].sum()), *rates, *shares)

    def borrow(self, other: "_Side") -> None:
        """A segment without deals this month has the other month's rates: only the mix differs."""
        for name in ("value", "rate", "days"):
            own = getattr(self, name)
            theirs = np.nan_to_num(getattr(other, name))
            setattr(self, name, np.where(np.isnan(own), theirs, own))


def _ratio(part: Floats, whole: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(whole > 0, part / whole, np.nan), dtype=np.float64)


def changes(months: pl.DataFrame) -> pl.DataFrame:
    """Each month of `monthly` against the one before: month, before, after, `EFFECTS`; money per
    day. A month without a velocity, or after one, has nulls.
    """
    firsts: Sequence[date] = months["month"].unique().sort().to_list()
    rows = []
    for earlier, later in pairwise(firsts):
        found = change(*(_rows_of(months, month) for month in (earlier, later)))
        told = {"before": found.before, "after": found.after} | found.effects if found else {}
        rows.append({"month": later, **told})
    schema = {"month": pl.Date, "before": pl.Float64, "after": pl.Float64}
    return pl.DataFrame(rows, schema=schema | dict.fromkeys(EFFECTS, pl.Float64))


def _rows_of(months: pl.DataFrame, month: date) -> pl.DataFrame:
    return months.filter(pl.col("month") == month).drop("month")
