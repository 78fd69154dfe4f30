"""The company's leads: people who look around, answer or not, and sometimes become an opportunity.

Each has an interest that nobody sees; it drives both what the CRM notes of them and whether they
convert, so that a score can find it again. `truth` says how likely each open lead really was.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np

from sync.sandbox.company import CompanyContact, CompanyOwner, Event
from sync.sandbox.generator import names
from sync.sandbox.generator.arrays import Floats

SOURCES: Final = ("ORGANIC_SEARCH", "PAID_SEARCH", "REFERRALS", "DIRECT_TRAFFIC", "SOCIAL_MEDIA")
_SHARES: Final = (0.34, 0.22, 0.12, 0.20, 0.12)
_EFFECTS: Final = np.array([0.1, -0.3, 0.8, 0.2, -0.5])  # log-odds of ever converting
_LEVEL, _INTEREST = -1.5, 1.1  # log-odds of the average lead; per standard deviation of interest
_WAIT_DAYS, _SHAPE = 75.0, 2.0  # mean days to convert, shape of their gamma distribution
_QUIET_DAYS: Final = 70.0  # mean days until one who never converts loses interest
_NEVER_TOUCHED: Final = 0.12
_BECOMES_CUSTOMER: Final = 0.35
WITHIN_DAYS: Final = 90

Truth = dict[str, dict[str, Any]]


def draw_leads(
    count: int,
    begin: datetime,
    until: datetime,
    owners: Sequence[CompanyOwner],
    dice: np.random.Generator,
) -> tuple[list[CompanyContact], Truth]:
    """`count` people created between the two instants, and per key of those open at `until` the
    truth: `chance` of converting within `WITHIN_DAYS`, given the unseen interest and whether it is
    gone; `converts_at`, null = never.
    """
    span = (until - begin) / timedelta(days=1)
    created = np.sort(dice.uniform(0, span, count))
    interest = dice.normal(0, 1, count)
    source = dice.choice(len(SOURCES), count, p=_SHARES)
    chance = 1 / (1 + np.exp(-(_LEVEL + _INTEREST * interest + _EFFECTS[source])))
    waits = dice.gamma(_SHAPE, _WAIT_DAYS / _SHAPE, count)
    converts = dice.random(count) < chance
    quiet = np.where(converts, waits, dice.exponential(_QUIET_DAYS, count))
    people: list[CompanyContact] = []
    truth: Truth = {}
    active = [owner for owner in owners if owner.active] or list(owners)
    for n in range(count):
        key = f"L{n + 1:06}"
        at = begin + timedelta(days=float(created[n]))
        life = _Life(
            created_at=at,
            until=until,
            interest=float(interest[n]),
            quiet=float(quiet[n]),
            converts=bool(converts[n]),
            source=SOURCES[source[n]],
            owner=active[int(dice.integers(len(active)))].id,
        )
        people.append(_person(key, life, dice))
        elapsed = float(span - created[n])
        if not (converts[n] and waits[n] <= elapsed):
            truth[key] = {
                "chance": round(_chance_left(float(chance[n]), elapsed, float(quiet[n])), 6),
                "converts_at": life.ends_at.isoformat() if converts[n] else None,
            }
    return people, truth


def _chance_left(chance: float, elapsed: float, quiet: float) -> float:
    """Of converting within the horizon, given that it has not for so many days: none once the
    interest is gone; until then those who never convert grow fewer too.
    """
    if quiet <= elapsed:
        return 0.0
    before, by = _waited(elapsed), _waited(elapsed + WITHIN_DAYS)
    others = (1 - chance) * float(np.exp(-elapsed / _QUIET_DAYS))
    return chance * (by - before) / (chance * (1 - before) + others)


def _waited(days: float) -> float:
    """Share of conversions within so many days: a gamma distribution of shape 2."""
    pace = days * _SHAPE / _WAIT_DAYS
    return float(1 - np.exp(-pace) * (1 + pace))


class _Life:
    """One person's course until now; days count from the creation."""

    def __init__(
        self,
        *,
        created_at: datetime,
        until: datetime,
        interest: float,
        quiet: float,
        converts: bool,
        source: str,
        owner: str,
    ) -> None:
        self.created_at = created_at.astimezone(UTC)
        self.elapsed = (until - created_at) / timedelta(days=1)
        self.interest = interest
        self.quiet = quiet
        self.converts = converts
        self.events: list[Event] = []
        self.say(0, "stage", "lead")
        self.say(0, "source", source)
        self.say(0, "owner", owner)

    @property
    def ends_at(self) -> datetime:
        return self.created_at + timedelta(days=self.quiet)

    def at(self, day: float) -> datetime:
        return self.created_at + timedelta(days=day)

    def say(self, day: float, field: str, value: str) -> None:
        """Nothing that is yet to come."""
        if day <= self.elapsed:
            self.events.append(Event(self.at(day), field, value))

    def mark(self, day: float, field: str) -> None:
        self.say(day, field, self.at(day).isoformat())


def _person(key: str, life: _Life, dice: np.random.Generator) -> CompanyContact:
    pull = float(np.exp(0.6 * life.interest))
    shown = min(life.quiet, life.elapsed)
    _engagement(life, shown, pull, dice)
    _sales(life, shown, dice)
    if life.converts:
        life.say(life.quiet, "stage", "opportunity")
        if dice.random() < _BECOMES_CUSTOMER:
            life.say(life.quiet + float(dice.gamma(3, 20)), "stage", "customer")
    first = names.PEOPLE[int(dice.integers(len(names.PEOPLE)))][0]
    last = names.PEOPLE[int(dice.integers(len(names.PEOPLE)))][1]
    life.events.sort(key=lambda event: event.at)
    return CompanyContact(
        key, life.created_at, first, last, names.address(first, f"{last}{key}"), life.events
    )


def _engagement(life: _Life, shown: float, pull: float, dice: np.random.Generator) -> None:
    """Visits, forms and mails, as long as there is interest; counters only ever rise."""
    pages = 0
    for day in _days(shown, 0.06 * pull, dice):
        pages += 1 + int(dice.poisson(1.5 * pull))
        life.say(day, "page_views", str(pages))
    clicked = 0
    for opened, day in enumerate(_days(shown, 0.04 * pull, dice), 1):
        life.say(day, "email_opens", str(opened))
        if dice.random() < 0.2 * pull:
            clicked += 1
            life.say(day + 0.001, "email_clicks", str(clicked))
    forms = _days(shown, 0.010 * pull, dice)
    for number, day in enumerate(forms, 1):
        life.say(float(day), "submissions", str(number))
    if len(forms):
        life.say(float(forms[0]) + 0.01, "stage", "marketingqualifiedlead")


def _sales(life: _Life, shown: float, dice: np.random.Generator) -> None:
    """Whom we call, who answers, who comes to a meeting."""
    if dice.random() < _NEVER_TOUCHED:
        return
    day = float(dice.exponential(1.5))
    while day <= min(shown + 30, life.elapsed):
        life.mark(day, "contacted_at")
        if day <= shown and dice.random() < 0.25 / (1 + np.exp(-1.2 * life.interest)):
            life.mark(day + 0.5, "replied_at")
            if dice.random() < 0.5 / (1 + np.exp(-life.interest)):
                life.mark(day + 4, "met_at")
        day += float(dice.exponential(14)) + 2


def _days(shown: float, per_day: float, dice: np.random.Generator) -> Floats:
    """Days of happenings at an even rate, in order."""
    return np.sort(dice.uniform(0, shown, int(dice.poisson(per_day * shown))))
