"""The days on which people sell: neither weekends nor public holidays."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import holidays

SATURDAY_SUNDAY: Final = frozenset({5, 6})


@dataclass(frozen=True, slots=True)
class SellingDays:
    """`weekend`: weekdays off, Monday = 0. `holidays`: other days off. `country`: whose they are,
    None = weekends only.
    """

    weekend: frozenset[int] = SATURDAY_SUNDAY
    holidays: frozenset[date] = frozenset()
    country: str | None = None

    def __contains__(self, day: date) -> bool:
        return day.weekday() not in self.weekend and day not in self.holidays

    def count(self, start: date, end: date) -> int:
        """Selling days from `start` up to but not including `end`; 0 where `end` is earlier."""
        days = (start + timedelta(days=n) for n in range((end - start).days))
        return sum(day in self for day in days)


EVERY_DAY: Final = SellingDays(weekend=frozenset())
"""Counts plain days."""


def selling_days(country: str | None, years: Iterable[int]) -> SellingDays:
    """The selling days of a country by its ISO 3166 code, or of a part of it: `DE-BY`.

    None: every day but Saturday and Sunday. ValueError for a country whose holidays are not known.
    """
    if country is None:
        return SellingDays()
    code, _, part = country.upper().partition("-")
    try:
        calendar = holidays.country_holidays(code, subdiv=part or None, years=list(years))
    except NotImplementedError:
        raise ValueError(
            f"no public holidays are known for {country!r}; give a country's two letters such as "
            "NO, SE or DE, or a part of one such as DE-BY"
        ) from None
    return SellingDays(frozenset(calendar.weekend), frozenset(calendar), country.upper())
