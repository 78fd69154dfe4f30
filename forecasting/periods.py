"""Ranges of the account's days, and which of them a forecast is made for."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum


class PeriodKind(StrEnum):
    MONTH = "month"
    QUARTER = "quarter"
    WINDOW = "window"  # any range of days, such as the next four weeks


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """A half-open range of the account's days: `start` is in it, `end` is not."""

    start: date
    end: date
    kind: PeriodKind

    def __contains__(self, day: date) -> bool:
        return self.start <= day < self.end

    def next(self) -> "Period":
        """The period that follows; after a window one of the same length."""
        if self.kind is PeriodKind.WINDOW:
            return Period(self.end, self.end + (self.end - self.start), self.kind)
        return period_of(self.end, self.kind)

    @property
    def label(self) -> str:
        """`2026-03`, `2026-Q1`, or a window's first and last day: `2026-03-02..2026-03-29`."""
        if self.kind is PeriodKind.WINDOW:
            return f"{self.start}..{self.last_day}"
        if self.kind is PeriodKind.MONTH:
            return f"{self.start:%Y-%m}"
        return f"{self.start.year}-Q{(self.start.month + 2) // 3}"

    @property
    def last_day(self) -> date:
        return self.end - timedelta(days=1)


def period_of(day: date, kind: PeriodKind) -> Period:
    """The calendar month or quarter that holds `day`. ValueError for a window."""
    if kind is PeriodKind.WINDOW:
        raise ValueError(
            "no calendar says which window holds a day: give its first day and its end"
        )
    months = 1 if kind is PeriodKind.MONTH else 3
    first = (day.month - 1) // months * months + 1
    start = date(day.year, first, 1)
    years, month0 = divmod(first - 1 + months, 12)
    return Period(start, date(day.year + years, month0 + 1, 1), kind)


def periods_for(today: date, kinds: Iterable[PeriodKind | str]) -> list[Period]:
    """The current and the next period of each kind, in the order given. `today`: account's day."""
    current = [period_of(today, PeriodKind(kind)) for kind in kinds]
    return [period for first in current for period in (first, first.next())]
