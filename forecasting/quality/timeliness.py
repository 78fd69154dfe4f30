"""Rules about dates and silence. `overdue`, `stale` and `stuck` are three different things."""

from typing import Final

import polars as pl

from forecasting.quality.rule import Rule

RULES: Final = (
    Rule(
        code="overdue",
        family="timeliness",
        weight=15,
        when=pl.col("days_overdue") > 0,
        evidence={"days": pl.col("days_overdue"), "close_date": pl.col("close_date")},
        effect="date",
    ),
    Rule(
        code="close_date_never_chosen",
        family="timeliness",
        weight=5,
        when=pl.col("close_date_suggested"),
        evidence={"close_date": pl.col("close_date"), "created_on": pl.col("created_on")},
        effect="date",
    ),
    Rule(
        code="close_date_pushed",
        family="timeliness",
        weight=10,
        when=pl.col("pushes") >= pl.col("pushed_times"),
        evidence={
            "pushes": pl.col("pushes"),
            "days": pl.col("pushed_days"),
            "first_close_date": pl.col("first_close_date"),
        },
        effect="date",
    ),
    Rule(
        code="stale",
        family="timeliness",
        weight=15,
        when=pl.col("state").is_in(("stale", "dead")),
        evidence={
            "days": pl.col("silent_days"),
            "norm_days": pl.col("norm_days"),
            "stage": pl.coalesce("stage", "stage_id"),
            "last_activity": pl.col("last_activity_on"),
            "state": pl.col("state"),
        },
        effect="gone",
    ),
    Rule(
        code="archive_candidate",
        family="timeliness",
        weight=10,
        when=pl.col("archive"),
        evidence={
            "days": pl.col("silent_days"),
            "dead_days": pl.col("dead_days"),
            "days_in_stage": pl.col("days_in_stage"),
            "stage": pl.coalesce("stage", "stage_id"),
            "earlier": pl.col("earlier"),
            "earlier_won": pl.col("earlier_won"),
            "from_days": pl.col("from_days"),
            "chance_at_most": pl.col("chance_at_most").round(4),
        },
        effect="gone",
    ),
    Rule(
        code="no_first_response",
        family="timeliness",
        weight=10,
        when=(pl.col("age_days") > pl.col("first_response_days"))
        & (pl.col("contact_attempts").fill_null(0) == 0)
        & pl.all_horizontal(
            pl.col("last_contacted_at", "last_reply_at", "last_activity_at").is_null()
        ),
        evidence={"days": pl.col("age_days"), "created_on": pl.col("created_on")},
        applies=pl.col("gives_contacting"),
    ),
    Rule(
        code="stuck",
        family="timeliness",
        weight=10,
        when=(pl.col("days_in_stage") > pl.col("p90_days"))
        & (pl.col("won_stays") >= pl.col("stuck_stays")),
        evidence={
            "days": pl.col("days_in_stage"),
            "p90_days": pl.col("p90_days"),
            "won_stays": pl.col("won_stays"),
            "stage": pl.coalesce("stage", "stage_id"),
        },
        applies=pl.col("won_stays") >= pl.col("stuck_stays"),
        effect="gone",
    ),
)
