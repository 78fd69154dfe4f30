"""The four that every account is examined for."""

from math import sqrt
from typing import Final

import numpy as np
import polars as pl

from forecasting.bottlenecks.bottleneck import Z99, Bottleneck, Certainty, Code, Window
from forecasting.comparison import LEAST, Comparison, compare
from forecasting.competing_risks import incidence
from forecasting.exit_criteria import CriterionResult

DEAD_AFTER_P90: Final = 2.0
"""A deal is past its time when it is older than so many times the p90 of days to a win."""

DIRTY_SHARE: Final = 0.05
"""A pipeline is dirty from this share of open deals past their time, and at least LEAST_DEAD."""

LEAST_DEAD: Final = 5
LEAST_WON: Final = 20
LEAST_PER_OWNER: Final = 15
LEAST_SPREAD: Final = 0.15
"""Owners differ from this standard deviation of pace on, what chance makes of it taken off."""
LEAST_OWNERS: Final = 3


def dirty_pipeline(watched: pl.DataFrame, window: Window) -> Bottleneck:
    """Open deals past their time, and the work that goes into them.

    `watched`: `velocity.watched_spells` of the window with pipeline_id. The money: the share of all
    days that deals were open which was spent on such deals, times what sales work costs a day, or
    where that is not configured, times the money won per day. An upper limit: it takes every open
    deal as having its share of its owner's time.
    """
    keys = ["connection", "pipeline_id"]
    limits = incidence(watched, keys).select(
        *keys, limit=pl.when(pl.col("won") >= LEAST_WON).then(DEAD_AFTER_P90 * pl.col("p90_days"))
    )
    known = watched.join(limits, on=keys, how="left", nulls_equal=True).filter(
        pl.col("limit").is_not_null()
    )
    measure = "share_of_open_deals_past_their_time"
    still = pl.col("outcome") == "open"
    opened = int(known.select(still.sum()).item())
    if opened < LEAST:
        return Bottleneck("dirty_pipeline", "too_few", measure, None, opened)
    old = known.filter(pl.col("to_days") > pl.col("limit"))
    past = old.select(
        dead=still.sum(),
        amount=pl.col("amount").filter(still).sum(),
        won=(pl.col("outcome") == "won").sum(),
        days=(pl.col("to_days") - pl.max_horizontal("from_days", "limit")).sum(),
    ).row(0, named=True)
    dead, share = int(past["dead"]), int(past["dead"]) / opened
    spent = float(past["days"]) / window.deal_days if window.deal_days > 0 else 0.0
    evidence: dict[str, object] = {
        "deals_past_their_time": dead,
        "their_amount": past["amount"],
        "grew_so_old": old.height,
        "won_at_that_age": int(past["won"]),
        "share_of_deal_days": spent,
        "assumption": "every open deal takes equal time of its owner; the cost is an upper limit",
        "reckoned_with": "cost_per_rep_day" if window.cost_of_sales_per_day else "money won a day",
    }
    if dead < LEAST_DEAD or share < DIRTY_SHARE:
        return Bottleneck("dirty_pipeline", "not_shown", measure, share, opened, evidence=evidence)
    worth = window.cost_of_sales_per_day or window.won_amount / window.days
    return Bottleneck(
        "dirty_pipeline", "assumed", measure, share, opened, spent * worth, 0.0, spent * worth,
        evidence=evidence,
    )  # fmt: skip


def unclear_process(at_half: pl.DataFrame, window: Window) -> Bottleneck:
    """Deals that had left the line of stages by half the usual cycle, against the others."""
    measure = "share_that_skipped_or_went_back"
    known = at_half.filter(pl.col("stage_then").is_not_null())
    return _by_trait("unclear_process", measure, known, "detour", window)


def missed_criteria(results: list[CriterionResult], window: Window) -> list[Bottleneck]:
    """Exit criteria that were missed: the process is written down, and not kept."""
    return [
        _from_comparison(
            "unclear_process",
            "share_that_missed_exit_criteria",
            each.comparison,
            window,
            hint=bool(each.judged_now),
            pipeline_id=each.criterion.pipeline_id,
            stage_id=each.criterion.stage_id,
        )
        for each in results
    ]


def poor_data(at_half: pl.DataFrame, window: Window) -> Bottleneck:
    """Deals that lacked an amount, a close date or an owner at half the usual cycle."""
    hint = bool(at_half["judged_now"].any()) if at_half.height else False
    measure = "share_with_poor_data"
    return _by_trait("poor_data", measure, at_half, "poor_data", window, hint=hint)


def _by_trait(
    code: Code,
    measure: str,
    spells: pl.DataFrame,
    trait: str,
    window: Window,
    *,
    hint: bool = False,
) -> Bottleneck:
    known = spells.with_columns(pl.col(trait).fill_null(False))
    compared = compare(known, trait, strata=("pipeline_id", "stage_then"), z=Z99)
    return _from_comparison(code, measure, compared, window, hint=hint)


def _from_comparison(
    code: Code,
    measure: str,
    compared: Comparison,
    window: Window,
    *,
    hint: bool,
    pipeline_id: str | None = None,
    stage_id: str | None = None,
) -> Bottleneck:
    """The wins that such deals miss a day, times the average value."""
    total = compared.deals + compared.other_deals
    share = compared.deals / total if total else None
    rate = compared.win_rate
    evidence: dict[str, object] = {
        "deals": compared.deals,
        "win_rate": rate.with_trait,
        "win_rate_of_others": rate.others,
        "days_longer": compared.days.estimate,
    }
    certainty: Certainty = "not_shown"
    costs: tuple[float | None, float | None, float | None] = (None, None, None)
    if total >= 2 * LEAST and not compared.deals:
        certainty = "not_shown"  # the trait was looked for, and no deal has it
    elif rate.estimate is None or rate.low is None or rate.high is None or window.drivers is None:
        certainty = "too_few"
    elif rate.high < 0:
        certainty = "hint" if hint else "measured"
        per_point = compared.deals / window.days * window.drivers.average_value
        costs = (-rate.estimate * per_point, -rate.high * per_point, -rate.low * per_point)
    return Bottleneck(
        code, certainty, measure, share, total, *costs,
        pipeline_id=pipeline_id, stage_id=stage_id, evidence=evidence,
    )  # fmt: skip


def long_cycles(won: pl.DataFrame, window: Window) -> Bottleneck:
    """How differently owners' cycles run for like deals: where everybody sells in a way of his own.

    `won`: deals won in the window with days, owner_id, pipeline_id and size_class. An owner's pace
    is the mean log of days against deals of the same pipeline and size, shrunk by how sure it is
    (DerSimonian-Laird). The money: the velocity gained if those slower than the median owner came
    down to it.
    """
    measure = "days_saved_at_the_median_pace"
    paces = _paces(won)
    sample = int(paces["deals"].sum())
    if paces.height < LEAST_OWNERS or window.drivers is None:
        return Bottleneck("long_cycles", "too_few", measure, None, won.height)
    pace, error = paces["pace"].to_numpy(), paces["error"].to_numpy()
    weight = 1 / error**2
    mean = float(weight @ pace / weight.sum())
    spread = float(weight @ (pace - mean) ** 2)
    free = len(pace) - 1
    between = max(0.0, (spread - free) / float(weight.sum() - (weight**2).sum() / weight.sum()))
    evidence: dict[str, object] = {"owners": paces.height, "spread_of_pace": sqrt(between)}
    if not _beyond_chance(spread, free) or sqrt(between) < LEAST_SPREAD:
        return Bottleneck("long_cycles", "not_shown", measure, None, sample, evidence=evidence)
    trust = between / (between + error**2)
    shrunk = mean + trust * (pace - mean)
    unsure = Z99 * np.sqrt(between * error**2 / (between + error**2))
    share = paces["deals"].to_numpy() / sample
    median = float(np.median(shrunk))

    def saved(at: np.ndarray) -> float:
        return float(share @ -np.expm1(-np.maximum(at - median, 0.0)))

    evidence["slowest"] = paces["owner_id"][int(shrunk.argmax())]
    parts = [saved(at) for at in (shrunk, shrunk - unsure, shrunk + unsure)]
    cost, low, high = (window.drivers.sales_velocity * part / (1 - part) for part in parts)
    days = window.drivers.cycle_length_days * parts[0]
    return Bottleneck(
        "long_cycles", "measured", measure, days, sample, cost, low, high, evidence=evidence
    )


def _paces(won: pl.DataFrame) -> pl.DataFrame:
    """owner_id, deals, pace (mean log days less that of like deals), error; owners with enough."""
    like = ["pipeline_id", "size_class"]
    log_days = pl.col("days").clip(lower_bound=0.04).log()
    return (
        won.filter(pl.col("days").is_not_null() & pl.col("owner_id").is_not_null())
        .with_columns(against=log_days - log_days.mean().over(like))
        .group_by("owner_id")
        .agg(
            pl.len().alias("deals"),
            pl.col("against").mean().alias("pace"),
            pl.col("against").var().alias("variance"),
        )
        .filter(pl.col("deals") >= LEAST_PER_OWNER)
        .with_columns(free=pl.col("deals") - 1)
        # one variance for all: each owner's own, from few deals, would be too small too often
        .with_columns(pooled=(pl.col("variance") * pl.col("free")).sum() / pl.col("free").sum())
        .with_columns(error=(pl.col("pooled") / pl.col("deals")).sqrt())
        .filter(pl.col("error") > 0)
        .sort("owner_id")
    )


def _beyond_chance(spread: float, free: int) -> bool:
    """Whether a chi-squared so large comes by chance less than once in 200 (Wilson-Hilferty)."""
    cut = 2 / (9 * free)
    return bool((spread / free) ** (1 / 3) > 1 - cut + Z99 * sqrt(cut))
