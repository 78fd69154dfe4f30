"""What is known of an account's deals over time, sorted once, for looking up at any instant.

A track holds one field's values: an entry per change. Looking up many (deal, instant) pairs is one
binary search each, so that a back-test of many origins rebuilds states without sorting again.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from forecasting.history import KEY, account_day

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

NEVER: Final = int(np.iinfo(np.int64).max)
"""An instant after all others, in place of a null one."""

DAY_US: Final = 86_400_000_000


def micros(instants: pl.Series, missing: int = NEVER) -> Ints:
    """Instants as microseconds since 1970 UTC, nulls as `missing`."""
    return instants.dt.epoch("us").fill_null(missing).to_numpy().astype(np.int64)


def micros_of(instant: datetime) -> int:
    return int(micros(pl.Series([instant], dtype=pl.Datetime("us", "UTC")))[0])


@dataclass(frozen=True, slots=True)
class Track:
    """One field's entries by deal and time. `values` are as long as `at`; `first[d]` is where
    deal d's entries begin.
    """

    values: pl.Series
    at: Ints
    first: Ints
    moments: Ints
    key: Ints

    @staticmethod
    def of(deal: Ints, at: Ints, values: pl.Series, deals: int) -> "Track":
        """Entries already in order of deal, time and ordinal."""
        moments = np.unique(at)
        first = np.searchsorted(deal, np.arange(deals + 1))
        key = deal * (len(moments) + 1) + np.searchsorted(moments, at, "right")
        return Track(values, at, first, moments, key)

    def position(self, deal: Ints, at: Ints | int) -> Ints:
        """The entry in force for each deal at each instant (inclusive), -1 where there is none."""
        rank = np.searchsorted(self.moments, at, "right")
        found: Ints = np.searchsorted(self.key, deal * (len(self.moments) + 1) + rank, "right") - 1
        return np.asarray(np.where(found >= self.first[deal], found, np.int64(-1)))

    def ordinal(self, deal: Ints, at: Ints | int) -> Ints:
        """How many entries each deal has at each instant."""
        return np.asarray(np.maximum(self.position(deal, at) - self.first[deal] + 1, 0))

    def value(self, position: Ints) -> pl.Series:
        """Values at `position`, null for -1."""
        return self.values.gather(pl.Series(position).replace(-1, None))

    def time(self, position: Ints, missing: int = NEVER) -> Ints:
        """When the entry at `position` was made, `missing` for -1."""
        if not len(self.at):
            return np.full(len(position), missing, np.int64)
        return np.where(position >= 0, self.at[position], missing)


class Tracks:
    """The tracks of an account by field, with the deals' row numbers that they are keyed by.

    A first change that names its old value speaks for the time before it, since the creation,
    unless it was seen by comparing pulls: then nobody knows how long that value had stood.
    """

    def __init__(self, deals: pl.DataFrame, changes: pl.DataFrame, zone: str) -> None:
        self.deals = deals.sort(*KEY)
        self.zone = zone
        self.created = micros(self.deals["created_at"])
        numbered = self.deals.select(*KEY, "created_at").with_row_index("row")
        self._rows = (
            changes.join(numbered, on=KEY, how="inner")
            .select(
                pl.col("row").cast(pl.Int64),
                "field",
                "old",
                "new",
                "changed_at",
                "ordinal",
                "source",
                "created_at",
            )
            .sort("row", "changed_at", "ordinal")
            .partition_by("field", as_dict=True)
        )
        self._made: dict[str, Track] = {}

    def __contains__(self, field: str) -> bool:
        return (field,) in self._rows

    def __getitem__(self, field: str) -> Track:
        """The field's track: amounts as numbers, close dates as the account's days, else text.

        `human_change`: entries for every change by a person, whatever the field.
        """
        if field not in self._made:
            self._made[field] = self._people() if field == "human_change" else self._make(field)
        return self._made[field]

    def _make(self, field: str) -> Track:
        rows = self._rows.get((field,))
        if rows is None:
            empty = np.empty(0, np.int64)
            return Track.of(
                empty,
                empty,
                _typed(pl.Series("new", [], pl.String), field, self.zone),
                self.deals.height,
            )
        before = rows.filter(
            (pl.col("row") != pl.col("row").shift().fill_null(-1))
            & pl.col("old").is_not_null()
            & (pl.col("source") != "diff")
            & (pl.col("created_at") < pl.col("changed_at"))
        ).select(
            "row",
            pl.col("created_at").alias("changed_at"),
            pl.col("old").alias("new"),
            ordinal=pl.lit(-1, pl.Int64),
        )
        rows = pl.concat([before, rows.select("row", "changed_at", "new", "ordinal")]).sort(
            "row", "changed_at", "ordinal"
        )
        # an entry that says what the one before said is no change
        rows = rows.filter(
            (pl.col("row") != pl.col("row").shift().fill_null(-1))
            | pl.col("new").ne_missing(pl.col("new").shift())
        )
        return Track.of(
            rows["row"].to_numpy(),
            micros(rows["changed_at"]),
            _typed(rows["new"], field, self.zone),
            self.deals.height,
        )

    def _people(self) -> Track:
        """Changes by people; empty where the account's history never names one."""
        parts = [
            rows.filter(pl.col("source") == "human").select("row", "changed_at")
            for rows in self._rows.values()
        ]
        rows = (
            pl.concat(parts).sort("row", "changed_at")
            if parts
            else pl.DataFrame(schema={"row": pl.Int64, "changed_at": pl.Datetime("us", "UTC")})
        )
        return Track.of(
            rows["row"].to_numpy(), micros(rows["changed_at"]), rows["row"], self.deals.height
        )


def _typed(values: pl.Series, field: str, zone: str) -> pl.Series:
    if field in ("amount", "rep_amount", "rep_probability"):
        number = values.cast(pl.Float64, strict=False)
        return number.to_frame().select(pl.when(pl.all().is_finite()).then(pl.all())).to_series()
    if field == "close_date":
        return values.to_frame("day").select(account_day(pl.col("day"), zone)).to_series()
    return values
