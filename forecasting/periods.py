"""Which periods a forecast is made for."""

from collections.abc import Iterable
from datetime import date

from forecasting.deals import Period, PeriodKind, period_of


def periods_for(today: date, kinds: Iterable[PeriodKind | str]) -> list[Period]:
    """The current and the next period of each kind, in the order given. `today`: account's day."""
    current = [period_of(today, PeriodKind(kind)) for kind in kinds]
    return [period for first in current for period in (first, first.next())]
