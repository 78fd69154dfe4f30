"""Back-test: what every method would have said on past days, and how right it was.

Each past day (origin) is forecast once, from what was known on it, and stored when the period is
over; a run does what is not stored yet, so it can be stopped at any origin and goes on there.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final, Literal

import polars as pl

from forecasting import accuracy, backtest, deal_scores
from forecasting.backtest import OriginResult
from forecasting.combination import NAME, RECORD_SCHEMA, STAND_IN, Weights, weigh
from forecasting.intervals import with_intervals
from forecasting.periods import Period, periods_for
from forecasting.segments import ALL_SEGMENTS
from forecasting.snapshot import History
from sync.jobs.context import Counts, JobContext, Stopped
from sync.jobs.forecasts import floor
from sync.jobs.inputs import Inputs, definition_of, methods_of, read_inputs
from sync.jobs.runner import JobFunction
from sync.mirror import backtests

WEEKS: Final = 52
"""How far back the nightly run looks: a year of Mondays."""

Every = Literal["week", "month"]

_CELL: Final = ("period_kind", "period_start", "period_end", "segment_kind", "segment")
_ROW: Final = ("method", "variant", *_CELL)


@dataclass(frozen=True, slots=True)
class _Bench:
    """What a run works on."""

    ctx: JobContext
    run_id: int
    inputs: Inputs
    history: History
    definition: str


def run(ctx: JobContext, run_id: int) -> Counts:
    """The nightly run: each Monday of the last year."""
    return backtest_since(None)(ctx, run_id)


def backtest_since(since: date | None, every: Every = "week") -> JobFunction:
    """A job that tests from `since` (None = a year back) to now; "month": one origin a month, at
    the day of the month that it is today, so that the same stretch of it is left.
    """

    def job(ctx: JobContext, run_id: int) -> Counts:
        inputs = read_inputs(ctx)
        first = since or inputs.today - timedelta(weeks=WEEKS)
        history = inputs.history()
        inputs = inputs.with_changes_of_open_deals()
        definition = definition_of(methods_of(ctx.config), inputs, ctx.config)
        bench = _Bench(ctx, run_id, inputs, history, definition)
        made, rows = _test(bench, origin_days(first, inputs.today, every))
        scored = _score(bench, first)
        return {"origins": made, "forecasts": rows, "scores": scored}

    return job


def origin_days(first: date, today: date, every: Every) -> list[date]:
    """The days to test, oldest first, up to yesterday."""
    if every == "week":
        return backtest.origins(first, today - timedelta(days=1))
    day = min(today.day, 28)
    days = [first + timedelta(days=n) for n in range((today - first).days)]
    return [each for each in days if each.day == day]


def _test(bench: _Bench, origins: Sequence[date]) -> tuple[int, int]:
    """Test what is not stored yet; how many origins, and how many forecasts came of them."""
    ctx, inputs = bench.ctx, bench.inputs
    done = backtests.stored_periods(ctx.engine, ctx.connection, bench.definition)
    todo = {
        origin: periods
        for origin in origins
        if (periods := _due(origin, inputs.today, ctx.config.forecast.periods, done))
    }
    record = backtests.origin_rows(ctx.engine, ctx.connection, bench.definition).select(
        *RECORD_SCHEMA
    )
    methods = methods_of(ctx.config)
    rows = 0
    for number, (origin, periods) in enumerate(todo.items()):
        if ctx.should_stop():
            raise Stopped
        ctx.progress.step("origins", number, len(todo))
        for result in backtest.run(
            bench.history, methods, [origin], todo.__getitem__, with_deals=True
        ):
            found = _stored_rows(result, record, inputs, periods)
            rows += backtests.save_origin(
                ctx.engine, bench.run_id, ctx.connection, bench.definition, found
            )
            totals = found.filter(pl.col("segment_kind") == "total").select(*RECORD_SCHEMA)
            record = pl.concat([record, totals])
    ctx.progress.step("origins", len(todo), len(todo))
    return len(todo), rows


def _due(
    origin: date, today: date, kinds: Sequence[str], done: set[backtests.PeriodKey]
) -> list[Period]:
    """The periods to forecast at `origin`: over by now, and not stored yet."""
    return [
        period
        for period in periods_for(origin, kinds)
        if period.end <= today and (origin, period.kind.value, period.start) not in done
    ]


def _stored_rows(
    result: OriginResult, record: pl.DataFrame, inputs: Inputs, periods: Sequence[Period]
) -> pl.DataFrame:
    """The rows of table `backtest_origin`: all methods and the combination, with the intervals that
    the record gave on that day, and what came.
    """
    own = [
        with_intervals(
            totals, backtest.shocks(record, totals, result.origin, (str(name), str(variant)))
        )
        for (name, variant), totals in result.totals.group_by(
            "method", "variant", maintain_order=True
        )
    ]
    combined = backtest.forecast(record, result.totals, result.origin).select(own[0].columns)
    told = pl.concat([*own, combined]).select(pl.lit(result.origin).alias("origin"), pl.all())
    actual = backtest.actuals(inputs.deals, periods, until=inputs.today, segments=ALL_SEGMENTS)
    rows = accuracy.scored(told, actual).select(
        "origin", *_ROW, "forecast", "p10", "p50", "p90", "actual"
    )
    details = told.select(
        *_ROW,
        "won_amount",
        "won_deals",
        (pl.col("open_expected") + pl.col("new_expected")).alias("expected_rest"),
        (pl.col("open_variance") + pl.col("new_variance")).alias("variance_rest"),
        "sample",
        "note",
    )
    found = (
        rows.join(details, on=_ROW, how="left")
        .join(actual.select(*_CELL, "actual_deals"), on=_CELL, how="left")
        .with_columns(
            pl.col("won_amount", "expected_rest", "variance_rest").fill_null(0.0),
            pl.col("won_deals", "actual_deals").fill_null(0),
        )
    )
    assert result.deals is not None
    of_deals = deal_scores.summaries(result.deals)
    total = pl.when(pl.col("segment_kind") == "total").then("deals")
    return found.join(of_deals, on=_ROW[:4], how="left").with_columns(
        deals=pl.coalesce(total, pl.lit("{}"))
    )


def _score(bench: _Bench, first: date) -> int:
    """Score what is stored of origins from `first` on, and keep the verdict; rows written."""
    ctx, inputs = bench.ctx, bench.inputs
    stored = backtests.origin_rows(ctx.engine, ctx.connection, bench.definition)
    stored = stored.filter(pl.col("origin") >= first)
    if stored.is_empty():
        return 0
    rows = backtests.with_horizon(stored)
    verdicts = _verdicts(stored, inputs, ctx.config.forecast.periods)
    found = []
    for key, group in rows.group_by("method", "variant", "period_kind", "ahead"):
        name, variant, kind, ahead = key
        horizon = (str(kind), int(str(ahead)))
        found.append(
            {
                "method": name,
                "variant": variant,
                "period_kind": kind,
                "ahead": ahead,
                "definition": bench.definition,
                "currency": inputs.currency,
                "first_origin": group["origin"].min(),
                "last_origin": group["origin"].max(),
                **of_rows(group),
                "floor": floor(group, _won_since(inputs, group)),
                "verdict": json.dumps(_told(verdicts.get(horizon), str(name), str(variant))),
            }
        )
    scores = pl.DataFrame(found, infer_schema_length=None)
    backtests.save_scores(
        ctx.engine, bench.run_id, ctx.connection, as_of=inputs.as_of, scores=scores
    )
    return scores.height


def of_rows(group: pl.DataFrame) -> dict[str, Any]:
    """The scores of one method's stored forecasts, in the columns of table `backtest_score`."""
    (totals,) = accuracy.of_totals(group.with_columns(all=1), by=("all",)).to_dicts()
    names = ("origins", "wape", "bias", "pinball", "coverage", "width")
    return {name: totals[name] for name in names} | deal_scores.pooled(
        group["deals"].drop_nulls().to_list()
    )


def _won_since(inputs: Inputs, group: pl.DataFrame) -> pl.Series:
    first = pl.lit(group["period_start"].min())
    won = (pl.col("status") == "won") & (pl.col("closed_on") >= first)
    return inputs.deals.filter(won)["amount"]


def _verdicts(
    stored: pl.DataFrame, inputs: Inputs, kinds: Sequence[str]
) -> Mapping[tuple[str, int], Weights]:
    """How each of today's periods would be combined by all that is stored."""
    record = stored.select(*RECORD_SCHEMA)
    own = record.filter((pl.col("method") != NAME) & ~STAND_IN)
    able = set(own.select("method", "variant").unique().iter_rows())
    return {
        (period.kind.value, int(period.start > inputs.today)): weigh(
            record, able, period=period, origin=inputs.today
        )
        for period in periods_for(inputs.today, kinds)
    }


def _told(weights: Weights | None, name: str, variant: str) -> Mapping[str, Any]:
    if weights is None:
        return {}
    said: dict[str, Any] = {"how": weights.how, "origins": weights.sample}
    if weights.note is not None:
        said["note"] = weights.note.key
    if name == NAME:
        parts = sorted(weights.parts.items(), key=lambda part: -part[1])
        return said | {"weights": {f"{m}:{v}": round(weight, 4) for (m, v), weight in parts}}
    return said | {"weight": round(weights.parts.get((name, variant), 0.0), 4)}
