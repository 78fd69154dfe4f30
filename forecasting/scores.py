"""How good forecasts were: of totals, of quantiles and of probabilities.

Every function takes arrays of equal length and gives one figure, or None where the figure has no
meaning (nothing to score, nothing won, one class only): never NaN, never a number from nothing.
Sources: docs/methods/backtest.md.
"""

from typing import Final, Literal

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

Values = NDArray[np.float64]

_CERTAIN: Final = 1e-6
"""A wrong certainty would cost infinitely much: chances are kept this far from 0 and 1."""

Binning = Literal["width", "count"]


def wape(actual: ArrayLike, forecast: ArrayLike) -> float | None:
    """Weighted absolute percentage error: sum of absolute errors / sum of actuals; 0 is perfect.

    None where the actuals sum to 0. ValueError for lengths that differ or values not finite (so
    with every function here).
    """
    a, f = _columns(actual, forecast)
    return _ratio(np.abs(a - f).sum(), np.abs(a).sum())


def bias(actual: ArrayLike, forecast: ArrayLike) -> float | None:
    """(Sum of forecasts - sum of actuals) / sum of actuals; above 0 = forecasts too high."""
    a, f = _columns(actual, forecast)
    return _ratio((f - a).sum(), np.abs(a).sum())


def pinball(actual: ArrayLike, quantile: ArrayLike, level: float) -> float | None:
    """Mean quantile loss of the `level` quantile (0-1), in the unit of the actuals."""
    if not 0 < level < 1:
        raise ValueError(f"level is {level}: it has to lie between 0 and 1")
    a, q = _columns(actual, quantile)
    if a.size == 0:
        return None
    return float(np.mean(np.maximum(level * (a - q), (level - 1) * (a - q))))


def coverage(actual: ArrayLike, low: ArrayLike, high: ArrayLike) -> float | None:
    """Share of actuals inside their interval, ends included."""
    a, lower, upper = _columns(actual, low, high)
    return None if a.size == 0 else float(np.mean((lower <= a) & (a <= upper)))


def width(actual: ArrayLike, low: ArrayLike, high: ArrayLike) -> float | None:
    """Mean width of the intervals as a multiple of the mean actual."""
    a, lower, upper = _columns(actual, low, high)
    return _ratio((upper - lower).sum(), np.abs(a).sum())


def brier(happened: ArrayLike, probability: ArrayLike) -> float | None:
    """Mean squared error of probabilities against 0 or 1; 0 is perfect."""
    y, p = _chances(happened, probability)
    return None if y.size == 0 else float(np.mean((p - y) ** 2))


def brier_skill(
    happened: ArrayLike, probability: ArrayLike, reference: ArrayLike | None = None
) -> float | None:
    """1 - Brier / Brier of the reference: 1 is perfect, 0 as good as the reference, below 0 worse.

    `reference`: a probability known beforehand, one for all or one each; None takes the share that
    happened, which no forecast can know. None where the reference is without error.
    """
    y, p = _chances(happened, probability)
    if y.size == 0:
        return None
    base = np.mean(y) if reference is None else np.asarray(reference, dtype=np.float64)
    _, known = _chances(y, np.broadcast_to(base, y.shape))
    share = _ratio(((p - y) ** 2).sum(), ((known - y) ** 2).sum())
    return None if share is None else 1 - share


def log_loss(happened: ArrayLike, probability: ArrayLike) -> float | None:
    """Mean negative log likelihood in nats; a wrong certainty costs 13.8."""
    y, p = _chances(happened, probability)
    if y.size == 0:
        return None
    kept = np.clip(p, _CERTAIN, 1 - _CERTAIN)
    return float(-np.mean(np.where(y == 1, np.log(kept), np.log1p(-kept))))


def auc(happened: ArrayLike, probability: ArrayLike) -> float | None:
    """Chance that one that happened was ranked above one that did not; a tie counts one half.

    None where all or none happened. Any score will do for `probability`; it need not be 0-1.
    """
    y, score = _columns(happened, probability)
    _binary(y)
    happened_n = int(y.sum())
    other_n = y.size - happened_n
    if happened_n == 0 or other_n == 0:
        return None
    _, place, ties = np.unique(score, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(ties) - (ties - 1) / 2
    rank_sum = mean_rank[place][y == 1].sum()
    return float((rank_sum - happened_n * (happened_n + 1) / 2) / (happened_n * other_n))


def reliability(
    happened: ArrayLike, probability: ArrayLike, *, bins: int = 10, by: Binning = "width"
) -> pl.DataFrame:
    """What was said against what came, a row per bin that holds anything.

    Columns: low, high (edges of the bin), sample, said (mean probability), came (share that
    happened). `by` "width": bins of equal width in 0-1; "count": of equal numbers, equal
    probabilities kept together.
    """
    y, p = _chances(happened, probability)
    low, high, at = _bins(p, bins, by)
    sample = np.bincount(at, minlength=low.size)
    used = sample > 0
    said = np.bincount(at, p, minlength=low.size)[used] / sample[used]
    came = np.bincount(at, y, minlength=low.size)[used] / sample[used]
    return pl.DataFrame(
        {"low": low[used], "high": high[used], "sample": sample[used], "said": said, "came": came},
        schema={
            "low": pl.Float64,
            "high": pl.Float64,
            "sample": pl.Int64,
            "said": pl.Float64,
            "came": pl.Float64,
        },
    )


def calibration_error(
    happened: ArrayLike, probability: ArrayLike, *, bins: int = 10, by: Binning = "width"
) -> float | None:
    """Expected calibration error: mean distance of said and came over the bins of `reliability`,
    weighted by how many each holds.
    """
    table = reliability(happened, probability, bins=bins, by=by)
    gaps = (table["said"] - table["came"]).abs() * table["sample"]
    return _ratio(float(gaps.sum()), float(table["sample"].sum()))


def _bins(p: Values, bins: int, by: Binning) -> tuple[Values, Values, NDArray[np.int64]]:
    if bins < 1:
        raise ValueError(f"bins is {bins}: at least 1")
    if by == "width" or p.size == 0:
        edges = np.linspace(0, 1, bins + 1)
        at = np.minimum((p * bins).astype(np.int64), bins - 1)
        return edges[:-1], edges[1:], at
    order = np.sort(p)
    starts = np.unique(order[np.arange(bins) * p.size // bins])
    at = np.searchsorted(starts, p, side="right") - 1
    return starts, np.append(starts[1:], order[-1]), at.astype(np.int64)


def _columns(*columns: ArrayLike) -> tuple[Values, ...]:
    arrays = tuple(np.asarray(column, dtype=np.float64) for column in columns)
    if len({array.shape for array in arrays}) > 1 or arrays[0].ndim != 1:
        shapes = ", ".join(str(array.shape) for array in arrays)
        raise ValueError(f"columns of one length are needed, not {shapes}")
    if not all(np.isfinite(array).all() for array in arrays):
        raise ValueError("a value is missing or not finite: leave such rows out and count them")
    return arrays


def _chances(happened: ArrayLike, probability: ArrayLike) -> tuple[Values, Values]:
    y, p = _columns(happened, probability)
    _binary(y)
    if ((p < 0) | (p > 1)).any():
        raise ValueError("a probability lies outside 0-1")
    return y, p


def _binary(happened: Values) -> None:
    if not np.isin(happened, (0, 1)).all():
        raise ValueError("what happened is true or false, 1 or 0")


def _ratio(above: float, below: float) -> float | None:
    return float(above / below) if below > 0 else None
