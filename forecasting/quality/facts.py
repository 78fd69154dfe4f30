"""Everything the rules look at, one row per open deal."""

from datetime import date, datetime, timedelta
from typing import Final

import polars as pl

from forecasting.history import KEY, account_day, changes_of, pushes, stage_stays
from forecasting.process import stage_norms
from forecasting.quality.activity import stale_days
from forecasting.quality.settings import QualitySettings

AT_CREATION: Final = timedelta(minutes=1)
"""A value dated within this much of the deal's creation was set on creating it."""

_STAGE: Final = ("connection", "pipeline_id", "stage_id")


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
) -> pl.DataFrame:
    """The open deals with, beside their own columns: stage, stage_exists, owner, owner_gone,
    days_overdue, pushes, pushed_days, first_close_date, close_date_suggested, stale_days,
    last_activity_on, norm_days, activity_planned, days_in_stage, p90_days, won_stays and the
    thresholds pushed_times and stuck_stays.

    `norms`: of `process.stage_norms`, learned here where not given.
    """
    if norms is None:
        stays = stage_stays(changes, deals, stages, as_of)
        norms = stage_norms(stays, stages, default_days=settings.default_after_days)
    open_deals = deals.filter(pl.col("status") == "open")
    known_stages = stages.unique(_STAGE, keep="first")
    return (
        open_deals.join(
            known_stages.select(*_STAGE, "stage", pl.col("exists").alias("stage_exists")),
            on=_STAGE,
            how="left",
        )
        .join(_norms(norms, settings), on=_STAGE, how="left")
        .join(_owners(owners), on=("connection", "owner_id"), how="left")
        .join(_listing(owners), on="connection", how="left")
        .join(pushes(changes, deals, as_of, zone, stages=stages), on=KEY, how="left")
        .join(_suggested(changes, deals, as_of, zone), on=KEY, how="left")
        .join(
            stale_days(deals, changes, as_of=as_of, today=today, zone=zone),
            on=KEY,
            how="left",
        )
        .join(_entries(changes, open_deals, stages, as_of), on=(*KEY, "stage_id"), how="left")
        .with_columns(
            pl.col("stage_exists", "close_date_suggested").fill_null(False),
            owner_gone=pl.coalesce(~pl.col("owner_active"), "owners_listed", pl.lit(False)),
            days_overdue=(pl.lit(today) - pl.col("close_date")).dt.total_days(),
            norm_days=pl.col("norm_days").fill_null(settings.default_after_days),
            activity_planned=(pl.col("next_activity_at") > as_of).fill_null(False),
            days_in_stage=_days_in_stage(today, zone),
            pushed_times=pl.lit(settings.pushed_times),
            stuck_stays=pl.lit(settings.stuck_stays),
        )
    )


def _norms(norms: pl.DataFrame, settings: QualitySettings) -> pl.DataFrame:
    """Per stage: days of silence that are normal, won deals' p90 and how many stays say so."""
    own = {name.strip().lower(): days for name, days in settings.after_days.items()}
    chosen = [
        pl.col(column)
        .str.strip_chars()
        .str.to_lowercase()
        .replace_strict(own, default=None, return_dtype=pl.Int64)
        for column in ("stage_id", "stage")
        if own
    ]
    learned = pl.col("median_days").round().cast(pl.Int64)
    return norms.select(
        *_STAGE,
        pl.coalesce(*chosen, learned.clip(lower_bound=settings.minimum_after_days)).alias(
            "norm_days"
        ),
        pl.col("won_p90_days").ceil().cast(pl.Int64).alias("p90_days"),
        pl.col("sample").alias("won_stays"),
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


def _entries(
    changes: pl.DataFrame, open_deals: pl.DataFrame, stages: pl.DataFrame, as_of: datetime
) -> pl.DataFrame:
    """When a deal entered the stage it is in, from its history, where the CRM did not say."""
    unsaid = open_deals.filter(pl.col("stage_entered_at").is_null())
    stays = stage_stays(changes.join(unsaid, on=KEY, how="semi"), unsaid, stages, as_of)
    return (
        stays.filter(pl.col("left_at").is_null())
        .group_by(*KEY, "stage_id")
        .agg(pl.col("entered_at").max())
    )


def _days_in_stage(today: date, zone: str) -> pl.Expr:
    entered = pl.coalesce("stage_entered_at", "entered_at")
    return (pl.lit(today) - entered.dt.convert_time_zone(zone).dt.date()).dt.total_days()
