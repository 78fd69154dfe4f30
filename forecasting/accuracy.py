"""What a back-test found: the scores of each method, by week of the period and by segment."""

from collections.abc import Callable, Sequence
from typing import Final

import polars as pl

from forecasting import scores

_PERIOD: Final = ("period_kind", "period_start", "period_end")
_ROW: Final = ("origin", "method", "variant", *_PERIOD, "segment_kind", "segment")
METHOD: Final = ("method", "variant")

QUANTILES: Final = {"p10": 0.1, "p50": 0.5, "p90": 0.9}


def scored(results: pl.DataFrame, actual: pl.DataFrame) -> pl.DataFrame:
    """Every forecast of a finished period beside what came: `results` (origin, method, variant and
    the totals' columns, with or without p10, p50, p90) with `actual`, `week` and `days_left`.

    A segment that was forecast and won nothing has an actual of 0; one that won without having been
    forecast has a forecast of 0. `week`: of the period in which the origin lies, 1 for its first
    seven days, 0 and below before it begins.
    """
    over = actual.filter(pl.col("segment_kind") == "total").select(*_PERIOD)
    quantiles = [name for name in QUANTILES if name in results.columns]
    told = results.join(over, on=_PERIOD, how="semi").select(*_ROW, "forecast", *quantiles)
    kinds = told.select("origin", *METHOD, *_PERIOD, "segment_kind").unique()
    came = kinds.join(actual, on=(*_PERIOD, "segment_kind"), how="inner").select(*_ROW, "actual")
    days = (pl.col("origin") - pl.col("period_start")).dt.total_days()
    unsaid = pl.col("forecast").is_null()
    return (
        told.join(came, on=_ROW, how="full", coalesce=True)
        .with_columns(pl.when(unsaid).then(0.0).otherwise(name).alias(name) for name in quantiles)
        .with_columns(pl.col("actual", "forecast").fill_null(0.0))
        .with_columns(
            week=(days // 7 + 1).cast(pl.Int64),
            days_left=(pl.col("period_end") - pl.col("origin")).dt.total_days(),
        )
        .sort(*_ROW)
    )


def of_totals(scored: pl.DataFrame, by: Sequence[str] = METHOD) -> pl.DataFrame:
    """The scores of `scored`, a row per value of `by`: forecasts, origins, wape, bias and, where
    there are quantiles, pinball (mean of the three, per mean actual), coverage and width of the
    80 % interval. Null where a score has no meaning.
    """
    with_quantiles = all(name in scored.columns for name in QUANTILES)
    return _per_group(scored, by, _with_intervals if with_quantiles else _errors)


def of_deals(chances: pl.DataFrame, by: Sequence[str] = METHOD) -> pl.DataFrame:
    """The scores of chances per deal (see `backtest.OriginResult.deals`), a row per value of `by`.

    For P(won by the period's end) against won_by, prefix `by_`, and for P(won at all) against won,
    prefix `won_`: sample, happened (share), auc, brier, skill (against the share that happened),
    log_loss, ece (ten bins of equal width) and ece_count (ten bins of equal number).
    """
    return _per_group(chances, by, _chances)


def _per_group(
    frame: pl.DataFrame,
    by: Sequence[str],
    measure: Callable[[pl.DataFrame], dict[str, float | int | None]],
) -> pl.DataFrame:
    groups = frame.sort(*by).group_by(*by, maintain_order=True)
    rows = [dict(zip(by, key, strict=True)) | measure(rows) for key, rows in groups]
    return pl.DataFrame(rows, infer_schema_length=None)


def _errors(rows: pl.DataFrame) -> dict[str, float | int | None]:
    actual, forecast = rows["actual"], rows["forecast"]
    return {
        "forecasts": rows.height,
        "origins": rows["origin"].n_unique(),
        "wape": scores.wape(actual, forecast),
        "bias": scores.bias(actual, forecast),
    }


def _with_intervals(rows: pl.DataFrame) -> dict[str, float | int | None]:
    known = rows.drop_nulls(list(QUANTILES))
    actual, low, high = known["actual"], known["p10"], known["p90"]
    losses = [scores.pinball(actual, known[name], level) for name, level in QUANTILES.items()]
    mean = actual.abs().mean()
    size = float(mean) if isinstance(mean, float | int) and mean > 0 else None
    told = [loss for loss in losses if loss is not None]
    return _errors(rows) | {
        "pinball": sum(told) / len(told) / size if told and size else None,
        "coverage": scores.coverage(actual, low, high),
        "width": scores.width(actual, low, high),
    }


def _chances(rows: pl.DataFrame) -> dict[str, float | int | None]:
    by_end = rows.drop_nulls(("win_probability_by", "won_by"))
    ever = rows.drop_nulls(("win_probability", "won"))
    return {
        **_probabilities("by", by_end["won_by"], by_end["win_probability_by"]),
        **_probabilities("won", ever["won"], ever["win_probability"]),
    }


def _probabilities(
    prefix: str, happened: pl.Series, probability: pl.Series
) -> dict[str, float | int | None]:
    came = happened.cast(pl.Float64)
    found: dict[str, float | int | None] = {
        "sample": happened.len(),
        "happened": float(came.mean()) if came.len() else None,  # type: ignore[arg-type]
        "auc": scores.auc(came, probability),
        "brier": scores.brier(came, probability),
        "skill": scores.brier_skill(came, probability),
        "log_loss": scores.log_loss(came, probability),
        "ece": scores.calibration_error(came, probability),
        "ece_count": scores.calibration_error(came, probability, by="count"),
    }
    return {f"{prefix}_{name}": value for name, value in found.items()}
