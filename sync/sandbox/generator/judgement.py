"""What reps say about their deals: forecast category, own probability, next step."""

import numpy as np

from sync.sandbox.generator import names
from sync.sandbox.generator.arrays import Flags, Instants
from sync.sandbox.generator.book import Book
from sync.sandbox.generator.happenings import Happenings, picked
from sync.sandbox.generator.lives import Lives
from sync.sandbox.generator.people import Reps
from sync.sandbox.generator.settings import CompanySettings

_CATEGORIES = ("PIPELINE", "BEST_CASE", "COMMIT")
_BEST_CASE_FROM, _COMMIT_FROM = 0.45, 0.78  # of the rep's believed chance to win
_STATES_PROBABILITY = 0.6  # share of deals whose rep states one
_STATED_FROM_STAGE = 2
_NOISE = 0.45  # of a belief, in log-odds


def judgements(
    book: Book,
    lives: Lives,
    reps: Reps,
    entered_at: Instants,
    closed_at: Instants,
    rng: np.random.Generator,
) -> list[Happenings]:
    """Renewed on every stage; each rep is wrong by their own optimism."""
    deal, stage = np.nonzero(entered_at >= 0)
    chance = np.clip(lives.win_rate_from[deal, stage], 0.01, 0.99)
    belief = np.log(chance / (1 - chance)) + reps.optimism[book.rep[deal]]
    believed = 1 / (1 + np.exp(-belief - rng.normal(0.0, _NOISE, len(deal))))
    category = (believed >= _BEST_CASE_FROM).astype(np.int64) + (believed >= _COMMIT_FROM)
    at = entered_at[deal, stage]
    stated = (rng.random(len(book)) < _STATES_PROBABILITY)[deal] & (stage >= _STATED_FROM_STAGE)
    percent = np.clip(np.round(believed[stated] * 20) * 5, 5, 95).astype(np.int64).tolist()
    closed = np.flatnonzero(np.isfinite(lives.ended))
    final = [("OMITTED", "CLOSED")[won] for won in lives.won[closed].tolist()]
    return [
        Happenings(deal, at, "forecast_category", picked(_CATEGORIES, category)),
        Happenings(closed, closed_at[closed], "forecast_category", final, "automation"),
        Happenings(deal[stated], at[stated], "rep_probability", [f"0.{p:02}" for p in percent]),
    ]


def next_steps(
    book: Book, entered_at: Instants, settings: CompanySettings, rng: np.random.Generator
) -> tuple[Happenings, Flags]:
    """What the rep writes down to do next, on entering a stage; and who never writes it."""
    silent = rng.random(len(book)) < settings.no_next_step
    deal, stage = np.nonzero((entered_at >= 0) & ~silent[:, None])
    steps = picked(names.NEXT_STEPS, stage)
    return Happenings(deal, entered_at[deal, stage], "next_step", steps), silent
