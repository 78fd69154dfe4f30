"""The quality part of assess: rules, staleness and scores, in the columns of their tables."""

from dataclasses import dataclass

import polars as pl

from forecasting import quality
from sync.config.calendar import calendar_of
from sync.config.model import Config
from sync.errors import ConfigError
from sync.jobs.inputs import Inputs


@dataclass(frozen=True, slots=True)
class DataQuality:
    """`findings`: FINDING_SCHEMA. `scores`: quality_score of each open deal. `stale`: connection,
    deal_id, stale_days. The other three are rows of tables deal_staleness, quality_score and
    rule_result, without connection and as_of.
    """

    findings: pl.DataFrame
    scores: pl.DataFrame
    stale: pl.DataFrame
    staleness: pl.DataFrame
    segments: pl.DataFrame
    rules: pl.DataFrame


def data_quality(
    inputs: Inputs,
    settings: quality.QualitySettings,
    stays: pl.DataFrame,
    norms: pl.DataFrame,
    chances: pl.DataFrame,
) -> DataQuality:
    """`chances`: connection, deal_id, win_probability of the open deals."""
    examined = quality.examine(
        inputs.deals,
        inputs.changes,
        inputs.stages,
        inputs.owners,
        as_of=inputs.as_of,
        today=inputs.today,
        zone=inputs.zone,
        settings=settings,
        norms=norms,
        stays=stays,
        chances=chances,
    )
    scores = quality.score(inputs.deals, examined.findings, settings.weights)
    segments = quality.segment_scores(inputs.deals, scores, examined.findings)
    today = pl.lit(inputs.today).alias("day")
    return DataQuality(
        examined.findings,
        scores,
        examined.facts.select("connection", "deal_id", "stale_days"),
        examined.facts.select(
            "deal_id",
            "state",
            "silent_days",
            "norm_days",
            "dead_days",
            "last_activity_on",
            pl.col("activity_planned").alias("planned"),
            "days_in_stage",
            pl.col("compared_with").fill_null("pipeline"),
            pl.col("earlier", "earlier_won").fill_null(0),
            "chance_at_most",
            "archive",
        ),
        segments.drop("connection").with_columns(today),
        examined.results.drop("connection").with_columns(today),
    )


def quality_settings(config: Config, inputs: Inputs) -> quality.QualitySettings:
    """The configured weights and norms, in the account's working days.

    Raises ConfigError for a rule that does not exist.
    """
    try:
        quality.weights_in_force(config.quality.weights)
    except ValueError as error:
        raise ConfigError(f"quality.weights: {error}") from None
    first = inputs.deals["created_on"].min()
    since = inputs.today.year if first is None else min(first.year, inputs.today.year)  # type: ignore[union-attr]
    return quality.QualitySettings(
        weights=config.quality.weights,
        calendar=calendar_of(
            config,
            time_zone=inputs.zone,
            home_currency=inputs.currency,
            years=range(since, inputs.today.year + 1),
        ),
        default_after_days=config.staleness.default_after_days,
        minimum_after_days=config.staleness.minimum_after_days,
        after_days=config.staleness.after_days,
        archive_below=config.staleness.archive_below,
        first_response_days=config.quality.first_response_days,
        unanswered_attempts=config.quality.unanswered_attempts,
        decided_within_days=config.quality.decided_within_days,
    )
