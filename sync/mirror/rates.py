"""The account's exchange rates with their dates, so that what was won stays what it was worth."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import groupby

from sqlalchemy import Connection, Engine, select

from sync.crm.base import ExchangeRate
from sync.mirror.engine import pulling, writing
from sync.mirror.schema import exchange_rate
from sync.mirror.upsert import upsert


def save_rates(
    engine: Engine,
    connection: str,
    rates: Sequence[ExchangeRate],
    *,
    last_read: datetime | None,
    at: datetime,
) -> int:
    """Add what is new; nothing that was true once is changed. Returns how many versions came.

    last_read: when the rates were read before, None = never. A rate that was edited since, under
    whatever date, is a new version from `last_read` on: until then another one was in force.
    """
    in_force = sorted(
        (rate for rate in rates if rate.valid_from <= at),
        key=lambda rate: (rate.currency, rate.into, rate.valid_from),
    )
    with writing(engine, alone=pulling(connection)) as transaction:
        held = _held(transaction, connection)
        rows = []
        for key, group in groupby(in_force, lambda rate: (rate.currency, rate.into)):
            versions = held.get(key, {})
            for valid_from, rate in _news(versions, list(group), last_read):
                rows.append(
                    {
                        "connection": connection,
                        "currency": key[0],
                        "into": key[1],
                        "valid_from": valid_from,
                        "rate": rate,
                        "seen_at": at,
                    }
                )
        upsert(transaction, exchange_rate, rows)
    return len(rows)


_Versions = dict[datetime, Decimal]


def _held(transaction: Connection, connection: str) -> dict[tuple[str, str], _Versions]:
    table = exchange_rate
    held: dict[tuple[str, str], _Versions] = {}
    for row in transaction.execute(select(table).where(table.c.connection == connection)):
        held.setdefault((row.currency, row.into), {})[row.valid_from] = row.rate
    return held


def _news(
    held: _Versions, told: Sequence[ExchangeRate], last_read: datetime | None
) -> Iterator[tuple[datetime, Decimal]]:
    """Of one currency's versions in order of time, those that are not held, and since when."""
    if not held or last_read is None:
        yield from ((rate.valid_from, rate.rate) for rate in told)
        return
    yield from ((r.valid_from, r.rate) for r in told if r.valid_from > last_read)
    now = told[-1]
    if now.valid_from <= last_read and now.rate != held[max(held)]:
        yield last_read, now.rate
