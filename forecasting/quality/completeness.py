"""Rules about what is not there."""

from typing import Final

import polars as pl

from forecasting.quality.rule import Rule

_NO_AMOUNT: Final = pl.col("amount").is_null()
_NO_RATE: Final = (pl.col("amount_problem") == "no_rate").fill_null(False)

RULES: Final = (
    Rule(
        code="amount_missing",
        family="completeness",
        weight=20,
        when=_NO_AMOUNT & ~_NO_RATE,
        effect="amount",
    ),
    Rule(
        code="no_rate",
        family="completeness",
        weight=5,
        when=_NO_AMOUNT & _NO_RATE,
        evidence={"currency": pl.col("currency")},
    ),
    Rule(
        code="close_date_missing",
        family="completeness",
        weight=15,
        when=pl.col("close_date").is_null(),
        effect="date",
    ),
    Rule(
        code="owner_missing",
        family="completeness",
        weight=15,
        when=pl.col("owner_id").is_null(),
    ),
    Rule(
        code="next_step_missing",
        family="completeness",
        weight=5,
        when=pl.col("no_next_step"),
        applies=pl.col("gives_next_step"),
    ),
    Rule(
        code="no_next_activity",
        family="completeness",
        weight=10,
        when=~pl.col("activity_planned"),
        applies=pl.col("gives_activities"),
    ),
    Rule(
        code="no_contact",
        family="completeness",
        weight=10,
        when=pl.col("contact_count") == 0,
        applies=pl.col("gives_contacts"),
    ),
    Rule(
        code="no_company",
        family="completeness",
        weight=5,
        when=pl.col("company_count") == 0,
        applies=pl.col("gives_companies"),
    ),
    Rule(
        code="currency_missing",
        family="completeness",
        weight=5,
        when=pl.col("amount").is_not_null() & pl.col("currency").is_null(),
        applies=pl.col("gives_currency"),
    ),
    Rule(
        code="loss_reason_missing",
        family="completeness",
        weight=5,
        about="decided",
        when=(pl.col("status") == "lost") & pl.col("no_reason"),
        evidence={"closed_on": pl.col("closed_on")},
        applies=pl.col("gives_loss_reason"),
    ),
    Rule(
        code="close_day_missing",
        family="completeness",
        weight=5,
        about="decided",
        when=pl.col("closed_on").is_null(),
        evidence={"status": pl.col("status")},
    ),
)
