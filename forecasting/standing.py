"""How an account's deals stood at any past instant, at the rates and chances of that instant."""

from datetime import datetime
from typing import Final

import numpy as np
import polars as pl

from forecasting.snapshot import History
from forecasting.tracks import NEVER, Bools, Ints, micros_of
from forecasting.waterfall import STANDING_SCHEMA

STAGE_VERSION_SCHEMA: Final[dict[str, pl.DataType | type[pl.DataType]]] = {
    "pipeline_id": pl.String,
    "stage_id": pl.String,
    "valid_from": pl.Datetime("us", "UTC"),
    "probability": pl.Float64,
}


def standing(
    history: History,
    as_of: datetime,
    *,
    removed: pl.DataFrame,
    rates: pl.DataFrame | None = None,
    versions: pl.DataFrame | None = None,
    present: bool = False,
) -> pl.DataFrame:
    """STANDING_SCHEMA of the deals created by `as_of`.

    removed: deal_id, removed_at, removed_reason of the deals that left the CRM. rates: the
    account's own (currency, valid_from, rate); a deal has the rate of the instant, of its closing
    once closed, and before the first known one the latest. versions: STAGE_VERSION_SCHEMA, for
    the chance that its stage had then. present: `as_of` is now, so the deal frame says how things
    stand and only amounts and rates are looked up.
    """
    at = micros_of(as_of)
    row = np.flatnonzero(history.created <= at)
    states = history.states(row, at)
    deals = history.deals.gather(row)
    then = pl.DataFrame(
        {
            "deal_id": deals["deal_id"],
            "currency": deals["currency"],
            "pipeline_id": states["pipeline_id"],
            "stage_id": states["stage_id"],
            "status": states["status"],
            "close_date": states["close_date"],
            "closed": states["closed"],
            "date_known": _known(history, "close_date", row, at),
            **_amounts(history, row, at, states["status"], present=present),
        }
    )
    if present:
        said = ("pipeline_id", "stage_id", "status", "close_date")
        then = then.with_columns(*(deals[name] for name in said), date_known=pl.lit(True))
    then = _rated(then, at, rates)
    then = _removed(then, removed, as_of)
    closed_on = pl.from_epoch("closed", "us").dt.replace_time_zone("UTC")
    decided = pl.col("status").is_in(["won", "lost"]) & (pl.col("closed") != NEVER)
    day = pl.when(decided).then(closed_on).dt.convert_time_zone(history.zone).dt.date()
    return (
        then.with_columns(date=pl.coalesce(day, "close_date"))
        .join(
            chances_at(history.stages, versions, as_of), on=("pipeline_id", "stage_id"), how="left"
        )
        .select(STANDING_SCHEMA.keys())
        .cast(pl.Schema(STANDING_SCHEMA))
    )


def _amounts(
    history: History, row: Ints, at: int, status: pl.Series, *, present: bool
) -> dict[str, pl.Series]:
    """amount, factor, own, amount_known. In the deal's own currency where its history tells (own);
    else, once decided or now, the final one in home currency, whose factor is 1.
    """
    track = history.tracks["amount"]
    position = track.position(row, at)
    chosen = pl.DataFrame(
        {
            "then": track.value(position).cast(pl.Float64),
            "own": position >= 0,
            "final": history.deals["amount"].gather(row),
            "factor": history.factor[row],
            "at_home": status.is_in(["won", "lost"]).fill_null(False),
            "known": _known(history, "amount", row, at),
        }
    ).with_columns(at_home=pl.col("at_home") | pl.lit(present))
    chosen = chosen.select(
        "own",
        amount=pl.when("own").then("then").when("at_home").then("final"),
        factor=pl.when("own").then(pl.col("factor").fill_nan(None)).otherwise(1.0),
        amount_known=pl.col("known") | pl.col("at_home"),
    )
    return {name: chosen[name] for name in chosen.columns}


def _known(history: History, field: str, row: Ints, at: int) -> Bools:
    """Whether a deal's history tells the field at `at`, be it that it was empty: a first entry that
    a CRM wrote says so of the time before it, one seen by comparing pulls does not.
    """
    track = history.tracks[field]
    if field not in history.tracks:
        return np.zeros(len(row), np.bool_)
    seen_late = history.tracks.seen_late(field)
    filled = history.deals[field].is_not_null().to_numpy()
    silent = np.diff(track.first) == 0
    empty_before = np.where(silent, ~filled, ~seen_late)
    return np.asarray((track.position(row, at) >= 0) | empty_before[row])


def _rated(then: pl.DataFrame, at: int, rates: pl.DataFrame | None) -> pl.DataFrame:
    """`then` with `rate`: the account's own of the instant, or of the closing, else the latest."""
    if rates is None or not rates.height:
        return then.with_columns(rate=pl.col("factor"))
    versions = rates.select(
        "currency",
        pl.col("valid_from").dt.epoch("us").alias("asked_at"),
        pl.col("rate").cast(pl.Float64).alias("told"),
    )
    numbered = then.with_row_index("place").with_columns(
        asked_at=pl.min_horizontal("closed", pl.lit(at))
    )
    told = (
        numbered.filter(pl.col("currency").is_not_null())
        .sort("asked_at")
        .join_asof(versions.sort("asked_at"), on="asked_at", by="currency", check_sortedness=False)
        .select("place", "told")
    )
    rate = pl.when("own").then(pl.coalesce("told", "factor")).otherwise("factor")
    return numbered.join(told, on="place", how="left", maintain_order="left").with_columns(
        rate=rate
    )


def _removed(then: pl.DataFrame, removed: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    gone = removed.filter(pl.col("removed_at") <= as_of).select("deal_id", "removed_reason")
    merged = pl.col("removed_reason") == "merged"
    return then.join(gone, on="deal_id", how="left", maintain_order="left").with_columns(
        status=pl.when(merged)
        .then(pl.lit("merged"))
        .when(pl.col("removed_reason").is_not_null())
        .then(pl.lit("removed"))
        .otherwise("status")
    )


def chances_at(
    stages: pl.DataFrame, versions: pl.DataFrame | None, as_of: datetime
) -> pl.DataFrame:
    """pipeline_id, stage_id, chance: each stage's probability as it stood at `as_of`; before its
    first known version that one's, without versions the present one.
    """
    key = ("pipeline_id", "stage_id")
    latest = stages.select(*key, pl.col("probability").alias("now"))
    if versions is None or not versions.height:
        return latest.select(*key, chance="now")
    in_order = versions.sort("valid_from")
    then = (
        in_order.filter(pl.col("valid_from") <= as_of)
        .group_by(key)
        .agg(pl.col("probability").last().alias("then"), pl.lit(True).alias("told"))
    )
    first = in_order.group_by(key).agg(pl.col("probability").first().alias("first"))
    return (
        latest.join(then, on=key, how="left")
        .join(first, on=key, how="left")
        .select(
            *key,
            pl.when("told").then("then").otherwise(pl.coalesce("first", "now")).alias("chance"),
        )
    )
