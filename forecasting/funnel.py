"""The funnel of leads: who was in which stage when, who went on, how soon, and who was answered.

Definitions are in docs/funnel.md. Nothing after `as_of` is looked at. Frames:

LEADS    lead_id, stage, owner_id, owner, source, created_at
CHANGES  lead_id, field, value, changed_at, ordinal; field and value as `sync.crm.leads` has them
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

import polars as pl

from forecasting.deals import INSTANT

Segment = Literal["total", "cohort", "source"]
SEGMENTS: Final[tuple[Segment, ...]] = ("total", "cohort", "source")

_Z: Final = 1.96
_DAY: Final = 86_400


@dataclass(frozen=True, slots=True)
class FunnelStage:
    """`among`: the CRM's own stages that count as this one; of several at once the last counts."""

    name: str
    among: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Definition:
    """`stages` from first to last. within_days: how soon a lead has to go on to have converted.
    answered_from: the stage in which a lead is due a first response.
    """

    stages: tuple[FunnelStage, ...]
    within_days: int
    answered_from: str

    def rank(self, name: str) -> int:
        return [stage.name for stage in self.stages].index(name)


def passages(changes: pl.DataFrame, definition: Definition, as_of: datetime) -> pl.DataFrame:
    """A row for each lead and each stage that it was in, of the first time that it was.

    Columns: lead_id, rank, stage, entered_at, went_on_at, to (the later stage that it went on to;
    both null = not yet), fell_out_at (when it left for no later stage, before it ever went on). A
    stage that was skipped has no row.
    """
    moved = moves(changes, definition, as_of)
    entered = (
        moved.filter(pl.col("rank").is_not_null())
        .group_by("lead_id", "rank")
        .agg(entered_at=pl.col("changed_at").min())
    )
    later = entered.join(moved.rename({"rank": "next"}), on="lead_id").filter(
        pl.col("changed_at") >= pl.col("entered_at")
    )
    forward = (
        later.filter(pl.col("next") > pl.col("rank"))
        .sort("changed_at", "order")
        .group_by("lead_id", "rank", maintain_order=True)
        .agg(went_on_at=pl.col("changed_at").first(), next=pl.col("next").first())
    )
    back = (
        later.filter(pl.col("next").is_null() | (pl.col("next") < pl.col("rank")))
        .filter(pl.col("changed_at") > pl.col("entered_at"))
        .group_by("lead_id", "rank")
        .agg(fell_out_at=pl.col("changed_at").min())
    )
    names = pl.DataFrame(
        {"rank": range(len(definition.stages)), "stage": [s.name for s in definition.stages]},
        schema={"rank": pl.Int64, "stage": pl.String},
    )
    before = pl.col("went_on_at").is_null() | (pl.col("fell_out_at") < pl.col("went_on_at"))
    return (
        entered.join(forward, on=["lead_id", "rank"], how="left")
        .join(back, on=["lead_id", "rank"], how="left")
        .join(names, on="rank")
        .join(names.rename({"rank": "next", "stage": "to"}), on="next", how="left")
        .with_columns(fell_out_at=pl.when(before).then("fell_out_at"))
        .select("lead_id", "rank", "stage", "entered_at", "went_on_at", "to", "fell_out_at")
        .sort("lead_id", "rank")
    )


def moves(changes: pl.DataFrame, definition: Definition, as_of: datetime | None) -> pl.DataFrame:
    """lead_id, changed_at, order, rank; null rank = a stage outside of the funnel, or none. None =
    all that is known.
    """
    known = pl.lit(True) if as_of is None else pl.col("changed_at") <= as_of
    told = changes.filter((pl.col("field") == "stage") & known)
    ranks = _ranks(told["value"].drop_nulls().unique().to_list(), definition)
    return told.select(
        "lead_id",
        "changed_at",
        order=pl.col("ordinal"),
        rank=pl.col("value").replace_strict(ranks, default=None, return_dtype=pl.Int64),
    )


def _ranks(values: Sequence[str], definition: Definition) -> dict[str, int]:
    """Of those that are in the funnel."""
    counts_as = {part: rank for rank, s in enumerate(definition.stages) for part in s.among}
    found: dict[str, int] = {}
    for value in values:
        ranks = [counts_as[part] for part in value.split(";") if part in counts_as]
        if ranks:
            found[value] = max(ranks)
    return found


def conversion(
    passed: pl.DataFrame,
    leads: pl.DataFrame,
    definition: Definition,
    *,
    as_of: datetime,
    zone: str,
    by: Segment,
) -> pl.DataFrame:
    """A row per segment and stage: how many entered, what became of them, and how soon.

    cohort: the month, in `zone`, of entering the stage; source: the lead's. went_on, fell_out (and
    did not go on), still_in add up to entered. followed: entered at least `within_days` ago;
    converted: of those, who went on within them; conversion with low and high, its 95 % interval
    (Wilson), null where nobody was followed; from the last stage nobody can go on, so nobody is.
    median_days, p75_days: of those who went on.
    """
    segment = {
        "total": pl.lit("all"),
        "cohort": pl.col("entered_at").dt.convert_time_zone(zone).dt.strftime("%Y-%m"),
        "source": pl.col("source").fill_null("(unknown)"),
    }[by]
    limit = timedelta(days=definition.within_days)
    seconds = (pl.col("went_on_at") - pl.col("entered_at")).dt.total_seconds()
    on_from = pl.col("rank") < len(definition.stages) - 1
    followed = on_from & (pl.col("entered_at") <= as_of - limit)
    within = pl.col("went_on_at") - pl.col("entered_at") <= limit
    gone = pl.col("went_on_at").is_not_null()
    return (
        passed.join(leads.select("lead_id", "source"), on="lead_id", how="left")
        .with_columns(segment=segment, days=seconds / _DAY)
        .group_by("segment", "rank", "stage")
        .agg(
            entered=pl.len(),
            went_on=gone.sum(),
            fell_out=(~gone & pl.col("fell_out_at").is_not_null()).sum(),
            still_in=(~gone & pl.col("fell_out_at").is_null()).sum(),
            followed=followed.sum(),
            converted=(followed & within.fill_null(value=False)).sum(),
            median_days=pl.col("days").median(),
            p75_days=pl.col("days").quantile(0.75, "linear"),
        )
        .with_columns(**_wilson(pl.col("converted"), pl.col("followed")))
        .sort("segment", "rank")
    )


def _wilson(happened: pl.Expr, sample: pl.Expr) -> dict[str, pl.Expr]:
    """The share and its 95 % interval; null where there is no sample."""
    n = pl.when(sample > 0).then(sample.cast(pl.Float64))
    share = happened.cast(pl.Float64) / n
    middle = (share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * ((share * (1 - share) + _Z**2 / (4 * n)) / n).sqrt()
    return {
        "conversion": share,
        "low": (middle - half).clip(0.0, 1.0),
        "high": (middle + half).clip(0.0, 1.0),
    }


def wilson_interval(happened: int, sample: int) -> tuple[float, float]:
    """The 95 % interval of the share `happened` of `sample` (Wilson); 0 and 1 where none."""
    if sample <= 0:
        return 0.0, 1.0
    counts = pl.DataFrame({"happened": [happened], "sample": [sample]})
    found = counts.select(**_wilson(pl.col("happened"), pl.col("sample")))
    return float(found["low"][0]), float(found["high"][0])


def responses(
    passed: pl.DataFrame,
    leads: pl.DataFrame,
    changes: pl.DataFrame,
    definition: Definition,
    as_of: datetime,
) -> pl.DataFrame:
    """A row per lead that was due a first response: when it was due since, and when it came.

    Columns: lead_id, owner_id, owner, source, due_at (the first time in `answered_from` or a later
    stage), answered_at (our first call, mail or meeting since; null = none), before (had been in
    touch before it was due: no response is owed), hours, waiting (in an open stage, untouched).
    The last stage is the funnel's end: who is there waits for nothing.
    """
    first = definition.rank(definition.answered_from)
    last = len(definition.stages) - 1
    due = (
        passed.filter(pl.col("rank") >= first)
        .group_by("lead_id")
        .agg(due_at=pl.col("entered_at").min())
    )
    now = (
        moves(changes, definition, as_of)
        .sort("changed_at", "order")
        .group_by("lead_id", maintain_order=True)
        .last()
    )
    touches = _touches(changes, as_of).join(due, on="lead_id")
    since = pl.col("touched_at") >= pl.col("due_at")
    touched = touches.group_by("lead_id").agg(
        answered_at=pl.col("touched_at").filter(since).min(), before=(~since).any()
    )
    hours = (pl.col("answered_at") - pl.col("due_at")).dt.total_seconds() / 3600
    open_now = pl.col("rank").is_between(first, last - 1)
    return (
        due.join(touched, on="lead_id", how="left")
        .join(leads.select("lead_id", "owner_id", "owner", "source"), on="lead_id", how="left")
        .join(now.select("lead_id", "rank"), on="lead_id", how="left")
        .with_columns(before=pl.col("before").fill_null(value=False))
        .with_columns(
            hours=pl.when(~pl.col("before")).then(hours),
            waiting=open_now.fill_null(value=False)
            & pl.col("answered_at").is_null()
            & ~pl.col("before"),
        )
        .drop("rank")
        .sort("due_at", "lead_id")
    )


def _touches(changes: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """lead_id, touched_at: our contacts as far as they were known at `as_of`."""
    known = changes.filter(
        (pl.col("field") == "contacted_at") & (pl.col("changed_at") <= as_of)
    ).select(
        "lead_id",
        touched_at=pl.col("value")
        .str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False)
        .cast(INSTANT),
    )
    return known.filter(pl.col("touched_at") <= as_of)


def response_times(found: pl.DataFrame, by: Sequence[str] = ()) -> pl.DataFrame:
    """Per owner (or whatever `by` names; () = all together) how soon leads were answered.

    Columns besides: due (leads owed a response), answered, waiting, median_hours, p90_hours,
    within_day (share of the due that was answered within 24 hours) with low and high.
    """
    owed = found.filter(~pl.col("before"))
    keys = [pl.col(name).fill_null("(none)") for name in by] or [pl.lit("all").alias("segment")]
    soon = (pl.col("hours") <= 24).fill_null(value=False)
    return (
        owed.group_by(keys)
        .agg(
            due=pl.len(),
            answered=pl.col("answered_at").is_not_null().sum(),
            waiting=pl.col("waiting").sum(),
            soon=soon.sum(),
            median_hours=pl.col("hours").median(),
            p90_hours=pl.col("hours").quantile(0.9, "linear"),
        )
        .with_columns(**_wilson(pl.col("soon"), pl.col("due")))
        .rename({"conversion": "within_day"})
        .drop("soon")
        .sort("due", descending=True)
    )
