"""What is given about every deal when it is made: when, which kind, whose, for which customer."""

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from sync.sandbox.generator import names
from sync.sandbox.generator.arrays import Flags, Floats, Indices, Instants
from sync.sandbox.generator.people import Reps, at_work, draw
from sync.sandbox.generator.selling import RENEWALS, SALES
from sync.sandbox.generator.settings import CompanySettings
from sync.sandbox.generator.work_calendar import WorkCalendar

SEASONALITY = {
    1: 1.05, 2: 1.05, 3: 1.15, 4: 0.95, 5: 0.90, 6: 1.10,
    7: 0.55, 8: 0.95, 9: 1.15, 10: 1.10, 11: 1.15, 12: 0.80,
}  # fmt: skip
"""Deals created per working day, by month, 1 = average."""

SOURCES = ("inbound", "outbound", "partner_referral", "event", "existing_customer")
SOURCE_EFFECT = np.array([0.0, -0.10, 0.15, -0.08, 0.10])  # log-odds per stage
_NEW_SOURCES = (0.38, 0.30, 0.16, 0.16, 0.0)
_EXISTING_SOURCES = (0.10, 0.05, 0.05, 0.0, 0.80)

SEGMENTS = (0.55, 0.32, 0.13)  # small, middle, large customers
SEGMENT_EFFECT = np.array([0.05, 0.0, -0.08])  # log-odds per stage
SEGMENT_SLOWNESS = np.array([0.85, 1.05, 1.4])  # x the stage's working days

_TEAM_WEIGHTS = np.array([[1.0, 0.35, 0.0], [0.35, 1.0, 0.0], [0.0, 0.0, 1.0]])
"""Who takes new business, business with existing customers, renewals (rows), by team."""


@dataclass(slots=True)
class Book:
    """Arrays with one entry per deal, in order of creation.

    position, created: working time and instant of creation. duplicate_of: index of the deal
    entered a second time by this one, -1 = none. known_until: when the deal was archived, else
    the present; archived says which.
    """

    position: Floats
    created: Instants
    process: Indices
    existing: Flags
    segment: Indices
    source: Indices
    rep: Indices
    customer: Indices
    names: list[str]
    duplicate_of: Indices
    archived: Flags
    known_until: Instants

    def __len__(self) -> int:
        return len(self.created)


def open_book(
    calendar: WorkCalendar,
    span: tuple[int, int],
    deals: int,
    reps: Reps,
    settings: CompanySettings,
    rng: np.random.Generator,
) -> Book:
    """`deals` deals created between the two instants of `span`."""
    position = np.sort(_creation(calendar, span, deals, settings, rng))
    process = np.where(rng.random(deals) < settings.renewals, RENEWALS, SALES)
    existing = (process == RENEWALS) | (rng.random(deals) < 0.35)
    kind = np.where(process == RENEWALS, 2, existing.astype(np.int64))
    customer_count = max(1, round(deals * 0.45))
    customer = (customer_count * rng.random(deals) ** 1.5).astype(np.int64)
    sources = np.array([_NEW_SOURCES, _EXISTING_SOURCES])
    book = Book(
        position=position,
        created=np.minimum(calendar.instant(position), span[1]),
        process=process,
        existing=existing,
        segment=rng.choice(len(SEGMENTS), size=customer_count, p=SEGMENTS)[customer],
        source=draw(sources[existing.astype(np.int64)], rng),
        rep=draw(at_work(reps, position, _TEAM_WEIGHTS[kind]), rng),
        customer=customer,
        names=[],
        duplicate_of=np.full(deals, -1, dtype=np.int64),
        archived=np.zeros(deals, dtype=np.bool_),
        known_until=np.full(deals, span[1], dtype=np.int64),
    )
    _enter_twice(book, settings, rng)
    book.names = _titles(book, customer_count, rng)
    _archive(book, calendar, span[1], settings, rng)
    return book


def _creation(
    calendar: WorkCalendar,
    span: tuple[int, int],
    deals: int,
    settings: CompanySettings,
    rng: np.random.Generator,
) -> Floats:
    """Positions of creation: working days weighted by month and growth."""
    edges = calendar.position(np.array(span, dtype=np.int64))
    starts = np.concatenate(([0.0], np.cumsum(calendar.pace)))[:-1]
    inside = (starts + calendar.pace > edges[0]) & (starts < edges[1]) & (calendar.pace > 0)
    day = np.flatnonzero(inside)
    if not len(day):
        raise ValueError("There is no working day between the company's first day and `until`")
    low = np.maximum(starts[day], edges[0])
    high = np.minimum(starts[day] + calendar.pace[day], edges[1])
    season = np.array([SEASONALITY[calendar.days[index].month] for index in day.tolist()])
    growth = (1 + settings.growth_per_year) ** ((day - day[0]) / 365.25)
    weights = season * growth * (high - low) / calendar.pace[day]
    chosen = rng.choice(len(day), size=deals, p=weights / weights.sum())
    return np.asarray(low[chosen] + rng.random(deals) * (high - low)[chosen], dtype=np.float64)


def _enter_twice(book: Book, settings: CompanySettings, rng: np.random.Generator) -> None:
    """Makes some deals a second entry of one made up to eight places before."""
    back = rng.integers(1, 9, len(book))
    original = np.arange(len(book)) - back
    taken = (rng.random(len(book)) < settings.duplicates) & (original >= 0)
    taken &= ~taken[np.maximum(original, 0)]
    taken[taken] = ~_seen_before(original[taken])
    book.duplicate_of[taken] = original[taken]
    for array in (book.process, book.existing, book.segment, book.source, book.customer):
        array[taken] = array[original[taken]]


def _seen_before(values: Indices) -> Flags:
    seen = np.ones(len(values), dtype=np.bool_)
    seen[np.unique(values, return_index=True)[1]] = False
    return seen


def _titles(book: Book, customer_count: int, rng: np.random.Generator) -> list[str]:
    customers = names.customers(customer_count, rng)
    catalogue = (names.NEW_BUSINESS, names.EXISTING_BUSINESS, names.RENEWAL)
    kinds = np.where(book.process == RENEWALS, 2, book.existing.astype(np.int64)).tolist()
    dice = rng.random(len(book)).tolist()
    years = (
        book.created.astype("datetime64[ms]").astype("datetime64[Y]").astype(int) + 1970
    ).tolist()
    titles: list[str] = []
    for index, customer in enumerate(book.customer.tolist()):
        original = int(book.duplicate_of[index])
        products = catalogue[kinds[index]]
        product = products[int(dice[index] * len(products))]
        titles.append(
            titles[original]
            if original >= 0
            else f"{customers[customer]} - {product} {years[index]}"
        )
    return titles


def _archive(
    book: Book,
    calendar: WorkCalendar,
    until: int,
    settings: CompanySettings,
    rng: np.random.Generator,
) -> None:
    """Deletes some young deals a few working days after they were made."""
    days_ago = (until - book.created) / 86_400_000
    young = (days_ago < 75) & (book.duplicate_of < 0)
    wanted = round(settings.archived * len(book))
    deleted_at = calendar.instant(book.position + rng.uniform(0.5, 10.0, len(book)))
    candidates = np.flatnonzero(young & (deleted_at < until))
    chosen = rng.permutation(candidates)[:wanted]
    book.archived[chosen] = True
    book.known_until[chosen] = deleted_at[chosen]


def first_of_year(until: datetime, years: float) -> datetime:
    """The instant `years` before `until`."""
    return datetime.fromtimestamp(until.timestamp() - years * 365.25 * 86_400, UTC)
