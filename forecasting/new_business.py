"""Revenue of a period from deals that nobody has created yet.

Per pipeline: how many deals are created a day, which share of them is won within u days of its
creation, and what a won one brings. Leaving it out costs 28 to 64 % beyond one period.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final, Self

import numpy as np
import polars as pl

from forecasting.cohort_curves import Curves, curves
from forecasting.features import landmarks
from forecasting.methods.totals import NEW_COLUMNS, SEGMENT_COLUMNS
from forecasting.pace import learn
from forecasting.periods import Period
from forecasting.positions import positions
from forecasting.snapshot import Snapshot
from forecasting.tracks import Floats, Ints, micros

WINDOWS: Final = (28, 56, 91, 182, 364)
"""Days that the rate of arrival may be counted over; the account's own past chooses. Rates are per
paced day of arrivals (see `pace`), so that a January is not judged by its December.
"""

_PRIOR_DEALS: Final = 10.0
_COHORT_DAYS: Final = 728
_LONGEST: Final = 3653


class NewBusiness:
    """After `fit`: `window_` (days that arrivals are counted over) and `pipelines_`: per pipeline
    the arrivals per day, the deals counted, and the first three moments of won amounts.
    """

    def fit(self, snapshot: Snapshot) -> Self:
        deals, today = snapshot.deals, snapshot.today
        since = (pl.lit(today) - pl.col("created_on")).dt.total_days()
        cohort = (
            deals.with_columns(since=since)
            .filter((pl.col("since") > 0) & (pl.col("since") <= _COHORT_DAYS))
            .sort("connection", "deal_id")
        )
        first = deals["created_on"].min()
        self.watched_ = (today - first).days if isinstance(first, date) else 0
        begins = max(first, today - timedelta(days=_LONGEST)) if isinstance(first, date) else today
        self._arrivals = learn(micros(deals["created_at"]), begins, today, snapshot.zone)
        self._pace = landmarks(snapshot).pace
        self.window_ = _best_window(
            _per_day(cohort["since"], self.watched_), self._arrivals.until(today, self.watched_)
        )
        passed = self._arrivals.until(today, self.window_)[-1]
        recent = pl.col("since") <= self.window_
        pipelines = cohort["pipeline_id"].unique().sort()
        self._curves = self._learn_curves(cohort, pipelines, snapshot)
        self.pipelines_ = pl.DataFrame({"pipeline_id": pipelines}).join(
            cohort.group_by("pipeline_id").agg(
                recent.sum().alias("deals"),
                (recent.sum() / max(passed, 1.0)).alias("per_day"),
            ),
            on="pipeline_id",
            how="left",
            nulls_equal=True,
            maintain_order="left",
        )
        self._amounts = self._learn_amounts(deals, pipelines)
        self.shares_ = (
            cohort.filter(recent)
            .group_by(SEGMENT_COLUMNS)
            .agg(pl.len().alias("deals"))
            .with_columns(share=pl.col("deals") / pl.col("deals").sum().over("pipeline_id"))
            .drop("deals")
        )
        return self

    def _learn_curves(
        self, cohort: pl.DataFrame, pipelines: pl.Series, snapshot: Snapshot
    ) -> Curves:
        """P(won within u days of creation), of the account and mixed into each pipeline's."""
        now = snapshot.past.until
        ended = np.minimum(micros(cohort["closed_at"]), now)
        dated = cohort["closed_at"].is_not_null().to_numpy()
        days = np.maximum(self._pace.between(micros(cohort["created_at"]), ended), 0.0)
        won = (cohort["status"] == "won").to_numpy() & dated
        lost = (cohort["status"] == "lost").to_numpy() & dated
        cell = positions(cohort, pipelines.to_frame("pipeline_id"))
        everyone = np.zeros(len(cell), np.int64)
        sizes = np.bincount(cell, minlength=len(pipelines)).astype(float)
        account = curves(everyone, 1, days, won, lost, np.array([float(len(cell))]))
        return curves(
            cell, len(pipelines), days, won, lost, sizes, account, np.zeros(len(pipelines), int)
        )

    def _learn_amounts(self, deals: pl.DataFrame, pipelines: pl.Series) -> Floats:
        """Moments of won amounts per pipeline, shrunk to the account's; wins without an amount
        are taken to have brought the usual.
        """
        won = deals.filter((pl.col("status") == "won") & pl.col("amount").is_not_null())
        amount = won["amount"].to_numpy()
        cell = positions(won, pipelines.to_frame("pipeline_id"))
        inside = cell >= 0
        counts = np.bincount(cell[inside], minlength=len(pipelines))
        found = []
        for power in (1, 2, 3):
            sums = np.bincount(cell[inside], amount[inside] ** power, minlength=len(pipelines))
            usual = float((amount**power).mean()) if amount.size else 0.0
            found.append((sums + _PRIOR_DEALS * usual) / (counts + _PRIOR_DEALS))
        return np.array(found).reshape(3, len(pipelines))

    def expected(self, periods: Sequence[Period], snapshot: Snapshot) -> list[pl.DataFrame]:
        """Per period rows of the segment columns and `NEW_COLUMNS`: compound Poisson, with the
        rate's own uncertainty in the variance.
        """
        return [self._expected(period, snapshot.today) for period in periods]

    def _expected(self, period: Period, today: date) -> pl.DataFrame:
        start, end = (max((day - today).days, 0) for day in (period.start, period.end))
        rate = self.pipelines_["per_day"].fill_null(0.0).to_numpy()
        cells = np.arange(len(rate))
        wins = np.zeros(len(rate))
        arrived = self._arrivals.from_day(today, end)
        passed = self._pace.from_day(today, end)
        for day, arriving in enumerate(np.diff(arrived)):
            noon = (passed[day] + passed[day + 1]) / 2
            wins += arriving * self._curves.by(cells, passed[end] - noon)
            if start > day:
                wins -= arriving * self._curves.by(cells, passed[start] - noon)
        first, second, third = self._amounts
        counted = np.maximum(self.pipelines_["deals"].fill_null(0).to_numpy(), 1)
        per_deal = wins * first
        frame = self.pipelines_.select(
            "pipeline_id",
            mean=rate * per_deal,
            # the rate was counted from so many deals
            variance=rate * wins * second + (rate * per_deal) ** 2 / counted,
            third=rate * wins * third,
        )
        shared = self.shares_.join(frame, on="pipeline_id", how="inner", nulls_equal=True)
        columns = zip(NEW_COLUMNS, ("mean", "variance", "third"), strict=True)
        return shared.select(
            *SEGMENT_COLUMNS,
            *((pl.col("share") * pl.col(name)).alias(column) for column, name in columns),
        )


def _per_day(since: pl.Series, watched: int) -> Ints:
    """Deals created 1, 2, ... days ago, those of still earlier days on the last one."""
    days = np.clip(since.to_numpy(), 0, max(watched, 0))
    return np.bincount(days, minlength=watched + 1)[1:]


def _best_window(per_day: Ints, passed: Floats) -> int:
    """The window whose rate came nearest to the four weeks after it, over the past; where there is
    too little past to choose, a quarter, or all there is. `per_day`: deals created 1, 2, ... days
    ago; `passed`: paced days of the last 0, 1, ... days.
    """
    watched = len(passed) - 1
    usual = min(91, max(watched, 1))
    ahead = 28
    origins = range(ahead, min(watched - ahead, 364), 7)
    if len(origins) < 8:
        return usual
    total = np.concatenate([[0], np.cumsum(per_day)])
    errors = {}
    for window in WINDOWS:
        if window <= watched - origins[-1]:
            errors[window] = sum(
                abs(
                    (total[origin + window] - total[origin])
                    / (passed[origin + window] - passed[origin])
                    - (total[origin] - total[origin - ahead])
                    / (passed[origin] - passed[origin - ahead])
                )
                for origin in origins
            )
    return min(errors, key=lambda window: (errors[window], -window)) if errors else usual
