"""Historical: what was won in periods like this one before, with growth and seasons.

It never looks at an open deal, so it holds where stages say little and breaks where the business
turns. Formula, assumptions and failures: docs/methods/historical.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import Final, Literal, Self

import numpy as np
import polars as pl

from forecasting.methods.base import DEALS_SCHEMA, NotFittedError, register
from forecasting.methods.totals import NEW_COLUMNS, SEGMENT_COLUMNS, totals
from forecasting.periods import Period, PeriodKind, period_of
from forecasting.segments import ALL_SEGMENTS, SegmentKind
from forecasting.series import last_season, mean_of_simple, smoothed
from forecasting.snapshot import Snapshot
from forecasting.tracks import Floats

Model = Literal["last_year", "last_quarter", "smoothed", "mean"]

SHOWN_INSTEAD: Final = "recent_mean"
_RECENT: Final = 8
_YEAR_DAYS: Final = 364
_QUARTER_DAYS: Final = 91
_PRIOR_MONTHS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Outlook:
    """`amount` to come in a span, from how many past `periods`; `note` where it is a stand-in."""

    amount: float
    periods: int
    note: str | None


class DailyRevenue:
    """What was won each day up to a day before `today`, from `first` on; sums of any range."""

    def __init__(self, days: pl.Series, amounts: pl.Series, first: date, today: date) -> None:
        self.first = first
        self.today = today
        length = max((today - first).days, 0)
        frame = pl.DataFrame({"day": days, "amount": amounts.cast(pl.Float64)}).filter(
            pl.col("day").is_between(first, today, closed="left") & pl.col("amount").is_finite()
        )
        place = frame.select((pl.col("day") - pl.lit(first)).dt.total_days())
        at = place.to_series().to_numpy()
        daily = np.bincount(at, frame["amount"].to_numpy(), minlength=length)
        self._sums = np.concatenate([[0.0], np.cumsum(daily)])

    def between(self, start: date, end: date) -> float:
        """Won on the days from `start` up to, not including, `end`."""
        low, high = (
            int(np.clip((d - self.first).days, 0, len(self._sums) - 1)) for d in (start, end)
        )
        return float(self._sums[high] - self._sums[low])

    @property
    def anything(self) -> bool:
        return bool(self._sums[-1] > 0)


def outlook(past: DailyRevenue, start: date, end: date, model: Model) -> Outlook:
    """What comes in between `start` (today or later) and `end`, by one model.

    Whole months to come are forecast from months; the rest of a month that has begun from what
    such rests were of their months; any other span from spans of its length before it.
    """
    if end <= start:
        return Outlook(0.0, 0, None)
    if not past.anything:
        return Outlook(0.0, 0, "not_enough_history:nothing")
    begun = start == past.today and start.day > 1 and end > period_of(start, PeriodKind.MONTH).start
    if end.day == 1 and (start.day == 1 or begun):
        return _by_months(past, start, end, model)
    return _by_spans(past, start, end, model)


def _by_months(past: DailyRevenue, start: date, end: date, model: Model) -> Outlook:
    months = _months_until(past.first, past.today)
    values = np.array([past.between(month.start, month.end) for month in months])
    following = period_of(past.today, PeriodKind.MONTH)
    ahead = []
    while following.start < end:
        ahead.append(following)
        following = following.next()
    expected, note = _ahead(values, 12, 3, len(ahead), model)
    amount = 0.0
    for month, value in zip(ahead, expected, strict=True):
        if month.end > start:
            amount += value * (_rest(past, months, start) if month.start < start else 1.0)
    return Outlook(float(amount), len(months), note)


def _rest(past: DailyRevenue, months: Sequence[Period], day: date) -> float:
    """Which share of a month's revenue comes in its last days, from `day` on; of the last year."""
    month = period_of(day, PeriodKind.MONTH)
    left = (month.end - day).days
    recent = months[-12:]
    whole = [past.between(each.start, each.end) for each in recent]
    late = [
        past.between(max(each.end - timedelta(days=left), each.start), each.end) for each in recent
    ]
    even = left / (month.end - month.start).days
    typical = float(np.mean(whole)) if whole else 0.0
    total = sum(whole) + _PRIOR_MONTHS * typical
    return (sum(late) + _PRIOR_MONTHS * typical * even) / total if total > 0 else even


def _by_spans(past: DailyRevenue, start: date, end: date, model: Model) -> Outlook:
    days = (end - start).days
    ahead = 0
    before = start
    while before > past.today:  # whole spans between now and the one that is asked for
        before -= timedelta(days=days)
        ahead += 1
    count = max((before - past.first).days // days, 0)
    edges = [before - timedelta(days=days * n) for n in range(count, -1, -1)]
    values = np.array([past.between(a, b) for a, b in pairwise(edges)])
    season = round(_YEAR_DAYS / days) if _YEAR_DAYS % days <= days // 8 else 0
    if model in ("last_year", "last_quarter"):
        return _shifted(past, start, end, values, model)
    expected, note = _ahead(values, season, max(1, round(_QUARTER_DAYS / days)), ahead + 1, model)
    return Outlook(float(expected[-1]), count, note)


def _shifted(past: DailyRevenue, start: date, end: date, values: Floats, model: Model) -> Outlook:
    """The same days a year, or a quarter, earlier, on the same weekdays; times the growth of the
    last quarter on the one a year before it. A quarter ago is near enough to go without.
    """
    back = _YEAR_DAYS if model == "last_year" else _QUARTER_DAYS
    while back < (end - past.today).days:
        back += _YEAR_DAYS if model == "last_year" else _QUARTER_DAYS
    shift = timedelta(days=back)
    if start - shift < past.first:
        return Outlook(_recent(values), len(values), f"not_enough_history:{SHOWN_INSTEAD}")
    growth = 1.0
    quarter, year = timedelta(days=_QUARTER_DAYS), timedelta(days=_YEAR_DAYS)
    if model == "last_year" and past.today - quarter - year >= past.first:
        before = past.between(past.today - quarter - year, past.today - year)
        now = past.between(past.today - quarter, past.today)
        growth = float(np.clip(now / before, 0.5, 2.0)) if before > 0 else 1.0
    return Outlook(growth * past.between(start - shift, end - shift), len(values), None)


def _ahead(
    values: Floats, season: int, quarter: int, ahead: int, model: Model
) -> tuple[Floats, str | None]:
    """The next `ahead` values by one model; the recent mean, with a note, where it cannot."""
    enough = {"last_year": season, "last_quarter": quarter, "smoothed": 4, "mean": season or 8}
    if len(values) < max(enough[model], 1) or (model == "last_year" and not season):
        return np.full(ahead, _recent(values)), f"not_enough_history:{SHOWN_INSTEAD}"
    if model == "last_year":
        return last_season(values, season, ahead, over=quarter), None
    if model == "last_quarter":
        return values[-quarter:][np.arange(ahead) % quarter], None
    if model == "smoothed":
        return smoothed(values, season, ahead), None
    return mean_of_simple(values, season or 1, ahead), None


def _recent(values: Floats) -> float:
    return float(values[-_RECENT:].mean()) if len(values) else 0.0


def _months_until(first: date, today: date) -> list[Period]:
    """The whole months between two days."""
    month = period_of(first, PeriodKind.MONTH)
    if first.day > 1:
        month = month.next()
    months = []
    while month.end <= today:
        months.append(month)
        month = month.next()
    return months


@register("historical")
class Historical:
    """`model`: "last_year" (the same period a year ago times growth), "last_quarter" (the same
    part of the last quarter), "smoothed" (damped smoothing with seasons), "mean" (the mean of three
    simple seasonal forecasts).

    After `fit`: `past_` (daily revenue), `shares_` (of segments in the last year's revenue),
    `size_` (mean square over mean of won amounts: what chance alone makes of a sum).
    """

    name = "historical"

    def __init__(self, model: Model = "mean") -> None:
        self.model = model

    @property
    def variant(self) -> str:
        return self.model

    @property
    def parameters(self) -> Mapping[str, float | int | str]:
        return {"model": self.model}

    def fit(self, snapshot: Snapshot) -> Self:
        """Learn from the won deals; those without an amount bring nothing."""
        if self.model not in ("last_year", "last_quarter", "smoothed", "mean"):
            raise ValueError(
                f"model is {self.model!r}: 'last_year', 'last_quarter', 'smoothed' or 'mean'"
            )
        today = snapshot.today
        won = snapshot.deals.filter(
            (pl.col("status") == "won") & pl.col("closed_on").is_not_null() & (pl.col("amount") > 0)
        ).sort("connection", "deal_id")
        earliest = won["closed_on"].min()
        # ten years: what lies before bears on no quarter to come
        floor = today - timedelta(days=3653)
        first = max(earliest, floor) if isinstance(earliest, date) else today
        self.past_ = DailyRevenue(won["closed_on"], won["amount"], first, today)
        recent = won.filter(pl.col("closed_on") >= today - timedelta(days=_YEAR_DAYS))
        whole = (recent if recent.height else won).select(*SEGMENT_COLUMNS, "amount")
        self.shares_ = (
            whole.group_by(SEGMENT_COLUMNS, maintain_order=True)
            .agg(pl.col("amount").sum())
            .with_columns(share=pl.col("amount") / pl.col("amount").sum())
            .drop("amount")
        )
        amounts = whole["amount"].to_numpy()
        self.size_ = float((amounts**2).mean() / amounts.mean()) if amounts.size else 0.0
        self.cube_ = float((amounts**3).mean() / amounts.mean()) if amounts.size else 0.0
        return self

    def deals(self, snapshot: Snapshot, periods: Sequence[Period]) -> pl.DataFrame:
        """No rows: the method says nothing of single deals."""
        self._fitted()
        return pl.DataFrame(schema=DEALS_SCHEMA)

    def totals(
        self,
        snapshot: Snapshot,
        periods: Sequence[Period],
        segments: Sequence[SegmentKind] = ALL_SEGMENTS,
    ) -> pl.DataFrame:
        """`TOTALS_SCHEMA`; what is to come stands under new, for open deals are not told apart."""
        past, today = self._fitted(), snapshot.today
        expected = [
            outlook(past, max(p.start, today), max(p.end, today), self.model) for p in periods
        ]
        nobody = pl.DataFrame(
            schema={
                "connection": pl.String,
                "deal_id": pl.String,
                **dict.fromkeys(("inside", "m1", "m2", "m3"), pl.Float64),
                "left_out": pl.String,
            }
        )
        new = [
            self.shares_.select(
                *SEGMENT_COLUMNS,
                *(
                    (pl.col("share") * each.amount * factor).alias(column)
                    for column, factor in zip(
                        NEW_COLUMNS, (1.0, self.size_, self.cube_), strict=True
                    )
                ),
            )
            for each in expected
        ]
        return totals(
            snapshot,
            [(period, nobody) for period in periods],
            segments,
            sample=max((each.periods for each in expected), default=0),
            notes=[each.note for each in expected],
            new=new,
        )

    def _fitted(self) -> DailyRevenue:
        if not hasattr(self, "past_"):
            raise NotFittedError("historical has learned nothing yet: call fit first")
        return self.past_
