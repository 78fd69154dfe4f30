"""Whose a deal is: from the beginning, after a hand-over, and after its owner has left."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sync.sandbox.generator.arrays import Flags, Indices
from sync.sandbox.generator.book import Book
from sync.sandbox.generator.happenings import Happenings, picked
from sync.sandbox.generator.lives import Lives
from sync.sandbox.generator.people import Reps, at_work, draw
from sync.sandbox.generator.settings import CompanySettings
from sync.sandbox.generator.work_calendar import WorkCalendar


@dataclass(frozen=True, slots=True)
class Ownership:
    """none: deals without an owner. present: index of the rep who owns each deal now."""

    happenings: list[Happenings]
    none: Flags
    present: Indices


def ownership(
    book: Book,
    lives: Lives,
    reps: Reps,
    calendar: WorkCalendar,
    settings: CompanySettings,
    rng: np.random.Generator,
) -> Ownership:
    """First owners and hand-overs; a deal without an owner never gets one."""
    none = rng.random(len(book)) < settings.owner_missing
    ids = [owner.id for owner in reps.owners]
    owned = np.flatnonzero(~none)
    events = [Happenings(owned, book.created[owned], "owner", picked(ids, book.rep[owned]))]
    present = book.rep.copy()
    some_time = book.position + rng.uniform(0.05, 0.95, len(book)) * (lives.quiet - book.position)
    handed = ~none & (rng.random(len(book)) < settings.handed_over)
    inherited_at = reps.left[book.rep] + rng.uniform(0.0, 8.0, len(book))
    alive = inherited_at < lives.quiet
    inherited = ~none & alive & (rng.random(len(book)) >= settings.leaver_deals_kept)
    for which, position in ((handed & (some_time < reps.left[book.rep]), some_time),
                            (inherited & ~handed, inherited_at)):  # fmt: skip
        deal = np.flatnonzero(which)
        heir = _heirs(book, reps, deal, position[deal], rng)
        at = calendar.instant(position[deal])
        events.append(Happenings(deal, at, "owner", picked(ids, heir)))
        known = at <= book.known_until[deal]
        present[deal[known]] = heir[known]
    return Ownership(events, none, present)


def _heirs(
    book: Book,
    reps: Reps,
    deal: Indices,
    position: npt.NDArray[np.float64],
    rng: np.random.Generator,
) -> Indices:
    """Somebody of the same team who is there then, another one where there is one."""
    same_team = (reps.team[book.rep[deal]][:, None] == np.arange(3)).astype(np.float64)
    weights = at_work(reps, position, same_team)
    others = weights.copy()
    others[np.arange(len(deal)), book.rep[deal]] = 0.0
    alone = others.sum(axis=1) == 0
    return draw(np.where(alone[:, None], weights, others), rng)
