"""The stages that deals have been in, each from when on."""

from collections.abc import Callable, Mapping

import numpy as np
import polars as pl

from forecasting.tracks import Ints, Track

PipelineThen = Callable[[Ints, Ints], pl.Series]


def first_reached(
    track: Track, own_pipeline: Mapping[str, str], pipeline_then: PipelineThen
) -> pl.DataFrame:
    """row, pipeline_id, stage_id (categories), at (microseconds): when each deal first came into
    each stage that it ever was in.

    `track`: of the stages. The pipeline is the stage's own, where one alone has it
    (`own_pipeline`), else the deal's of that moment: `pipeline_then` of rows and instants.
    """
    row = np.repeat(np.arange(len(track.first) - 1, dtype=np.uint32), np.diff(track.first))
    named, at = track.values.is_not_null().to_numpy(), track.at
    if not named.all():
        row, at = row[named], at[named]
    stage = track.values.drop_nulls().cast(pl.Categorical)
    pipeline = stage.replace_strict(own_pipeline, default=None, return_dtype=pl.String)
    shared = np.flatnonzero(pipeline.is_null().to_numpy())
    if shared.size:
        then = pipeline_then(row[shared].astype(np.int64), at[shared])
        pipeline = pipeline.scatter(shared, then)
    entries = {
        "row": row,
        "pipeline_id": pipeline.cast(pl.Categorical),
        "stage_id": stage,
        "at": at,
    }
    return pl.DataFrame(entries).unique(
        ("row", "pipeline_id", "stage_id"), keep="first", maintain_order=True
    )
