"""The combination: what each method says, weighted by how it did on this very account.

Weights come from the errors of finished origins only; with too few of them the first method of a
documented order that can speak is shown alone, and the note says so. One set of weights serves a
period's total and all its segments, so segments add up. Formula: docs/methods/combination.md.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

import polars as pl

from forecasting.deals import Period
from forecasting.methods.base import TOTALS_SCHEMA
from forecasting.notes import Note

How = Literal["weighted", "chosen"]
MethodKey = tuple[str, str]

NAME: Final = "combination"
LAST: Final = 13
"""Finished origins looked back on: a quarter of weekly ones."""
LEAST: Final = 3
"""Fewer finished origins than this say nothing about which method is better."""

COMMON_ERROR: Final = 0.5
SHARPNESS: Final = 1 / (1 - COMMON_ERROR)
"""Methods err alike, for they look at the same future: where errors correlate by `COMMON_ERROR`,
the best weights of methods about equally good fall with the inverse MSE to this power.
"""

ORDER: Final[tuple[MethodKey, ...]] = (
    ("multivariable", "additive"),
    ("multivariable", "table"),
    ("historical", "mean"),
    ("historical", "smoothed"),
    ("historical", "last_year"),
    ("historical", "last_quarter"),
    ("opportunity_stage", "learned"),
    ("intuitive", "recalibrated"),
    ("opportunity_stage", "crm"),
    ("intuitive", "stated"),
)
"""Who speaks first while there are too few finished origins: methods that count deals not yet
created before those that cannot, those that learn before those that take a person's word.
"""

RECORD_SCHEMA: Final[dict[str, pl.DataType | type[pl.DataType]]] = {
    "origin": pl.Date,
    "method": pl.String,
    "variant": pl.String,
    "period_kind": pl.String,
    "period_start": pl.Date,
    "period_end": pl.Date,
    "won_amount": pl.Float64,
    "forecast": pl.Float64,
    "expected_rest": pl.Float64,
    "variance_rest": pl.Float64,
    "note": pl.String,
    "actual": pl.Float64,  # null until the period is over
}
"""One row per origin, method and period: its total as forecast then, and what it became."""

_STAND_IN: Final = pl.col("note").fill_null("").str.starts_with("not_enough_history")
"""What a method shows for want of history is not its own, and teaches nothing about it."""

_PARTS: Final = tuple(
    f"{part}_{moment}"
    for part in ("open", "new")
    for moment in ("expected", "variance", "third_moment")
)


@dataclass(frozen=True, slots=True)
class Weights:
    """How a period is forecast. `parts`: weight by (method, variant), summing to 1, empty where no
    method can speak; `how`: weighted, chosen or order; `sample`: finished origins it rests on.
    """

    parts: Mapping[MethodKey, float]
    how: Literal["weighted", "chosen", "order"]
    sample: int
    note: Note | None = None


def like(record: pl.DataFrame, period: Period, origin: date) -> pl.DataFrame:
    """The rows of `record` that teach about forecasting `period` at `origin`: finished by then, of
    the same kind, begun or not begun as it is, and half to twice as far from their end.
    """
    left = (period.end - origin).days
    days_left = (pl.col("period_end") - pl.col("origin")).dt.total_days()
    begun = pl.col("period_start") <= pl.col("origin")
    return record.filter(
        (pl.col("period_end") <= origin)
        & pl.col("actual").is_not_null()
        & (pl.col("period_kind") == period.kind.value)
        & (begun if period.start <= origin else ~begun)
        & days_left.is_between(left / 2, left * 2)
    )


def weigh(
    record: pl.DataFrame,
    able: Collection[MethodKey],
    *,
    period: Period,
    origin: date,
    how: How = "weighted",
    last: int = LAST,
    least: int = LEAST,
    order: Sequence[MethodKey] = ORDER,
) -> Weights:
    """How to forecast `period` at `origin` by the methods `able` to speak.

    "weighted": by the inverse of each method's mean squared error over the last finished origins
    (see `like`), to the power of `SHARPNESS`; "chosen": the one with the least. A method without
    `least` finished origins of its own takes no part. Where none has them: the first of `order`
    that is able, with a note.
    """
    finished = like(record, period, origin).filter((pl.col("method") != NAME) & ~_STAND_IN)
    recent = finished["origin"].unique().sort(descending=True).head(last)
    errors = (
        finished.filter(pl.col("origin").is_in(recent.implode()))
        .group_by("method", "variant")
        .agg(
            ((pl.col("forecast") - pl.col("actual")) ** 2).mean().alias("mse"),
            pl.col("origin").n_unique().alias("sample"),
        )
        .filter(pl.col("sample") >= least)
        .sort("mse", "method", "variant")
    )
    known = {(m, v): (mse, n) for m, v, mse, n in errors.iter_rows() if (m, v) in able}
    if not known:
        return _by_order(able, order, len(recent))
    sample = max(n for _, n in known.values())
    if how == "chosen":
        return Weights({next(iter(known)): 1.0}, "chosen", sample)
    # a method without any error would take everything; it is a coincidence of few origins
    smallest = max(mse for mse, _ in known.values()) * 1e-6
    inverse = {
        key: (smallest / max(mse, smallest)) ** SHARPNESS if smallest else 1.0
        for key, (mse, _) in known.items()
    }
    whole = sum(inverse.values())
    return Weights({key: part / whole for key, part in inverse.items()}, "weighted", sample)


def _by_order(able: Collection[MethodKey], order: Sequence[MethodKey], sample: int) -> Weights:
    for key in (*order, *sorted(set(able) - set(order))):
        if key in able:
            return Weights({key: 1.0}, "order", sample, Note("not_enough_history", key[0]))
    return Weights({}, "order", sample, Note("no_method"))


def able_methods(totals: pl.DataFrame, period: Period) -> set[MethodKey]:
    """The methods whose total of `period` is theirs: not a stand-in for want of history."""
    of_period = totals.filter(
        (pl.col("period_kind") == period.kind.value)
        & (pl.col("period_start") == period.start)
        & (pl.col("period_end") == period.end)
        & (pl.col("segment_kind") == "total")
        & ~_STAND_IN
    )
    return {(m, v) for m, v in of_period.select("method", "variant").iter_rows()}


def combine(totals: pl.DataFrame, weights: Mapping[Period, Weights]) -> pl.DataFrame:
    """The combined forecast: method "combination", variant "weighted", "chosen" or "order", then
    the columns of TOTALS_SCHEMA.

    `totals`: `method`, `variant` and TOTALS_SCHEMA of all methods at one origin. Means, variances
    and third moments are the weighted ones of the methods (a linear pool; that methods disagree
    shows in the residuals, hence in the common shock). Won amounts are the same for all. Periods
    without weights are left out.
    """
    table = pl.DataFrame(
        [
            (p.kind.value, p.start, p.end, m, v, w, chosen.how, chosen.sample, _key(chosen.note))
            for p, chosen in weights.items()
            for (m, v), w in chosen.parts.items()
        ],
        schema={
            "period_kind": pl.String,
            "period_start": pl.Date,
            "period_end": pl.Date,
            "method": pl.String,
            "variant": pl.String,
            "weight": pl.Float64,
            "how": pl.String,
            "origins": pl.Int64,
            "combined_note": pl.String,
        },
        orient="row",
    )
    period = ("period_kind", "period_start", "period_end")
    parts = totals.join(table, on=(*period, "method", "variant"), how="inner")
    certain = pl.col("won_amount")
    return (
        parts.group_by(*period, "segment_kind", "segment", maintain_order=True)
        .agg(
            pl.col("how").first().alias("variant"),
            pl.col("won_amount", "won_deals", "open_deals").max(),
            *((pl.col(name) * pl.col("weight")).sum() for name in _PARTS),
            pl.col("origins").first().alias("sample"),
            pl.col("combined_note").first().alias("note"),
            pl.col("left_out").sort_by("weight", descending=True).first(),
        )
        .with_columns(
            pl.lit(NAME).alias("method"),
            (certain + pl.col("open_expected") + pl.col("new_expected")).alias("forecast"),
        )
        .select("method", "variant", *TOTALS_SCHEMA)
    )


def residuals(
    record: pl.DataFrame,
    period: Period,
    origin: date,
    method: MethodKey | str = NAME,
    *,
    last: int = LAST,
) -> pl.DataFrame:
    """The last finished forecasts of one method, or of all variants of one name, that are like
    `period` at `origin`, as `intervals.RESIDUAL_SCHEMA`.
    """
    of_method = (
        pl.col("method") == method
        if isinstance(method, str)
        else (pl.col("method") == method[0]) & (pl.col("variant") == method[1])
    )
    finished = like(record.filter(of_method), period, origin)
    recent = finished["origin"].unique().sort(descending=True).head(last)
    return finished.filter(pl.col("origin").is_in(recent.implode())).select(
        "period_kind",
        (pl.col("period_end") - pl.col("origin")).dt.total_days().alias("days_left"),
        "expected_rest",
        "variance_rest",
        (pl.col("actual") - pl.col("won_amount")).alias("actual_rest"),
    )


def _key(note: Note | None) -> str | None:
    return note.key if note else None
