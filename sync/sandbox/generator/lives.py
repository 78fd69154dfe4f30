"""How each deal runs through its pipeline: which stages, for how long, and to which end."""

from dataclasses import dataclass

import numpy as np

from sync.sandbox.generator.arrays import Flags, Floats, Indices
from sync.sandbox.generator.book import SEGMENT_EFFECT, SEGMENT_SLOWNESS, SOURCE_EFFECT, Book
from sync.sandbox.generator.people import Reps
from sync.sandbox.generator.selling import (
    MOST_STAGES,
    STAGE_COUNT,
    by_stage,
    with_planted,
)
from sync.sandbox.generator.settings import CompanySettings
from sync.sandbox.generator.work_calendar import WorkCalendar

_SKIPPED = 0.06  # share of middle stages that are passed over
_LINGER = 1.3  # a lost deal stays so much longer in the stage in which it is lost
_DUPLICATES_LINGER = 3.0
_DEAD_AFTER = 0.35  # of the time in that stage: when a deal that nobody closes was last touched
_DURATION_SHAPE = 1.8  # gamma; 1 = no memory, larger = more regular
_RUSH_WITHIN = 20.0  # working days before a quarter's end
_RUSH_LASTS = 4.0


@dataclass(frozen=True, slots=True)
class Lives:
    """Arrays with one row per deal; all positions are working time.

    entered: position of entering each stage, inf = never. last_stage: index of the last open one.
    ended: closing, inf for zombies. quiet: the last moment at
    which anybody cares: closing, or a zombie's death. advance: this deal's chance to leave
    each stage upwards (1 where it has no such stage); never_closed: to stay open when lost.
    """

    entered: Floats
    last_stage: Indices
    ended: Floats
    quiet: Floats
    won: Flags
    zombie: Flags
    advance: Floats
    never_closed: Floats

    @property
    def win_rate(self) -> Floats:
        """Each deal's own true chance to be won, seen from its creation."""
        return np.asarray(self.advance.prod(axis=1), dtype=np.float64)

    @property
    def win_rate_from(self) -> Floats:
        """The same seen from each stage (deal x stage)."""
        return np.asarray(np.cumprod(self.advance[:, ::-1], axis=1)[:, ::-1], dtype=np.float64)

    @property
    def reach(self) -> Floats:
        """Each deal's true chance to come to each stage or past it (deal x stage)."""
        passed = np.cumprod(self.advance, axis=1)
        return np.asarray(np.hstack([np.ones((len(passed), 1)), passed[:, :-1]]), dtype=np.float64)


def live(
    book: Book,
    reps: Reps,
    calendar: WorkCalendar,
    settings: CompanySettings,
    rng: np.random.Generator,
) -> Lives:
    """Draws every deal's whole life, beyond the present too."""
    shape = (len(book), MOST_STAGES)
    stage = np.arange(MOST_STAGES)
    count = STAGE_COUNT[book.process][:, None]
    absent = (stage >= count) | ((rng.random(shape) < _SKIPPED) & (stage > 0) & (stage < count - 1))
    advance = _advance(book, reps, absent, settings)
    fails = rng.random(shape) >= advance
    won = np.logical_not(fails.any(axis=1))
    last = np.where(won, count[:, 0] - 1, fails.argmax(axis=1))
    stays = _stays(book, absent, rng, settings)
    rows = np.arange(len(book))
    stays[rows[~won], last[~won]] *= _LINGER
    stays[book.duplicate_of >= 0] *= _DUPLICATES_LINGER
    stays[stage > last[:, None]] = 0.0
    entered = book.position[:, None] + np.cumsum(stays, axis=1) - stays
    last_entered = entered[rows, last]
    ended = last_entered + stays[rows, last]
    entered[absent | (stage > last[:, None])] = np.inf
    never_closed = np.where(book.duplicate_of >= 0, 0.0, settings.zombies)
    zombie = ~won & (rng.random(len(book)) < never_closed)
    quiet = np.where(zombie, last_entered + _DEAD_AFTER * stays[rows, last], ended)
    hurried = won & (rng.random(len(book)) < settings.quarter_end_rush)
    signed = _at_quarter_end(ended, calendar, rng)
    ended, quiet = np.where(hurried, signed, ended), np.where(hurried, signed, quiet)
    ended = np.where(zombie, np.inf, ended)
    return Lives(entered, last, ended, quiet, won, zombie, advance, never_closed)


def _advance(book: Book, reps: Reps, absent: Flags, settings: CompanySettings) -> Floats:
    table = with_planted(by_stage("advances"), settings.leaky_stage, settings.leaky_factor)
    base = table[book.process]
    with np.errstate(divide="ignore"):
        log_odds = np.log(base) - np.log1p(-base)
    effect = reps.skill[book.rep] + SOURCE_EFFECT[book.source] + SEGMENT_EFFECT[book.segment]
    advance = 1.0 / (1.0 + np.exp(-(log_odds + effect[:, None])))
    advance[absent] = 1.0
    advance[book.duplicate_of >= 0, 0] = 0.0
    return np.asarray(advance, dtype=np.float64)


def _stays(
    book: Book, absent: Flags, rng: np.random.Generator, settings: CompanySettings
) -> Floats:
    """Working days in each stage; at least a quarter of an hour."""
    spread = 0.35
    own = np.exp(rng.normal(-(spread**2) / 2, spread, len(book)))
    slowness = own * SEGMENT_SLOWNESS[book.segment] * settings.cycle_length
    table = with_planted(by_stage("working_days"), settings.slow_stage, settings.slow_factor)
    mean = table[book.process] * slowness[:, None]
    stays = rng.gamma(_DURATION_SHAPE, 1.0, absent.shape) / _DURATION_SHAPE * mean + 0.03
    stays[absent] = 0.0
    return np.asarray(stays, dtype=np.float64)


def _at_quarter_end(ended: Floats, calendar: WorkCalendar, rng: np.random.Generator) -> Floats:
    """The same, but moved into the last days of the quarter where that is near."""
    quarter_ends = calendar.position(_quarter_ends(calendar))
    nearest = np.minimum(np.searchsorted(quarter_ends, ended), len(quarter_ends) - 1)
    end = quarter_ends[nearest]
    wait = end - ended
    near = (wait > _RUSH_LASTS) & (wait < _RUSH_WITHIN)
    signed = end - rng.uniform(0.05, _RUSH_LASTS, len(ended))
    return np.asarray(np.where(near, signed, ended), dtype=np.float64)


def _quarter_ends(calendar: WorkCalendar) -> Indices:
    """The first instants of all quarters in the calendar; roughly, to a night."""
    firsts = [day for day in calendar.days if day.day == 1 and day.month in (1, 4, 7, 10)]
    return np.array(firsts, dtype="datetime64[ms]").astype(np.int64)
