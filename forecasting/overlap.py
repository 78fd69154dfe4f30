"""How many independent forecasts those of overlapping stretches of days are worth.

A forecast of the next four weeks made each Monday looks at every day four times over: what a bad
week does to one it does to its neighbours, and thirteen of them tell about as much as four that
follow each other. Where nothing overlaps each counts in full.
"""

import polars as pl


def independent(starts: pl.Series, ends: pl.Series) -> float:
    """The days that the stretches from `starts` up to `ends`, whose own day is not in them, cover
    together, by their mean length; 0 without any.
    """
    days = pl.DataFrame({"start": starts.to_physical(), "end": ends.to_physical()})
    days = days.filter(pl.col("end") > pl.col("start")).sort("start", "end")
    reached = pl.col("end").cum_max().shift(1)
    covered, length = days.select(
        (pl.col("end") - pl.max_horizontal("start", reached)).clip(0).sum(),
        (pl.col("end") - pl.col("start")).mean().alias("length"),
    ).row(0)
    return float(covered / length) if length else 0.0
