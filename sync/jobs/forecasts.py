"""Every method's forecast with its interval, and the combination that the last back-test chose."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from forecasting import backtest
from forecasting.combination import NAME, RECORD_SCHEMA
from forecasting.deals import Period
from forecasting.intervals import with_intervals
from forecasting.methods import ForecastMethod
from forecasting.methods.base import TOTALS_SCHEMA
from forecasting.segments import ALL_SEGMENTS, by_segment
from forecasting.snapshot import Snapshot
from sync.jobs.context import JobContext
from sync.jobs.inputs import Inputs
from sync.mirror import backtests

_KEY = ("method", "variant")
_CELL = ("period_kind", "period_start", "segment_kind", "segment")


@dataclass(frozen=True, slots=True)
class Record:
    """What the last back-test knows: its `definition` (None before the first) and every finished
    forecast of the account's total, as RECORD_SCHEMA.
    """

    definition: str | None
    rows: pl.DataFrame


def last_record(ctx: JobContext) -> Record:
    """The record that the last back-test left."""
    definition = backtests.last_definition(ctx.engine, ctx.connection)
    if definition is None:
        return Record(None, pl.DataFrame(schema=RECORD_SCHEMA))
    stored = backtests.origin_rows(ctx.engine, ctx.connection, definition)
    return Record(definition, stored.select(*RECORD_SCHEMA))


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
    told = {(m.name, m.variant): json.dumps(dict(m.parameters)) for m in fitted}
    parameters = pl.DataFrame(
        [(*key, text) for key, text in told.items()],
        schema={"method": pl.String, "variant": pl.String, "parameters": pl.String},
        orient="row",
    )
    weights = _weights(record, totals, inputs)
    return (
        pl.concat([*ranged, combined.select(ranged[0].columns)])
        .join(parameters, on=_KEY, how="left")
        .join(weights, on=("period_kind", "period_start"), how="left")
        .join(_open_amounts(snapshot, periods), on=_CELL, how="left")
        .select(
            *_KEY,
            *(name for name in TOTALS_SCHEMA if name.startswith(("period_", "segment"))),
            pl.lit(inputs.currency).alias("currency"),
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
            "p10",
            "p50",
            "p90",
            pl.col("shock_sd").alias("shock"),
            "sample",
            "note",
            "interval_note",
            (pl.col("method") == NAME).alias("chosen"),
            "left_out",
            pl.coalesce("parameters", pl.when(pl.col("method") == NAME).then("weights")).alias(
                "parameters"
            ),
            pl.lit(record.definition, pl.String).alias("definition"),
        )
    )


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
