"""The cuts that every figure is given by: total, pipeline, owner."""

from collections.abc import Sequence
from typing import Final, Literal

import polars as pl

SegmentKind = Literal["total", "pipeline", "owner"]

SEGMENTS: Final[tuple[SegmentKind, ...]] = ("total", "pipeline", "owner")

_SEGMENT_OF: Final[dict[SegmentKind, pl.Expr]] = {
    "pipeline": pl.col("pipeline_id").fill_null(""),
    "owner": pl.col("owner_id").fill_null(""),
}


def by_segment(
    deals: pl.DataFrame, measures: Sequence[pl.Expr], segments: Sequence[SegmentKind]
) -> pl.DataFrame:
    """`measures` per segment: segment_kind, segment, then one column per measure.

    `segment` is the pipeline's or owner's id, empty for the total and for deals without one. The
    total has a row even where there is no deal; other segments where they have one.
    """
    parts = []
    for kind in segments:
        if kind == "total":
            part = deals.select(*measures).select(pl.lit("").alias("segment"), pl.all())
        else:
            part = deals.group_by(_SEGMENT_OF[kind].alias("segment")).agg(*measures)
        parts.append(part.select(pl.lit(kind).alias("segment_kind"), pl.all()).sort("segment"))
    return pl.concat(parts)


def of_one_connection(deals: pl.DataFrame) -> None:
    """ValueError where `deals` are of several accounts: their currencies must not be added."""
    connections = deals["connection"].unique().sort().to_list()
    if len(connections) > 1:
        raise ValueError(f"one connection at a time, not {', '.join(connections)}")
