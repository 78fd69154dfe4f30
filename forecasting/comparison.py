"""Deals with a trait against the others: win rate and days to the win, with intervals."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Final, Literal

import polars as pl

from forecasting.competing_risks import Z95, incidence

LEAST: Final = 10
"""Fewer ended deals on either side tell nothing."""

Verdict = Literal["better", "worse", "no_difference_shown", "too_few"]


@dataclass(frozen=True, slots=True)
class Difference:
    """`estimate` = deals with the trait less the others, with its interval. None: not known."""

    with_trait: float | None
    others: float | None
    estimate: float | None
    low: float | None
    high: float | None

    def verdict(self, *, more_is_better: bool = True) -> Verdict:
        """Whether the interval lies wholly on one side of 0."""
        if self.low is None or self.high is None:
            return "too_few"
        if self.low <= 0 <= self.high:
            return "no_difference_shown"
        return "better" if (self.low > 0) == more_is_better else "worse"


UNKNOWN: Final = Difference(None, None, None, None, None)


@dataclass(frozen=True, slots=True)
class Comparison:
    """`deals`, `ended`: with the trait; `other_deals`, `other_ended`: without it. The win rate is
    `incidence`'s share, the days are those to the win.
    """

    deals: int
    ended: int
    other_deals: int
    other_ended: int
    win_rate: Difference
    days: Difference


def compare(
    spells: pl.DataFrame, trait: str, *, strata: Sequence[str] = (), z: float = Z95
) -> Comparison:
    """`spells` as for `incidence`; `trait` names a boolean column.

    With `strata` the comparison is made within each of them, and averaged by how many deals with
    the trait each has: else a trait of early stages would look like a cause of losing. Strata in
    which one side has no ended deal say nothing and are left out.
    """
    whole = _sides(incidence(spells, [trait], z=z), trait, [])
    counts = {
        side: whole.select(
            pl.col(f"spells{side}").sum(), (pl.col(f"won{side}") + pl.col(f"lost{side}")).sum()
        ).row(0)
        for side in ("", "_others")
    }
    (deals, ended), (other_deals, other_ended) = counts[""], counts["_others"]
    rate, days = UNKNOWN, UNKNOWN
    if min(ended or 0, other_ended or 0) >= LEAST:
        sides = whole
        if strata:
            sides = _sides(incidence(spells, [trait, *strata], z=z), trait, list(strata))
        rate = _difference(sides, "share", "share_error", z)
        timed = sides.filter((pl.col("won") >= 2) & (pl.col("won_others") >= 2))
        if timed["won"].sum() >= LEAST and timed["won_others"].sum() >= LEAST:
            days = _difference(timed, "mean_days", "mean_error", z)
    return Comparison(deals or 0, ended or 0, other_deals or 0, other_ended or 0, rate, days)


def _sides(rates: pl.DataFrame, trait: str, strata: list[str]) -> pl.DataFrame:
    """Per stratum, the figures of deals with the trait, and of the others with _others."""
    told = rates.with_columns(
        mean_error=(pl.col("mean_high") - pl.col("mean_low")) / (2 * Z95), _stratum=pl.lit(0)
    )
    on = strata or ["_stratum"]
    has, lacks = (told.filter(pl.col(trait) == value) for value in (True, False))
    return has.join(lacks, on=on, how="full", suffix="_others", nulls_equal=True)


def _difference(sides: pl.DataFrame, value: str, error: str, z: float) -> Difference:
    names = [value, error, f"{value}_others", f"{error}_others"]
    known = sides.filter(pl.all_horizontal(pl.col(names).is_not_null()))
    total = float(known["spells"].sum())
    if total <= 0:
        return UNKNOWN
    weight = known["spells"].to_numpy() / total
    mine, my_error, theirs, their_error = (known[name].to_numpy() for name in names)
    with_trait, others = float(weight @ mine), float(weight @ theirs)
    half = z * sqrt(float(weight**2 @ (my_error**2 + their_error**2)))
    difference = with_trait - others
    return Difference(with_trait, others, difference, difference - half, difference + half)
