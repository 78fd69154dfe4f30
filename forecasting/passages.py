"""How deals pass through the stages: what share goes on, how fast, what is skipped, taken back."""

from datetime import datetime, timedelta
from typing import Final

import polars as pl

from forecasting.competing_risks import incidence
from forecasting.deals import INSTANT
from forecasting.history import KEY

STAGE_KEY: Final = ("connection", "pipeline_id", "stage_id")
A_DAY: Final = timedelta(days=1)
"""A stage entered so soon after the creation is the one that the deal was created in."""

_FACTS: Final = ("pipeline", "stage", "rank", "stages")


def ranked(stages: pl.DataFrame) -> pl.DataFrame:
    """The open stages that exist, with rank (0 for the first of its pipeline) and stages (how many
    the pipeline has), in order.
    """
    rank = pl.int_range(pl.len()).over("connection", "pipeline_id").cast(pl.Int64)
    return (
        stages.filter(~pl.col("is_closed") & pl.col("exists"))
        .unique(STAGE_KEY, keep="first", maintain_order=True)
        .sort("connection", "pipeline_id", "position", "stage_id")
        .with_columns(rank=rank, stages=pl.len().over("connection", "pipeline_id").cast(pl.Int64))
        .select(*STAGE_KEY, *_FACTS)
    )


def begun_unseen(deals: pl.DataFrame, changes: pl.DataFrame) -> pl.Series:
    """Per deal, whether its way through the stages is known from later than its beginning: all that
    is told of it is when it came into a stage that it may not have been created in.
    """
    first = (
        changes.filter(pl.col("field") == "stage")
        .sort("changed_at", "ordinal")
        .unique([*KEY], keep="first", maintain_order=True)
        .filter((pl.col("source") == "unknown") & pl.col("old").is_null())
        .select(*KEY, first_at="changed_at")
    )
    late = pl.col("first_at") > pl.col("created_at") + A_DAY
    begun = deals.select(*KEY, "created_at").join(first, on=KEY, how="left", maintain_order="left")
    return begun.select(late.fill_null(False)).to_series()


def visits(stays: pl.DataFrame, deals: pl.DataFrame, stages: pl.DataFrame) -> pl.DataFrame:
    """Every entry of a deal into an open stage, and its winning as one step beyond the last stage.

    `stays` as `history.stage_stays` gives them. Columns: connection, deal_id, pipeline_id,
    stage_id (null for the winning), rank, stages, entered_at, outcome, closed_at.
    """
    known = ranked(stages)
    entered = (
        stays.join(known.select(*STAGE_KEY, "rank", "stages"), on=STAGE_KEY, how="inner")
        .join(deals.select(*KEY, "closed_at"), on=KEY, how="inner")
        .select(
            *KEY, "pipeline_id", "stage_id", "rank", "stages", "entered_at", "outcome", "closed_at"
        )
    )
    won = (
        entered.filter((pl.col("outcome") == "won") & pl.col("closed_at").is_not_null())
        .sort("entered_at")
        .unique([*KEY], keep="last", maintain_order=True)
        .with_columns(
            pl.lit(None, pl.String).alias("stage_id"),
            pl.col("stages").alias("rank"),
            pl.max_horizontal("closed_at", "entered_at").alias("entered_at"),
        )
    )
    return pl.concat([entered, won]).sort(*KEY, "pipeline_id", "entered_at", "rank")


def passages(visited: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """One row per deal and open stage it ever entered, from its first entry on.

    Columns: connection, deal_id, pipeline_id, stage_id, rank, entered_at, until, outcome ("won":
    went on to a later stage or was won, at `until`; "lost"; "open": neither by `as_of`),
    deal_outcome, closed_at. A deal that went to another pipeline stays open here.
    """
    place = [*KEY, "pipeline_id"]
    first = (
        visited.filter(pl.col("stage_id").is_not_null())
        .sort("entered_at")
        .unique([*place, "stage_id"], keep="first", maintain_order=True)
    )
    later = visited.select(*place, to_rank="rank", to_at="entered_at")
    advanced = (
        first.select(*place, "stage_id", "rank", "entered_at")
        .join(later, on=place, how="inner")
        .filter((pl.col("to_rank") > pl.col("rank")) & (pl.col("to_at") >= pl.col("entered_at")))
        .group_by(*place, "stage_id")
        .agg(pl.col("to_at").min().alias("advanced_at"))
    )
    went_on = pl.col("advanced_at").is_not_null()
    lost = (pl.col("outcome") == "lost") & pl.col("closed_at").is_not_null()
    until = pl.when(went_on).then("advanced_at").when(lost).then("closed_at")
    return (
        first.join(advanced, on=[*place, "stage_id"], how="left")
        .select(
            *place,
            "stage_id",
            "rank",
            "entered_at",
            until.otherwise(pl.lit(as_of, INSTANT)).alias("until"),
            pl.when(went_on)
            .then(pl.lit("won"))
            .when(lost)
            .then(pl.lit("lost"))
            .otherwise(pl.lit("open"))
            .alias("outcome"),
            pl.col("outcome").alias("deal_outcome"),
            "closed_at",
        )
        .sort(*place, "rank")
    )


def as_spells(
    passed: pl.DataFrame, *, since: datetime, until: datetime, as_of: datetime
) -> pl.DataFrame:
    """`passages` watched from `since` to `until`, for `incidence`: from_days and to_days since
    the stage was entered, what came later not known.
    """
    end = pl.min_horizontal("until", pl.lit(min(until, as_of), INSTANT))
    later = pl.col("until") > end
    return (
        passed.filter((pl.col("entered_at") < until) & (pl.col("until") >= since))
        .with_columns(
            outcome=pl.when(later).then(pl.lit("open")).otherwise("outcome"),
            from_days=days(pl.lit(since, INSTANT) - pl.col("entered_at")).clip(lower_bound=0.0),
            to_days=days(end - pl.col("entered_at")).clip(lower_bound=0.0),
        )
        .sort(*KEY, "rank")
    )


def days(duration: pl.Expr) -> pl.Expr:
    return duration.dt.total_seconds(fractional=True) / 86_400


def to_the_end(passed: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """The same from entering the stage to the deal's own end: outcome won, lost or open."""
    ended = pl.col("deal_outcome").is_in(("won", "lost")) & pl.col("closed_at").is_not_null()
    return passed.with_columns(
        until=pl.when(ended)
        .then(pl.max_horizontal("closed_at", "entered_at"))
        .otherwise(pl.lit(as_of, INSTANT)),
        outcome=pl.when(ended).then("deal_outcome").otherwise(pl.lit("open")),
    )


def stage_table(
    passed: pl.DataFrame,
    stays: pl.DataFrame,
    stages: pl.DataFrame,
    *,
    since: datetime,
    as_of: datetime,
) -> pl.DataFrame:
    """Per open stage: what share goes on and how long that takes, from what was seen in the window.

    Columns: connection, pipeline_id, stage_id, pipeline, stage, rank; entered (in the window),
    went_on, lost, still_in; conversion with conversion_low and _high (95 %), win_rate with
    win_rate_low and _high (of those that enter it), days_mean with days_low and _high,
    days_median, days_p75, days_p90 (of those that go on), won_median_days and lost_median_days,
    won_p90_days, lost_p90_days (finished stays of won and of lost deals, each visit by itself).
    A stage that nobody was in has nulls. Deals still in a stage count for as long as they were.
    """
    seen = as_spells(passed, since=since, until=as_of, as_of=as_of)
    on = incidence(seen, STAGE_KEY).rename(
        {
            "share": "conversion", "share_low": "conversion_low", "share_high": "conversion_high",
            "won": "went_on", "open": "still_in", "mean_days": "days_mean", "mean_low": "days_low",
            "mean_high": "days_high", "median_days": "days_median", "p75_days": "days_p75",
            "p90_days": "days_p90", "share_error": "conversion_error",
        }
    )  # fmt: skip
    fate = as_spells(to_the_end(passed, as_of), since=since, until=as_of, as_of=as_of)
    wins = incidence(fate, STAGE_KEY).select(
        *STAGE_KEY,
        win_rate="share",
        win_rate_low="share_low",
        win_rate_high="share_high",
        win_rate_error="share_error",
    )
    entered = seen.group_by(STAGE_KEY).agg(
        (pl.col("entered_at") >= since).sum().cast(pl.Int64).alias("entered")
    )
    return (
        ranked(stages)
        .join(entered, on=STAGE_KEY, how="left")
        .join(on, on=STAGE_KEY, how="left")
        .join(wins, on=STAGE_KEY, how="left")
        .join(_finished(stays, since), on=STAGE_KEY, how="left")
        .sort("connection", "pipeline_id", "rank")
        .select(
            *STAGE_KEY, "pipeline", "stage", "rank",
            pl.col("entered", "went_on", "lost", "still_in").fill_null(0),
            "conversion", "conversion_low", "conversion_high", "conversion_error",
            "win_rate", "win_rate_low", "win_rate_high", "win_rate_error",
            "days_mean", "days_low", "days_high", "days_median", "days_p75", "days_p90",
            "won_median_days", "won_p75_days", "won_p90_days", "lost_median_days",
            "lost_p75_days", "lost_p90_days",
        )
    )  # fmt: skip


def _finished(stays: pl.DataFrame, since: datetime) -> pl.DataFrame:
    ended = stays.filter(pl.col("left_at") >= since)
    return ended.group_by(STAGE_KEY).agg(
        pl.col("days")
        .filter(pl.col("outcome") == way)
        .quantile(share, "linear")
        .alias(f"{way}_{name}_days")
        for way in ("won", "lost")
        for name, share in (("median", 0.5), ("p75", 0.75), ("p90", 0.9))
    )


def cohorts(passed: pl.DataFrame, *, zone: str, every: str = "1q") -> pl.DataFrame:
    """Stage conversion by the period in which the stage was entered (`every`: 1mo or 1q).

    Columns: connection, pipeline_id, stage_id, cohort (its first day), entered, went_on, lost,
    still_in, went_on_share (of all that entered; can only grow while some are still in),
    conversion with conversion_low and _high (respecting those still in).
    """
    local = pl.col("entered_at").dt.convert_time_zone(zone)
    spells = passed.with_columns(
        cohort=local.dt.truncate(every).dt.date(),
        from_days=pl.lit(0.0),
        to_days=days(pl.col("until") - pl.col("entered_at")).clip(lower_bound=0.0),
    )
    return incidence(spells, (*STAGE_KEY, "cohort")).select(
        *STAGE_KEY,
        "cohort",
        entered="spells",
        went_on="won",
        lost="lost",
        still_in="open",
        went_on_share=pl.col("won") / pl.col("spells"),
        conversion="share",
        conversion_low="share_low",
        conversion_high="share_high",
    )


def detours(visited: pl.DataFrame, stages: pl.DataFrame, *, since: datetime) -> pl.DataFrame:
    """Per open stage, the moves of the window that did not go to the next one.

    Columns: connection, pipeline_id, stage_id, pipeline, stage, rank, skipped (deals that passed
    over it and were never in it before), taken_back (deals moved from it to an earlier stage),
    deals (that were in it or passed over it).
    """
    place = [*KEY, "pipeline_id"]
    moves = visited.with_columns(
        before=pl.col("rank").shift().over(place), best=pl.col("rank").cum_max().shift().over(place)
    ).filter((pl.col("entered_at") >= since) & pl.col("before").is_not_null())
    over = (
        moves.filter(pl.col("rank") > pl.col("best") + 1)
        .with_columns(passed=pl.int_ranges(pl.col("best") + 1, "rank"))
        .explode("passed")
        .select(*place, rank="passed")
        .unique()
        .join(visited.select(*place, "rank"), on=[*place, "rank"], how="anti")
    )
    back = moves.filter(pl.col("rank") < pl.col("before")).select(*place, rank="before").unique()
    level = ["connection", "pipeline_id", "rank"]
    been = visited.filter(pl.col("entered_at") >= since).select(*place, "rank")
    counts = [
        over.group_by(level).agg(pl.len().cast(pl.Int64).alias("skipped")),
        back.group_by(level).agg(pl.len().cast(pl.Int64).alias("taken_back")),
        pl.concat([been, over])
        .unique()
        .group_by(level)
        .agg(pl.len().cast(pl.Int64).alias("deals")),
    ]
    table = ranked(stages)
    for each in counts:
        table = table.join(each, on=level, how="left")
    return table.with_columns(pl.col("skipped", "taken_back", "deals").fill_null(0)).select(
        *STAGE_KEY, "pipeline", "stage", "rank", "skipped", "taken_back", "deals"
    )
