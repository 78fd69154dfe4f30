"""Calls, mails and meetings: fewer and fewer on a deal that will be lost."""

from datetime import datetime
from itertools import pairwise

import numpy as np

from sync.sandbox.generator.arrays import DAY_MS, Flags
from sync.sandbox.generator.book import Book
from sync.sandbox.generator.happenings import instants
from sync.sandbox.generator.lives import Lives
from sync.sandbox.generator.settings import CompanySettings
from sync.sandbox.generator.work_calendar import WorkCalendar

_PER_WORKING_DAY = 0.2
_MOST = 60
_THINNING = 2.2  # 1 = evenly spread; larger = sooner quiet


def activities(
    book: Book, lives: Lives, calendar: WorkCalendar, rng: np.random.Generator
) -> list[list[datetime]]:
    """Per deal the instants of its activities up to the present, in order."""
    life = lives.quiet - book.position
    thinning = np.where(lives.won, 1.0, _THINNING)
    expected = _PER_WORKING_DAY * life / np.sqrt(thinning)
    counts = np.minimum(rng.poisson(expected), _MOST) + 1  # the first contact makes the deal
    deal = np.repeat(np.arange(len(book)), counts)
    share = rng.random(len(deal)) ** thinning[deal]
    at = calendar.instant(book.position[deal] + share * life[deal])
    known = at <= book.known_until[deal]
    deal, at = deal[known], np.maximum(at, book.created[deal])[known]
    order = np.lexsort((at, deal))
    found = instants(at[order])
    edges = np.searchsorted(deal[order], np.arange(len(book) + 1)).tolist()
    return [found[begin:end] for begin, end in pairwise(edges)]


def next_activities(
    book: Book,
    alive: Flags,
    until: int,
    settings: CompanySettings,
    calendar: WorkCalendar,
    rng: np.random.Generator,
) -> list[datetime | None]:
    """The planned next activity within two weeks, of those of the `alive` deals that have one."""
    planned = alive & (rng.random(len(book)) >= settings.no_next_activity)
    ahead = (rng.uniform(0.2, 14.0, len(book)) * DAY_MS).astype(np.int64)
    found = instants(calendar.instant(calendar.position(until + ahead) + 0.01))
    return [at if has else None for at, has in zip(found, planned.tolist(), strict=True)]
