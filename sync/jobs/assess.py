"""Assess: the mirror's deals through the core's calculations, results into their tables."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import polars as pl

from forecasting import explain, process, velocity
from forecasting.backtest import start_of
from forecasting.history import KEY, stage_stays
from forecasting.methods import ForecastMethod
from forecasting.periods import periods_for
from forecasting.snapshot import History, Snapshot
from sync.jobs import per_deal
from sync.jobs.context import Counts, JobContext
from sync.jobs.data_quality import DataQuality, data_quality, quality_settings
from sync.jobs.forecasts import forecasts, last_record
from sync.jobs.inputs import Inputs, methods_of, read_inputs
from sync.mirror import assessments


def assess(ctx: JobContext, run_id: int) -> Counts:
    """Score every open deal, forecast by every method, and measure velocity, as of now."""
    inputs = read_inputs(ctx)
    settings = quality_settings(ctx.config, inputs)
    stays = stage_stays(inputs.changes, inputs.deals, inputs.stages, inputs.as_of)
    norms = process.stage_norms(
        stays, inputs.stages, default_days=float(settings.default_after_days)
    )
    history = inputs.history()
    inputs = inputs.with_changes_of_open_deals()
    fitted = _fitted(ctx, inputs, history)
    snapshot = history.present(inputs.as_of)
    periods = periods_for(inputs.today, ctx.config.forecast.periods)
    told = forecasts(fitted, snapshot, periods, last_record(ctx), inputs)
    velocities = velocity.measure(inputs.deals, today=inputs.today).with_columns(
        pl.lit(inputs.currency).alias("currency")
    )
    said = per_deal.said(fitted, snapshot, norms, ctx.config.language)
    held = data_quality(inputs, settings, stays, norms, said.outlook)
    assessed = _assessed(ctx, inputs, held, said, norms)
    assessments.save_assessment(
        ctx.engine,
        run_id,
        ctx.connection,
        as_of=inputs.as_of,
        findings=held.findings.drop("connection"),
        assessments=assessed,
        forecasts=told,
        velocities=velocities,
        predictions=_predictions(ctx, inputs, fitted, snapshot),
        quality={
            "deal_staleness": held.staleness,
            "quality_score": held.segments,
            "rule_result": held.rules,
        },
    )
    assessments.thin(ctx.engine, ctx.connection, now=inputs.as_of, zone=inputs.zone)
    return {"assessed": assessed.height, "findings": held.findings.height}


def _fitted(ctx: JobContext, inputs: Inputs, history: History) -> list[ForecastMethod]:
    """What is learned holds for the day: else every figure would move a little every cycle."""
    morning = history.present(start_of(inputs.today, inputs.zone))
    return [method.fit(morning) for method in methods_of(ctx.config)]


def _predictions(
    ctx: JobContext, inputs: Inputs, fitted: Sequence[ForecastMethod], snapshot: Snapshot
) -> pl.DataFrame | None:
    """Once a week: what is said of each deal for this month and quarter, and what the CRM says."""
    monday = inputs.today - timedelta(days=inputs.today.weekday())
    began = datetime.combine(monday, time(), ZoneInfo(inputs.zone)).astimezone(UTC)
    if assessments.predicted_since(ctx.engine, ctx.connection, began):
        return None
    return per_deal.predictions(fitted, snapshot)


def _assessed(
    ctx: JobContext,
    inputs: Inputs,
    held: DataQuality,
    said: per_deal.Said,
    norms: pl.DataFrame,
) -> pl.DataFrame:
    """One row per open deal, in the columns of table `deal_assessment`."""
    language = ctx.config.language
    explained = explain.explain(
        inputs.deals, held.findings, said.chances, norms, language, said.reasons
    )
    why = explained.with_columns(parts=None) if said.reasons is None else said.reasons
    return (
        held.scores.join(said.outlook, on=KEY, how="left")
        .join(held.stale, on=KEY, how="left")
        .join(explained, on=KEY, how="left")
        .join(why.select(*KEY, "parts"), on=KEY, how="left")
        .select(
            "deal_id",
            "quality_score",
            pl.lit(said.method).alias("method"),
            "win_probability",
            "win_probability_by_month",
            "win_probability_by_quarter",
            "call",
            "predicted_close_on",
            "expected_amount",
            pl.col("stale_days").fill_null(0),
            pl.col("parts").fill_null("[]").alias("reasons"),
            pl.col("explanation").fill_null(""),
        )
    )
