"""Revenue of a period from deals that nobody has created yet.

Per pipeline: how many deals are created a day, which share of them is won within u days of its
creation, and what a won one brings. Leaving it out costs 28 to 64 % beyond one period.
"""

from collections.abc import Sequence
from datetime import date
from typing import Final, Self

import numpy as np
import polars as pl

from forecasting.conversion import Curves, curves
from forecasting.deals import Period
from forecasting.methods.totals import NEW_COLUMNS, SEGMENT_COLUMNS
from forecasting.snapshot import Snapshot
from forecasting.tracks import DAY_US, Floats, Ints

WINDOWS: Final = (28, 56, 91, 182, 364)
"""Days that the rate of arrival may be counted over; the account's own past chooses."""

_PRIOR_DEALS: Final = 10.0
_COHORT_DAYS: Final = 728


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
        self.window_ = _best_window(_per_day(cohort["since"], self.watched_), self.watched_)
        recent = pl.col("since") <= self.window_
        pipelines = cohort["pipeline_id"].unique().sort()
        self._curves = self._learn_curves(cohort, pipelines, snapshot)
        self.pipelines_ = pl.DataFrame({"pipeline_id": pipelines}).join(
            cohort.group_by("pipeline_id").agg(
                recent.sum().alias("deals"),
                (recent.sum() / max(self.window_, 1)).alias("per_day"),
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
        created = cohort["created_at"].dt.epoch("us").to_numpy()
        now = snapshot.past.until
        ended = cohort["closed_at"].dt.epoch("us").fill_null(now).to_numpy()
        dated = cohort["closed_at"].is_not_null().to_numpy()
        days = np.maximum((np.minimum(ended, now) - created) / DAY_US, 0.0)
        won = (cohort["status"] == "won").to_numpy() & dated
        lost = (cohort["status"] == "lost").to_numpy() & dated
        cell = _positions(cohort["pipeline_id"], pipelines)
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
        cell = _positions(won["pipeline_id"], pipelines)
        inside = cell >= 0
        counts = np.bincount(cell[inside], minlength=len(pipelines))
        found = []
        for power in (1, 2, 3):
            sums = np.bincount(cell[inside], amount[inside] ** power, minlength=len(pipelines))
            usual = float((amount**power).mean()) if amount.size else 0.0
            found.append((sums + _PRIOR_DEALS * usual) / (counts + _PRIOR_DEALS))
        return np.array(found).reshape(3, len(pipelines))

    def expected(self, periods: Sequence[Period], today: date) -> list[pl.DataFrame]:
        """Per period rows of the segment columns and `NEW_COLUMNS`: compound Poisson, with the
        rate's own uncertainty in the variance.
        """
        return [self._expected(period, today) for period in periods]

    def _expected(self, period: Period, today: date) -> pl.DataFrame:
        start, end = (max((day - today).days, 0) for day in (period.start, period.end))
        rate = self.pipelines_["per_day"].fill_null(0.0).to_numpy()
        cells = np.arange(len(rate))
        wins = np.zeros(len(rate))
        for day in range(end):  # created at noon of that day
            wins += self._curves.by(cells, end - day - 0.5)
            if start > day:
                wins -= self._curves.by(cells, start - day - 0.5)
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
    """Deals created 1, 2, ... days ago."""
    days = np.clip(since.to_numpy(), 0, max(watched, 0))
    return np.bincount(days, minlength=watched + 1)[1:]


def _best_window(per_day: Ints, watched: int) -> int:
    """The window whose rate came nearest to the four weeks after it, over the past; where there is
    too little past to choose, a quarter, or all there is.
    """
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
                    (total[origin + window] - total[origin]) / window
                    - (total[origin] - total[origin - ahead]) / ahead
                )
                for origin in origins
            )
    return min(errors, key=lambda window: (errors[window], -window)) if errors else usual


def _positions(values: pl.Series, known: pl.Series) -> Ints:
    """Where each value stands in `known`, -1 for one that does not."""
    frame = values.to_frame("value").join(
        known.to_frame("value").with_row_index("place"),
        on="value",
        how="left",
        nulls_equal=True,
        maintain_order="left",
    )
    return frame["place"].cast(pl.Int64).fill_null(-1).to_numpy()
