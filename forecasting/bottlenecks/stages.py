"""The stage where time or deals are lost, against the account's own other stages and periods."""

from collections.abc import Iterator
from math import exp, log, sqrt
from typing import Any, Final, Literal

import polars as pl

from forecasting.bottlenecks.bottleneck import Z99, Bottleneck, Code
from forecasting.competing_risks import Z95
from forecasting.velocity import Drivers

TIMES: Final = 1.5
"""A stage is a bottleneck when the 99 % interval of its ratio lies above this."""

LEAST: Final = 20
"""Deals that went on (time) or ended (loss) in both stages that are compared."""

_CODES: Final[tuple[Code, ...]] = ("slow_stage", "leaky_stage")

Against = Literal["next_worst_stage", "a_year_ago"]


def stage_bottlenecks(
    table: pl.DataFrame,
    recent: pl.DataFrame,
    year_before: pl.DataFrame,
    drivers: dict[str, Drivers],
) -> list[Bottleneck]:
    """Stages that take TIMES as long, or lose TIMES as many deals, as the next worst stage of their
    pipeline, or as themselves a year before.

    `table`, `recent`, `year_before`: `passages.stage_table` of the window, of its last half year
    and of the same days a year earlier (working pace has seasons). `drivers`: per pipeline, for the
    money: the velocity gained if the stage came to what it is held against.
    """
    found = []
    for (pipeline_id,), stages in table.group_by("pipeline_id", maintain_order=True):
        known = drivers.get(str(pipeline_id))
        for code in _CODES:
            worst = _against_next(code, stages.to_dicts(), known)
            found += [worst] if worst else []
    then = {(row["pipeline_id"], row["stage_id"]): row for row in year_before.to_dicts()}
    already = {(each.code, each.stage_id) for each in found}
    for row in recent.to_dicts():
        before = then.get((row["pipeline_id"], row["stage_id"]))
        for code in _CODES:
            if before and (code, row["stage_id"]) not in already:
                known = drivers.get(row["pipeline_id"])
                found += _judged(code, row, before, "a_year_ago", known)
    return found


def _against_next(
    code: Code, stages: list[dict[str, Any]], drivers: Drivers | None
) -> Bottleneck | None:
    figures = [(row, figure) for row in stages if (figure := _figure(code, row)) is not None]
    ordered = sorted(figures, key=lambda each: -each[1][0])
    if len(ordered) < 2:
        return None
    return next(_judged(code, ordered[0][0], ordered[1][0], "next_worst_stage", drivers), None)


def _figure(code: Code, row: dict[str, Any]) -> tuple[float, float] | None:
    """The stage's mean days or share lost, and the error of its logarithm; None: too few."""
    if code == "slow_stage":
        value, error = row["days_mean"], None
        if row["days_high"] is not None:
            error = (row["days_high"] - row["days_low"]) / (2 * Z95)
        sample = row["went_on"]
    else:
        value = None if row["conversion"] is None else 1 - row["conversion"]
        error, sample = row["conversion_error"], row["went_on"] + row["lost"]
    if not value or error is None or sample < LEAST:
        return None
    return float(value), float(error) / float(value)


def _judged(
    code: Code,
    row: dict[str, Any],
    other: dict[str, Any],
    against: Against,
    drivers: Drivers | None,
) -> Iterator[Bottleneck]:
    mine, theirs = _figure(code, row), _figure(code, other)
    if mine is None or theirs is None:
        return
    half = Z99 * sqrt(mine[1] ** 2 + theirs[1] ** 2)
    ratio = mine[0] / theirs[0]
    if ratio * exp(-half) <= TIMES:
        return
    cost = low = high = None
    if drivers is not None and (code == "slow_stage" or mine[0] < 1):  # of no wins none grow
        ratios = (ratio, ratio * exp(-half), ratio * exp(half))
        cost, low, high = (_cost(code, mine[0], each, drivers) for each in ratios)
    yield Bottleneck(
        code,
        "measured",
        "ratio_of_days_in_stage" if code == "slow_stage" else "ratio_of_deals_lost_in_stage",
        ratio,
        row["went_on"] + row["lost"],
        cost,
        low,
        high,
        pipeline_id=row["pipeline_id"],
        stage_id=row["stage_id"],
        evidence={
            "against": against,
            "other_stage": other["stage_id"],
            "here": mine[0],
            "there": theirs[0],
            "ratio_low": exp(log(ratio) - half),
            "ratio_high": exp(log(ratio) + half),
        },
    )


def _cost(code: Code, here: float, ratio: float, drivers: Drivers) -> float:
    """Velocity gained if the stage's figure were `ratio` times smaller, all else as it is."""
    better = here / ratio
    if code == "leaky_stage":
        more = (1 - better) / (1 - here)
        return drivers.sales_velocity * (min(more, 1 / max(drivers.win_rate, 1e-9)) - 1)
    cycle = drivers.cycle_length_days
    saved = min(here - better, 0.9 * cycle)
    return drivers.sales_velocity * (cycle / (cycle - saved) - 1)
