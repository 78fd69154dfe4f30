"""Past states of deals, rebuilt from their changes: the only source of what was known then.

Nothing here reads a change dated after `as_of`, so nothing that happens later can alter an answer.
What the history does not say is null and marked, never filled with today's value.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final

import polars as pl

KEY: Final = ("connection", "deal_id")

STATE_FIELDS: Final = (
    "stage",
    "status",
    "pipeline",
    "owner",
    "amount",
    "close_date",
    "forecast_category",
)
_NEVER_EMPTY: Final = frozenset({"stage", "status", "pipeline"})
_COLUMN: Final = {
    "stage": "stage_id",
    "pipeline": "pipeline_id",
    "owner": "owner_id",
    "amount": "amount_text",
}

AT_CREATION: Final = timedelta(minutes=1)
"""A value dated within this much of the deal's creation was set on creating it."""


def account_day(text: pl.Expr, zone: str) -> pl.Expr:
    """The account's day of an ISO 8601 instant given as text; null where it is not one.

    A bare date is already a day.
    """
    instant = text.str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False)
    bare = text.str.to_date("%Y-%m-%d", strict=False)
    return pl.coalesce(instant.dt.convert_time_zone(zone).dt.date(), bare)


def changes_of(changes: pl.DataFrame, field: str, as_of: datetime) -> pl.DataFrame:
    """One field's changes up to and including `as_of`, in order of time."""
    return changes.filter((pl.col("field") == field) & (pl.col("changed_at") <= as_of)).sort(
        "changed_at", "ordinal"
    )


def deals_as_of(
    changes: pl.DataFrame,
    deals: pl.DataFrame,
    as_of: datetime,
    *,
    zone: str,
    stages: pl.DataFrame | None = None,
    fields: Collection[str] = STATE_FIELDS,
    kept: Collection[str] = (),
) -> pl.DataFrame:
    """The deals created by `as_of`, with `fields` as they stood then.

    Of `deals` only identity and creation are read. Columns: connection, deal_id, created_at, then
    for each field its name in the deal frame (stage_id, status, pipeline_id, owner_id, close_date
    as the account's day, forecast_category), except `amount_text`: in the deal's own currency, as
    the change held it. Null means empty or unknown: `history_complete` is false where any asked
    field is unknown. `kept`: fields that the CRM follows from a deal's birth, so that no change
    means empty. `stages`: where given, a status or pipeline without history follows from the stage
    (the pipeline only where one pipeline alone has that stage).
    """
    wanted = {*fields} | ({"stage"} if stages is not None else set())
    states = deals.filter(pl.col("created_at") <= as_of).select(*KEY, "created_at")
    for field in (name for name in STATE_FIELDS if name in wanted):
        latest = changes_of(changes, field, as_of).group_by(KEY).agg(pl.col("new").last())
        states = states.join(
            latest.select(*KEY, pl.col("new").alias(field), pl.lit(True).alias(f"{field}_known")),
            on=KEY,
            how="left",
        )
    if stages is not None:
        states = _derive_from_stage(states, stages, wanted)
    known = [
        pl.col(f"{field}_known").fill_null(field in kept and field not in _NEVER_EMPTY)
        for field in fields
    ]
    complete = pl.all_horizontal(known) if known else pl.lit(True)
    return states.select(
        *KEY,
        "created_at",
        *(
            (account_day(pl.col(field), zone) if field == "close_date" else pl.col(field)).alias(
                _COLUMN.get(field, field)
            )
            for field in STATE_FIELDS
            if field in fields
        ),
        complete.alias("history_complete"),
    ).sort(*KEY)


def _status_of_stage() -> pl.Expr:
    return (
        pl.when(pl.col("is_won"))
        .then(pl.lit("won"))
        .when(pl.col("is_closed"))
        .then(pl.lit("lost"))
        .otherwise(pl.lit("open"))
    )


def stage_facts(stages: pl.DataFrame) -> pl.DataFrame:
    """Per stage id: what it says of a deal; null where two pipelines with that id disagree.

    An open stage says nothing in a pipeline without closed ones: there the status has its own life.
    """
    decides = pl.col("is_closed").any().over("connection", "pipeline_id")
    status = pl.when(pl.col("is_closed") | decides).then(_status_of_stage())
    return (
        stages.with_columns(status=status)
        .group_by("connection", pl.col("stage_id").alias("stage"))
        .agg(
            pl.when(pl.col("status").n_unique() == 1)
            .then(pl.col("status").first())
            .alias("stage_status"),
            pl.when(pl.col("pipeline_id").n_unique() == 1)
            .then(pl.col("pipeline_id").first())
            .alias("stage_pipeline"),
        )
    )


def status_by_stage(stages: pl.DataFrame) -> dict[str, str]:
    """What being in a stage says of a deal's status; stages that say nothing are left out.

    One connection's stages.
    """
    facts = stage_facts(stages).filter(pl.col("stage_status").is_not_null())
    return dict(facts.select("stage", "stage_status").iter_rows())


def pipeline_by_stage(stages: pl.DataFrame) -> dict[str, str]:
    """The pipeline of each stage that only one pipeline has. One connection's stages."""
    facts = stage_facts(stages).filter(pl.col("stage_pipeline").is_not_null())
    return dict(facts.select("stage", "stage_pipeline").iter_rows())


def _derive_from_stage(
    states: pl.DataFrame, stages: pl.DataFrame, wanted: Collection[str]
) -> pl.DataFrame:
    states = states.join(stage_facts(stages), on=("connection", "stage"), how="left")
    for field in ("status", "pipeline"):
        if field in wanted:
            derived = pl.col(f"stage_{field}")
            states = states.with_columns(
                pl.coalesce(field, derived).alias(field),
                pl.coalesce(
                    f"{field}_known", pl.when(derived.is_not_null()).then(pl.lit(True))
                ).alias(f"{field}_known"),
            )
    return states


def row_numbers(deals: pl.DataFrame, changes: pl.DataFrame) -> pl.Series:
    """Each change's row in `deals`, null where its deal is not there. One look-up per run of
    changes of the same deal, for millions of keys compare slowly.
    """
    begins = changes.select(
        pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift()) for name in KEY)
    ).to_series()
    begins = begins.scatter(0, True) if len(begins) else begins
    rows = (
        changes.select(KEY)
        .filter(begins)
        .join(deals.select(*KEY).with_row_index("row"), on=KEY, how="left", maintain_order="left")
    )
    return rows["row"].gather(begins.cum_sum() - 1)


def numbered(changes: pl.DataFrame, rows: pl.Series, field: str, as_of: datetime) -> pl.DataFrame:
    """One field's changes up to `as_of` as row, at, new; by deal and time."""
    wanted = (pl.col("field") == field) & (pl.col("changed_at") <= as_of)
    found = (
        changes.select(wanted=wanted & rows.is_not_null(), row=rows, at="changed_at", new="new")
        .with_columns(changes["ordinal"])
        .filter("wanted")
    )
    row, at, ordinal = pl.col("row"), pl.col("at"), pl.col("ordinal")
    level = row == row.shift()
    falls = (
        (row < row.shift())
        | (level & (at < at.shift()))
        | (level & (at == at.shift()) & (ordinal < ordinal.shift()))
    )
    if found.select(falls.any()).item():
        found = found.sort("row", "at", "ordinal")
    return found.select("row", "at", "new")
