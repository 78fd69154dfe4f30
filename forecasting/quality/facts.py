"""Everything the rules look at, one row per open deal."""

from datetime import date, datetime
from typing import Final

import polars as pl

from forecasting.history import (
    AT_CREATION,
    KEY,
    account_day,
    changes_of,
    counted_changes,
    pushes,
    stage_stays,
)
from forecasting.process import stage_norms
from forecasting.quality.account import at_month_end, habits, is_round, repeated
from forecasting.quality.moves import moves
from forecasting.quality.settings import QualitySettings
from forecasting.quality.twins import is_test, twins
from forecasting.selling_day_counts import selling_days_between
from forecasting.staleness import DEAD_OVER_NORM, precedents, selling_norms, silence, state

_STAGE: Final = ("connection", "pipeline_id", "stage_id")
_PLACE: Final = ("connection", "pipeline_id")


def open_deal_facts(
    deals: pl.DataFrame,
    changes: pl.DataFrame,
    stages: pl.DataFrame,
    owners: pl.DataFrame,
    *,
    as_of: datetime,
    today: date,
    zone: str,
    settings: QualitySettings,
    norms: pl.DataFrame | None = None,
    stays: pl.DataFrame | None = None,
    known: pl.DataFrame | None = None,
    chances: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """The open deals with, beside their own columns, everything that a rule's `when`, `applies` and
    `evidence` name; thresholds among them, so that a rule is one expression.

    `stays`: of `history.stage_stays`, `norms`: of `process.stage_norms`, `known`: of
    `account.habits`; learned here where not given. `chances`: connection, deal_id,
    win_probability; without it a deal is judged by what became of earlier ones alone.
    """
    if stays is None:
        stays = stage_stays(changes, deals, stages, as_of)
    if norms is None:
        norms = stage_norms(stays, stages, default_days=settings.default_after_days)
    selling = selling_norms(
        stays,
        stages,
        calendar=settings.calendar,
        zone=zone,
        default_days=float(settings.default_after_days),
    )
    open_deals = deals.filter(pl.col("status") == "open")
    mine = changes.join(open_deals, on=KEY, how="semi")
    facts = (
        _placed(open_deals, stages, owners)
        .join(_norms(norms, selling, settings), on=_STAGE, how="left")
        .join(pushes(mine, open_deals, as_of, zone, stages=stages), on=KEY, how="left")
        .join(_suggested(mine, open_deals, as_of, zone), on=KEY, how="left")
        .join(_touched(mine, open_deals, as_of), on=KEY, how="left")
        .join(
            silence(
                open_deals, mine, as_of=as_of, today=today, zone=zone, calendar=settings.calendar
            ),
            on=KEY,
            how="left",
        )
        .join(_entries(open_deals, stays), on=(*KEY, "stage_id"), how="left")
        .join(
            moves(open_deals, stays, stages, compare_with=settings.compare_with), on=KEY, how="left"
        )
        .join(habits(deals) if known is None else known, on="connection", how="left")
        .join(repeated(deals), on=(*_PLACE, "amount"), how="left", nulls_equal=True)
        .join(twins(open_deals), on=KEY, how="left")
        .join(_said(chances), on=KEY, how="left")
    )
    facts = _with_thresholds(facts, settings, as_of, today, zone)
    return _with_states(facts, stays, deals, settings)


def _placed(open_deals: pl.DataFrame, stages: pl.DataFrame, owners: pl.DataFrame) -> pl.DataFrame:
    known_stages = stages.unique(_STAGE, keep="first").select(
        *_STAGE,
        "stage",
        pl.col("exists").alias("stage_exists"),
        pl.col("probability").alias("stage_says"),
    )
    return (
        open_deals.join(known_stages, on=_STAGE, how="left")
        .join(_owners(owners), on=("connection", "owner_id"), how="left")
        .join(_listing(owners), on="connection", how="left")
    )


def _with_thresholds(
    facts: pl.DataFrame, settings: QualitySettings, as_of: datetime, today: date, zone: str
) -> pl.DataFrame:
    norm = pl.col("norm_days").fill_null(settings.default_after_days)
    dead = pl.col("dead_days").fill_null((norm * DEAD_OVER_NORM).round().cast(pl.Int64))
    step = pl.col("next_step").str.strip_chars()
    return facts.with_columns(
        pl.col("stage_exists", "close_date_suggested", "amount_touched").fill_null(False),
        owner_gone=pl.coalesce(~pl.col("owner_active"), "owners_listed", pl.lit(False)),
        days_overdue=(pl.lit(today) - pl.col("close_date")).dt.total_days(),
        norm_days=norm,
        dead_days=pl.max_horizontal(dead, norm),
        activity_planned=(pl.col("next_activity_at") > as_of).fill_null(False),
        no_next_step=step.is_null() | (step == ""),
        days_in_stage=_days_since(pl.coalesce("stage_entered_at", "entered_at"), today, zone),
        days_open=_days_since(pl.col("created_at"), today, zone),
        age_days=selling_days_between(settings.calendar, pl.col("created_on"), pl.lit(today)),
        is_test=is_test(),
        rounded=is_round().fill_null(False),
        at_month_end=at_month_end("close_date").fill_null(False),
        stated=pl.coalesce("rep_probability", "stage_probability"),
        came_back_on=pl.col("came_back_at").dt.convert_time_zone(zone).dt.date(),
        pushed_times=pl.lit(settings.pushed_times),
        stuck_stays=pl.lit(settings.stuck_stays),
        first_response_days=pl.lit(settings.first_response_days),
        unanswered_attempts=pl.lit(settings.unanswered_attempts),
        compare_with=pl.lit(settings.compare_with),
    )


def _with_states(
    facts: pl.DataFrame, stays: pl.DataFrame, deals: pl.DataFrame, settings: QualitySettings
) -> pl.DataFrame:
    """Adds state, and for each deal what became of earlier ones that stood as long, and archive."""
    stood = facts.select(*KEY, *_STAGE[1:], "days_in_stage", "days_open")
    negligible = (pl.col("chance_at_most") <= settings.archive_below) & (
        pl.col("win_probability").fill_null(0.0) <= settings.archive_below
    )
    return (
        facts.with_columns(state=state())
        .join(precedents(stood, stays, deals), on=KEY, how="left")
        .with_columns(
            archive=((pl.col("state") == "dead") & negligible).fill_null(False),
        )
    )


def _said(chances: pl.DataFrame | None) -> pl.DataFrame:
    schema = {"connection": pl.String, "deal_id": pl.String, "win_probability": pl.Float64}
    return pl.DataFrame(schema=schema) if chances is None else chances.select(schema.keys())


def _touched(changes: pl.DataFrame, open_deals: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """Whether the amount was changed after the deal's creation."""
    return counted_changes(changes, open_deals, as_of).select(
        *KEY, amount_touched=pl.col("amount_changes") > 0
    )


def _norms(norms: pl.DataFrame, selling: pl.DataFrame, settings: QualitySettings) -> pl.DataFrame:
    """Per stage: days of silence that are normal and that are too many, in days of the calendar;
    won deals' p90 in plain days and how many stays say so.
    """
    own = {name.strip().lower(): days for name, days in settings.after_days.items()}
    chosen = [
        pl.col(column)
        .str.strip_chars()
        .str.to_lowercase()
        .replace_strict(own, default=None, return_dtype=pl.Int64)
        for column in ("stage_id", "stage")
        if own
    ]
    mine = pl.coalesce(*chosen, pl.lit(None, pl.Int64))
    learned = pl.col("median_days").round().cast(pl.Int64)
    norm = pl.coalesce(mine, learned.clip(lower_bound=settings.minimum_after_days))
    longest = pl.coalesce(mine * DEAD_OVER_NORM, pl.col("p90_days"), norm * DEAD_OVER_NORM)
    return norms.select(
        *_STAGE,
        pl.col("won_p90_days").ceil().cast(pl.Int64).alias("p90_days"),
        pl.col("sample").alias("won_stays"),
    ).join(
        selling.select(*_STAGE, norm_days=norm, dead_days=longest.round().cast(pl.Int64)),
        on=_STAGE,
        how="left",
    )


def _owners(owners: pl.DataFrame) -> pl.DataFrame:
    return owners.unique(("connection", "owner_id"), keep="first").select(
        "connection", "owner_id", "owner", pl.col("active").alias("owner_active")
    )


def _listing(owners: pl.DataFrame) -> pl.DataFrame:
    """The connections that list owners at all; elsewhere an unlisted owner means nothing."""
    return owners.select("connection", owners_listed=pl.lit(True)).unique()


def _suggested(
    changes: pl.DataFrame, deals: pl.DataFrame, as_of: datetime, zone: str
) -> pl.DataFrame:
    """Deals whose close date is, untouched since the creation, the last day of that month."""
    created = deals.select(*KEY, "created_at", current="close_date")
    first_at = pl.col("changed_at").min()
    return (
        changes_of(changes, "close_date", as_of)
        .join(created, on=KEY, how="inner")
        .with_columns(
            day=account_day(pl.col("new"), zone),
            month_end=pl.col("created_at").dt.convert_time_zone(zone).dt.date().dt.month_end(),
        )
        .group_by(KEY)
        .agg(
            (
                (pl.col("day") == pl.col("month_end")).fill_null(False).all()
                & (pl.col("current") == pl.col("month_end")).fill_null(False).all()
                & pl.col("old").first().is_null()
                & ((first_at - pl.col("created_at").first()).abs() <= AT_CREATION)
            ).alias("close_date_suggested")
        )
    )


def _entries(open_deals: pl.DataFrame, stays: pl.DataFrame) -> pl.DataFrame:
    """When a deal entered the stage it is in, from its history, where the CRM did not say."""
    unsaid = open_deals.filter(pl.col("stage_entered_at").is_null())
    return (
        stays.filter(pl.col("left_at").is_null())
        .join(unsaid, on=KEY, how="semi")
        .group_by(*KEY, "stage_id")
        .agg(pl.col("entered_at").max())
    )


def _days_since(instant: pl.Expr, today: date, zone: str) -> pl.Expr:
    return (pl.lit(today) - instant.dt.convert_time_zone(zone).dt.date()).dt.total_days()
