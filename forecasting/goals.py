"""Quotas against what was won: attainment, pacing, coverage, gap, and the chance of reaching them.

Definitions: docs/goals.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import NormalDist
from typing import Any, Final

import polars as pl

from forecasting.fiscal import months_later
from forecasting.periods import Period
from forecasting.quotas import AMOUNT, COUNT, Quota
from forecasting.selling_days import SellingDays

COLUMN: Final = {"owner": "owner_id", "team": "team", "pipeline": "pipeline_id"}

PAST_PERIODS: Final = 8
FEWEST_PERIODS: Final = 3
FEWEST_WON: Final = 30
"""What a seasonal pace needs: finished periods of the same length, and won deals in them."""

FEW_DEALS: Final = 5
"""Below so many won and open deals together, one of them decides."""

LEAST_CHANCE: Final = 0.01
"""Three quantiles say nothing surer than this, nor than its opposite."""

_P90: Final = NormalDist().inv_cdf(0.9)


@dataclass(frozen=True, slots=True)
class Attainment:
    """One quota, amounts in home currency.

    won: in the period so far, in the quota's measure; open_amount, open_deals: of open deals that
    should close in what is left of it. attainment = won / quota; gap = quota - won; coverage = open
    in the quota's measure / gap, None where the gap is closed. pace: by kind, won / (quota x share
    of the period that should be won by today); None where that share is 0 or not known.
    probability: of reaching it, 0-1. notes: why something is not known or not to be relied on.
    """

    quota: Quota
    won: float
    won_deals: int
    open_amount: float
    open_deals: int
    attainment: float
    gap: float
    coverage: float | None
    pace: Mapping[str, float | None]
    probability: float | None
    notes: tuple[str, ...]


def attainment(
    quota: Quota,
    deals: pl.DataFrame,
    forecasts: pl.DataFrame,
    *,
    today: date,
    selling: SellingDays,
) -> Attainment:
    """How a quota in home currency stands on `today`.

    deals: DEAL_SCHEMA of the account. forecasts: rows of the chosen method, with segment_kind,
    segment, period_start, period_end, won_amount, p10, p50, p90.
    """
    own, everyones = _own(quota, deals), _in_pipelines(quota, deals)
    until = min(quota.period.end, today + timedelta(days=1))
    amount, count = _won(own, quota.period.start, until)
    won = float(count) if quota.measure == COUNT else amount
    due = own.filter(
        (pl.col("status") == "open")
        & pl.col("close_date").is_between(max(quota.period.start, today), quota.period.last_day)
    )
    target = float(quota.amount)
    gap = target - won
    open_amount = float(due["amount"].sum())
    to_come = due.height if quota.measure == COUNT else open_amount
    shares = shares_due(
        quota.period, everyones, today=today, selling=selling, measure=quota.measure
    )
    chance, why = _probability(quota, own, forecasts, won, today)
    few = count + due.height < FEW_DEALS
    return Attainment(
        quota=quota,
        won=won,
        won_deals=count,
        open_amount=open_amount,
        open_deals=due.height,
        attainment=won / target,
        gap=gap,
        coverage=to_come / gap if gap > 0 else None,
        pace={name: won / (target * share) if share else None for name, share in shares.items()},
        probability=chance,
        notes=tuple(note for note in (why, "few_deals" if few else None) if note),
    )


def _in_pipelines(quota: Quota, deals: pl.DataFrame) -> pl.DataFrame:
    return deals.filter(pl.col("pipeline_id").is_in(quota.pipelines)) if quota.pipelines else deals


def _own(quota: Quota, deals: pl.DataFrame) -> pl.DataFrame:
    there = _in_pipelines(quota, deals)
    if quota.kind == "total":
        return there
    return there.filter(pl.col(COLUMN[quota.kind]) == quota.segment)


def _won(deals: pl.DataFrame, start: date, end: date) -> tuple[float, int]:
    found = deals.filter(
        (pl.col("status") == "won") & (pl.col("closed_on") >= start) & (pl.col("closed_on") < end)
    )
    return float(found["amount"].sum()), found.height


def shares_due(
    period: Period,
    deals: pl.DataFrame,
    *,
    today: date,
    selling: SellingDays,
    measure: str = AMOUNT,
) -> dict[str, float | None]:
    """The share of a period's total that should be won by the start of `today`: linear by calendar
    days, by selling days, and seasonal as in the account's own finished periods of that length.
    """
    at = min(max(today, period.start), period.end)
    days = (period.end - period.start).days
    sold, whole = selling.count(period.start, at), selling.count(period.start, period.end)
    return {
        "linear": (at - period.start).days / days,
        "selling_days": sold / whole if whole else None,
        "seasonal": _seasonal(period, deals, at, today, measure),
    }


def _seasonal(
    period: Period, deals: pl.DataFrame, at: date, today: date, measure: str
) -> float | None:
    """Won by as far into the period, of all that was won in them; None where the past is short."""
    months = (period.end.year - period.start.year) * 12 + period.end.month - period.start.month
    if period.start.day != 1 or period.end.day != 1 or deals.is_empty():
        return None
    far = (at - period.start) / (period.end - period.start)
    first: date = deals["created_on"].min()  # type: ignore[assignment]
    by_then = total = 0.0
    periods = won = 0
    for back in range(1, PAST_PERIODS + 12):
        start, end = (months_later(day, -back * months) for day in (period.start, period.end))
        if start < first or periods == PAST_PERIODS:
            break
        if end > today:
            continue
        whole = _won(deals, start, end)
        part = _won(deals, start, start + timedelta(days=round(far * (end - start).days)))
        by_then += part[measure == COUNT]
        total, won, periods = total + whole[measure == COUNT], won + whole[1], periods + 1
    if periods < FEWEST_PERIODS or won < FEWEST_WON or total <= 0:
        return None
    return by_then / total


def _probability(
    quota: Quota, own: pl.DataFrame, forecasts: pl.DataFrame, won: float, today: date
) -> tuple[float | None, str | None]:
    """From the forecast that ends with the quota's period and begins in it: the days before are
    certain. None with the reason where there is none.
    """
    period, target = quota.period, float(quota.amount)
    if won >= target:
        return 1.0, None
    if period.end <= today:
        return 0.0, None
    if quota.measure == COUNT:
        return None, "count"
    if quota.pipelines:
        return None, "pipelines"
    found = forecasts.filter(
        (pl.col("segment_kind") == quota.kind)
        & (pl.col("segment") == quota.segment)
        & (pl.col("period_end") == period.end)
        & (pl.col("period_start") >= period.start)
        & ((pl.col("period_start") <= today) | (pl.col("period_start") == period.start))
    ).sort("period_start")
    if found.is_empty():
        return None, "no_forecast"
    found = found.filter(pl.col("p50").is_not_null())
    if found.is_empty():
        return None, "no_range"
    row: dict[str, Any] = found.row(0, named=True)
    before, _ = _won(own, period.start, row["period_start"])
    levels = (row["p10"], row["p50"], row["p90"])
    return chance_of_reaching(target - before, row["won_amount"], levels), None


def chance_of_reaching(target: float, won: float, levels: tuple[float, float, float]) -> float:
    """P(total >= target) of a total that is never below `won`, by its P10, P50 and P90: normal on
    either side of the median with that side's own width.
    """
    low, middle, high = levels
    if target <= won or target <= low == high:
        return 1.0
    if target == middle:
        return 0.5
    width = (middle - low if target < middle else high - middle) / _P90
    if width <= 0:
        return 1.0 if target < middle else 0.0
    chance = 1 - NormalDist().cdf((target - middle) / width)
    return min(max(chance, LEAST_CHANCE), 1 - LEAST_CHANCE)
