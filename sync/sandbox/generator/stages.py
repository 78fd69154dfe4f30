"""Stage moves, closings and loss reasons as events."""

import numpy as np

from sync.sandbox.generator import names
from sync.sandbox.generator.arrays import Flags, Floats, Indices, Instants
from sync.sandbox.generator.book import Book
from sync.sandbox.generator.happenings import Happenings, picked
from sync.sandbox.generator.lives import Lives
from sync.sandbox.generator.selling import DELETED_STAGE, MOST_STAGES, PROCESSES, SALES
from sync.sandbox.generator.settings import CompanySettings
from sync.sandbox.generator.work_calendar import WorkCalendar

_STEPPED_BACK = 0.03  # share of stages from which a deal goes back for a while

_OPEN_IDS = [
    process.open_stages[index].id if index < len(process.open_stages) else ""
    for process in PROCESSES
    for index in range(MOST_STAGES)
]
_WON_IDS = [process.won for process in PROCESSES]
_LOST_IDS = [process.lost for process in PROCESSES]


def stage_moves(
    book: Book,
    lives: Lives,
    entered_at: Instants,
    closed_at: Instants,
    calendar: WorkCalendar,
    rng: np.random.Generator,
) -> list[Happenings]:
    """Every move of every deal. `entered_at` (deal x stage) holds -1 where never entered."""
    deal, stage = np.nonzero(entered_at >= 0)
    moves = [Happenings(deal, entered_at[deal, stage], "stage", _ids(book, deal, stage))]
    moves += _steps_back(book, lives, calendar, rng)
    for won, ids in ((True, _WON_IDS), (False, _LOST_IDS)):
        closed = np.flatnonzero(np.isfinite(lives.ended) & (lives.won == won))
        stages = picked(ids, book.process[closed])
        moves.append(Happenings(closed, closed_at[closed], "stage", stages))
    return moves


def _ids(book: Book, deal: Indices, stage: Indices) -> list[str]:
    return picked(_OPEN_IDS, book.process[deal] * MOST_STAGES + stage)


def _steps_back(
    book: Book, lives: Lives, calendar: WorkCalendar, rng: np.random.Generator
) -> list[Happenings]:
    """A stage taken back to the one before and then again, all within the stay in it."""
    until = np.minimum(lives.quiet[:, None], _next_entered(lives.entered))
    back = np.isfinite(lives.entered) & (rng.random(lives.entered.shape) < _STEPPED_BACK)
    back[:, 0] = False
    back[:, 1:] &= np.isfinite(lives.entered[:, :-1])
    deal, stage = np.nonzero(back)
    begins, ends = lives.entered[deal, stage], until[deal, stage]
    share = np.sort(rng.uniform(0.1, 0.8, (len(deal), 2)), axis=1)
    there, again = (calendar.instant(begins + share[:, n] * (ends - begins)) for n in (0, 1))
    return [
        Happenings(deal, there, "stage", _ids(book, deal, stage - 1)),
        Happenings(deal, again, "stage", _ids(book, deal, stage)),
    ]


def _next_entered(entered: Floats) -> Floats:
    """The position at which the next stage is entered, inf where there is none."""
    later = np.full_like(entered, np.inf)
    later[:, :-1] = np.minimum.accumulate(entered[:, :0:-1], axis=1)[:, ::-1]
    return later


def deleted_stages(
    book: Book, lives: Lives, settings: CompanySettings, calendar: WorkCalendar,
    rng: np.random.Generator,
) -> tuple[Happenings, Flags]:  # fmt: skip
    """Zombies put, while alive, into a stage that the pipeline no longer has; and which."""
    left = lives.zombie & (book.process == SALES) & (rng.random(len(book)) < settings.deleted_stage)
    deal = np.flatnonzero(left)
    # after the last step there and back, before the deal's death
    last_entered = lives.entered[deal, lives.last_stage[deal]]
    at = calendar.instant(last_entered + 0.9 * (lives.quiet[deal] - last_entered))
    return Happenings(deal, at, "stage", [DELETED_STAGE] * len(deal)), left


def loss_reasons(
    book: Book, lives: Lives, closed_at: Instants, settings: CompanySettings,
    rng: np.random.Generator,
) -> tuple[Happenings, Flags]:  # fmt: skip
    """Reasons of most lost deals; and which will be closed without one."""
    lost = np.isfinite(lives.ended) & ~lives.won
    silent = lost & (book.duplicate_of < 0) & (rng.random(len(book)) < settings.loss_reason_missing)
    deal = np.flatnonzero(lost & ~silent)
    chances = np.array([0.28, 0.26, 0.20, 0.12, 0.08, 0.06])
    reasons = rng.choice(len(names.LOSS_REASONS), size=len(deal), p=chances).tolist()
    values = [
        names.DUPLICATE if original >= 0 else names.LOSS_REASONS[reason]
        for reason, original in zip(reasons, book.duplicate_of[deal].tolist(), strict=True)
    ]
    return Happenings(deal, closed_at[deal], "loss_reason", values), silent
