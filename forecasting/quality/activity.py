"""When a person last did something about a deal. Never read from "last modified": our own writes,
workflows and imports move that.
"""

from datetime import date, datetime
from typing import Final

import polars as pl

from forecasting.deals import INSTANT
from forecasting.history import KEY

HUMAN_FIELDS: Final = ("stage", "amount", "close_date", "owner", "next_step")
"""Fields whose change by a person counts as activity."""


def stale_days(
    deals: pl.DataFrame, changes: pl.DataFrame, *, as_of: datetime, today: date, zone: str
) -> pl.DataFrame:
    """Per open deal: the account's days since a person last did something about it.

    Columns: connection, deal_id, stale_days (0 = today), last_activity_on. The latest counts of
    the CRM's last activity, a person's change of one of `HUMAN_FIELDS`, and the creation.
    """
    human = (
        changes.filter(
            (pl.col("source") == "human")
            & pl.col("field").is_in(HUMAN_FIELDS)
            & (pl.col("changed_at") <= as_of)
        )
        .group_by(KEY)
        .agg(pl.col("changed_at").max().alias("changed_by_human_at"))
    )
    latest = pl.max_horizontal("last_activity_at", "changed_by_human_at", "created_at")
    last_on = pl.min_horizontal(latest, pl.lit(as_of, INSTANT)).dt.convert_time_zone(zone).dt.date()
    return (
        deals.filter(pl.col("status") == "open")
        .join(human, on=KEY, how="left")
        .select(*KEY, last_activity_on=last_on)
        .select(
            *KEY,
            (pl.lit(today) - pl.col("last_activity_on"))
            .dt.total_days()
            .clip(lower_bound=0)
            .alias("stale_days"),
            "last_activity_on",
        )
        .sort(*KEY)
    )
