"""What holds the sale up: each suspect with its measure, the money per day it costs, how sure.

Four that every account is examined for (a dirty pipeline, an unclear process, long cycles for want
of structure, poor data), and the stage that is slower or loses more than the account's own others,
or than itself a year ago. Definitions: docs/process.md.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

import polars as pl

from forecasting.backtest import start_of
from forecasting.bottlenecks.bottleneck import Bottleneck, Certainty, Code, Window
from forecasting.bottlenecks.landmark import landmark
from forecasting.bottlenecks.stages import stage_bottlenecks
from forecasting.bottlenecks.suspects import (
    dirty_pipeline,
    long_cycles,
    missed_criteria,
    poor_data,
    unclear_process,
)
from forecasting.competing_risks import incidence
from forecasting.exit_criteria import CriterionResult
from forecasting.passages import stage_table
from forecasting.velocity import cycle_days, watched_spells
from forecasting.what_if import drivers_of

__all__ = ["Bottleneck", "Certainty", "Code", "Process", "examine"]

RECENT_DAYS: Final = 182
YEAR_DAYS: Final = 364
MOST_UNSEEN: Final = 0.05
"""Of the window's deals, for some new ones wait on every day."""


@dataclass(frozen=True, slots=True)
class Process:
    """One account as examined: its frames, and what is derived from them once.

    `deals` with size_class; `visited`, `passed`: `passages.visits` and `passages.passages`.
    `unseen`: per deal, whether its beginning is not known (yet), so that it is in neither of these.
    """

    deals: pl.DataFrame
    changes: pl.DataFrame
    stages: pl.DataFrame
    stays: pl.DataFrame
    visited: pl.DataFrame
    passed: pl.DataFrame
    as_of: datetime
    today: date
    zone: str
    window_days: int = 365
    unseen: pl.Series | None = None

    @property
    def is_whole(self) -> bool:
        """Whether the past is known of nearly all deals of the window. What is read first (open
        deals, large ones) is no sample of all: where it is not, no stage and no trait is judged.
        """
        if self.unseen is None:
            return True
        ended = pl.col("status").is_in(("won", "lost"))
        counted = (~ended | (pl.col("closed_on") >= self.since_day)).fill_null(True)
        within = self.deals.select(counted).to_series()
        return int((self.unseen & within).sum()) <= MOST_UNSEEN * int(within.sum())

    @property
    def since_day(self) -> date:
        return self.today - timedelta(days=self.window_days - 1)

    @property
    def since(self) -> datetime:
        return start_of(self.since_day, self.zone)

    def stage_table(self, first: date, last: date) -> pl.DataFrame:
        """`passages.stage_table` of these days, both in it, what came later not known."""
        until = min(start_of(last + timedelta(days=1), self.zone), self.as_of)
        return stage_table(
            self.passed,
            self.stays,
            self.stages,
            since=start_of(first, self.zone),
            as_of=until,
        )


def examine(
    process: Process,
    velocities: pl.DataFrame,
    criteria: list[CriterionResult],
    *,
    cost_of_sales_per_day: float | None = None,
) -> list[Bottleneck]:
    """Every suspect of one account: what is shown first, the dearest first of these.

    `velocities`: `velocity.drivers` with the segments total and pipeline.
    """
    watched = watched_spells(
        process.deals, since=process.since, as_of=process.as_of, today=process.today
    )
    won = watched.filter(pl.col("outcome") == "won")
    total = velocities.filter(pl.col("segment_kind") == "total").row(0, named=True)
    window = Window(
        days=float(process.window_days),
        drivers=drivers_of(total),
        won_amount=float(won["amount"].sum() or 0.0),
        deal_days=float((watched["to_days"] - watched["from_days"]).sum()),
        cost_of_sales_per_day=cost_of_sales_per_day,
    )
    timed = won.with_columns(days=cycle_days())
    usual = incidence(watched, [])["median_days"].max() if watched.height else None
    found = [dirty_pipeline(watched, window), long_cycles(timed, window)]
    found += _traits(process, window, usual) + missed_criteria(criteria, window)
    found += _stages(process, velocities) if process.is_whole else []
    return sorted(found, key=lambda each: (not each.accused, -(each.cost_per_day or 0.0)))


def _traits(process: Process, window: Window, usual: object) -> list[Bottleneck]:
    if not isinstance(usual, float) or window.drivers is None or not process.is_whole:
        return [
            Bottleneck("unclear_process", "too_few", "share_that_skipped_or_went_back", None, 0),
            Bottleneck("poor_data", "too_few", "share_with_poor_data", None, 0),
        ]
    at_half = landmark(
        process.deals,
        process.visited,
        process.changes,
        age_days=usual / 2,
        since=process.since,
        as_of=process.as_of,
    )
    return [unclear_process(at_half, window), poor_data(at_half, window)]


def _stages(process: Process, velocities: pl.DataFrame) -> list[Bottleneck]:
    rows = velocities.filter(pl.col("segment_kind") == "pipeline").to_dicts()
    known = {str(row["segment"]): drivers_of(row) for row in rows}
    today, recent = process.today, process.today - timedelta(days=RECENT_DAYS - 1)
    year = timedelta(days=YEAR_DAYS)
    return stage_bottlenecks(
        process.stage_table(process.since_day, today),
        process.stage_table(recent, today),
        process.stage_table(recent - year, today - year),
        {pipeline: drivers for pipeline, drivers in known.items() if drivers is not None},
    )
