"""From a mean to a distribution: what a period's total may turn out to be.

What is won already is certain. The rest U (open deals, and deals not created yet) has a mean,
variance and third central moment as if deals were independent; they are not, so one multiplicative
shock S, common to all of them, with mean 1 and lognormal, is laid over it:

    total = won + S * U

Its size comes from how far this account's own finished forecasts were off beyond what independent
deals explain. Quantiles follow from three moments by Cornish and Fisher's expansion. The whole of
it: docs/methods/intervals.md.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from forecasting.overlap import independent
from forecasting.periods import Period, PeriodKind

Values = NDArray[np.float64]

LEVELS: Final = (0.1, 0.5, 0.9)
"""P10, P50 and P90: between the outer two lies the 80 % interval."""

PRIOR_SHOCK: Final = 0.10
PRIOR_ORIGINS: Final = 4.0
"""Before an account has a record of its own, a shock of 10 %, which weighs as much as 4 origins."""

BY_CHANCE: Final = 0.05
"""Level of the test that a business is more regular than chance: the usual one."""

_TINY: Final = 1e-9
_MOST_REGULAR: Final = 0.01
_HALVINGS: Final = 20

_STEEPEST: Final = 4.0
"""Skewness beyond which one deal decides and no expansion in moments holds; it is cut here."""

RESIDUAL_SCHEMA: Final[dict[str, pl.DataType | type[pl.DataType]]] = {
    "period_kind": pl.String,
    "days_left": pl.Int64,  # origin to the end of the period
    "expected_rest": pl.Float64,  # mean of the uncertain part, as forecast at the origin
    "variance_rest": pl.Float64,  # its variance as forecast, deals independent
    "actual_rest": pl.Float64,  # what it became: actual total - won by the origin
    "starts": pl.Date,  # the days that it is of: from the origin or the period's start ...
    "ends": pl.Date,  # ... up to the period's end
}
"""One row per finished origin and period of this account (its total)."""


@dataclass(frozen=True, slots=True)
class Shock:
    """`sd`: standard deviation of the common shock (0.1 = 10 %); `sample`: finished origins that it
    rests on beside the prior; `note`: text key, or None. `regularity`: what the standard deviation
    of a total is multiplied by, 1 = as for independent deals (see `regularity`). `degrees`: of
    freedom with which `sd` is known, infinite for one that is beyond doubt.
    """

    sd: float
    sample: int
    note: str | None = None
    regularity: float = 1.0
    degrees: float = math.inf


@dataclass(frozen=True, slots=True)
class Floor:
    """`wape`: error that chance alone leaves to any method, None where nothing was won; `sample`:
    won deals it was computed from.
    """

    wape: float | None
    sample: int


def common_shock(residuals: pl.DataFrame, *, days_left: int, fitted: int = 0) -> Shock:
    """The shock that `residuals` (see RESIDUAL_SCHEMA) show for a horizon of `days_left`. `fitted`:
    weights that were chosen by the same residuals, which look the smaller for it.

    Only origins whose own horizon was between half and twice as long count. From the sum of squared
    errors what independent deals explain is taken off; what is left, as a share of the forecasts'
    second moments and with the prior in it, is the variance of the shock, never below 0. Sums, for
    in a slow period a small miss is many per cent. Against the prior origins count as
    `overlap.independent` says; as degrees of freedom each counts once.
    """
    known = residuals.filter(
        pl.col("days_left").is_between(days_left / 2, days_left * 2) & (pl.col("expected_rest") > 0)
    )
    count = known.height
    few = f"few_finished_origins:{count}" if count < PRIOR_ORIGINS else None
    if not count:
        return Shock(PRIOR_SHOCK, 0, few, degrees=PRIOR_ORIGINS)
    mean, by_chance, actual = (
        known[name].to_numpy() for name in ("expected_rest", "variance_rest", "actual_rest")
    )
    squared = ((actual - mean) ** 2).sum() * count / max(count - fitted, 1)
    size = (mean**2 + by_chance).sum()
    worth = independent(known["starts"], known["ends"])
    # the prior's origins are of the record's mean size
    before = PRIOR_ORIGINS / worth * size
    variance = (before * PRIOR_SHOCK**2 + squared - by_chance.sum()) / (before + size)
    return Shock(math.sqrt(max(0.0, variance)), count, few, degrees=PRIOR_ORIGINS + count)


def regularity(residuals: pl.DataFrame, shock_sd: float) -> float:
    """How much less than chance allows the results of `residuals` vary: 0-1, 1 = no less.

    Where a handful of deals come as regularly as subscriptions do, the law of independent deals is
    far too wide and no shock, which can only widen, says so. First it has to be plain: more results
    inside their own intervals than chance would put there once in twenty times. Then the standard
    deviation is multiplied by what holds 80 % of them, at the finite-sample rank of conformal
    prediction, ceil(0.8 (n + 1)). Skewness is taken from the gamma law of the same moments.
    """
    known = residuals.filter((pl.col("expected_rest") > 0) & (pl.col("variance_rest") > 0))
    mean, variance, actual = (
        known[name].to_numpy() for name in ("expected_rest", "variance_rest", "actual_rest")
    )

    def inside(factor: float) -> int:
        told = quantiles(
            0.0, mean, variance, 2 * variance**2 / mean, shock_sd=shock_sd, regularity=factor
        )
        return int(((told[:, 0] <= actual) & (actual <= told[:, -1])).sum())

    level = LEVELS[-1] - LEVELS[0]
    if known.is_empty() or _at_least(inside(1.0), known.height, level) >= BY_CHANCE:
        return 1.0
    needed = math.ceil(level * (known.height + 1) - _TINY)
    low, high = _MOST_REGULAR, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if inside(middle) >= needed else (middle, high)
    return high


def _at_least(count: int, of: int, chance: float) -> float:
    """Probability of `count` or more successes `of` so many."""
    return sum(
        math.comb(of, n) * chance**n * (1 - chance) ** (of - n) for n in range(count, of + 1)
    )


def shaken(
    mean: ArrayLike, variance: ArrayLike, third_moment: ArrayLike, shock_sd: float
) -> tuple[Values, Values]:
    """Variance and third central moment of S * U from the moments of U; the mean stays."""
    m, v, k = (np.asarray(part, dtype=np.float64) for part in (mean, variance, third_moment))
    spread = 1 + shock_sd**2
    second = m**2 + v
    third = m**3 + 3 * m * v + k
    shaken_second = spread * second
    shaken_third = spread**3 * third
    return shaken_second - m**2, shaken_third - 3 * m * shaken_second + 2 * m**3


def quantiles(
    won: ArrayLike,
    mean: ArrayLike,
    variance: ArrayLike,
    third_moment: ArrayLike,
    *,
    shock_sd: float = 0.0,
    regularity: float = 1.0,
    degrees: float = math.inf,
    levels: tuple[float, ...] = LEVELS,
) -> Values:
    """Quantiles of won + S * U, a row per total and a column per level (0-1), its standard
    deviation and skewness multiplied by `regularity`, as of sums of smaller and more parts; of a
    deviation that is known with so many `degrees` of freedom.

    Never decreasing in the level and never below `won` (never above it where negative amounts make
    the rest a loss); equal to won + mean where nothing is uncertain. ValueError for a negative
    variance or a value not finite.
    """
    parts = np.broadcast_arrays(*(np.asarray(p, dtype=np.float64) for p in (won, mean, variance)))
    if not all(np.isfinite(part).all() for part in (*parts, np.asarray(third_moment))):
        raise ValueError("a moment is missing or not finite")
    w, m, v = (np.atleast_1d(part) for part in parts)
    if (v < 0).any():
        raise ValueError("a variance is below 0")
    total_variance, total_third = shaken(m, v, np.atleast_1d(third_moment), shock_sd)
    sd = np.sqrt(np.maximum(total_variance, 0))
    cube = sd**3  # 0 also where a tiny sd underflows
    skewness = regularity * np.divide(total_third, cube, out=np.zeros_like(sd), where=cube > 0)
    sd = regularity * sd
    z = np.array([_normal_quantile(level) for level in levels])
    standard = cornish_fisher(z, skewness[:, None]) + _beyond_normal(z, degrees)
    drawn = (w + m)[:, None] + sd[:, None] * standard
    return _beyond_won(drawn, w[:, None], m[:, None])


def cornish_fisher(z: ArrayLike, skewness: ArrayLike) -> Values:
    """Standardised quantile for the standard normal quantile `z`, corrected for skewness.

    The kurtosis, which nobody tracks, is that of the gamma law of the same skewness (1.5 g^2). The
    expansion turns back beyond |z| = 4 / |g| or so: from there it stays at its end.
    """
    g = np.clip(np.asarray(skewness, dtype=np.float64), -_STEEPEST, _STEEPEST)
    # where d/dz = 1 + z g / 3 + (z^2 / 48 - 7 / 144) g^2 is 0, on the short tail's side
    turn = -(8 - np.sqrt(16 + 7 * g**2 / 3))
    reach = np.divide(turn, np.abs(g), out=np.full_like(g, -np.inf), where=g != 0)
    kept = np.where(g < 0, np.minimum(z, -reach), np.maximum(z, reach))
    return np.asarray(
        kept + (kept**2 - 1) * g / 6 + (kept**3 / 144 - 7 * kept / 144) * g**2, dtype=np.float64
    )


def with_intervals(totals: pl.DataFrame, shocks: Mapping[Period, Shock]) -> pl.DataFrame:
    """`totals` with p10, p50, p90, shock_sd, shock_sample and interval_note.

    `totals`: rows of a method or of the combination (won_amount and the open and new parts'
    expected, variance, third_moment). `shocks`: by period; KeyError for one without.
    """
    frames = []
    period = ("period_start", "period_end", "period_kind")
    for (start, end, kind), rows in totals.group_by(*period, maintain_order=True):
        shock = shocks[Period(start, end, PeriodKind(kind))]
        won = rows["won_amount"].to_numpy()
        mean = (rows["open_expected"] + rows["new_expected"]).to_numpy()
        at = quantiles(
            won,
            mean,
            (rows["open_variance"] + rows["new_variance"]).to_numpy(),
            (rows["open_third_moment"] + rows["new_third_moment"]).to_numpy(),
            shock_sd=shock.sd,
            regularity=shock.regularity,
            degrees=shock.degrees,
        )
        frames.append(
            rows.with_columns(
                *(pl.Series(name, at[:, i]) for i, name in enumerate(_quantile_columns())),
                pl.lit(shock.sd).alias("shock_sd"),
                pl.lit(shock.sample, pl.Int64).alias("shock_sample"),
                pl.lit(shock.note, pl.String).alias("interval_note"),
            )
        )
    added: dict[str, type[pl.DataType]] = {
        **_quantile_columns(),
        "shock_sd": pl.Float64,
        "shock_sample": pl.Int64,
        "interval_note": pl.String,
    }
    empty = totals.clear().with_columns(pl.lit(None, t).alias(n) for n, t in added.items())
    return pl.concat([empty, *frames])


def _beyond_won(at: Values, won: Values, mean: Values) -> Values:
    """Quantiles `at`, none of which takes back what is won already or what is lost by credits."""
    return np.where(mean < 0, np.minimum(at, won), np.maximum(at, won))


def _quantile_columns() -> dict[str, type[pl.DataType]]:
    return {f"p{level * 100:.0f}": pl.Float64 for level in LEVELS}


def chance_floor(won_amounts: ArrayLike, wins_per_period: float) -> Floor:
    """Mean absolute error, as a share, that chance alone leaves: 0.8 sqrt((1 + cv^2) / wins).

    Of a compound Poisson total; cv: coefficient of variation of the won amounts; 0.8 =
    sqrt(2 / pi), mean absolute over standard deviation of a normal law. None where nothing was won.
    """
    amounts = np.asarray(won_amounts, dtype=np.float64)
    amounts = amounts[np.isfinite(amounts)]
    if amounts.size == 0 or not wins_per_period > 0 or amounts.mean() <= 0:
        return Floor(None, int(amounts.size))
    cv = amounts.std() / amounts.mean()
    return Floor(float(0.8 * math.sqrt((1 + cv**2) / wins_per_period)), int(amounts.size))


def scenarios(
    won: ArrayLike,
    mean: ArrayLike,
    variance: ArrayLike,
    third_moment: ArrayLike,
    *,
    shock_sd: float,
    draws: int,
    generator: np.random.Generator,
) -> Values:
    """Joint draws of several segments under one shock, a row per draw and a column per segment.

    For questions that quantiles of single totals cannot answer, such as the chance that two teams
    both reach their target. Segments have to be disjoint.
    """
    w, m, v, k = (
        np.asarray(part, dtype=np.float64) for part in (won, mean, variance, third_moment)
    )
    sd = np.sqrt(v)
    skewness = np.divide(k, sd**3, out=np.zeros_like(sd), where=sd > 0)
    own = cornish_fisher(generator.standard_normal((draws, w.size)), skewness)
    log_variance = math.log1p(shock_sd**2)
    shock = np.exp(
        generator.standard_normal((draws, 1)) * math.sqrt(log_variance) - log_variance / 2
    )
    return np.asarray(w + np.maximum(shock * (m + sd * own), 0), dtype=np.float64)


def _beyond_normal(z: Values, degrees: float) -> Values:
    """How far Student's quantiles lie beyond the normal ones `z`: Abramowitz and Stegun, 26.7.5."""
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return np.asarray(first / degrees + second / degrees**2 + third / degrees**3)


def _normal_quantile(level: float) -> float:
    if not 0 < level < 1:
        raise ValueError(f"level is {level}: it has to lie between 0 and 1")
    return NormalDist().inv_cdf(level)
