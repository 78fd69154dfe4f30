"""Working time: deals move on working days, in office hours, slowly in July and at Christmas."""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from sync.sandbox.generator.arrays import Indices, Instants, Positions
from sync.sandbox.generator.settings import CompanySettings

_OPENS = time(8, 0)
_OFFICE_MS = int(8.5 * 3_600_000)
_FIXED_HOLIDAYS = {(1, 1), (5, 1), (5, 17), (12, 24), (12, 25), (12, 26), (12, 31)}
_EASTER_HOLIDAYS = (-3, -2, 1, 39, 50)


class WorkCalendar:
    """Translates between instants and working time, for whole arrays.

    A position counts working days at full pace; a day of July at pace 0.5 is half a working
    day wide, weekends and Norwegian public holidays have no width. Positions outside the
    calendar stop at its ends.
    """

    def __init__(self, first: date, last: date, zone: ZoneInfo, settings: CompanySettings) -> None:
        self.days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        holidays = {
            easter(year) + timedelta(days=offset)
            for year in range(first.year, last.year + 1)
            for offset in _EASTER_HOLIDAYS
        }
        self.pace = np.array([_pace(day, holidays, settings) for day in self.days])
        self._before = np.concatenate(([0.0], np.cumsum(self.pace)))
        opens = [datetime.combine(day, _OPENS, zone).timestamp() for day in self.days]
        self._opens = np.array(opens, dtype=np.int64) * 1000

    def position(self, at: Instants) -> Positions:
        """The working time passed at these instants."""
        day = np.clip(np.searchsorted(self._opens, at, side="right") - 1, 0, len(self.days) - 1)
        share = np.clip((at - self._opens[day]) / _OFFICE_MS, 0.0, 1.0)
        return np.asarray(self._before[day] + self.pace[day] * share, dtype=np.float64)

    def instant(self, position: Positions) -> Instants:
        """The instants, in office hours, at which so much working time has passed."""
        inside = np.clip(position, 0.0, self._before[-1] - 1e-6)
        day = np.searchsorted(self._before, inside, side="right") - 1
        share = (inside - self._before[day]) / self.pace[day]
        return np.asarray(self._opens[day] + (share * _OFFICE_MS).astype(np.int64), dtype=np.int64)

    def on_day(self, day: Indices, share: npt.NDArray[np.float64]) -> Positions:
        """The positions a `share` (0-1) into the working days with these indices."""
        return np.asarray(self._before[day] + self.pace[day] * share, dtype=np.float64)


def easter(year: int) -> date:
    """Easter Sunday of the Gregorian calendar (Meeus, Jones, Butcher)."""
    a, (b, c) = year % 19, divmod(year, 100)
    d, e = divmod(b, 4)
    h = (19 * a + b - d - (b - (b + 8) // 25 + 1) // 3 + 15) % 30
    i, k = divmod(c, 4)
    weekday = (32 + 2 * e + 2 * i - h - k) % 7
    m = (a + 11 * h + 22 * weekday) // 451
    month, day = divmod(h + weekday - 7 * m + 114, 31)
    return date(year, month, day + 1)


def _pace(day: date, holidays: set[date], settings: CompanySettings) -> float:
    if day.weekday() >= 5 or day in holidays or (day.month, day.day) in _FIXED_HOLIDAYS:
        return 0.0
    if day.month == 7:
        return settings.july_pace
    if (day.month == 12 and day.day >= 20) or (day.month == 1 and day.day <= 2):
        return settings.christmas_pace
    return 1.0
