"""How long each deal stayed in each of its stages, and where it went from there."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from forecasting.history import pipeline_by_stage, status_by_stage
from forecasting.pace import Pace
from forecasting.positions import positions
from forecasting.snapshot import Past
from forecasting.tracks import DAY_US, NEVER, Floats, Ints

WON: Final = -1
LOST: Final = -2
UNDER_WAY: Final = -3

MOST_DEALS: Final = 50_000
"""Of more deals a sample is taken: more teach little more."""

_KEY: Final = ("pipeline_id", "stage_id")
_ENDS: Final = {"won": WON, "lost": LOST, "open": UNDER_WAY}
_MOMENT: Final = 0.01
"""Paced days that a stay lasts at least, so that what is passed on at once is no division by 0."""


@dataclass(frozen=True, slots=True)
class StageExits:
    """An entry per stay of a deal in an open stage.

    `stages`: pipeline_id and stage_id of each number; a null stage_id is that of deals whose stage
    nobody knows. `stage`: the stay's; `to`: the stage that it led to, WON, LOST or UNDER_WAY.
    `since`, `days`: the stay's age in paced days when watching began (0, or more where it had begun
    before) and when it ended, or now.
    """

    stages: pl.DataFrame
    stage: Ints
    to: Ints
    since: Floats
    days: Floats


def stage_exits(
    past: Past, pace: Pace, window_days: int, most_deals: int = MOST_DEALS
) -> StageExits:
    """The stays that `past` knows of and that did not end more than `window_days` ago; of
    `most_deals` deals at most, evenly taken.
    """
    begins = past.until - window_days * DAY_US
    known = pl.col("status").is_not_null() & (pl.col("closed") > begins)
    ends = past.outcomes().select("row", "status", "closed").filter(known)
    ends = ends.gather_every(max(1, -(-ends.height // most_deals)))
    stays = _stays(_entries(past, ends["row"].to_numpy()), ends, past).filter(
        pl.col("ended") > begins
    )
    stages = stays.select(_KEY).unique().sort(_KEY)
    following = stays.select(pl.col(f"next_{name}").alias(name) for name in _KEY)
    onward = pl.Series(positions(following, stages))
    led_to = stays["end"].replace_strict(_ENDS, default=None, return_dtype=pl.Int64)
    at = stays["at"].to_numpy()
    since = pace.between(at, np.maximum(at, begins))
    return StageExits(
        stages,
        positions(stays, stages),
        led_to.fill_null(onward).to_numpy(),
        since,
        np.maximum(pace.between(at, stays["ended"].to_numpy()), since + _MOMENT),
    )


def _entries(past: Past, row: Ints) -> pl.DataFrame:
    """row, at, pipeline_id, stage_id: every entry into a stage by then, in order. A deal whose
    first days or whose stages at all nobody knows begins with its creation, in no stage. The
    pipeline is the stage's own, where one alone has it, else the deal's of that moment: CRMs tell
    of a deal's pipeline after its stage, or not at all.
    """
    history, track = past.history, past.history.tracks["stage"]
    first = track.first[row]
    count = track.ordinal(row, past.until)
    place = np.repeat(first - np.cumsum(count) + count, count) + np.arange(count.sum())
    known, at = np.repeat(row, count), track.time(place)
    created = history.created[row]
    begun = track.time(np.where(count > 0, first, -1))
    unseen = begun > np.minimum(created, NEVER - DAY_US) + DAY_US
    stage = track.value(place).cast(pl.String)
    entries = {
        "row": np.concatenate([row[unseen], known]),
        "at": np.concatenate([created[unseen], at]),
        "stage_id": pl.concat([pl.Series([None] * int(unseen.sum()), dtype=pl.String), stage]),
    }
    found = pl.DataFrame(entries).sort("row", "at", maintain_order=True)
    own = pl.col("stage_id").replace_strict(
        pipeline_by_stage(history.stages), default=None, return_dtype=pl.String
    )
    told = history.pipelines(found["row"].to_numpy(), found["at"].to_numpy())
    return found.with_columns(pl.coalesce(own, told).alias("pipeline_id"))


def _stays(entries: pl.DataFrame, ends: pl.DataFrame, past: Past) -> pl.DataFrame:
    """The entries into open stages, with `ended` and `end`: won, lost, open (it is there now), or
    null where it went on to the stage next_stage_id of next_pipeline_id.
    """
    kinds = status_by_stage(past.history.stages)
    kind = pl.col("stage_id").replace_strict(kinds, default="open", return_dtype=pl.String)
    told = ends.select("row", "status", closing="closed")
    left = pl.min_horizontal("following", "closing")
    return (
        entries.with_columns(kind=kind)
        .with_columns(
            pl.col("at").shift(-1).over("row").fill_null(NEVER).alias("following"),
            pl.col(*_KEY, "kind").shift(-1).over("row").name.prefix("next_"),
        )
        .join(told, on="row", how="left", maintain_order="left")
        # what a decided deal went through after it was decided is no selling
        .filter(pl.col("kind") == "open", pl.col("at") < pl.col("closing"))
        .with_columns(
            ended=pl.min_horizontal(left, pl.lit(past.until)),
            end=pl.when(left > past.until)
            .then(pl.lit("open"))
            .when(pl.col("closing") <= pl.col("following"))
            .then("status")
            .when(pl.col("next_kind") != "open")
            .then("next_kind"),
        )
    )
