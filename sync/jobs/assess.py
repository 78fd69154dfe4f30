"""Assess: the mirror's deals through the core's calculations, results into their tables."""

from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

import polars as pl

from forecasting import explain, process, quality, velocity
from forecasting.forecast import forecast
from forecasting.history import KEY, stage_stays
from forecasting.methods.opportunity_stage import OpportunityStage
from forecasting.periods import periods_for
from sync.config.model import Config
from sync.errors import ConfigError
from sync.jobs.context import Counts, JobContext
from sync.mirror import assessments, frames, read


@dataclass(frozen=True, slots=True)
class _Inputs:
    deals: pl.DataFrame
    changes: pl.DataFrame
    stages: pl.DataFrame
    owners: pl.DataFrame
    as_of: datetime
    today: date
    zone: str
    currency: str


def assess(ctx: JobContext, run_id: int) -> Counts:
    """Score every open deal, forecast, and measure velocity, as of now."""
    inputs = _read(ctx)
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
    prior = ctx.config.forecast.prior_deals
    learned = OpportunityStage("learned", prior)
    stated = OpportunityStage("crm", prior)
    predictions = {
        method.variant: method.fit(
            inputs.deals, inputs.changes, inputs.stages, as_of=inputs.as_of
        ).predict(inputs.deals)
        for method in (stated, learned)
    }
    forecasts = pl.concat(
        [
            forecast(
                method,
                predictions[method.variant],
                inputs.deals,
                periods_for(inputs.today, ctx.config.forecast.periods),
                today=inputs.today,
            )
            for method in (stated, learned)
        ]
    ).with_columns(pl.lit(inputs.currency).alias("currency"))
    velocities = velocity.measure(inputs.deals, today=inputs.today).with_columns(
        pl.lit(inputs.currency).alias("currency")
    )
    assessed = _assessed(ctx, inputs, findings, predictions["learned"], norms, settings)
    assessments.save_assessment(
        ctx.engine,
        run_id,
        ctx.connection,
        as_of=inputs.as_of,
        findings=findings.drop("connection"),
        assessments=assessed,
        forecasts=forecasts,
        velocities=velocities,
    )
    return {"assessed": assessed.height, "findings": findings.height}


def _read(ctx: JobContext) -> _Inputs:
    account = read.account(ctx.engine, ctx.connection)
    if account is None:
        raise ConfigError(f"{ctx.connection} has never been pulled: run `dealpulse sync` first.")
    zone = ctx.config.time_zone or account.time_zone
    now = ctx.clock.now()
    return _Inputs(
        deals=frames.deal_frame(
            ctx.engine,
            ctx.connection,
            zone=zone,
            home_currency=account.home_currency,
            rates=ctx.rates,
        ),
        changes=frames.change_frame(ctx.engine, ctx.connection),
        stages=frames.stage_frame(ctx.engine, ctx.connection),
        owners=frames.owner_frame(ctx.engine, ctx.connection),
        as_of=now,
        today=now.astimezone(ZoneInfo(zone)).date(),
        zone=zone,
        currency=account.home_currency,
    )


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
    inputs: _Inputs,
    findings: pl.DataFrame,
    predictions: pl.DataFrame,
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
    said = explain.explain(inputs.deals, findings, predictions, norms, ctx.config.language)
    return (
        quality.score(inputs.deals, findings, settings.weights)
        .join(predictions, on=KEY, how="left")
        .join(stale, on=KEY, how="left")
        .join(said, on=KEY, how="left")
        .select(
            "deal_id",
            "quality_score",
            "win_probability",
            pl.col("weighted_amount").alias("expected_amount"),
            pl.col("stale_days").fill_null(0),
            pl.col("explanation").fill_null(""),
        )
    )
