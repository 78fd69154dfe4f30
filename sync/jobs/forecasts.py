"""Every method's forecast with its interval, and the combination that the last back-test chose."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from forecasting import backtest, scores
from forecasting.combination import NAME, RECORD_SCHEMA, like
from forecasting.intervals import chance_floor, with_intervals
from forecasting.methods import ForecastMethod
from forecasting.methods.base import TOTALS_SCHEMA
from forecasting.periods import Period
from forecasting.segments import ALL_SEGMENTS, by_segment
from forecasting.snapshot import Snapshot
from sync.jobs.context import JobContext
from sync.jobs.inputs import Inputs
from sync.mirror import backtests

_KEY = ("method", "variant")
_RECORD = {**RECORD_SCHEMA, "won_deals": pl.Int64, "actual_deals": pl.Int64}
_MADE = ("method", "known_as", "period_kind", "period_start")
_CELL = ("period_kind", "period_start", "segment_kind", "segment")
_NOTHING_TO_COME = (pl.col("open_deals") == 0) & (pl.col("new_variance") == 0)
"""No deal that a range could be of: between P10 and P90 would stand a certainty from nothing."""


@dataclass(frozen=True, slots=True)
class Record:
    """What the last back-test knows: its `definition` (None before the first) and every finished
    forecast of the account's total, as RECORD_SCHEMA with won_deals and actual_deals.
    """

    definition: str | None
    rows: pl.DataFrame


def last_record(ctx: JobContext) -> Record:
    """The record that the last back-test left."""
    definition = backtests.last_definition(ctx.engine, ctx.connection)
    if definition is None:
        return Record(None, pl.DataFrame(schema=_RECORD))
    stored = backtests.origin_rows(ctx.engine, ctx.connection, definition)
    return Record(definition, stored.select(*_RECORD))


def forecasts(
    fitted: Sequence[ForecastMethod],
    snapshot: Snapshot,
    periods: Sequence[Period],
    record: Record,
    inputs: Inputs,
) -> pl.DataFrame:
    """The rows of table `forecast`: each method's, and the combination's as the chosen one."""
    totals = pl.concat(
        method.totals(snapshot, periods).select(*named(method), *TOTALS_SCHEMA) for method in fitted
    )
    ranged = [
        with_intervals(own, backtest.shocks(record.rows, own, inputs.today, (name, variant)))
        for (name, variant), own in totals.group_by(*_KEY, maintain_order=True)
        if isinstance(name, str) and isinstance(variant, str)
    ]
    combined = backtest.forecast(record.rows, totals, inputs.today)
    return (
        pl.concat([*ranged, combined.select(ranged[0].columns)])
        .with_columns(known_as=_known_as())
        .join(_parameters(fitted), on=_KEY, how="left")
        .join(_weights(record, totals, inputs), on=("period_kind", "period_start"), how="left")
        .join(_past(record, periods, inputs), on=_MADE, how="left", nulls_equal=True)
        .join(_open_amounts(snapshot, periods), on=_CELL, how="left")
        .select(*_row(), *_made_of(record, inputs))
    )


def _row() -> list[str | pl.Expr]:
    """What table `forecast` keeps of TOTALS_SCHEMA and the interval."""
    return [
        *_KEY,
        *(name for name in TOTALS_SCHEMA if name.startswith(("period_", "segment"))),
        "forecast",
        "won_amount",
        "won_deals",
        pl.col("open_amount").fill_null(0.0),
        "open_deals",
        pl.col("open_expected").alias("weighted_amount"),
        # a method that leaves new deals out says nothing of them, which is not 0
        pl.when(pl.col("new_variance").max().over(_KEY) > 0)
        .then("new_expected")
        .alias("new_amount"),
        *(pl.when(~_NOTHING_TO_COME).then(name).alias(name) for name in ("p10", "p50", "p90")),
        pl.col("shock_sd").alias("shock"),
        *("sample", "note"),
        pl.when(_NOTHING_TO_COME)
        .then(pl.lit("nothing_to_come"))
        .otherwise("interval_note")
        .alias("interval_note"),
        "left_out",
        *(_of_total(name) for name in ("past_wape", "past_origins", "floor")),
    ]


def _made_of(record: Record, inputs: Inputs) -> list[pl.Expr]:
    """By whom, of what, and in which currency."""
    chosen = pl.col("method") == NAME
    return [
        pl.lit(inputs.currency).alias("currency"),
        chosen.alias("chosen"),
        pl.coalesce("parameters", pl.when(chosen).then("weights")).alias("parameters"),
        pl.lit(record.definition, pl.String).alias("definition"),
    ]


def _parameters(fitted: Sequence[ForecastMethod]) -> pl.DataFrame:
    rows = [(m.name, m.variant, json.dumps(dict(m.parameters))) for m in fitted]
    schema = {"method": pl.String, "variant": pl.String, "parameters": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row")


def named(method: ForecastMethod) -> list[pl.Expr]:
    """The columns that name a method."""
    return [pl.lit(method.name).alias("method"), pl.lit(method.variant).alias("variant")]


def _weights(record: Record, totals: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """The combination's parameters in each period, as JSON: how it was made, and of what."""
    verdict = backtest.verdict(record.rows, totals, inputs.today)
    rows = [
        (
            period.kind.value,
            period.start,
            json.dumps(
                {
                    "how": weights.how,
                    "origins": weights.sample,
                    "weights": {f"{m}:{v}": round(w, 4) for (m, v), w in weights.parts.items()},
                }
            ),
        )
        for period, weights in verdict.items()
    ]
    schema = {"period_kind": pl.String, "period_start": pl.Date, "weights": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _open_amounts(snapshot: Snapshot, periods: Sequence[Period]) -> pl.DataFrame:
    """The open deals' own amounts, in the period of their close date, whatever their chances."""
    opened = snapshot.deals.filter(pl.col("status") == "open")
    amount = pl.col("amount").sum().alias("open_amount")
    return pl.concat(
        by_segment(
            opened.filter(pl.col("close_date").is_between(period.start, period.last_day)),
            [amount],
            ALL_SEGMENTS,
        ).select(
            pl.lit(period.kind.value).alias("period_kind"),
            pl.lit(period.start).alias("period_start"),
            pl.all(),
        )
        for period in periods
    )


def _known_as() -> pl.Expr:
    """The variant by which the record is kept: the combination is one, however it was made."""
    return pl.when(pl.col("method") == NAME).then(pl.lit("")).otherwise("variant")


def _of_total(name: str) -> pl.Expr:
    return pl.when(pl.col("segment_kind") == "total").then(name).alias(name)


def _past(record: Record, periods: Sequence[Period], inputs: Inputs) -> pl.DataFrame:
    """How each method did when as much of such a period was left as now, and what chance leaves."""
    won = inputs.deals.filter(pl.col("status") == "won")
    rows: list[dict[str, Any]] = []
    for period in periods:
        known = like(record.rows, period, inputs.today).with_columns(known_as=_known_as())
        for (method, variant), made in known.group_by("method", "known_as"):
            amounts = won.filter(pl.col("closed_on") >= made["period_start"].min())["amount"]
            rows.append(
                {
                    "method": method,
                    "known_as": variant,
                    "period_kind": period.kind.value,
                    "period_start": period.start,
                    "past_wape": scores.wape(made["actual"], made["forecast"]),
                    "past_origins": made.height,
                    "floor": floor(made, amounts),
                }
            )
    schema = {
        "method": pl.String,
        "known_as": pl.String,
        "period_kind": pl.String,
        "period_start": pl.Date,
        "past_wape": pl.Float64,
        "past_origins": pl.Int64,
        "floor": pl.Float64,
    }
    return pl.DataFrame(rows, schema=schema)


def floor(made: pl.DataFrame, won_amounts: pl.Series) -> float | None:
    """WAPE that chance alone leaves to forecasts made when `won_deals` of `actual_deals` were won
    already; None where nothing was won.
    """
    wins = float(made["actual_deals"].sum()) / made.height
    rest = float((made["actual_deals"] - made["won_deals"]).clip(0).sum()) / made.height
    lowest = chance_floor(won_amounts.drop_nulls(), rest).wape
    return None if lowest is None or not wins else lowest * rest / wins
