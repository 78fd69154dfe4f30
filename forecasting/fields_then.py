"""Whether a deal's field was filled at a past instant, as far as the account's history tells."""

from collections.abc import Collection
from typing import Final

import polars as pl

from forecasting.history import KEY

WITH_HISTORY: Final = ("amount", "close_date", "owner", "next_step")
WITHOUT_HISTORY: Final = ("contact", "company", "next_activity", "activity")
FIELDS: Final = (*WITH_HISTORY, *WITHOUT_HISTORY)
"""`activity`: a human one since entering the stage; the others: filled, amounts above 0."""

_NOW: Final = {
    "amount": pl.col("now_amount").fill_null(0) > 0,
    "close_date": pl.col("now_close_date").is_not_null(),
    "owner": pl.col("now_owner_id").is_not_null(),
    "next_step": pl.col("now_next_step").fill_null("").str.strip_chars() != "",
    "contact": pl.col("now_contact_count").fill_null(0) > 0,
    "company": pl.col("now_company_count").fill_null(0) > 0,
    "next_activity": pl.col("now_next_activity_at").is_not_null(),
    "activity": pl.col("now_last_activity_at") >= pl.col("entered_at"),
}
_PRESENT: Final = (
    "amount", "close_date", "owner_id", "next_step", "contact_count", "company_count",
    "next_activity_at", "last_activity_at",
)  # fmt: skip


def judged_now(changes: pl.DataFrame, fields: Collection[str]) -> list[str]:
    """Those of `fields` whose past the account does not keep: only today's value is known."""
    kept = set(changes["field"].unique().to_list())
    return [name for name in fields if name not in WITH_HISTORY or name not in kept]


def filled_then(
    rows: pl.DataFrame, deals: pl.DataFrame, changes: pl.DataFrame, fields: Collection[str]
) -> pl.DataFrame:
    """`rows` (connection, deal_id, at, and entered_at where `activity` is asked) with has_<field>
    for each of `fields`: whether it was filled at `at`.

    Known from the last change until then, else from what the first later change replaced; a deal
    without any change of the field, and fields of `judged_now`, are judged by today's value.
    """
    found = rows.with_row_index("row_number").join(
        deals.select(*KEY, *(pl.col(name).alias(f"now_{name}") for name in _PRESENT)),
        on=KEY,
        how="left",
    )
    today = set(judged_now(changes, fields))
    for field in fields:
        now = _NOW[field]
        if field in today:
            found = found.with_columns(now.fill_null(False).alias(f"has_{field}"))
            continue
        found = _as_then(found, changes, field, now)
    return (
        found.sort("row_number")
        .drop("row_number", *(f"now_{name}" for name in _PRESENT))
        .select(*rows.columns, *(f"has_{field}" for field in fields))
    )


def _as_then(found: pl.DataFrame, changes: pl.DataFrame, field: str, now: pl.Expr) -> pl.DataFrame:
    moves = changes.filter(pl.col("field") == field).sort("changed_at", "ordinal")
    last = moves.select(*KEY, "changed_at", value="new", known=pl.lit(True))
    first = moves.group_by(KEY).agg(
        pl.col("old").first().alias("replaced"), pl.lit(True).first().alias("ever")
    )
    value = pl.when(pl.col("known").is_not_null()).then("value").otherwise("replaced")
    filled = value.is_not_null() & (value.str.strip_chars() != "")
    if field == "amount":
        filled = value.cast(pl.Float64, strict=False).fill_null(0) > 0
    return (
        found.sort("at")
        .join_asof(last, left_on="at", right_on="changed_at", by=[*KEY], check_sortedness=False)
        .join(first, on=KEY, how="left")
        .with_columns(
            pl.when(pl.col("ever").is_not_null())
            .then(filled)
            .otherwise(now)
            .fill_null(False)
            .alias(f"has_{field}")
        )
        .drop("changed_at", "value", "known", "replaced", "ever", strict=False)
    )
