"""Past states of deals, rebuilt from their changes: the only source of what was known then.

Nothing here reads a change dated after `as_of`, so nothing that happens later can alter an answer.
What the history does not say is null and marked, never filled with today's value.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from forecasting.deals import INSTANT

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

CLOSING: Final = timedelta(seconds=5)
"""A CRM that rewrites the close date on closing does so within this much of the closing."""


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


def _stage_facts(stages: pl.DataFrame) -> pl.DataFrame:
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
    facts = _stage_facts(stages).filter(pl.col("stage_status").is_not_null())
    return dict(facts.select("stage", "stage_status").iter_rows())


def pipeline_by_stage(stages: pl.DataFrame) -> dict[str, str]:
    """The pipeline of each stage that only one pipeline has. One connection's stages."""
    facts = _stage_facts(stages).filter(pl.col("stage_pipeline").is_not_null())
    return dict(facts.select("stage", "stage_pipeline").iter_rows())


def _derive_from_stage(
    states: pl.DataFrame, stages: pl.DataFrame, wanted: Collection[str]
) -> pl.DataFrame:
    states = states.join(_stage_facts(stages), on=("connection", "stage"), how="left")
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


def _numbered(changes: pl.DataFrame, rows: pl.Series, field: str, as_of: datetime) -> pl.DataFrame:
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


def stage_stays(
    changes: pl.DataFrame, deals: pl.DataFrame, stages: pl.DataFrame, as_of: datetime
) -> pl.DataFrame:
    """One row per stay of a deal in a stage, closed stages included.

    Columns: connection, deal_id, pipeline_id, stage_id, entered_at, left_at, days, outcome.
    `left_at`: into another stage, or decided while in an open one; null = still in. `days`: to
    `left_at`, else to `as_of`. `outcome`: open, won or lost as of `as_of`. Deals without stage
    history have no row. A deal that comes back to a stage has a row for each time.
    """
    deals = deals.filter(pl.col("created_at") <= as_of).sort(*KEY)
    rows = row_numbers(deals, changes)
    facts = _stage_facts(stages)
    moves = _numbered(changes, rows, "stage", as_of)
    row, same = pl.col("row"), pl.col("row") == pl.col("row").shift()
    stays = (
        moves.filter(~same.fill_null(False) | pl.col("new").ne_missing(pl.col("new").shift()))
        .with_columns(left_at=pl.when(row == row.shift(-1)).then(pl.col("at").shift(-1)))
        .filter(pl.col("new").is_not_null())
        .rename({"new": "stage", "at": "entered_at"})
    )
    facts_of_deals = _outcomes(
        _numbered(changes, rows, "status", as_of), moves, deals, facts, as_of
    )
    stays = stays.with_columns(
        facts_of_deals.select(pl.exclude("row").gather(stays["row"])).iter_columns()
    ).join(facts, on=("connection", "stage"), how="left", maintain_order="left")
    ended = (
        pl.col("left_at").is_null()
        & (pl.col("outcome") != "open")
        & (pl.col("stage_status").fill_null("open") == "open")
        & (pl.col("closed_at") >= pl.col("entered_at"))
    )
    return (
        _with_pipeline_then(stays, _numbered(changes, rows, "pipeline", as_of))
        .with_columns(left_at=pl.when(ended).then("closed_at").otherwise("left_at"))
        .sort("row", "entered_at", "left_at", "stage", nulls_last=True)
        .select(
            *KEY,
            pl.coalesce("stage_pipeline", "pipeline_then", "pipeline_id").alias("pipeline_id"),
            pl.col("stage").alias("stage_id"),
            "entered_at",
            "left_at",
            (pl.col("left_at").fill_null(pl.lit(as_of, INSTANT)) - pl.col("entered_at"))
            .dt.total_seconds(fractional=True)
            .truediv(86_400)
            .alias("days"),
            "outcome",
        )
    )


def _with_pipeline_then(stays: pl.DataFrame, moves: pl.DataFrame) -> pl.DataFrame:
    """`pipeline_then`: where the history told the deal to be on entering the stage."""
    if moves.is_empty():
        return stays.with_columns(pipeline_then=pl.lit(None, pl.String))
    moves = moves.select(
        "row", pl.col("at").alias("entered_at"), pl.col("new").alias("pipeline_then")
    )
    return stays.sort("entered_at").join_asof(
        moves.sort("entered_at"), on="entered_at", by="row", check_sortedness=False
    )


def _outcomes(
    turns: pl.DataFrame,
    moves: pl.DataFrame,
    deals: pl.DataFrame,
    facts: pl.DataFrame,
    as_of: datetime,
) -> pl.DataFrame:
    """Per deal, in their order: row, connection, deal_id, present pipeline_id, closing instant by
    then, and outcome then: as the status history tells, else by the closing instant, else by the
    stage.
    """

    def last(found: pl.DataFrame, name: str) -> pl.DataFrame:
        return found.filter(pl.col("row").ne_missing(pl.col("row").shift(-1))).select(
            "row", pl.col("new").alias(name)
        )

    closed_by_then = pl.col("closed_at") <= as_of
    return (
        deals.select(*KEY, "pipeline_id", "closed_at", "status")
        .with_row_index("row")
        .join(last(turns, "told"), on="row", how="left", maintain_order="left")
        .join(last(moves, "stage"), on="row", how="left", maintain_order="left")
        .join(facts, on=("connection", "stage"), how="left", maintain_order="left")
        .select(
            "row",
            *KEY,
            "pipeline_id",
            pl.when(closed_by_then).then("closed_at").alias("closed_at"),
            pl.coalesce(
                "told", pl.when(closed_by_then).then("status"), "stage_status", pl.lit("open")
            ).alias("outcome"),
        )
    )


def pushes(
    changes: pl.DataFrame,
    deals: pl.DataFrame,
    as_of: datetime,
    zone: str,
    *,
    stages: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """How often and how far the close date moved while the deal was open; a row per deal.

    Columns: connection, deal_id, pushes, pushed_days, pull_ins, pulled_in_days, first_close_date.
    Days are whole days of the account, both sums positive; a change within one day is none.
    Closing rewrites the close date in some CRMs: changes at or after the closing do not count,
    which takes status history, or stage history with `stages`, or else the deal's closed_at.
    Zeros where there is no history.
    """
    moves = changes_of(changes, "close_date", as_of).join(
        deals.select(*KEY, "closed_at"), on=KEY, how="semi"
    )
    day = account_day(pl.col("new"), zone)
    moves = moves.with_columns(
        to_day=day, from_day=account_day(pl.coalesce("old", pl.col("new").shift().over(KEY)), zone)
    )
    moved = (
        _while_open(moves, changes.filter(pl.col("changed_at") <= as_of), deals, stages, as_of)
        .with_columns(days=(pl.col("to_day") - pl.col("from_day")).dt.total_days())
        .group_by(KEY)
        .agg(
            (pl.col("days") > 0).sum().cast(pl.Int64).alias("pushes"),
            pl.col("days").filter(pl.col("days") > 0).sum().alias("pushed_days"),
            (pl.col("days") < 0).sum().cast(pl.Int64).alias("pull_ins"),
            (-pl.col("days").filter(pl.col("days") < 0).sum()).alias("pulled_in_days"),
        )
    )
    first = moves.group_by(KEY).agg(
        pl.coalesce("from_day", "to_day").drop_nulls().first().alias("first_close_date")
    )
    counts = ("pushes", "pushed_days", "pull_ins", "pulled_in_days")
    return (
        deals.filter(pl.col("created_at") <= as_of)
        .select(*KEY)
        .join(moved, on=KEY, how="left")
        .join(first, on=KEY, how="left")
        .with_columns(pl.col(counts).fill_null(0))
        .sort(*KEY)
    )


def _while_open(
    moves: pl.DataFrame,
    changes: pl.DataFrame,
    deals: pl.DataFrame,
    stages: pl.DataFrame | None,
    as_of: datetime,
) -> pl.DataFrame:
    """Those of `moves` after which the deal was still open."""
    turns = changes.filter(pl.col("field") == "status").select(
        *KEY, "ordinal", settled_at="changed_at", status_then="new"
    )
    if stages is not None:
        by_stage = (
            changes.filter(pl.col("field") == "stage")
            .join(turns, on=KEY, how="anti")
            .select(*KEY, "ordinal", settled_at="changed_at", stage="new")
            .join(_stage_facts(stages), on=("connection", "stage"), how="inner")
            .select(*KEY, "ordinal", "settled_at", status_then="stage_status")
        )
        turns = pl.concat([turns, by_stage])
    turns = turns.sort("settled_at", "ordinal").drop("ordinal")
    settled = moves.with_columns(settled_at=pl.col("changed_at") + CLOSING).sort("settled_at")
    closed_by_then = (pl.col("closed_at") <= pl.col("settled_at")) & (pl.col("closed_at") <= as_of)
    return (
        settled.join_asof(turns, on="settled_at", by=KEY, check_sortedness=False)
        .join(deals.select(*KEY, "closed_at"), on=KEY, how="left")
        .filter(
            pl.when(pl.col("status_then").is_not_null())
            .then(pl.col("status_then") == "open")
            .otherwise(closed_by_then.fill_null(False).not_())
        )
    )
