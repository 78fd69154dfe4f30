"""Where rows stand in a list of keys: numbers to count by."""

import polars as pl

from forecasting.tracks import Ints


def positions(frame: pl.DataFrame, index: pl.DataFrame) -> Ints:
    """Which row of `index` each row of `frame` is of by the columns of `index`, -1 for none; null
    is a key like others.
    """
    keys = index.columns
    found = frame.select(keys).join(
        index.with_row_index("position"),
        on=keys,
        how="left",
        nulls_equal=True,
        maintain_order="left",
    )
    return found["position"].cast(pl.Int64).fill_null(-1).to_numpy()
