"""What the quality rules would have found of a deal at a past instant, as far as its history tells.

Only rules whose every fact has a history, and that are no attribute under another name: time in
stage, silence, pushes, the close date and the next step are attributes themselves.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
import polars as pl

from forecasting.quality.account import at_month_end, is_round
from forecasting.snapshot import History
from forecasting.tracks import Ints

FINDINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "amount_quality": ("amount_missing", "amount_not_positive", "amount_round"),
    "date_quality": ("close_date_missing", "close_date_never_chosen", "close_date_heaped"),
    "owner_quality": ("owner_missing",),
    "stage_quality": ("stage_moved_back",),
}
"""Rules by what they are about; of those of one line the first that applies is found. Where a rule
asks whether the account's won deals have the habit, the deal alone is looked at here: what it is
worth in this account is learned.
"""


def findings_then(history: History, row: Ints, at: Ints, states: pl.DataFrame) -> pl.DataFrame:
    """Per deal and instant a column for each of `FINDINGS`: 0 = nothing found, n = the nth rule,
    null where nobody can tell. `states`: of `History.states`, or the deals as they are now.
    """
    return pl.DataFrame(
        {
            "amount_quality": _amounts(history, row, at, states),
            "date_quality": _dates(history, row, at, states),
            "owner_quality": _owners(history, row, states),
            "stage_quality": _stages(history, row, at),
        }
    )


def _amounts(history: History, row: Ints, at: Ints, states: pl.DataFrame) -> pl.Series:
    """A sum is judged in the deal's own currency, in which it was typed."""
    if "amount" not in history.tracks:
        return _unknown(row)
    track = history.tracks["amount"]
    position = track.position(row, at)
    facts = pl.DataFrame(
        {
            "amount": track.value(position),
            "empty": states["amount"].is_null(),
            "told": (position >= 0) | history.moves.followed[row],
            "untouched": history.moves.born_with("amount", position, row),
        }
    )
    amount = pl.col("amount")
    return facts.select(
        pl.when(~pl.col("told") | (amount.is_null() & ~pl.col("empty")))
        .then(None)
        .when(amount.is_null())
        .then(1)
        .when(amount <= 0)
        .then(2)
        .when(is_round() & pl.col("untouched"))
        .then(3)
        .otherwise(0)
    ).to_series()


def _dates(history: History, row: Ints, at: Ints, states: pl.DataFrame) -> pl.Series:
    if "close_date" not in history.tracks:
        return _unknown(row)
    position = history.tracks["close_date"].position(row, at)
    created = pl.Series(history.created[row]).cast(pl.Datetime("us", "UTC"))
    facts = pl.DataFrame(
        {
            "close_date": states["close_date"],
            "told": position >= 0,
            "followed": history.moves.followed[row],
            "untouched": history.moves.born_with("close_date", position, row),
            "suggested": created.dt.convert_time_zone(history.zone).dt.date().dt.month_end(),
        }
    )
    day = pl.col("close_date")
    return facts.select(
        pl.when(day.is_null() & (pl.col("told") | pl.col("followed")))
        .then(1)
        .when(~pl.col("told"))
        .then(None)
        .when(pl.col("untouched") & (day == pl.col("suggested")))
        .then(2)
        .when(at_month_end("close_date"))
        .then(3)
        .otherwise(0)
    ).to_series()


def _owners(history: History, row: Ints, states: pl.DataFrame) -> pl.Series:
    if "owner" not in history.tracks:
        return _unknown(row)
    followed = pl.Series(history.moves.followed[row])
    return states.select(
        pl.when(pl.col("owner_id").is_not_null()).then(0).when(followed).then(1)
    ).to_series()


def _stages(history: History, row: Ints, at: Ints) -> pl.Series:
    position = history.tracks["stage"].position(row, at)
    back = history.moves.is_back(position).astype(np.int64)
    return pl.Series(np.where(position >= 0, back, -1)).replace(-1, None)


def _unknown(row: Ints) -> pl.Series:
    return pl.Series([None], dtype=pl.Int64).new_from_index(0, len(row))
