"""What had been done to each deal by any instant: counted once, looked up for many instants."""

from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from forecasting.history import AT_CREATION
from forecasting.tracks import Bools, Ints, Track, Tracks

_BORN_US: Final = int(AT_CREATION.total_seconds() * 1e6)
_Places = npt.NDArray[np.int32]
_SET_BY_PEOPLE: Final = ("amount", "close_date", "owner")


class MovesThen:
    """Over the tracks of one account; `stages`: STAGE_SCHEMA, for their order."""

    def __init__(self, tracks: Tracks, stages: pl.DataFrame) -> None:
        self._tracks = tracks
        self._stages = stages
        self._born_with: dict[str, Bools] = {}

    def pushes(self, row: Ints, at: Ints) -> Ints:
        """How often each open deal's close date had been moved to a later day."""
        track = self._tracks["close_date"]
        position = track.position(row, at)
        upto = self._later[position + 1] - self._later[track.first[row]]
        return np.where(position >= 0, upto, 0)

    def is_back(self, position: Ints) -> Bools:
        """Whether the stage of each entry of the stage's track lies before one that the deal had
        been in since it came to the pipeline; false for -1.
        """
        return self._back[position] if len(self._back) else np.zeros(len(position), np.bool_)

    def born_with(self, field: str, position: Ints, row: Ints) -> Bools:
        """Whether each entry of the field's track is the deal's first, set on creating the deal."""
        first = position == self._tracks[field].first[row]
        return np.asarray((position >= 0) & first & self._born(field)[row])

    @cached_property
    def followed(self) -> Bools:
        """Per deal whether its history reaches back to its creation: something that only people
        set is dated then. A field of such a deal that has no entry yet was empty.
        """
        found = np.zeros(len(self._tracks.created), np.bool_)
        for field in _SET_BY_PEOPLE:
            if field in self._tracks:
                found |= self._born(field)
        return found

    def _born(self, field: str) -> Bools:
        """Per deal whether the field was first set on creating it."""
        if field not in self._born_with:
            track, created = self._tracks[field], self._tracks.created
            has = np.diff(track.first) > 0
            first = track.at[track.first[:-1][has]]
            self._born_with[field] = np.zeros(len(created), np.bool_)
            self._born_with[field][has] = first - created[has] <= _BORN_US
        return self._born_with[field]

    @cached_property
    def _later(self) -> Ints:
        track = self._tracks["close_date"]
        later = (track.values > track.values.shift()).fill_null(False).to_numpy().copy()
        later[_begins(track)] = False
        return np.concatenate([[0], np.cumsum(later)])

    @cached_property
    def _back(self) -> Bools:
        """Per entry of the stage's track, and one more for none."""
        track = self._tracks["stage"]
        pipeline, place = _places(track.values, self._stages)
        placed = place >= 0
        # what is no open stage of a pipeline lies where the deal was before
        last = np.maximum.accumulate(np.where(placed, np.arange(len(place), dtype=np.int32), 0))
        pipeline = pipeline[last] if len(last) else pipeline
        other = np.ones(len(place), np.bool_)
        other[1:] = pipeline[1:] != pipeline[:-1]
        other[_begins(track)] = True
        # a stretch of one deal in one pipeline begins above all places of the one before
        height = np.cumsum(other) * (int(place.max(initial=0)) + 2)
        height += place
        furthest = np.maximum.accumulate(height) if len(height) else height
        return np.append(placed & (furthest > height), False)


def _begins(track: Track) -> Ints:
    """The first entry of each deal that has one."""
    return track.first[:-1][np.diff(track.first) > 0]


def _places(stage: pl.Series, stages: pl.DataFrame) -> tuple[_Places, _Places]:
    """Number of each stage's pipeline and its place among the open stages there, -1 for none."""
    order = (
        stages.filter(~pl.col("is_closed"))
        .unique("stage_id", keep="none")
        .sort("pipeline_id", "stage_id")
        .with_columns(
            place=pl.col("position").rank("dense").over("pipeline_id").cast(pl.Int64),
            pipeline=pl.col("pipeline_id").rank("dense").cast(pl.Int64),
        )
    )
    known = order["stage_id"].to_list()

    def numbers(column: str) -> _Places:
        told = stage.replace_strict(
            known, order[column].fill_null(-1).to_list(), default=-1, return_dtype=pl.Int32
        )
        return told.fill_null(-1).to_numpy()

    if not known:
        return np.full(len(stage), -1, np.int32), np.full(len(stage), -1, np.int32)
    return numbers("pipeline"), numbers("place")
