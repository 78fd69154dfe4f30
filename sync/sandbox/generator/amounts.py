"""Amounts: log-normal by kind and customer size, sometimes late, sometimes changed."""

from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from sync.sandbox.generator.arrays import Cents, Flags, Floats, Instants
from sync.sandbox.generator.book import Book
from sync.sandbox.generator.happenings import Happenings
from sync.sandbox.generator.lives import Lives
from sync.sandbox.generator.selling import MOST_STAGES, PROCESSES, RENEWALS
from sync.sandbox.generator.settings import CompanySettings

HOME, SECOND = "NOK", "EUR"
RATES = {SECOND: Decimal("11.65")}

_MEDIAN = np.array([48_000.0, 190_000.0, 720_000.0])  # NOK, by segment, new business
_SPREAD = 0.65
_EXISTING, _RENEWAL = 0.5, 0.8  # x the median
_REVISED, _DISCOUNTED = 0.35, 0.30  # share changed with the offer, and on winning


@dataclass(frozen=True, slots=True)
class Amounts:
    """missing, zero: as known at the present. in_second: deals in the second currency. ends:
    the amount a deal ends with, in hundredths of its currency, whether it is entered or not."""

    happenings: list[Happenings]
    missing: Flags
    zero: Flags
    in_second: Flags
    ends: Cents


def amounts(
    book: Book,
    lives: Lives,
    entered_at: Instants,
    closed_at: Instants,
    settings: CompanySettings,
    rng: np.random.Generator,
) -> Amounts:
    """First amounts, revisions with the offer, and discounts on winning."""
    n = len(book)
    in_second = rng.random(n) < settings.second_currency
    first = _first(book, in_second, rng)
    _copy_to_duplicates(book, first, in_second)
    revision = np.where(rng.random(n) < _REVISED, rng.lognormal(-0.02, 0.22, n), 1.0)
    revised = np.where(revision == 1.0, first, _tidy(first * revision / 100))
    discount = np.where(rng.random(n) < _DISCOUNTED, rng.uniform(0.80, 0.98, n), 1.0)
    final = np.where(lives.won & (discount < 1), (revised * discount).astype(np.int64), revised)

    dice = rng.random(n)
    never = dice < settings.amount_missing
    zero = ~never & (dice < settings.amount_missing + settings.amount_zero)
    late = ~never & ~zero & (rng.random(n) < settings.amount_late)
    normal = ~never & ~zero
    offered_at = _offered(book, entered_at)
    entered = np.where(late, np.where(offered_at >= 0, offered_at, _NEVER), book.created)
    entered = np.where(late & lives.won, np.minimum(entered, closed_at), entered)
    present = entered <= book.known_until
    offered = normal & (offered_at >= 0)
    happenings = [
        Happenings(
            np.arange(n),
            book.created,
            "currency",
            [SECOND if is_second else HOME for is_second in in_second.tolist()],
        ),
        _batch(zero, book.created, np.zeros(n, dtype=np.int64)),
        _batch(normal & ~late, book.created, first),
        _batch(offered, offered_at, revised),
        _batch(normal & lives.won, closed_at, final),
    ]
    return Amounts(happenings, never | (late & ~present), zero, in_second, final)


_NEVER = np.iinfo(np.int64).max


def _first(book: Book, in_second: Flags, rng: np.random.Generator) -> Cents:
    kind = np.where(book.process == RENEWALS, _RENEWAL, np.where(book.existing, _EXISTING, 1.0))
    nok = _MEDIAN[book.segment] * kind * rng.lognormal(0.0, _SPREAD, len(book))
    own = np.where(in_second, nok / float(RATES[SECOND]), nok)
    exact = rng.random(len(book)) < 0.15  # counted up from price lists, to the last øre
    return np.asarray(np.where(exact, (own * 100).astype(np.int64), _tidy(own)), dtype=np.int64)


def _tidy(amount: Floats) -> Cents:
    """Rounded to two leading digits and a half, as people type, in hundredths."""
    step = 10.0 ** np.floor(np.log10(np.maximum(amount, 10.0)) - 1) / 2
    tidy = np.maximum(np.round(amount / step), 1) * step
    return np.asarray(np.round(tidy * 100), dtype=np.int64)


def _copy_to_duplicates(book: Book, first: Cents, in_second: Flags) -> None:
    twice = book.duplicate_of >= 0
    for array in (first, in_second):
        array[twice] = array[book.duplicate_of[twice]]


def _offered(book: Book, entered_at: Instants) -> Instants:
    """When a deal first came to its offer or past it; -1 = never."""
    offer = np.array([process.offer for process in PROCESSES])[book.process]
    late_enough = (np.arange(MOST_STAGES) >= offer[:, None]) & (entered_at >= 0)
    first = np.where(late_enough, entered_at, _NEVER).min(axis=1)
    return np.asarray(np.where(first == _NEVER, -1, first), dtype=np.int64)


def _batch(which: Flags, at: Instants, cents: Cents) -> Happenings:
    deal = np.flatnonzero(which)
    return Happenings(deal, at[deal], "amount", [text(value) for value in cents[deal].tolist()])


def text(cents: int) -> str:
    """A plain decimal, with two places only where it needs them."""
    whole, rest = divmod(cents, 100)
    return f"{whole}.{rest:02}" if rest else str(whole)
