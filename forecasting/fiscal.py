"""Fiscal years, halves, quarters and months, which need not be the calendar's."""

import re
from dataclasses import dataclass
from datetime import date
from typing import Final

from forecasting.periods import Period, PeriodKind, period_of

FORMS: Final = "FY2026, 2026-H1, 2026-Q4, 2026-03 or 2026-01-01..2026-06-30"
_NAMED: Final = re.compile(r"(?:FY)?(\d{4})(?:-?(?:(H)([12])|(Q)([1-4])|(?:M)?(0[1-9]|1[0-2])))?")
_MONTHS: Final = {"H": 6, "Q": 3}


@dataclass(frozen=True, slots=True)
class FiscalPeriod:
    """`label`: as people name it."""

    label: str
    period: Period


def fiscal_period(text: str, start_month: int = 1) -> FiscalPeriod:
    """The period that `text` names, in one of `FORMS`.

    start_month: of the fiscal year, which is called by the year that it ends in; halves and
    quarters are counted from it. `2026-03` is the calendar's March. Raises ValueError.
    """
    bare = text.strip().upper().replace(" ", "")
    first, dots, last = bare.partition("..")
    if dots:
        return _between(text, first, last)
    found = _NAMED.fullmatch(bare)
    if found is None:
        raise ValueError(f"{text!r} is no period; write {FORMS}")
    year = int(found[1])
    if found[6]:
        start = date(year, int(found[6]), 1)
        return FiscalPeriod(f"{start:%Y-%m}", _period(start, months_later(start, 1)))
    begin = date(year if start_month == 1 else year - 1, start_month, 1)
    part = found[2] or found[4]
    if part is None:
        return FiscalPeriod(f"FY{year}", _period(begin, months_later(begin, 12)))
    number, months = int(found[3] or found[5]), _MONTHS[part]
    start = months_later(begin, (number - 1) * months)
    return FiscalPeriod(f"FY{year}-{part}{number}", _period(start, months_later(start, months)))


def _between(text: str, first: str, last: str) -> FiscalPeriod:
    try:
        start, end = date.fromisoformat(first), date.fromisoformat(last)
    except ValueError:
        raise ValueError(f"{text!r} is no period; write {FORMS}") from None
    if end < start:
        raise ValueError(f"{text!r} ends before it begins")
    return FiscalPeriod(f"{start}..{end}", _period(start, date.fromordinal(end.toordinal() + 1)))


def months_later(day: date, months: int) -> date:
    """The first of a month so many months after the first of `day`'s; negative: before."""
    years, month0 = divmod(day.month - 1 + months, 12)
    return date(day.year + years, month0 + 1, 1)


def _period(start: date, end: date) -> Period:
    """As a calendar month or quarter where it is one, so that it is the forecasts' own."""
    for kind in (PeriodKind.MONTH, PeriodKind.QUARTER):
        calendar = period_of(start, kind)
        if (calendar.start, calendar.end) == (start, end):
            return calendar
    return Period(start, end, PeriodKind.WINDOW)


def named(start: date, end: date, start_month: int = 1) -> FiscalPeriod:
    """The days from `start` to before `end` as the month, quarter, half or year that they are, else
    as two days. The other way round than `fiscal_period`."""
    for text in _names(start, start_month):
        found = fiscal_period(text, start_month)
        if (found.period.start, found.period.end) == (start, end):
            return found
    return fiscal_period(f"{start}..{date.fromordinal(end.toordinal() - 1)}")


def _names(start: date, start_month: int) -> list[str]:
    """What a period that begins then may be called."""
    into = (start.month - start_month) % 12
    year = start.year if into < start.month else start.year - 1
    fiscal = year if start_month == 1 else year + 1
    halves = [f"{fiscal}-H{into // 6 + 1}", f"FY{fiscal}"]
    return [f"{start:%Y-%m}", f"{fiscal}-Q{into // 3 + 1}", *halves]
