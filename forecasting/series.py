"""Forecasts of a series of equal periods from its own past: seasons, growth and smoothing.

All take the past `values`, oldest first, and give the next `ahead` values. Plain and short on
purpose: means of simple methods are hard to beat on series of sales.
"""

from typing import Final

import numpy as np

from forecasting.tracks import Floats

DAMPING: Final = 0.9
"""Share of the trend kept from one step to the next (Gardner's usual range is 0.8 - 0.98)."""

PRIOR_YEARS: Final = 1.0
"""How many years' worth of "no season" are mixed into seasonal factors."""

_WEIGHTS: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
_TREND_WEIGHTS: Final = (0.02, 0.05, 0.1, 0.2)
_MOST_GROWTH: Final = 2.0


def seasonal_factors(values: Floats, season: int) -> Floats:
    """A factor per place in the season, of mean 1, for the value after the last and onwards.

    Ratios to a moving average one season long, averaged over the years, drawn towards 1. All 1
    where there are fewer than two seasons.
    """
    count = len(values)
    if season < 2 or count < 2 * season:
        return np.ones(max(season, 1))
    kernel = np.ones(season + 1 if season % 2 == 0 else season)
    if season % 2 == 0:
        kernel[[0, -1]] = 0.5
    half = len(kernel) // 2
    level = np.convolve(values, kernel / kernel.sum(), "valid")
    middle = values[half : half + len(level)]
    ratio = np.where(level > 0, middle / np.where(level > 0, level, 1.0), np.nan)
    place = (np.arange(half, half + len(level)) - count) % season
    factors = np.ones(season)
    for each in range(season):
        seen = ratio[(place == each) & ~np.isnan(ratio)]
        factors[each] = (seen.sum() + PRIOR_YEARS * 1.0) / (len(seen) + PRIOR_YEARS)
    return np.asarray(factors / factors.mean())


def without_season(values: Floats, factors: Floats) -> Floats:
    """`values` divided by the factors of their places."""
    place = (np.arange(len(values)) - len(values)) % len(factors)
    return np.asarray(values / np.maximum(factors[place], 1e-6))


def smoothed(values: Floats, season: int, ahead: int) -> Floats:
    """Exponential smoothing with a damped trend, after taking the season out; weights chosen by the
    squared error one step ahead.
    """
    factors = seasonal_factors(values, season)
    plain = without_season(values, factors)
    level, trend = _damped(plain)
    steps = np.cumsum(DAMPING ** np.arange(1, ahead + 1))
    return np.maximum((level + trend * steps) * factors[np.arange(ahead) % len(factors)], 0.0)


def _damped(values: Floats) -> tuple[float, float]:
    """Level and trend at the end."""
    if len(values) < 4:
        return float(values.mean()), 0.0
    weights, trends = (np.ravel(each) for each in np.meshgrid(_WEIGHTS, (0.0, *_TREND_WEIGHTS)))
    level = np.full(weights.size, values[: max(2, len(values) // 8)].mean())
    trend = np.zeros(weights.size)
    squared = np.zeros(weights.size)
    for value in values:
        expected = level + DAMPING * trend
        error = value - expected
        squared += error**2
        level = expected + weights * error
        trend = DAMPING * trend + weights * trends * error
    best = int(np.argmin(squared))
    return float(level[best]), float(trend[best])


def theta(values: Floats, season: int, ahead: int) -> Floats:
    """The Theta method: simple smoothing with half the slope of a straight line, after taking the
    season out (Assimakopoulos and Nikolopoulos, 2000; Hyndman and Billah, 2003).
    """
    factors = seasonal_factors(values, season)
    plain = without_season(values, factors)
    if len(plain) < 4:
        return np.full(ahead, float(values.mean()) if len(values) else 0.0)
    slope = float(np.polyfit(np.arange(len(plain)), plain, 1)[0]) / 2
    weights = np.array(_WEIGHTS)
    level = np.full(weights.size, plain[0])
    squared = np.zeros(weights.size)
    for value in plain:
        squared += (value - level) ** 2
        level = level + weights * (value - level)
    best = int(np.argmin(squared))
    settled = (1 - (1 - weights[best]) ** len(plain)) / weights[best]
    steps = level[best] + slope * (np.arange(ahead) + settled)
    return np.asarray(np.maximum(steps * factors[np.arange(ahead) % len(factors)], 0.0))


def last_season(values: Floats, season: int, ahead: int, *, over: int) -> Floats:
    """The same place a season ago, times the growth of the last `over` values on those a season
    before them; growth is kept within half and double.
    """
    recent, before = values[-over:].sum(), values[-over - season : -season].sum()
    growth = recent / before if before > 0 and len(values) >= season + over else 1.0
    growth = float(np.clip(growth, 1 / _MOST_GROWTH, _MOST_GROWTH))
    ago = values[-season:][np.arange(ahead) % season]
    return np.asarray(ago * growth ** (1 + np.arange(ahead) // season))


def mean_of_simple(values: Floats, season: int, ahead: int) -> Floats:
    """The mean of the smoothed, the Theta and the last-season forecast with a season's growth."""
    yearly = last_season(values, season, ahead, over=min(season, max(len(values) - season, 1)))
    return np.asarray((smoothed(values, season, ahead) + theta(values, season, ahead) + yearly) / 3)
