"""Did it work: a group's drivers after a change, against before it and against the others."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from math import sqrt
from typing import Final, Literal

import polars as pl

from forecasting.backtest import start_of
from forecasting.competing_risks import Z95, incidence
from forecasting.velocity import watched_spells

BEFORE_DAYS: Final = 365
LEAST_ENDED: Final = 30
LEAST_WON: Final = 10
"""With fewer ended deals (win rate) or won ones (cycle, value) in a cell it is too early."""

GroupColumn = Literal["owner_id", "team", "pipeline_id", "deal_type", "lead_source"]
Measure = Literal["win_rate", "cycle_days", "average_value"]
MEASURES: Final[tuple[Measure, ...]] = ("win_rate", "cycle_days", "average_value")
CELLS: Final = ("group_before", "group_after", "others_before", "others_after")

Verdict = Literal["better", "worse", "no_change_shown", "too_early"]


@dataclass(frozen=True, slots=True)
class Improvement:
    """Something that was changed on `started_on` for some deals.

    `by`, `among`: which: the column of the deal frame (owner_id, team, pipeline_id, deal_type,
    lead_source) and its values; by None means everybody, and then there are no others to compare
    with. `new_deals_only`: only deals created since then are counted as after, for changes that
    touch a deal's beginning.
    """

    name: str
    started_on: date
    by: GroupColumn | None = None
    among: tuple[str, ...] = ()
    new_deals_only: bool = False


@dataclass(frozen=True, slots=True)
class Effect:
    """One measure in the four cells and what is left when the others' change is taken off.

    `cells`: value of each of `CELLS`, None where unknown; `samples`: ended deals of each (win
    rate) or won ones. `estimate`, `low`, `high`: (group after - before) - (others after - before),
    95 %; without others the group's change alone. In the measure's unit.
    """

    measure: Measure
    cells: dict[str, float | None]
    samples: dict[str, int]
    estimate: float | None
    low: float | None
    high: float | None
    verdict: Verdict
    reason: str


def evaluate(
    improvement: Improvement,
    deals: pl.DataFrame,
    *,
    as_of: datetime,
    today: date,
    zone: str,
    before_days: int = BEFORE_DAYS,
) -> list[Effect]:
    """The three drivers of one connection's deals that an improvement can move.

    Before: the `before_days` up to its start. Both periods count every deal that was open at some
    time of them, at the ages it then had, what came later unknown: so a long cycle does not make
    the time after look worse because its deals are still open.
    """
    start = start_of(improvement.started_on, zone)
    if start >= as_of:
        return [_too_early(measure, "it has not started yet") for measure in MEASURES]
    begin = start_of(improvement.started_on - timedelta(days=before_days), zone)
    ended_by = improvement.started_on - timedelta(days=1)
    chosen = pl.lit(True)
    if improvement.by is not None:
        chosen = pl.col(improvement.by).fill_null("").is_in(improvement.among)
    told = deals.with_columns(in_group=chosen)
    after = told.filter(pl.col("created_at") >= start) if improvement.new_deals_only else told
    periods = (
        watched_spells(told, since=begin, as_of=start, today=ended_by).with_columns(
            late=pl.lit(False)
        ),
        watched_spells(after, since=start, as_of=as_of, today=today).with_columns(
            late=pl.lit(True)
        ),
    )
    spells = pl.concat(periods)
    horizon = _followed(spells) if improvement.new_deals_only else None
    cells = _cells(spells, horizon)
    alone = improvement.by is None
    early = _not_followed(spells, horizon)
    return [_effect(measure, cells, alone, early) for measure in MEASURES]


def _followed(spells: pl.DataFrame) -> float | None:
    """How long the oldest deals created since are followed: none is judged beyond that."""
    longest = spells.filter(pl.col("late"))["to_days"].quantile(0.9, "linear")
    return None if longest is None else float(longest)


def _not_followed(spells: pl.DataFrame, horizon: float | None) -> str | None:
    """Why new deals cannot be judged yet: fewer days than half of the earlier wins took."""
    before = incidence(spells.filter(pl.col("in_group") & ~pl.col("late")), [])
    usual = before["median_days"].to_list()
    if horizon is None or not usual or usual[0] is None or horizon >= usual[0]:
        return None
    return f"deals are followed for {horizon:.0f} days, and winning took {usual[0]:.0f} before"


def _cells(spells: pl.DataFrame, horizon: float | None) -> dict[str, dict[str, float | None]]:
    keys = ["in_group", "late"]
    won = pl.col("outcome") == "won"
    value = pl.col("amount").filter(won)
    values = spells.group_by(keys).agg(
        value.mean().alias("average_value"),
        (value.std() / value.count().cast(pl.Float64).sqrt()).alias("average_value_error"),
        value.count().cast(pl.Int64).alias("priced"),
    )
    rates = incidence(spells, keys, horizon_days=horizon).with_columns(
        mean_error=(pl.col("mean_high") - pl.col("mean_low")) / (2 * Z95)
    )
    rows = rates.join(values, on=keys, how="left").to_dicts()
    place = {(True, False): 0, (True, True): 1, (False, False): 2, (False, True): 3}
    return {CELLS[place[row["in_group"], row["late"]]]: row for row in rows}


_COLUMNS: Final[dict[Measure, tuple[str, str]]] = {
    "win_rate": ("share", "share_error"),
    "cycle_days": ("mean_days", "mean_error"),
    "average_value": ("average_value", "average_value_error"),
}


def _effect(
    measure: Measure,
    cells: dict[str, dict[str, float | None]],
    alone: bool,
    early: str | None,
) -> Effect:
    value, error = _COLUMNS[measure]
    used: Sequence[str] = CELLS[:2] if alone else CELLS
    values = {name: cells.get(name, {}).get(value) for name in used}
    errors = [cells.get(name, {}).get(error) for name in used]
    samples = {name: _sample(measure, cells.get(name, {})) for name in used}
    if early is not None and measure != "average_value":
        return _too_early(measure, early, values, samples)
    least = LEAST_ENDED if measure == "win_rate" else LEAST_WON
    thin = [name.replace("_", " ") for name in used if samples[name] < least]
    if thin:
        counted = "ended" if measure == "win_rate" else "won"
        reason = f"fewer than {least} {counted} deals: {', '.join(thin)}"
        return _too_early(measure, reason, values, samples)
    if any(each is None for each in (*values.values(), *errors)):
        return _too_early(measure, "a cell has no spread to measure", values, samples)
    known = [float(values[name] or 0.0) for name in used]
    estimate = known[1] - known[0] - (0.0 if alone else known[3] - known[2])
    half = Z95 * sqrt(sum(float(each or 0.0) ** 2 for each in errors))
    low, high = estimate - half, estimate + half
    verdict: Verdict = "no_change_shown"
    if not low <= 0 <= high:
        verdict = "better" if (estimate > 0) == (measure != "cycle_days") else "worse"
    return Effect(measure, values, samples, estimate, low, high, verdict, "")


def _sample(measure: Measure, cell: dict[str, float | None]) -> int:
    won = int(cell.get("won") or 0)
    if measure == "average_value":
        return int(cell.get("priced") or 0)
    return won if measure == "cycle_days" else won + int(cell.get("lost") or 0)


def _too_early(
    measure: Measure,
    reason: str,
    values: dict[str, float | None] | None = None,
    samples: dict[str, int] | None = None,
) -> Effect:
    return Effect(measure, values or {}, samples or {}, None, None, None, "too_early", reason)
