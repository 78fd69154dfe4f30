"""What was known of a lead at an instant, and nothing later: the only source of leads' past states.

`changes` are `forecasting.funnel.CHANGES`. Every fact is looked up among changes up to `at`, so
that what is learned from past instants cannot have seen what came after them. What comes later can
only show that the CRM has forgotten a counter's past: it is then unknown, and says nothing.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import polars as pl

from forecasting import funnel
from forecasting.deals import INSTANT
from forecasting.funnel import Definition

RECENT_DAYS: Final = 30
"""Page views count for so long."""

FORGETS_FROM: Final = 20
"""Versions of one property of one lead from which on the CRM may have forgotten older ones: the
least limit known of any. What a counter stood at before the first of them is unknown, not 0."""

COUNTERS: Final = {
    "views": "page_views",
    "submissions": "submissions",
    "clicks": "email_clicks",
    "opens": "email_opens",
}
SINCE: Final = {"replied_days": "replied_at", "met_days": "met_at"}
_DAY: Final = 86_400.0
_BEFORE_ALL: Final = datetime.min.replace(tzinfo=UTC)


def standing(
    leads: pl.DataFrame,
    changes: pl.DataFrame,
    definition: Definition,
    goal: str,
    instants: Sequence[datetime],
) -> pl.DataFrame:
    """A row per instant and lead that stood open then: in the funnel, and `goal` never yet reached.

    Columns: lead_id, at, stage (the funnel's name), reached_at (when it later reached the goal or a
    stage beyond; null = not yet). reached_at is the outcome, never a fact.
    """
    moves = funnel.moves(changes, definition, max(instants, default=_BEFORE_ALL))
    reached = funnel.moves(changes, definition, None).filter(
        pl.col("rank") >= definition.rank(goal)
    )
    first = reached.group_by("lead_id").agg(reached_at=pl.col("changed_at").min())
    pairs = (
        leads.select("lead_id", "created_at")
        .join(pl.DataFrame({"at": instants}, schema={"at": INSTANT}), how="cross")
        .filter(pl.col("created_at") <= pl.col("at"))
    )
    names = dict(enumerate(stage.name for stage in definition.stages))
    known = _last(moves.select("lead_id", "changed_at", "order", value="rank"), "order")
    return (
        _as_of(pairs, known, "rank")
        .join(first, on="lead_id", how="left")
        .filter(
            pl.col("rank").is_not_null()
            & (pl.col("reached_at").is_null() | (pl.col("reached_at") > pl.col("at")))
        )
        .select(
            "lead_id",
            "at",
            stage=pl.col("rank").replace_strict(names, return_dtype=pl.String),
            reached_at="reached_at",
        )
        .sort("at", "lead_id")
    )


def facts(leads: pl.DataFrame, changes: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """`rows` (lead_id, at and whatever else), in their order, with what was known at each instant.

    source (null = not known then); views: within `RECENT_DAYS`; submissions, clicks, opens: so far;
    null = the CRM has forgotten. replied_days, met_days, seen_days: since the last answer, meeting
    and sign of interest of any kind; null = never. age_days: since the creation.
    """
    found = rows.with_row_index("row").join(
        leads.select("lead_id", "created_at"), on="lead_id", how="left"
    )
    days = (pl.col("at") - pl.col("created_at")).dt.total_seconds() / _DAY
    found = found.with_columns(age_days=days.clip(lower_bound=0))
    found = _as_of(found, _of(changes, "source"), "source")
    for name, field in COUNTERS.items():
        found = _counted(found, _of(changes, field), name)
    for name, field in SINCE.items():
        when = pl.col("value").str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False)
        known = _of(changes, field).with_columns(value=when.cast(INSTANT))
        found = _as_of(found, known, name).with_columns(_days_since(name))
    signs = changes.filter(pl.col("field").is_in([*COUNTERS.values(), *SINCE.values()])).select(
        "lead_id", "changed_at", "ordinal", value="changed_at"
    )
    found = _as_of(found, _last(signs, "ordinal"), "seen_days").with_columns(
        _days_since("seen_days")
    )
    return found.sort("row").drop("row", "created_at")


def _of(changes: pl.DataFrame, field: str) -> pl.DataFrame:
    return _last(changes.filter(pl.col("field") == field), "ordinal")


def _last(changes: pl.DataFrame, order: str) -> pl.DataFrame:
    """lead_id, changed_at, value: of entries of one instant the last, in order of time."""
    return (
        changes.sort("changed_at", order)
        .unique(("lead_id", "changed_at"), keep="last", maintain_order=True)
        .select("lead_id", "changed_at", "value")
    )


def _as_of(rows: pl.DataFrame, known: pl.DataFrame, name: str, back_days: int = 0) -> pl.DataFrame:
    """`rows` with the value in force at `at`, or so many days before, as column `name`."""
    when = (pl.col("at") - pl.duration(days=back_days)).alias("_when")
    return (
        rows.with_columns(when)
        .sort("_when")
        .join_asof(
            known.rename({"value": name, "changed_at": "_changed"}).sort("_changed"),
            left_on="_when",
            right_on="_changed",
            by="lead_id",
            strategy="backward",
            check_sortedness=False,
        )
        .drop("_when", "_changed", strict=False)
    )


def _counted(rows: pl.DataFrame, known: pl.DataFrame, name: str) -> pl.DataFrame:
    """A counter: 0 before its first entry, unless entries before that may be forgotten."""
    numbers = known.with_columns(value=pl.col("value").cast(pl.Float64, strict=False))
    told = numbers.group_by("lead_id").agg(_first=pl.col("changed_at").min(), _versions=pl.len())
    found = _as_of(rows, numbers, name).join(told, on="lead_id", how="left")
    forgets = pl.col("_versions").fill_null(0) >= FORGETS_FROM

    def read(column: str, back_days: int = 0) -> pl.Expr:
        before = pl.col("at") - pl.duration(days=back_days) < pl.col("_first")
        return pl.when(~(forgets & before)).then(pl.col(column).fill_null(0.0))

    if name != "views":
        value = read(name)
    else:
        found = _as_of(found, numbers, "_earlier", RECENT_DAYS)
        value = read(name) - read("_earlier", RECENT_DAYS)
    counted = value.clip(lower_bound=0).alias(name)
    return found.with_columns(counted).drop("_first", "_versions", "_earlier", strict=False)


def _days_since(name: str) -> pl.Expr:
    days = (pl.col("at") - pl.col(name)).dt.total_seconds() / _DAY
    return days.clip(lower_bound=0).alias(name)
