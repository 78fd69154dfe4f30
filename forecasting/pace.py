"""How fast an account works through the week and the year: time as deals feel it.

Nothing moves on a Sunday, and little in July. Counted in calendar days, a deal that came into its
stage on Friday is on Monday as old as one that was worked on for three days; counted in paced days,
of which a week has seven on average, it is not. Learned from the account's own events, so that it
holds wherever the weekend lies. Risk theory knows it as operational time.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np
import polars as pl

from forecasting.tracks import Floats, Ints

PRIOR_EVENTS: Final = 11.0
"""How many events' worth of "as usual" are mixed into a weekday's or a week's pace. Weeks are taken
to differ by 30 %: a gamma law of mean 1 with that deviation weighs 1 / 0.30^2 events.
"""

WEEKS: Final = 52
FEWEST_YEARS: Final = 2
"""Before so many whole years, what a July does cannot be told from what that year did."""

_BURST: Final = 4.0
"""A day counts for so many times the median day with events at most: a bulk edit is no pace."""

_STRAY: Final = 0.01
"""Share of the events that may lie before the history really begins."""

_AHEAD_DAYS: Final = 3 * 366


@dataclass(frozen=True, slots=True)
class Pace:
    """`first`: the first day known. `edges`: the first instants of the account's days, in
    microseconds; `passed`: paced days passed by each. Straight lines between; beyond the ends
    nothing passes.
    """

    first: date
    edges: Ints
    passed: Floats

    def at(self, instants: Ints | int) -> Floats:
        """Paced days passed by these instants; only differences mean anything."""
        return np.asarray(np.interp(instants, self.edges, self.passed))

    def between(self, start: Ints | int, end: Ints | int) -> Floats:
        """Paced days from `start` to `end`, negative where that is earlier."""
        return np.asarray(self.at(end) - self.at(start))

    def by_day(self, day: date) -> float:
        """Paced days passed by the beginning of `day`."""
        return float(self.passed[self._place(day)])

    def from_day(self, day: date, days: int) -> Floats:
        """Paced days from the beginning of `day` to that of the 0th, 1st, ... `days`th after it."""
        place = np.minimum(self._place(day) + np.arange(days + 1), len(self.passed) - 1)
        return np.asarray(self.passed[place] - self.passed[place[0]])

    def until(self, day: date, days: int) -> Floats:
        """Paced days from the beginning of the 0th, 1st, ... `days`th day before `day` to it."""
        place = np.maximum(self._place(day) - np.arange(days + 1), 0)
        return np.asarray(self.passed[place[0]] - self.passed[place])

    def _place(self, day: date) -> int:
        return min(max((day - self.first).days, 0), len(self.passed) - 1)

    def after(self, instant: int, paced_days: Floats) -> Ints:
        """The instants at which so many paced days will have passed since `instant`."""
        return np.interp(self.at(instant) + paced_days, self.passed, self.edges).astype(np.int64)


def learn(
    events: Ints, first: date, today: date, zone: str, lives: tuple[Ints, Ints] | None = None
) -> Pace:
    """The pace that `events` (instants before `today`) show, from `first` to three years ahead.

    Weekdays as events fell on them over the last two years; weeks of the year against the year
    around them, where `FEWEST_YEARS` whole years are known; both drawn towards 1. `lives`: where
    events are of deals, when each deal came and ended: a week in which twice as many were open and
    twice as much happened is no faster than others.
    """
    days = pl.date_range(first, today + timedelta(days=_AHEAD_DAYS), eager=True)
    edges = _midnights(days, zone)
    past = (today - first).days
    place = np.searchsorted(edges, events, "right") - 1
    place = place[(place >= 0) & (place < past)]
    begin = int(np.quantile(place, _STRAY)) if place.size else past
    daily = np.bincount(place, minlength=past)[begin:past].astype(float)
    if daily.any():
        daily = np.minimum(daily, _BURST * float(np.median(daily[daily > 0])))
    standing = np.ones(past) if lives is None else _standing(*lives, edges[: past + 1])
    weekday = days.dt.weekday().to_numpy().astype(np.int64) - 1
    pace = _weekdays(daily, weekday[begin:past])[weekday] * _weeks(
        daily, standing[begin:past], past, len(days)
    )
    return Pace(first, edges, np.concatenate([[0.0], np.cumsum(pace)[:-1]]))


def _midnights(days: pl.Series, zone: str) -> Ints:
    """Where the clocks are put forward at midnight the day begins between its neighbours."""
    local = days.cast(pl.Datetime("us"))
    instants = local.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    return instants.dt.epoch("us").interpolate().cast(pl.Int64).to_numpy()


def _weekdays(daily: Floats, weekday: Ints) -> Floats:
    """Pace of Monday to Sunday, of mean 1, over whole weeks of the last two years."""
    whole = min(len(daily), 2 * 364) // 7 * 7
    recent = slice(len(daily) - whole, None)
    counts = np.bincount(weekday[recent], daily[recent], minlength=7)
    return np.asarray((counts + PRIOR_EVENTS) / (counts.sum() / 7 + PRIOR_EVENTS))


def _standing(came: Ints, ended: Ints, edges: Ints) -> Floats:
    """How many deals were open on each day between `edges`."""
    last = len(edges) - 1
    begun, over = (
        np.bincount(
            np.clip(np.searchsorted(edges, at, "right") - 1, 0, last), minlength=last + 1
        ).cumsum()
        for at in (came, ended)
    )
    return np.asarray((begun - over)[:last], float)


def _weeks(daily: Floats, standing: Floats, past: int, length: int) -> Floats:
    """Pace of each of `length` days, `past` of them before today, by its week of the year against
    the 52 weeks around it, as many deals being open in it as were; of mean 1.
    """
    count = len(daily) // 7
    if count < FEWEST_YEARS * WEEKS:
        return np.ones(length)
    weekly, opened = (
        each[len(each) - 7 * count :].reshape(count, 7).sum(axis=1) for each in (daily, standing)
    )
    around = np.ones(WEEKS + 1)
    around[[0, -1]] = 0.5
    half = WEEKS // 2
    usual_open = np.convolve(opened, around, "valid")
    inside = slice(half, half + len(usual_open))
    level = np.convolve(weekly, around, "valid") * opened[inside] / np.maximum(usual_open, 1.0)
    middle = weekly[inside]
    place = (np.arange(half, half + len(level)) - count) % WEEKS
    seen = np.bincount(place, middle, minlength=WEEKS)
    usual = np.bincount(place, level, minlength=WEEKS)
    pace = (seen + PRIOR_EVENTS) / (usual + PRIOR_EVENTS)
    # the week that begins today has place 0, days before it lie in places before
    week = (np.arange(length) - past) // 7 % WEEKS
    return np.asarray((pace / pace.mean())[week])
