"""Rules about values that are there and cannot be right."""

from typing import Final

import polars as pl

from forecasting.quality.rule import Rule

SAME_AMOUNT: Final = 10
"""So many deals alike are a habit, fewer a coincidence."""

FAR_FROM_STAGE: Final = 0.3
"""So far apart, in probability, a deal and its stage contradict each other."""

_COMPARABLE: Final = pl.col("won_deals") >= pl.col("compare_with")

RULES: Final = (
    Rule(
        code="amount_not_positive",
        family="consistency",
        weight=20,
        when=pl.col("amount") <= 0,
        effect="amount",
        evidence={"amount": pl.col("amount")},
    ),
    Rule(
        code="owner_deactivated",
        family="consistency",
        weight=15,
        when=pl.col("owner_id").is_not_null() & pl.col("owner_gone"),
        evidence={"owner": pl.coalesce("owner", "owner_id")},
    ),
    Rule(
        code="unknown_stage",
        family="consistency",
        weight=15,
        when=~pl.col("stage_exists"),
        evidence={"stage": pl.coalesce("stage", "stage_id")},
    ),
    Rule(
        code="amount_round",
        family="consistency",
        weight=3,
        when=pl.col("rounded")
        & ~pl.col("amount_touched")
        & (pl.col("open_round") >= 2 * pl.col("won_round")),
        evidence={"amount": pl.col("amount"), "won_share": pl.col("won_round")},
        applies=_COMPARABLE,
        effect="amount",
    ),
    Rule(
        code="amount_repeated",
        family="consistency",
        weight=5,
        when=~pl.col("amount_touched")
        & (pl.col("same_open") >= SAME_AMOUNT)
        & (pl.col("same_open_share") >= 0.1)
        & (pl.col("same_open_share") >= 3 * pl.col("same_won_share")),
        evidence={
            "amount": pl.col("amount"),
            "deals": pl.col("same_open"),
            "open_share": pl.col("same_open_share"),
            "won_share": pl.col("same_won_share"),
        },
        applies=_COMPARABLE,
        effect="amount",
    ),
    Rule(
        code="close_date_heaped",
        family="consistency",
        weight=3,
        when=pl.col("at_month_end")
        & ~pl.col("close_date_suggested")
        & (pl.col("open_month_ends") >= SAME_AMOUNT)
        & (pl.col("open_at_month_end") >= 0.2)
        & (pl.col("open_at_month_end") >= 3 * pl.col("won_at_month_end")),
        evidence={
            "close_date": pl.col("close_date"),
            "open_share": pl.col("open_at_month_end"),
            "won_share": pl.col("won_at_month_end"),
        },
        applies=_COMPARABLE,
        effect="date",
    ),
    Rule(
        code="closed_before_created",
        family="consistency",
        weight=10,
        about="decided",
        when=pl.col("closed_on") < pl.col("created_on"),
        evidence={"closed_on": pl.col("closed_on"), "created_on": pl.col("created_on")},
    ),
    Rule(
        code="closed_in_the_future",
        family="consistency",
        weight=10,
        about="decided",
        when=pl.col("closed_on") > pl.col("today"),
        evidence={"closed_on": pl.col("closed_on")},
    ),
    Rule(
        code="won_at_zero",
        family="consistency",
        weight=10,
        about="decided",
        when=(pl.col("status") == "won")
        & ((pl.col("amount") <= 0) | (pl.col("amount_problem") == "missing")),
        evidence={"closed_on": pl.col("closed_on")},
    ),
    Rule(
        code="probability_against_stage",
        family="consistency",
        weight=5,
        when=(pl.col("stated") - pl.col("stage_says")).abs() >= FAR_FROM_STAGE,
        evidence={
            "stated": pl.col("stated"),
            "stage_says": pl.col("stage_says"),
            "stage": pl.coalesce("stage", "stage_id"),
        },
        applies=pl.col("stated").is_not_null() & pl.col("stage_says").is_not_null(),
    ),
    Rule(
        code="stage_skipped",
        family="consistency",
        weight=3,
        when=pl.col("skipped_stages") > 0,
        evidence={"skipped": pl.col("skipped"), "stages": pl.col("skipped_stages")},
        applies=_COMPARABLE,
    ),
    Rule(
        code="stage_moved_back",
        family="consistency",
        weight=5,
        when=pl.col("came_back_from").is_not_null(),
        evidence={
            "came_from": pl.col("came_back_from"),
            "stage": pl.coalesce("stage", "stage_id"),
            "on": pl.col("came_back_on"),
        },
    ),
    Rule(
        code="probable_duplicate",
        family="consistency",
        weight=15,
        when=pl.col("twin_id").is_not_null(),
        evidence={
            "twin": pl.col("twin_name"),
            "twin_id": pl.col("twin_id"),
            "deals": pl.col("twins"),
        },
        effect="gone",
    ),
    Rule(
        code="test_record",
        family="consistency",
        weight=20,
        about="any",
        when=pl.col("is_test"),
        evidence={"name": pl.col("name")},
        effect="gone",
    ),
    Rule(
        code="never_answered",
        family="consistency",
        weight=10,
        when=(pl.col("contact_attempts") >= pl.col("unanswered_attempts"))
        & pl.col("last_reply_at").is_null(),
        evidence={"attempts": pl.col("contact_attempts")},
        applies=pl.col("gives_replies"),
        effect="gone",
    ),
)
