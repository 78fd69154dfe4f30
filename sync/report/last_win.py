"""Since when an account has won nothing, where that is long: an old export, or a dead pipeline."""

from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import Engine, func, select

from forecasting.notes import Note
from forecasting.wording import Language
from sync.mirror import schema
from sync.mirror.engine import reading

LONG: Final = timedelta(days=365)
"""A year: no season has passed without being seen, and every figure looks a year back or more."""


def last_won_on(engine: Engine, connection: str, as_of: datetime, zone: str) -> date | None:
    """The account's day on which a deal was won last, by `as_of`; None where none was."""
    deal = schema.deal
    query = select(func.max(deal.c.closed_at)).where(
        deal.c.connection == connection,
        deal.c.removed_at.is_(None),
        deal.c.status == "won",
        deal.c.closed_at <= as_of,
    )
    with reading(engine) as database:
        last: datetime | None = database.execute(query).scalar_one()
    return None if last is None else last.astimezone(ZoneInfo(zone)).date()


def long_without_a_win(won_on: date | None, as_of: datetime, language: Language) -> list[str]:
    """The sentence that says so, where the last win is more than `LONG` ago."""
    if won_on is None or as_of.date() - won_on <= LONG:
        return []
    return [Note("nothing_won_since", won_on.isoformat()).text(language)]
