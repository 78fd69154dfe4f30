"""The combination: what each method says, weighted by how it did on this very account.

Weights come from the errors of finished origins only; with too few of them the first method of a
documented order that can speak is shown alone, and the note says so. One set of weights serves a
period's total and all its segments, so segments add up. Formula: docs/methods/combination.md.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Literal

import polars as pl

from forecasting.deals import Period
from forecasting.intervals import PRIOR_ORIGINS, PRIOR_SHOCK
from forecasting.methods.base import TOTALS_SCHEMA
from forecasting.notes import Note

How = Literal["weighted", "chosen"]
MethodKey = tuple[str, str]

NAME: Final = "combination"
LAST: Final = 26
"""Finished origins looked back on: half a year of weekly ones."""
LEAST: Final = 3
"""Fewer finished origins than this say nothing about which method is better."""

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

ON_TRIAL: Final[frozenset[MethodKey]] = frozenset({("multivariable", "boosted")})
"""Optional methods, hard to explain: never shown first, and weighed only where the account's own
record says that they win (see `_passed`).
"""
MARGIN: Final = 0.1
"""How much less than the best other method's a mean squared error on trial has to be."""
TRIAL: Final = 13
"""Finished origins that a trial takes: a quarter of weekly ones."""

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

_NOTED: Final = pl.col("note").fill_null("")
_FEW_WON: Final = _NOTED.str.starts_with("few_won_deals")
STAND_IN: Final = _NOTED.str.starts_with("not_enough_history") | _FEW_WON
"""What a method shows for want of history is not its own, and teaches nothing about it."""

_NEARLY_NONE: Final = 1e-6
"""Without any error a method would take everything; it is a coincidence of few origins."""

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

    "weighted": by the inverse of each method's squared error beyond chance (see `_beyond_chance`)
    over the last finished origins (see `like`); "chosen": the one with the least squared error. A
    method without `least` finished origins of its own takes no part. Where none has them: the first
    of `order` that is able, with a note.
    """
    finished = like(record, period, origin).filter((pl.col("method") != NAME) & ~STAND_IN)
    recent = finished["origin"].unique().sort(descending=True).head(last)
    errors = (
        finished.filter(pl.col("origin").is_in(recent.implode()))
        .group_by("method", "variant")
        .agg(
            ((pl.col("forecast") - pl.col("actual")) ** 2).mean().alias("mse"),
            pl.col("variance_rest").mean().alias("by_chance"),
            (pl.col("actual") - pl.col("won_amount")).abs().mean().alias("rest"),
            pl.col("origin").n_unique().alias("sample"),
        )
        .filter(pl.col("sample") >= least)
        .sort("mse", "method", "variant")
    )
    rows = _passed(
        [row for row in errors.iter_rows(named=True) if (row["method"], row["variant"]) in able]
    )
    if not rows:
        return _by_order(able, order, len(recent))
    sample = max(row["sample"] for row in rows)
    if how == "chosen":
        return Weights({(rows[0]["method"], rows[0]["variant"]): 1.0}, "chosen", sample)
    beyond = _beyond_chance(rows)
    inverse = [1 / each for each in beyond] if all(beyond) else [1.0] * len(rows)
    whole = sum(inverse)
    parts = {
        (row["method"], row["variant"]): part / whole
        for row, part in zip(rows, inverse, strict=True)
    }
    return Weights(parts, "weighted", sample)


def _passed(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The methods that may be weighed: those on trial with `TRIAL` finished origins and an error
    below the best other's by `MARGIN`, and all others. `rows`: by mse, the least first.
    """
    regular = [row for row in rows if (row["method"], row["variant"]) not in ON_TRIAL]
    if not regular:
        return []
    limit = (1 - MARGIN) * regular[0]["mse"]
    passed = [
        row
        for row in rows
        if (row["method"], row["variant"]) in ON_TRIAL
        and row["sample"] >= TRIAL
        and row["mse"] < limit
    ]
    return [*passed, *regular]


def _beyond_chance(rows: Sequence[Mapping[str, Any]]) -> list[float]:
    """Per method the squared error that chance does not explain, and the prior: a shock of 10 %
    that weighs as much as 4 origins.

    All methods look at the same future, so chance is an error that they share and that no weights
    can lessen; the weights of least variance are inverse to the rest. `rows`: by mse, the least
    first, whose word is taken for how much chance makes. All above 0, or all 0.
    """
    best, sample = rows[0], max(row["sample"] for row in rows)
    prior = PRIOR_ORIGINS / sample * (PRIOR_SHOCK * best["rest"]) ** 2
    chance = min(best["by_chance"], best["mse"])  # it makes no more than the least error seen
    beyond = [prior + row["mse"] - chance for row in rows]
    return [max(each, max(beyond) * _NEARLY_NONE) for each in beyond]


def _by_order(able: Collection[MethodKey], order: Sequence[MethodKey], sample: int) -> Weights:
    for key in (*order, *sorted(set(able) - set(order) - ON_TRIAL)):
        if key in able:
            return Weights({key: 1.0}, "order", sample, Note("not_enough_history", key[0]))
    return Weights({}, "order", sample, Note("no_method"))


def able_methods(totals: pl.DataFrame, period: Period) -> set[MethodKey]:
    """The methods whose total of `period` is theirs: not a stand-in for want of history. Where
    there are none, those that speak from few won deals.
    """
    of_period = totals.filter(
        (pl.col("period_kind") == period.kind.value)
        & (pl.col("period_start") == period.start)
        & (pl.col("period_end") == period.end)
        & (pl.col("segment_kind") == "total")
    )
    own, few = of_period.filter(~STAND_IN), of_period.filter(_FEW_WON)
    told = own if own.height else few
    return {(m, v) for m, v in told.select("method", "variant").iter_rows()}


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
