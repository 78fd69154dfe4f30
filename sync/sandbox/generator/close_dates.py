"""Close dates as people keep them: hopeful, at month ends, pushed when already passed."""

from dataclasses import dataclass

import numpy as np

from sync.sandbox.company import Who
from sync.sandbox.generator.arrays import DAY_MS, Flags, Indices, Instants
from sync.sandbox.generator.book import Book
from sync.sandbox.generator.happenings import Happenings, iso_instants
from sync.sandbox.generator.lives import Lives
from sync.sandbox.generator.people import Reps
from sync.sandbox.generator.selling import by_stage
from sync.sandbox.generator.settings import CompanySettings
from sync.sandbox.generator.work_calendar import WorkCalendar

_HOPE = 0.65  # the first close date comes after so much of the average won deal's time
_MOST_PUSHES = 12
_PUSHED_EARLY = 0.35  # of the pushes: made before the date has passed
_LATE_EVENING = 0.02  # of the dates: at 22:30 UTC, already the next day in Oslo
_LATE_EVENING_MS = int(22.5 * 3_600_000)
_MONTH_END, _QUARTER_END = 0.40, 0.15  # of the dates people choose


@dataclass(frozen=True, slots=True)
class CloseDates:
    """missing, never_chosen, pushed: flags per deal, as known at the present; `close_date` is
    the present one of a deal that is still open."""

    happenings: list[Happenings]
    missing: Flags
    never_chosen: Flags
    pushed: Flags
    close_date: Instants


def close_dates(
    book: Book,
    lives: Lives,
    reps: Reps,
    closed_at: Instants,
    calendar: WorkCalendar,
    settings: CompanySettings,
    rng: np.random.Generator,
) -> CloseDates:
    """All close dates of all deals; a closing sets the closing's own instant."""
    dice = rng.random(len(book))
    missing = dice < settings.close_date_missing
    never = ~missing & (dice < settings.close_date_missing + settings.close_date_never_chosen)
    everyone = np.arange(len(book))
    first = np.where(
        never,
        _keeping_time(_month_end(book.created), book.created),
        _chosen(book.created, _first_guess(book, settings.cycle_length, rng), rng),
    )
    events = [_batch(everyone[~missing], book.created[~missing], first[~missing])]
    present, asked = first.copy(), book.created.copy()
    kept = ~missing & ~never
    pushed = np.zeros(len(book), dtype=np.bool_)
    quiet_at = calendar.instant(lives.quiet)
    for _ in range(_MOST_PUSHES):
        deal, at, new = _push(kept, present, asked, quiet_at, book, reps, calendar, rng)
        if not len(deal):
            break
        events.append(_batch(deal, at, new))
        kept = np.isin(everyone, deal)
        known = at <= book.known_until[deal]
        present[deal[known]], asked[deal] = new[known], at
        pushed[deal[known]] = True
        kept[deal[~known]] = False
    events.append(
        _pull_in(present, asked, quiet_at, ~missing & ~never, book, settings, calendar, rng)
    )
    closed = np.flatnonzero(np.isfinite(lives.ended))
    events.append(_batch(closed, closed_at[closed], closed_at[closed], who="automation"))
    return CloseDates(events, missing, never, pushed, present)


def _first_guess(book: Book, cycle_length: float, rng: np.random.Generator) -> Indices:
    """Calendar days from creation to the first close date that a hopeful rep chooses."""
    working = by_stage("working_days").sum(axis=1)[book.process] * cycle_length
    typical = working * 365.25 / 240
    hoped = typical * _HOPE * rng.lognormal(0.0, 0.4, len(book)) + 3
    return np.asarray(hoped, dtype=np.int64)


def _push(
    kept: Flags, present: Instants, asked: Instants, quiet_at: Instants,
    book: Book, reps: Reps, calendar: WorkCalendar, rng: np.random.Generator,
) -> tuple[Indices, Instants, Instants]:  # fmt: skip
    """The next push of those deals whose date passes, or nearly, while somebody still cares."""
    deal = np.flatnonzero(kept)
    late = rng.exponential(1.0, len(deal)) * reps.lateness_days[book.rep[deal]]
    early = rng.random(len(deal)) < _PUSHED_EARLY
    wait = np.where(early, -rng.uniform(1.0, 6.0, len(deal)), late)
    due = np.maximum(present[deal], asked[deal]) + (wait * DAY_MS).astype(np.int64)
    at = calendar.instant(calendar.position(np.maximum(due, asked[deal] + DAY_MS)))
    by_days = rng.gamma(2.0, 16.0, len(deal)).astype(np.int64) + 4
    new = _chosen(np.maximum(present[deal], at), by_days, rng, time_of=at)
    happens = (at < quiet_at[deal]) & (new > present[deal])
    return deal[happens], at[happens], new[happens]


def _pull_in(
    present: Instants, asked: Instants, quiet_at: Instants, kept: Flags,
    book: Book, settings: CompanySettings, calendar: WorkCalendar, rng: np.random.Generator,
) -> Happenings:  # fmt: skip
    """An earlier date, a few days before the end of deals that go faster than planned."""
    before = (rng.uniform(3.0, 15.0, len(book)) * DAY_MS).astype(np.int64)
    at = calendar.instant(calendar.position(quiet_at - before))
    new = at + rng.integers(2, 12, len(book)) * DAY_MS
    happens = kept & (rng.random(len(book)) < settings.pull_ins) & (at > asked) & (new < present)
    deal = np.flatnonzero(happens & (at <= book.known_until))
    present[deal] = new[deal]
    return _batch(deal, at[deal], new[deal])


def _chosen(
    begin: Instants, days: Indices, rng: np.random.Generator, *, time_of: Instants | None = None
) -> Instants:
    """Dates `days` after `begin`, many moved to the end of their month or quarter.

    The time of day is that of the choice, which is what a CRM's date picker stores.
    """
    target = begin + days * DAY_MS
    dice = rng.random(len(begin))
    day = np.where(
        dice < _MONTH_END,
        _month_end(target),
        np.where(dice < _MONTH_END + _QUARTER_END, _quarter_end(target), target // DAY_MS),
    )
    chosen = _keeping_time(day, begin if time_of is None else time_of)
    evening = rng.random(len(begin)) < _LATE_EVENING
    return np.asarray(np.where(evening, day * DAY_MS + _LATE_EVENING_MS, chosen), dtype=np.int64)


def _keeping_time(day: Indices, of: Instants) -> Instants:
    return np.asarray(day * DAY_MS + of % DAY_MS, dtype=np.int64)


def _month_end(at: Instants) -> Indices:
    """The last day of the month, in days since 1970."""
    return _day_before_month(
        at.astype("datetime64[ms]").astype("datetime64[M]").astype(np.int64) + 1
    )


def _quarter_end(at: Instants) -> Indices:
    month = at.astype("datetime64[ms]").astype("datetime64[M]").astype(np.int64)
    return _day_before_month((month // 3 + 1) * 3)


def _day_before_month(month: Indices) -> Indices:
    first = month.astype("datetime64[M]").astype("datetime64[D]")
    return np.asarray(first.astype(np.int64) - 1, dtype=np.int64)


def _batch(deal: Indices, at: Instants, date: Instants, *, who: Who = "human") -> Happenings:
    return Happenings(deal, at, "close_date", iso_instants(date), who)
