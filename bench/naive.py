"""Forecasts that anyone can make without looking at a deal: what every method has to beat."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Self

import polars as pl

from forecasting.methods.base import DEALS_SCHEMA, TOTALS_SCHEMA
from forecasting.periods import Period, PeriodKind, period_of
from forecasting.segments import ALL_SEGMENTS, SegmentKind
from forecasting.snapshot import Snapshot


class Naive:
    """Total revenue of a period from what was won before it. "last_period": as much as in the same
    number of days, or the calendar period, before; "mean_8": the mean of the last 8 such periods
    that are over, a week (a month) apart; "last_year": the same days 364 earlier, or the same
    calendar period.
    """

    name = "naive"

    def __init__(self, variant: str) -> None:
        self.variant = variant

    @property
    def parameters(self) -> Mapping[str, float | int | str]:
        return {}

    def fit(self, snapshot: Snapshot) -> Self:
        won = snapshot.deals.filter(pl.col("status") == "won")
        self._won = won.select("closed_on", "amount")
        self._first: date | None = snapshot.deals["created_on"].min()  # type: ignore[assignment]
        return self

    def deals(self, snapshot: Snapshot, periods: Sequence[Period]) -> pl.DataFrame:
        return pl.DataFrame(schema=DEALS_SCHEMA)

    def totals(
        self,
        snapshot: Snapshot,
        periods: Sequence[Period],
        segments: Sequence[SegmentKind] = ALL_SEGMENTS,
    ) -> pl.DataFrame:
        rows = []
        for period in periods:
            expected, known = self._expected(period, snapshot.today)
            rows.append(
                {
                    "period_kind": period.kind.value,
                    "period_start": period.start,
                    "period_end": period.end,
                    "segment_kind": "total",
                    "segment": "",
                    "won_amount": 0.0,
                    "won_deals": 0,
                    "open_expected": 0.0,
                    "open_variance": 0.0,
                    "open_third_moment": 0.0,
                    "open_deals": 0,
                    "new_expected": expected,
                    "new_variance": 0.0,
                    "new_third_moment": 0.0,
                    "forecast": expected,
                    "sample": 0,
                    "note": None if known else "not_enough_history:naive",
                    "left_out": "{}",
                }
            )
        return pl.DataFrame(rows, schema=TOTALS_SCHEMA)

    def _expected(self, period: Period, today: date) -> tuple[float, bool]:
        """From the windows that end by `today`, and whether the history reaches that far back."""
        days = (period.end - period.start).days
        if self.variant == "last_year":
            start, end = _year_before(period)
        elif self.variant == "last_period" and period.kind is not PeriodKind.WINDOW:
            last = period_of(period.start - timedelta(1), period.kind)
            start, end = last.start, last.end
        elif self.variant == "last_period":
            start, end = today - timedelta(days), today
        else:
            return self._mean_of_eight(days, today)
        return self._between(start, end), self._first is not None and self._first <= start

    def _mean_of_eight(self, days: int, today: date) -> tuple[float, bool]:
        step = 7.0 if days <= 28 else 30.44
        ends = [today - timedelta(round(n * step)) for n in range(8)]
        spans = [(end - timedelta(days), end) for end in ends]
        known = self._first is not None and self._first <= spans[-1][0]
        return sum(self._between(*span) for span in spans) / len(spans), known

    def _between(self, start: date, end: date) -> float:
        inside = self._won.filter(pl.col("closed_on").is_between(start, end, closed="left"))
        return float(inside["amount"].sum())


def _year_before(period: Period) -> tuple[date, date]:
    if period.kind is PeriodKind.WINDOW:
        return period.start - timedelta(364), period.end - timedelta(364)
    year_before = period_of(period.start.replace(year=period.start.year - 1), period.kind)
    return year_before.start, year_before.end


NAIVE = ("last_period", "mean_8", "last_year")
