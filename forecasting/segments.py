"""The cuts that every figure is given by: total, pipeline, team, owner, type."""

from collections.abc import Sequence
from typing import Final, Literal

import polars as pl

SegmentKind = Literal["total", "pipeline", "team", "owner", "type"]

SEGMENTS: Final[tuple[SegmentKind, ...]] = ("total", "pipeline", "owner")
ALL_SEGMENTS: Final[tuple[SegmentKind, ...]] = ("total", "pipeline", "team", "owner", "type")

SEGMENT_OF: Final[dict[SegmentKind, pl.Expr]] = {
    "pipeline": pl.col("pipeline_id").fill_null(""),
    "team": pl.col("team").fill_null(""),
    "owner": pl.col("owner_id").fill_null(""),
    "type": pl.col("deal_type").fill_null(""),
}


def by_segment(
    deals: pl.DataFrame, measures: Sequence[pl.Expr], segments: Sequence[SegmentKind]
) -> pl.DataFrame:
    """`measures` per segment: segment_kind, segment, then one column per measure.

    `segment` is the pipeline's or owner's id, the team's or type's name, empty for the total and
    for deals without one. The total has a row even where there is no deal; other segments where
    they have one.
    """
    parts = []
    for kind in segments:
        if kind == "total":
            part = deals.select(*measures).select(pl.lit("").alias("segment"), pl.all())
        else:
            part = deals.group_by(SEGMENT_OF[kind].alias("segment")).agg(*measures)
        parts.append(part.select(pl.lit(kind).alias("segment_kind"), pl.all()).sort("segment"))
    return pl.concat(parts)


def of_one_connection(deals: pl.DataFrame) -> None:
    """ValueError where `deals` are of several accounts: their currencies must not be added."""
    connections = deals["connection"].unique().sort().to_list()
    if len(connections) > 1:
        raise ValueError(f"one connection at a time, not {', '.join(connections)}")
