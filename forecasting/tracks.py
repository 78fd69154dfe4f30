"""What is known of an account's deals over time, sorted once, for looking up at any instant.

A track holds one field's values: an entry per change. Looking up many (deal, instant) pairs is one
binary search each, so that a back-test of many origins rebuilds states without sorting again.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from forecasting.history import KEY, account_day, row_numbers

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


_SECOND_BITS: Final = 34
_LAST_SECOND: Final = (1 << _SECOND_BITS) - 1  # in the year 2514


@dataclass(frozen=True, slots=True)
class Track:
    """One field's entries by deal and time. `values` are as long as `at`; `first[d]` is where
    deal d's entries begin. `key`: deal and whole second of each entry in one number.
    """

    values: pl.Series
    at: Ints
    first: Ints
    key: Ints

    @staticmethod
    def of(deal: Ints, at: Ints, values: pl.Series, deals: int) -> "Track":
        """Entries already in order of deal, time and ordinal."""
        first = np.concatenate([[0], np.cumsum(np.bincount(deal, minlength=deals))])
        return Track(values, at, first, _keys(deal, at))

    def position(self, deal: Ints, at: Ints | int) -> Ints:
        """The entry in force for each deal at each instant (inclusive), -1 where there is none."""
        found: Ints = np.searchsorted(self.key, _keys(deal, at), "right") - 1
        first, when = self.first[deal], np.broadcast_to(np.asarray(at), found.shape)
        late = np.flatnonzero(found >= first)
        while (late := late[self.at[found[late]] > when[late]]).size:  # within the same second
            found[late] -= 1
            late = late[found[late] >= first[late]]
        return np.asarray(np.where(found >= first, found, np.int64(-1)))

    def ordinal(self, deal: Ints, at: Ints | int) -> Ints:
        """How many entries each deal has at each instant."""
        return np.asarray(np.maximum(self.position(deal, at) - self.first[deal] + 1, 0))

    def value(self, position: Ints) -> pl.Series:
        """Values at `position`, null for -1."""
        if not len(self.values):
            return pl.Series(self.values.name, [None], self.values.dtype).new_from_index(
                0, len(position)
            )
        none = position < 0
        if not none.any():
            return self.values.gather(position)
        return self.values.gather(
            pl.Series(position)
            .to_frame("n")
            .select(pl.when(pl.col("n") >= 0).then("n"))
            .to_series()
        )

    def time(self, position: Ints, missing: int = NEVER) -> Ints:
        """When the entry at `position` was made, `missing` for -1."""
        if not len(self.at):
            return np.full(len(position), missing, np.int64)
        return np.where(position >= 0, self.at[position], missing)


def _keys(deal: Ints, at: Ints | int) -> Ints:
    seconds = np.clip(np.asarray(at) // 1_000_000, 0, _LAST_SECOND)
    return np.asarray((deal.astype(np.int64) << _SECOND_BITS) | seconds)


class Tracks:
    """The tracks of an account by field, with the deals' row numbers that they are keyed by.

    A first change that names its old value speaks for the time before it, since the creation,
    unless it was seen by comparing pulls: then nobody knows how long that value had stood.
    Changes in order of deal and time, as the mirror gives them, need no sorting.
    """

    def __init__(self, deals: pl.DataFrame, changes: pl.DataFrame, zone: str) -> None:
        self.deals = deals if _in_order(deals) else deals.sort(*KEY)
        self.zone = zone
        self.created = micros(self.deals["created_at"])
        self._row = row_numbers(self.deals, changes).cast(pl.Int32).fill_null(-1).to_numpy()
        # without ids, and few words as numbers: half of what millions of changes take
        self._changes = changes.select(
            pl.col("field", "source").cast(pl.Categorical), "old", "new", "changed_at", "ordinal"
        )
        self._fields = frozenset(changes["field"].filter(pl.Series(self._row >= 0)).unique())
        self._made: dict[str, Track] = {}

    def __contains__(self, field: str) -> bool:
        return field in self._fields

    def __getitem__(self, field: str) -> Track:
        """The field's track: amounts as numbers, close dates as the account's days, else text.

        `human_change`: entries for every change by a person, whatever the field.
        """
        if field not in self._made:
            self._made[field] = self._people() if field == "human_change" else self._make(field)
        return self._made[field]

    def seen_late(self, field: str) -> Bools:
        """Deals whose first change of the field was seen by comparing pulls: since when the value
        before it had stood, nobody knows.
        """
        rows, row, _ = self._of_field(field)
        late = np.zeros(self.deals.height, np.bool_)
        late[row[_begins(row) & (rows["source"] == "diff").to_numpy()]] = True
        return late

    def _make(self, field: str) -> Track:
        rows, row, at = self._of_field(field)
        row, at, values = self._with_what_was_before(rows, row, at)
        # an entry that says what the one before said is no change
        told = values.ne_missing(values.shift()).to_numpy() | _begins(row)
        if not told.all():
            row, at, values = row[told], at[told], values.filter(pl.Series(told))
        return Track.of(row, at, _typed(values, field, self.zone), self.deals.height)

    def _with_what_was_before(
        self, rows: pl.DataFrame, row: Ints, at: Ints
    ) -> tuple[Ints, Ints, pl.Series]:
        """The entries, and before each deal's first one the value that it replaced."""
        known = rows.select(pl.col("old").is_not_null() & (pl.col("source") != "diff"))
        before = np.flatnonzero(
            _begins(row) & known.to_series().to_numpy() & (self.created[row] < at)
        )
        if not before.size:
            return row, at, rows["new"]
        values = pl.concat([rows["new"], rows["old"].gather(before)])
        places = np.insert(np.arange(len(row)), before, len(row) + np.arange(before.size))
        return (
            np.insert(row, before, row[before]),
            np.insert(at, before, self.created[row[before]]),
            values.gather(places),
        )

    def _people(self) -> Track:
        """Changes by people; empty where the account's history never names one."""
        rows, row = self._of(pl.col("source") == "human")
        at = micros(rows["changed_at"])
        order = _order(row, at, np.zeros(len(row), np.int8))
        if order is not None:
            row, at = row[order], at[order]
        apart = _begins(row)
        apart[1:] |= at[1:] != at[:-1]  # several fields changed at once: one touch
        row, at = row[apart], at[apart]
        return Track.of(row, at, pl.repeat(True, len(row), eager=True), self.deals.height)

    def _of_field(self, field: str) -> tuple[pl.DataFrame, Ints, Ints]:
        """The field's changes in order of deal, time and ordinal, with their rows and instants."""
        rows, row = self._of((pl.col("field") == field) if field in self else pl.lit(False))
        at = micros(rows["changed_at"])
        order = _order(row, at, rows["ordinal"].to_numpy())
        return (rows, row, at) if order is None else (rows[order], row[order], at[order])

    def _of(self, wanted: pl.Expr) -> tuple[pl.DataFrame, Ints]:
        """These changes of known deals, and their deals' rows."""
        mask = self._changes.select(wanted).to_series().to_numpy() & (self._row >= 0)
        rows = self._changes.select("old", "new", "changed_at", "ordinal", "source")
        return rows.filter(pl.Series(mask)), self._row[mask].astype(np.int64)


def _in_order(deals: pl.DataFrame) -> bool:
    connection, deal = pl.col("connection"), pl.col("deal_id")
    before = (connection.shift(), deal.shift())
    rises = (connection > before[0]) | ((connection == before[0]) & (deal > before[1]))
    return bool(deals.select(rises.fill_null(True).all()).item())


def _begins(row: Ints) -> Bools:
    """Where another deal's entries begin."""
    return np.concatenate([[True], row[1:] != row[:-1]]) if len(row) else np.empty(0, np.bool_)


def _order(row: Ints, at: Ints, ordinal: npt.NDArray[Any]) -> Ints | None:
    """What puts entries in order of deal, time and ordinal; None where they are."""
    same = row[1:] == row[:-1]
    level = same & (at[1:] == at[:-1])
    falls = (
        (row[1:] < row[:-1]) | (same & (at[1:] < at[:-1])) | (level & (ordinal[1:] < ordinal[:-1]))
    )
    return np.lexsort((ordinal, at, row)) if falls.any() else None


def _typed(values: pl.Series, field: str, zone: str) -> pl.Series:
    if field in ("amount", "rep_amount", "rep_probability"):
        number = values.cast(pl.Float64, strict=False)
        return number.to_frame().select(pl.when(pl.all().is_finite()).then(pl.all())).to_series()
    if field == "close_date":
        return values.to_frame("day").select(account_day(pl.col("day"), zone)).to_series()
    return values
