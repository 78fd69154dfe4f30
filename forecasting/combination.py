"""The combination: what each method says, weighted by how it did on this very account.

Weights come from the errors of finished origins only; with too few of them the first method of a
documented order that can speak is shown alone, and the note says so. One set of weights serves a
period's total and all its segments, so segments add up. Formula: docs/methods/combination.md.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final, Literal

import numpy as np
import polars as pl

from forecasting.intervals import PRIOR_ORIGINS, PRIOR_SHOCK
from forecasting.least_variance import shares
from forecasting.methods.base import TOTALS_SCHEMA
from forecasting.notes import Note
from forecasting.overlap import independent
from forecasting.periods import Period
from forecasting.tracks import Floats

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

_TELL_WHY: Final[tuple[MethodKey, ...]] = (("opportunity_stage", "crm"), ("intuitive", "stated"))
"""They need no history: when even they say nothing, what they left out is the reason."""

ON_TRIAL: Final[frozenset[MethodKey]] = frozenset({("multivariable", "boosted")})
"""Optional methods, hard to explain: never shown first, and weighed only where the account's own
record says that they win (see `_passed`).
"""
MARGIN: Final = 0.1
"""How much less than the best other method's a mean squared error on trial has to be."""
TRIAL: Final = 13
"""Finished origins shared with the others that a trial takes: a quarter of weekly ones."""

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

_FORECAST: Final = ("origin", "period_start", "period_end")
"""What names a forecast of the past, whoever made it."""

_STRETCH: Final = pl.max_horizontal("origin", "period_start").alias("starts")
"""From here to the period's end is what a forecast foresees."""

_ENOUGH: Final = 0.5
"""Share of the weight that has to have spoken at a past origin for its error to teach."""

_REST: Final = ("expected_rest", "variance_rest")

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

    Methods are compared on the same finished origins, the last of those at which all of them spoke
    (see `like`). "weighted": the shares of least squared error (see `least_variance`), drawn to the
    first of `order` while the record is short; "chosen": the one with the least squared error. A
    method that leaves fewer than `least` origins to compare takes no part. Where no method has
    them: the first of `order` that is able, with a note. Where nothing more came after any of these
    origins the note says so; where all methods said so too, none is better, and it is the first of
    `order` again.
    """
    finished = like(record, period, origin).filter((pl.col("method") != NAME) & ~STAND_IN)
    recent = finished["origin"].unique().sort(descending=True).head(last)
    told = finished.filter(pl.col("origin").is_in(recent.implode()))
    regular, common = _compared(told, [key for key in able if key not in ON_TRIAL], least)
    if not regular:
        return _by_order(able, order, len(recent))
    for key in sorted(ON_TRIAL & set(able)):
        both, shared = _compared(told, [*regular, key], TRIAL)
        if key in both and len(both) > len(regular) and _passes(shared, both.index(key)):
            regular, common = both, shared
    sample = common["origin"].n_unique()
    errors = common.drop(_FORECAST).to_numpy()
    rest = _to_come(told.join(common, on=_FORECAST, how="semi"))
    note = None if rest else Note("nothing_came")
    if note is not None and not errors.any():
        return replace(_by_order(able, order, sample), note=note)
    if how == "chosen":
        best = regular[int((errors**2).mean(axis=0).argmin())]
        return Weights({best: 1.0}, "chosen", sample, note)
    parts = shares(errors, PRIOR_ORIGINS / sample * (PRIOR_SHOCK * rest) ** 2)
    first = next((regular.index(key) for key in order if key in regular), None)
    if first is not None:
        starts = common.select(_STRETCH).to_series()
        parts = _drawn_to(first, parts, errors, independent(starts, common["period_end"]))
    return Weights(
        {key: float(part) for key, part in zip(regular, parts, strict=True) if part > 0},
        "weighted",
        sample,
        note,
    )


def _drawn_to(first: int, parts: Floats, errors: Floats, worth: float) -> Floats:
    """`parts` mixed with the method in place `first`, each by its precision: the record, `worth` so
    many independent origins, by the squared error of the mix, the prior's by that of the method.
    Who had little to learn from when the record began is not judged by those weeks alone; who errs
    far more gets little.
    """
    mixed, alone = ((errors @ parts) ** 2).mean(), (errors[:, first] ** 2).mean()
    record, prior = worth * alone, PRIOR_ORIGINS * mixed
    drawn = parts * (record / (record + prior) if record + prior > 0 else 1.0)
    drawn[first] += 1 - drawn.sum()
    return drawn


def _compared(
    told: pl.DataFrame, keys: Collection[MethodKey], least: int
) -> tuple[list[MethodKey], pl.DataFrame]:
    """Those of `keys` that can be compared, the longest records first, and their errors where all
    of them spoke: `_FORECAST` and a column per method.
    """
    names = {f"{method}:{variant}": (method, variant) for method, variant in keys}
    wide = (
        told.with_columns(
            pl.concat_str("method", pl.lit(":"), "variant").alias("key"),
            (pl.col("forecast") - pl.col("actual")).alias("error"),
        )
        .filter(pl.col("key").is_in(list(names)))
        .pivot("key", index=_FORECAST, values="error")
    )
    told_by = {name: wide[name].count() for name in names if name in wide.columns}
    kept: list[str] = []
    for name in sorted(told_by, key=lambda name: (-told_by[name], name)):
        shared = wide.drop_nulls(name)
        if shared["origin"].n_unique() >= least:
            kept, wide = [*kept, name], shared
    return [names[name] for name in kept], wide.select(*_FORECAST, *kept)


def _passes(errors: pl.DataFrame, place: int) -> bool:
    """Whether the method in that place errs less than the best other by `MARGIN`."""
    squares = (errors.drop(_FORECAST).to_numpy() ** 2).mean(axis=0)
    others = np.delete(squares, place)
    return bool(squares[place] < (1 - MARGIN) * others.min())


def _to_come(told: pl.DataFrame) -> float:
    """Mean of what was still to come at the origins of `told`."""
    rest = (told["actual"] - told["won_amount"]).abs().mean()
    return float(rest) if isinstance(rest, int | float) else 0.0


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
    shows in the residuals, hence in the common shock). Won amounts are the same for all. Where no
    method can say anything, the figure is what is won, with what the others left out; periods that
    `weights` does not name are left out.
    """
    silent = next((key for key in _TELL_WHY if totals.filter(_made_by(key)).height), None)
    table = pl.DataFrame(
        [
            (p.kind.value, p.start, p.end, m, v, w, chosen.how, chosen.sample, _key(chosen.note))
            for p, chosen in weights.items()
            for (m, v), w in (chosen.parts or ({silent: 1.0} if silent else {})).items()
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


def _made_by(key: MethodKey) -> pl.Expr:
    return (pl.col("method") == key[0]) & (pl.col("variant") == key[1])


def residuals(
    record: pl.DataFrame,
    period: Period,
    origin: date,
    parts: Mapping[MethodKey, float],
    *,
    last: int = LAST,
) -> pl.DataFrame:
    """What methods weighted by `parts` would have said at the last finished origins like `period`
    at `origin`, as `intervals.RESIDUAL_SCHEMA`.

    Of today's weights, whatever they were then: the next forecast errs as these methods do. Where
    some were silent, or stood in for want of history, the others speak if they weigh half of it.
    """
    table = pl.DataFrame(
        [(*key, part) for key, part in parts.items()],
        schema={"method": pl.String, "variant": pl.String, "weight": pl.Float64},
        orient="row",
    )
    told = like(record, period, origin).filter(~STAND_IN).join(table, on=("method", "variant"))
    weight = pl.col("weight")
    finished = (
        told.group_by("period_kind", *_FORECAST)
        .agg(
            *((pl.col(n) * weight).sum() / weight.sum() for n in _REST),
            pl.col("actual", "won_amount").first(),
            weight.sum(),
        )
        .filter(weight >= _ENOUGH)
        .sort(_FORECAST)
    )
    recent = finished["origin"].unique().sort(descending=True).head(last)
    return finished.filter(pl.col("origin").is_in(recent.implode())).select(
        "period_kind",
        (pl.col("period_end") - pl.col("origin")).dt.total_days().alias("days_left"),
        "expected_rest",
        "variance_rest",
        (pl.col("actual") - pl.col("won_amount")).alias("actual_rest"),
        _STRETCH,
        pl.col("period_end").alias("ends"),
    )


def _key(note: Note | None) -> str | None:
    return note.key if note else None
