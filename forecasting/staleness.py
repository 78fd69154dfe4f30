"""How long a deal has been silent, against what is normal where it stands.

Silence is counted in selling days since a person last did something: an activity, a mail or
meeting with a contact, a person's change of the deal. "Last modified" is never looked at.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from forecasting.deals import INSTANT
from forecasting.history import KEY
from forecasting.process import stage_norms
from forecasting.selling_day_counts import selling_days_between
from forecasting.selling_days import EVERY_DAY, SellingDays

HUMAN_FIELDS: Final = ("stage", "amount", "close_date", "owner", "next_step")
"""Fields whose change by a person counts as activity."""

ENGAGEMENTS: Final = ("last_activity_at", "last_contacted_at", "last_reply_at")

BULK_DEALS: Final = 20
"""So many open deals of an account changed in one field within one minute is one act of
housekeeping (a bulk edit, an import, a stage that was taken away), not attention to any of them."""

STATES: Final = ("fresh", "cooling", "stale", "dead")

COMPARED_WITH: Final = ("stage", "pipeline", "life")

COOLING_SHARE: Final = 0.5
"""Of the norm: a deal cools after so much of it."""

DEAD_OVER_NORM: Final = 3.321928094887362
"""Of an own norm: what the 90th percentile of a memoryless stay is of its median."""

CONFIDENCE_Z: Final = 1.959963984540054
"""Of a two-sided 95 % interval."""

ENOUGH_TO_COMPARE: Final = 75
"""So many earlier deals are looked at, at the least: without a win among them they bound the chance
at 4.9 %. Where fewer stood as long as a deal has, the longest of them are taken, on the ground that
a chance does not rise with standing still."""

FOLLOWED_DAYS: Final = 182
"""An open deal counts as not won at the length of standing that it had half a year ago: what is won
later than that is won by starting anew."""

_STAGE: Final = ("connection", "pipeline_id", "stage_id")


def silence(
    deals: pl.DataFrame,
    changes: pl.DataFrame,
    *,
    as_of: datetime,
    today: date,
    zone: str,
    calendar: SellingDays = EVERY_DAY,
) -> pl.DataFrame:
    """Per open deal: how long ago a person last did something about it.

    Columns: connection, deal_id, stale_days (plain days, 0 = today), silent_days (of `calendar`),
    last_activity_on. The latest counts of `ENGAGEMENTS`, a person's change of one of
    `HUMAN_FIELDS` that was no bulk edit, and the creation.
    """
    open_deals = deals.filter(pl.col("status") == "open")
    latest = pl.max_horizontal(*ENGAGEMENTS, "changed_by_human_at", "created_at")
    last_on = pl.min_horizontal(latest, pl.lit(as_of, INSTANT)).dt.convert_time_zone(zone).dt.date()
    now = pl.lit(today)
    return (
        open_deals.join(_changed_by_people(open_deals, changes, as_of), on=KEY, how="left")
        .select(*KEY, last_activity_on=last_on)
        .select(
            *KEY,
            (now - pl.col("last_activity_on"))
            .dt.total_days()
            .clip(lower_bound=0)
            .alias("stale_days"),
            selling_days_between(calendar, pl.col("last_activity_on"), now).alias("silent_days"),
            "last_activity_on",
        )
        .sort(*KEY)
    )


def _changed_by_people(
    open_deals: pl.DataFrame, changes: pl.DataFrame, as_of: datetime
) -> pl.DataFrame:
    minute = pl.col("changed_at").dt.truncate("1m").alias("minute")
    act = ("connection", "field", "minute")
    by_people = (
        changes.filter(
            (pl.col("source") == "human")
            & pl.col("field").is_in(HUMAN_FIELDS)
            & (pl.col("changed_at") <= as_of)
        )
        .join(open_deals.select(KEY), on=KEY, how="semi")
        .select(*KEY, "field", "changed_at", minute)
    )
    bulk = (
        by_people.group_by(act)
        .agg(pl.col("deal_id").n_unique().alias("at_once"))
        .filter(pl.col("at_once") >= BULK_DEALS)
    )
    return (
        by_people.join(bulk, on=act, how="anti")
        .group_by(KEY)
        .agg(pl.col("changed_at").max().alias("changed_by_human_at"))
    )


def selling_norms(
    stays: pl.DataFrame,
    stages: pl.DataFrame,
    *,
    calendar: SellingDays,
    zone: str,
    default_days: float,
) -> pl.DataFrame:
    """`process.stage_norms`, with won deals' stays counted in days of `calendar`."""

    def day(column: str) -> pl.Expr:
        return pl.col(column).dt.convert_time_zone(zone).dt.date()

    if calendar == EVERY_DAY:
        return stage_norms(stays, stages, default_days=default_days)
    won = stays.filter((pl.col("outcome") == "won") & pl.col("left_at").is_not_null())
    counted = won.with_columns(
        days=selling_days_between(calendar, day("entered_at"), day("left_at")).cast(pl.Float64)
    )
    return stage_norms(counted, stages, default_days=default_days)


def state() -> pl.Expr:
    """One of `STATES`, over silent_days, norm_days, dead_days and activity_planned.

    A planned activity protects: the deal is fresh however long it was silent. Limits are strict:
    silent for exactly the norm is not stale.
    """
    silent = pl.col("silent_days")
    return (
        pl.when(pl.col("activity_planned"))
        .then(pl.lit("fresh"))
        .when(silent > pl.col("dead_days"))
        .then(pl.lit("dead"))
        .when(silent > pl.col("norm_days"))
        .then(pl.lit("stale"))
        .when(silent > pl.col("norm_days") * COOLING_SHARE)
        .then(pl.lit("cooling"))
        .otherwise(pl.lit("fresh"))
    )


def precedents(
    open_deals: pl.DataFrame,
    stays: pl.DataFrame,
    decided: pl.DataFrame | None = None,
    *,
    enough: int = ENOUGH_TO_COMPARE,
) -> pl.DataFrame:
    """What became of the deals that stood for as long as each open deal does.

    `open_deals`: connection, deal_id, pipeline_id, stage_id, days_in_stage, days_open. `decided`:
    deals with their created_at and closed_at. Columns: connection, deal_id, compared_with (stage;
    pipeline = any stage of it, where fewer than `enough` stood as long in the stage and none of
    these was won; life = from creation to closing, where fewer are known of the pipeline's stages,
    or not how long the deal has stood in its own), earlier (the decided deals, and those of
    `open_deals` that had stood as long `FOLLOWED_DAYS` ago: dead deals that nobody closes tell
    most), earlier_won, from_days (what the shortest of them stood), chance_at_most: the upper end
    of the 95 % Wilson interval of their win rate, null where nothing is known. It errs to the high
    side: who won counts at once, who is open only after half a year.
    """
    over = pl.col("outcome").is_in(("won", "lost"))
    ended = (
        stays.select(
            *(*_STAGE, "deal_id", "days"),
            won=pl.col("outcome") == "won",
            ended=over & pl.col("left_at").is_not_null(),  # in a closed stage they last for ever
        )
        .filter("ended")
        .drop("ended")
    )
    told = open_deals
    for prefix, known, days in (
        ("stage", _longest(ended, _STAGE), "days_in_stage"),
        ("pipeline", _longest(ended, _STAGE[:2]), "days_in_stage"),
        ("life", _lives(decided), "days_open"),
    ):
        place = _STAGE if prefix == "stage" else _STAGE[:2]
        standing = _still_open(open_deals, place, days)
        told = _looked_up(told, pl.concat([known, standing]), place, prefix, days, enough)
    known_of = {name: pl.col(f"{name}_count") for name in COMPARED_WITH}
    # a win there outweighs what other stages say
    speaks = (pl.col("stage_from") >= pl.col("days_in_stage")) | (pl.col("stage_won_as_long") > 0)
    chosen = (
        pl.when((known_of["stage"] >= enough) & speaks)
        .then(pl.lit("stage"))
        .when((known_of["pipeline"] >= enough) | (known_of["pipeline"] >= known_of["life"]))
        .then(pl.lit("pipeline"))
        .otherwise(pl.lit("life"))
    )
    return (
        told.with_columns(compared_with=chosen)
        .select(
            *KEY,
            "compared_with",
            earlier=_of_the_chosen("count"),
            earlier_won=_of_the_chosen("won"),
            from_days=_of_the_chosen("from"),
        )
        .with_columns(chance_at_most=_upper(pl.col("earlier_won"), pl.col("earlier")))
        .sort(*KEY)
    )


def _of_the_chosen(figure: str) -> pl.Expr:
    return pl.coalesce(
        pl.when(pl.col("compared_with") == name).then(f"{name}_{figure}") for name in COMPARED_WITH
    )


def _still_open(open_deals: pl.DataFrame, place: Sequence[str], days: str) -> pl.DataFrame:
    """Open deals at the length of standing that they had `FOLLOWED_DAYS` ago."""
    stood = pl.col(days).cast(pl.Float64) - FOLLOWED_DAYS
    return open_deals.select(*place, days=stood, won=pl.lit(value=False)).filter(
        pl.col("days") >= 0
    )


def _lives(decided: pl.DataFrame | None) -> pl.DataFrame:
    """Decided deals whose life is known, by pipeline: what an account without stage history has."""
    schema = dict.fromkeys(_STAGE[:2], pl.String) | {"days": pl.Float64, "won": pl.Boolean}
    if decided is None:
        return pl.DataFrame(schema=schema)
    days = (pl.col("closed_at") - pl.col("created_at")).dt.total_seconds() / 86_400
    return (
        decided.filter(pl.col("status").is_in(("won", "lost")))
        .select(*_STAGE[:2], days=days, won=pl.col("status") == "won")
        .filter(pl.col("days") >= 0)
    )


def _longest(stays: pl.DataFrame, place: Sequence[str]) -> pl.DataFrame:
    """A row per deal and place: its longest stay there, as long as it took until it moved on."""
    longest = stays.group_by(*place, "deal_id").agg(pl.col("days").max(), pl.col("won").first())
    return longest.drop("deal_id")


def _looked_up(
    asked: pl.DataFrame,
    known: pl.DataFrame,
    place: Sequence[str],
    prefix: str,
    days: str,
    enough: int,
) -> pl.DataFrame:
    """`asked` with how many of `known` stayed in the place for at least its `days` (where those are
    fewer, the `enough` that stayed longest, not counting itself), how many won, from how many days
    on, and how many won of those alone that stayed for `days`.
    """
    names = tuple(f"{prefix}_{name}" for name in ("count", "won", "from", "won_as_long"))
    groups = {
        key: _tail(frame.sort("days"))
        for key, frame in known.join(asked, on=place, how="semi")
        .partition_by(place, as_dict=True)
        .items()
    }
    parts = []
    for key, frame in asked.partition_by(place, as_dict=True).items():
        stood = frame[days].cast(pl.Float64)
        longest, won_from = groups.get(key, (np.empty(0), np.zeros(1, np.int64)))
        at = np.searchsorted(longest, stood.fill_null(np.inf).to_numpy(), side="left")
        won_as_long = won_from[at]
        at = np.minimum(at, max(len(longest) - enough, 0))
        at = np.where(stood.is_null().to_numpy(), len(longest), at)
        itself = stood.to_numpy() - FOLLOWED_DAYS >= np.append(longest, np.inf)[at]
        at = np.where(itself, np.minimum(at, max(len(longest) - enough - 1, 0)), at)
        shortest = np.append(longest, np.inf)[at]
        parts.append(
            frame.with_columns(
                pl.Series(names[0], len(longest) - at - itself, pl.Int64),
                pl.Series(names[1], won_from[at], pl.Int64),
                pl.Series(names[2], np.where(np.isinf(shortest), 0.0, shortest)).cast(pl.Int64),
                pl.Series(names[3], won_as_long, pl.Int64),
            )
        )
    if not parts:
        return asked.with_columns(pl.lit(0, pl.Int64).alias(name) for name in names)
    return pl.concat(parts)


def _tail(known: pl.DataFrame) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """The days in order, and how many were won from each place on."""
    won = known["won"].cast(pl.Int64).to_numpy()
    return known["days"].to_numpy(), np.append(np.cumsum(won[::-1])[::-1], 0)


def _upper(won: pl.Expr, count: pl.Expr) -> pl.Expr:
    z2 = CONFIDENCE_Z**2
    share = won / count
    centre = share + z2 / (2 * count)
    spread = CONFIDENCE_Z * (share * (1 - share) / count + z2 / (4 * count * count)).sqrt()
    return pl.when(count > 0).then(((centre + spread) / (1 + z2 / count)).clip(0.0, 1.0))
