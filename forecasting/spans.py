"""Days as people name them: a date, so many days or weeks ago, the last Monday."""

import re
from datetime import date, timedelta
from typing import Final

from forecasting.periods import PeriodKind, period_of

_WEEKDAYS: Final = (
    ("monday", "mandag"),
    ("tuesday", "tirsdag"),
    ("wednesday", "onsdag"),
    ("thursday", "torsdag"),
    ("friday", "fredag"),
    ("saturday", "lørdag"),
    ("sunday", "søndag"),
)
_AGO: Final = re.compile(r"(\d{1,5})\s*([dw])")
_DAYS: Final = {"d": 1, "w": 7}
FORMS: Final = "a day such as 2026-10-01, 30d, 6w, monday, today, yesterday, month or quarter"


def named_day(text: str, today: date) -> date:
    """The day that `text` names, seen from `today`: a weekday is the last one, today included;
    `month` and `quarter` are their first days. ValueError for what is none of `FORMS`.
    """
    word = text.strip().lower()
    for number, names in enumerate(_WEEKDAYS):
        if word in names:
            return today - timedelta(days=(today.weekday() - number) % 7)
    if word in ("today", "i dag"):
        return today
    if word in ("yesterday", "i går"):
        return today - timedelta(days=1)
    if word in ("month", "quarter"):
        return period_of(today, PeriodKind(word)).start
    try:
        if ago := _AGO.fullmatch(word):
            return today - timedelta(days=int(ago[1]) * _DAYS[ago[2]])
        return date.fromisoformat(word)
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is no day; write {FORMS}") from None
