"""What an analysis of the company should find again, as plain JSON values."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from sync.sandbox.generator.amounts import SECOND, Amounts, text
from sync.sandbox.generator.arrays import DAY_MS, Flags, Instants
from sync.sandbox.generator.book import SEASONALITY, Book
from sync.sandbox.generator.happenings import instants
from sync.sandbox.generator.lives import Lives
from sync.sandbox.generator.people import Reps
from sync.sandbox.generator.selling import PROCESSES
from sync.sandbox.generator.settings import CompanySettings
from sync.sandbox.generator.work_calendar import WorkCalendar

Truth = dict[str, Any]


def stage_truth(book: Book, lives: Lives, calendar: WorkCalendar, until: int) -> Truth:
    """Per pipeline and stage. `until`: the present.

    win_rate: expected share won, of all deals that enter it, whether that is in the past or not.
    mean_days: calendar days from entering it to leaving it for the next stage or winning, of those
    that have entered it, though some leave in the future; stays that begin in another season than
    any seen are no part of it.
    """
    at = calendar.instant(np.where(np.isfinite(lives.entered), lives.entered, 0.0))
    left = calendar.instant(np.where(np.isfinite(lives.ended), lives.ended, 0.0))
    return {
        process.id: {
            stage.id: _stage(book, lives, number, at, left, index, until)
            | {"claimed": float(stage.claimed), "advances": stage.advances}
            for index, stage in enumerate(process.open_stages)
        }
        for number, process in enumerate(PROCESSES)
    }


def _stage(
    book: Book,
    lives: Lives,
    process: int,
    at: Instants,
    closed_at: Instants,
    index: int,
    until: int,
) -> Truth:
    # a stage that was passed over was not reached: it is there for those who come to it only
    has = (book.process == process) & ~_passes_over(lives, index)
    reach = lives.reach[has, index].sum()
    later = np.where(np.isfinite(lives.entered[:, index + 1 :]), at[:, index + 1 :], np.inf)
    left = np.hstack([later, np.where(lives.won, closed_at, np.inf)[:, None]]).min(axis=1)
    entered = np.isfinite(lives.entered[:, index]) & (at[:, index] <= until)
    done = (book.process == process) & entered & np.isfinite(left)
    days = (left[done] - at[done, index]) / DAY_MS
    return {
        "win_rate": _share(lives.win_rate[has].sum(), reach),
        "mean_days": round(float(days.mean()), 2) if len(days) else None,
    }


def _passes_over(lives: Lives, index: int) -> Flags:
    return np.asarray(lives.advance[:, index] == 1.0, dtype=np.bool_)


def rep_truth(book: Book, lives: Lives, reps: Reps, calendar: WorkCalendar) -> Truth:
    """By the first owner of a deal, per owner id.

    win_rate: of all deals; win_rate_decided: of those that are ever closed, which is what
    won / (won + lost) estimates once a cohort is old enough.
    """
    won = lives.win_rate
    decided = won + (1 - won) * (1 - lives.never_closed)
    return {
        owner.id: {
            "skill": round(float(reps.skill[index]), 4),
            "optimism": round(float(reps.optimism[index]), 4),
            "lateness_days": round(float(reps.lateness_days[index]), 1),
            "deals": int((book.rep == index).sum()),
            "win_rate": _share(won[book.rep == index].sum(), float((book.rep == index).sum())),
            "win_rate_decided": _share(
                won[book.rep == index].sum(), decided[book.rep == index].sum()
            ),
            "left_at": None
            if np.isinf(reps.left[index])
            else instants(calendar.instant(reps.left[index : index + 1]))[0].isoformat(),
        }
        for index, owner in enumerate(reps.owners)
    }


def company_truth(
    book: Book,
    lives: Lives,
    amounts: Amounts,
    settings: CompanySettings,
    keys: Sequence[str],
    open_now: Flags,
    ends_at: Instants,
) -> Truth:
    """Rates of the whole company, and how each deal that is open now will end.

    open: key -> fate (won, lost, or zombie: never closed), ends_at (closing, or the last time
    that anybody touched or will touch a zombie), amount (at the end, in the deal's currency).
    """
    lost = ~lives.won
    still = np.flatnonzero(open_now)
    fates = np.where(lives.zombie, "zombie", np.where(lives.won, "won", "lost"))[still].tolist()
    ends = [moment.isoformat() for moment in instants(ends_at[still])]
    values = [text(cents) for cents in amounts.ends[still].tolist()]
    return {
        "win_rate": {
            process.id: _share(
                lives.win_rate[book.process == number].sum(),
                float((book.process == number).sum()),
            )
            for number, process in enumerate(PROCESSES)
        },
        "seasonality": {str(month): factor for month, factor in SEASONALITY.items()},
        "growth_per_year": settings.growth_per_year,
        "second_currency": {
            "code": SECOND,
            "share": _share(float(amounts.in_second.sum()), float(len(book))),
        },
        "zombies_of_lost": _share(float(lives.zombie.sum()), float(lost.sum())),
        "settings": asdict(settings),
        "open": {
            keys[deal]: {"fate": fate, "ends_at": end, "amount": value}
            for deal, fate, end, value in zip(still.tolist(), fates, ends, values, strict=True)
        },
    }


def planted(defects: Mapping[str, Flags], keys: Sequence[str]) -> dict[str, list[str]]:
    """Defect -> the keys of the deals that have it now."""
    return {
        name: [keys[deal] for deal in np.flatnonzero(which).tolist()]
        for name, which in defects.items()
    }


def _share(part: float, whole: float) -> float | None:
    return round(float(part / whole), 6) if whole else None
