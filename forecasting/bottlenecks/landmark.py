"""Deals at half the usual cycle: what was known of them then, and what became of them after.

Traits are compared from this moment on, among deals of the same stage then. Counted from a deal's
birth, whatever long-lived deals collect would look like a cause of winning.
"""

from datetime import datetime
from typing import Final

import polars as pl

from forecasting.deals import INSTANT
from forecasting.exit_criteria import afterwards
from forecasting.fields_then import filled_then, judged_now
from forecasting.history import KEY

KEPT: Final = ("amount", "close_date", "owner")
"""Fields whose absence makes data poor, where their past is kept."""


def landmark(
    deals: pl.DataFrame,
    visited: pl.DataFrame,
    changes: pl.DataFrame,
    *,
    age_days: float,
    since: datetime,
    as_of: datetime,
) -> pl.DataFrame:
    """Deals that were still open at that age, some time between `since` and `as_of`, as spells for
    `comparison.compare` from then on.

    Columns beside those of spells: pipeline_id, stage_then (null = unknown), detour (had passed
    over a stage, or been taken back, by then), poor_data (one of `KEPT` was empty), judged_now
    (that was judged by today's values).
    """
    age = pl.duration(microseconds=round(age_days * 86_400e6))
    ended = pl.col("status").is_in(("won", "lost")) & pl.col("closed_at").is_not_null()
    dated = (pl.col("status") == "open") | ended
    at = deals.filter(dated).select(
        *KEY,
        "pipeline_id",
        "closed_at",
        deal_outcome="status",
        entered_at="created_at",
        at=(pl.col("created_at") + age).cast(INSTANT),
    )
    alive = at.filter(
        pl.col("at").is_between(since, as_of)
        & ((pl.col("deal_outcome") == "open") | (pl.col("closed_at") > pl.col("at")))
    )
    # a field without history is judged only where no field has one: a hint is better than nothing
    asked = [name for name in KEPT if name not in judged_now(changes, KEPT)] or list(KEPT)
    known = filled_then(_at_stage(alive, visited), deals, changes, asked)
    traits = known.with_columns(
        poor_data=~pl.all_horizontal(f"has_{name}" for name in asked),
        judged_now=pl.lit(bool(judged_now(changes, asked))),
    )
    return afterwards(traits, as_of)


def _at_stage(alive: pl.DataFrame, visited: pl.DataFrame) -> pl.DataFrame:
    place = [*KEY, "pipeline_id"]
    best = pl.col("rank").cum_max().shift().over(place)
    left_the_line = (pl.col("rank") > best + 1) | (pl.col("rank") < best)
    steps = (
        visited.with_columns(left_the_line=left_the_line.fill_null(False))
        .with_columns(detour=pl.col("left_the_line").cum_max().over(place))
        .select(*KEY, "entered_at", "detour", stage_then="stage_id")
        .sort("entered_at")
    )
    return (
        alive.sort("at")
        .join_asof(
            steps.rename({"entered_at": "step_at"}),
            left_on="at",
            right_on="step_at",
            by=[*KEY],
            check_sortedness=False,
        )
        .drop("step_at", strict=False)
    )
