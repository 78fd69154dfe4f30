"""Assess: the mirror's deals through the core's calculations, results into their tables."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import polars as pl

from forecasting import explain, process, quality, velocity
from forecasting.backtest import start_of
from forecasting.history import KEY, stage_stays
from forecasting.methods import ForecastMethod
from forecasting.periods import periods_for
from forecasting.snapshot import Snapshot
from sync.config.model import Config
from sync.errors import ConfigError
from sync.jobs import per_deal
from sync.jobs.context import Counts, JobContext
from sync.jobs.forecasts import forecasts, last_record
from sync.jobs.inputs import Inputs, methods_of, read_inputs
from sync.mirror import assessments


def assess(ctx: JobContext, run_id: int) -> Counts:
    """Score every open deal, forecast by every method, and measure velocity, as of now."""
    inputs = read_inputs(ctx)
    settings = quality_settings(ctx.config)
    stays = stage_stays(inputs.changes, inputs.deals, inputs.stages, inputs.as_of)
    norms = process.stage_norms(
        stays, inputs.stages, default_days=float(settings.default_after_days)
    )
    findings = quality.find(
        inputs.deals,
        inputs.changes,
        inputs.stages,
        inputs.owners,
        as_of=inputs.as_of,
        today=inputs.today,
        zone=inputs.zone,
        settings=settings,
        norms=norms,
    )
    history = inputs.history()
    snapshot = history.present(inputs.as_of)
    # what is learned holds for the day: else every figure would move a little every cycle
    morning = history.present(start_of(inputs.today, inputs.zone))
    fitted = [method.fit(morning) for method in methods_of(ctx.config)]
    periods = periods_for(inputs.today, ctx.config.forecast.periods)
    told = forecasts(fitted, snapshot, periods, last_record(ctx), inputs)
    velocities = velocity.measure(inputs.deals, today=inputs.today).with_columns(
        pl.lit(inputs.currency).alias("currency")
    )
    said = per_deal.said(fitted, snapshot, norms, ctx.config.language)
    assessed = _assessed(ctx, inputs, findings, said, norms, settings)
    assessments.save_assessment(
        ctx.engine,
        run_id,
        ctx.connection,
        as_of=inputs.as_of,
        findings=findings.drop("connection"),
        assessments=assessed,
        forecasts=told,
        velocities=velocities,
        predictions=_predictions(ctx, inputs, fitted, snapshot),
    )
    assessments.thin(ctx.engine, ctx.connection, now=inputs.as_of, zone=inputs.zone)
    return {"assessed": assessed.height, "findings": findings.height}


def _predictions(
    ctx: JobContext, inputs: Inputs, fitted: Sequence[ForecastMethod], snapshot: Snapshot
) -> pl.DataFrame | None:
    """Once a week: what is said of each deal for this month and quarter, and what the CRM says."""
    monday = inputs.today - timedelta(days=inputs.today.weekday())
    began = datetime.combine(monday, time(), ZoneInfo(inputs.zone)).astimezone(UTC)
    if assessments.predicted_since(ctx.engine, ctx.connection, began):
        return None
    return per_deal.predictions(fitted, snapshot)


def quality_settings(config: Config) -> quality.QualitySettings:
    """The configured weights and norms. Raises ConfigError for a rule that does not exist."""
    try:
        quality.weights_in_force(config.quality.weights)
    except ValueError as error:
        raise ConfigError(f"quality.weights: {error}") from None
    return quality.QualitySettings(
        weights=config.quality.weights,
        default_after_days=config.staleness.default_after_days,
        minimum_after_days=config.staleness.minimum_after_days,
        after_days=config.staleness.after_days,
    )


def _assessed(
    ctx: JobContext,
    inputs: Inputs,
    findings: pl.DataFrame,
    said: per_deal.Said,
    norms: pl.DataFrame,
    settings: quality.QualitySettings,
) -> pl.DataFrame:
    """One row per open deal, in the columns of table `deal_assessment`."""
    stale = quality.stale_days(
        inputs.deals,
        inputs.changes,
        as_of=inputs.as_of,
        today=inputs.today,
        zone=inputs.zone,
    )
    language = ctx.config.language
    explained = explain.explain(inputs.deals, findings, said.chances, norms, language, said.reasons)
    why = explained.with_columns(parts=None) if said.reasons is None else said.reasons
    return (
        quality.score(inputs.deals, findings, settings.weights)
        .join(said.outlook, on=KEY, how="left")
        .join(stale, on=KEY, how="left")
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
