"""What the rules look at in deals that were decided lately, while somebody may still know."""

from datetime import date, timedelta

import polars as pl

from forecasting.quality.account import habits
from forecasting.quality.settings import QualitySettings
from forecasting.quality.twins import is_test


def decided_facts(
    deals: pl.DataFrame,
    *,
    today: date,
    settings: QualitySettings,
    known: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Deals decided within `decided_within_days`, later than today or on no known day, with beside
    their own columns: no_reason, is_test and what `account.habits` says (`known`, where already
    learned).
    """
    since = today - timedelta(days=settings.decided_within_days)
    lately = deals.filter(
        pl.col("status").is_in(("won", "lost"))
        & (pl.col("closed_on").is_null() | (pl.col("closed_on") >= since))
    )
    reason = pl.col("loss_reason").str.strip_chars()
    return lately.join(
        habits(deals) if known is None else known, on="connection", how="left"
    ).with_columns(
        no_reason=reason.is_null() | (reason == ""), is_test=is_test(), today=pl.lit(today)
    )
