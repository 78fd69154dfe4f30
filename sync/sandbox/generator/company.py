"""Puts the company together."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from zlib import crc32
from zoneinfo import ZoneInfo

import numpy as np

from sync.sandbox.company import Company, CompanyDeal
from sync.sandbox.generator import people, truth
from sync.sandbox.generator.activities import activities, next_activities
from sync.sandbox.generator.amounts import HOME, RATES, Amounts, amounts
from sync.sandbox.generator.arrays import Flags, Instants
from sync.sandbox.generator.book import SOURCES, Book, first_of_year, open_book
from sync.sandbox.generator.close_dates import CloseDates, close_dates
from sync.sandbox.generator.happenings import Happenings, histories, instants, picked
from sync.sandbox.generator.judgement import judgements, next_steps
from sync.sandbox.generator.leads import draw_leads
from sync.sandbox.generator.lives import Lives, live
from sync.sandbox.generator.ownership import Ownership, ownership
from sync.sandbox.generator.people import Reps
from sync.sandbox.generator.selling import PROCESSES
from sync.sandbox.generator.settings import DEFAULT_SETTINGS, CompanySettings
from sync.sandbox.generator.stages import deleted_stages, loss_reasons, stage_moves
from sync.sandbox.generator.work_calendar import WorkCalendar

TIME_ZONE = "Europe/Oslo"
_TAIL = timedelta(days=4 * 366)  # the calendar goes on, so that lives can be drawn to their end


def generate(
    *,
    seed: int,
    until: datetime,
    years: float = 3,
    deals: int = 3000,
    leads: int = 0,
    settings: CompanySettings = DEFAULT_SETTINGS,
) -> Company:
    """A Nordic B2B company with `deals` deals and `leads` leads made in the `years` before `until`.

    The same arguments always make the same company. Nothing in it happens after `until`, except
    planned activities and expected close dates. `Company.truth` holds the rates it was drawn
    with, how open deals will end, and the keys of the deals with planted defects (truth.py).

    Raises ValueError for a naive `until`, a negative seed, or a time without a working day.
    """
    if until.tzinfo is None or min(seed, deals, leads) < 0:
        raise ValueError("until needs a time zone; seed, deals and leads must not be negative")
    until = until.astimezone(UTC)
    begin = first_of_year(until, years)
    calendar = WorkCalendar(
        begin.date() - timedelta(days=1), until.date() + _TAIL, ZoneInfo(TIME_ZONE), settings
    )
    span = (int(begin.timestamp() * 1000), int(until.timestamp() * 1000))
    edges = calendar.position(np.array(span, dtype=np.int64))
    reps = people.hire(float(edges[0]), float(edges[1]), settings, _dice(seed, "people"))
    book = open_book(calendar, span, deals, reps, settings, _dice(seed, "book"))
    lives = live(book, reps, calendar, settings, _dice(seed, "lives"))
    drawn = _draw(seed, book, lives, reps, calendar, settings)
    keys = [f"D{number:06}" for number in range(1, deals + 1)]
    company = Company(
        name="Nordavind Programvare AS",
        time_zone=TIME_ZONE,
        home_currency=HOME,
        pipelines=tuple(process.pipeline() for process in PROCESSES),
        owners=reps.owners,
        deals=_deals(seed, keys, drawn, span[1]),
        exchange_rates=RATES,
    )
    company.contacts, expected = draw_leads(leads, begin, until, reps.owners, _dice(seed, "leads"))
    company.truth = _truth(keys, drawn, until, years, seed, company) | {"leads": expected}
    return company


def _dice(seed: int, about: str) -> np.random.Generator:
    """One stream per concern: a change to one leaves the others' draws as they were."""
    return np.random.default_rng([seed, crc32(about.encode())])


@dataclass(frozen=True, slots=True)
class _Drawn:
    """Everything drawn. closed_at: instant of closing, valid where `lives.ended` is finite."""

    book: Book
    lives: Lives
    reps: Reps
    calendar: WorkCalendar
    settings: CompanySettings
    closed_at: Instants
    happenings: list[Happenings]
    dates: CloseDates
    amounts: Amounts
    owners: Ownership
    silent_loss: Flags
    silent_step: Flags
    deleted_stage: Flags
    companies: Sequence[int]
    contacts: Sequence[int]
    open_now: Flags = field(init=False)
    dead_now: Flags = field(init=False)

    def __post_init__(self) -> None:
        ended = np.isfinite(self.lives.ended) & (self.closed_at <= self.book.known_until)
        object.__setattr__(self, "open_now", ~ended & ~self.book.archived)
        dead = self.lives.zombie & (
            self.calendar.instant(self.lives.quiet) <= self.book.known_until
        )
        object.__setattr__(self, "dead_now", dead & ~self.book.archived)


def _draw(
    seed: int,
    book: Book,
    lives: Lives,
    reps: Reps,
    calendar: WorkCalendar,
    settings: CompanySettings,
) -> _Drawn:
    """Each concern from its own stream; the order of happenings is that within one instant."""
    entered_at = np.where(
        np.isfinite(lives.entered), calendar.instant(np.nan_to_num(lives.entered)), -1
    )
    first = entered_at == calendar.instant(book.position)[:, None]
    entered_at = np.where(first, book.created[:, None], entered_at)
    closed_at = calendar.instant(np.where(np.isfinite(lives.ended), lives.ended, 0.0))
    dates = close_dates(
        book, lives, reps, closed_at, calendar, settings, _dice(seed, "close dates")
    )
    money = amounts(book, lives, entered_at, closed_at, settings, _dice(seed, "amounts"))
    owners = ownership(book, lives, reps, calendar, settings, _dice(seed, "owners"))
    reasons, silent_loss = loss_reasons(book, lives, closed_at, settings, _dice(seed, "losses"))
    steps, silent_step = next_steps(book, entered_at, settings, _dice(seed, "next steps"))
    left, deleted = deleted_stages(book, lives, settings, calendar, _dice(seed, "deleted stages"))
    dice = _dice(seed, "associations")
    contacts = np.where(
        dice.random(len(book)) < settings.no_contact, 0, 1 + dice.poisson(1.1, len(book))
    )
    companies = (dice.random(len(book)) >= settings.no_company).astype(np.int64)
    return _Drawn(
        book, lives, reps, calendar, settings, closed_at,
        [
            *_given(book),
            *stage_moves(book, lives, entered_at, closed_at, calendar, _dice(seed, "stages")),
            left,
            *money.happenings,
            *dates.happenings,
            *owners.happenings,
            *judgements(book, lives, reps, entered_at, closed_at, _dice(seed, "judgement")),
            steps,
            reasons,
        ],
        dates, money, owners, silent_loss, silent_step, deleted,
        companies.tolist(), contacts.tolist(),
    )  # fmt: skip


def _given(book: Book) -> list[Happenings]:
    everyone = np.arange(len(book))
    types = ["existingbusiness" if existing else "newbusiness" for existing in book.existing]
    return [
        Happenings(everyone, book.created, "name", book.names),
        Happenings(
            everyone, book.created, "pipeline", picked([p.id for p in PROCESSES], book.process)
        ),
        Happenings(everyone, book.created, "deal_type", types),
        Happenings(everyone, book.created, "lead_source", picked(SOURCES, book.source)),
    ]


def _deals(seed: int, keys: Sequence[str], drawn: _Drawn, until: int) -> list[CompanyDeal]:
    book = drawn.book
    events = histories(drawn.happenings, book.known_until)
    done = activities(book, drawn.lives, drawn.calendar, _dice(seed, "activities"))
    alive = drawn.open_now & ~drawn.dead_now
    planned = next_activities(
        book, alive, until, drawn.settings, drawn.calendar, _dice(seed, "next activities")
    )
    archived = instants(book.known_until)
    return [
        CompanyDeal(
            key=key,
            created_at=created_at,
            events=own_events,
            activities=done[index],
            next_activity_at=planned[index],
            contacts=drawn.contacts[index],
            companies=drawn.companies[index],
            archived_at=archived[index] if book.archived[index] else None,
        )
        for index, (key, created_at, own_events) in enumerate(
            zip(keys, instants(book.created), events, strict=True)
        )
    ]


def _truth(
    keys: Sequence[str],
    drawn: _Drawn,
    until: datetime,
    years: float,
    seed: int,
    company: Company,
) -> truth.Truth:
    book, lives = drawn.book, drawn.lives
    ends_at = drawn.calendar.instant(lives.quiet)
    return {
        "seed": seed,
        "until": until.isoformat(),
        "years": years,
        **truth.company_truth(
            book, lives, drawn.amounts, drawn.settings, keys, drawn.open_now, ends_at
        ),
        "stages": truth.stage_truth(book, lives, drawn.calendar, int(until.timestamp() * 1000)),
        "reps": truth.rep_truth(book, lives, drawn.reps, drawn.calendar),
        "planted": _planted(keys, drawn, until, company),
    }


def _planted(
    keys: Sequence[str], drawn: _Drawn, until: datetime, company: Company
) -> dict[str, object]:
    """Defects of open deals (`close_date_...`, `no_next_...`, owner_deactivated, zombie) are
    listed for open deals only, loss_reason_missing for lost ones, the others for all."""
    book, dates, still = drawn.book, drawn.dates, drawn.open_now
    active = np.array([owner.active for owner in drawn.reps.owners])
    lost = ~still & ~book.archived & ~drawn.lives.won
    planned = np.array(
        [deal.next_activity_at is not None for deal in company.deals], dtype=np.bool_
    )
    today = _midnight(until)
    found = truth.planted(
        {
            "amount_missing": drawn.amounts.missing,
            "amount_zero": drawn.amounts.zero,
            "close_date_missing": dates.missing & still,
            "close_date_never_chosen": dates.never_chosen & still,
            "close_date_past": ~dates.missing & still & (dates.close_date < today),
            "close_date_pushed": dates.pushed & still,
            "owner_missing": drawn.owners.none,
            "owner_deactivated": ~drawn.owners.none & still & ~active[drawn.owners.present],
            "no_contact": np.array(drawn.contacts, dtype=np.int64) == 0,
            "no_company": np.array(drawn.companies, dtype=np.int64) == 0,
            "no_next_activity": still & ~planned,
            "no_next_step": drawn.silent_step & still,
            "loss_reason_missing": drawn.silent_loss & lost,
            "stage_deleted": drawn.deleted_stage & drawn.dead_now,
            "zombie": drawn.dead_now,
            "archived": book.archived,
        },
        keys,
    )
    twice = np.flatnonzero(book.duplicate_of >= 0).tolist()
    return {
        **found,
        "duplicate": [[keys[int(book.duplicate_of[deal])], keys[deal]] for deal in twice],
    }


def _midnight(until: datetime) -> int:
    """The beginning of the present day in the account's zone."""
    day: date = until.astimezone(ZoneInfo(TIME_ZONE)).date()
    return int(datetime.combine(day, datetime.min.time(), ZoneInfo(TIME_ZONE)).timestamp() * 1000)
