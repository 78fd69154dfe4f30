"""Everybody's quotas, whoever set them, in home currency; and what is known of those left out."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final

from sqlalchemy import Engine

from forecasting.fiscal import fiscal_period
from forecasting.quotas import AMOUNT, COUNT, Quota
from sync.config.model import Config
from sync.config.rates import rates_for
from sync.crm.base import Cursor
from sync.mirror import read
from sync.mirror.frames import rate_frame
from sync.mirror.quotas import GOALS, saved_quotas
from sync.mirror.read import StoredAccount
from sync.report.people import People

_LEFT_OUT: Final = {
    "other_kind": "not about deals won, or about some of them only",
    "nobody": "of nobody whom the CRM lists by name",
    "not_understood": "without a period or a target above 0",
    "repeated": "the same is set twice; the last one counts",
}
"""Goals of the CRM that are no quota."""


def configured_quotas(config: Config, connection: str) -> list[Quota]:
    found = []
    for each in config.goals.quotas:
        if each.connection not in (None, connection):
            continue
        kind, _, segment = (each.who or "total").partition(" ")
        period = fiscal_period(each.period, config.goals.fiscal_year_starts)
        found.append(
            Quota(
                kind=kind,
                segment=segment.strip(),
                label=period.label,
                period=period.period,
                amount=Decimal(each.count or 0) if each.amount is None else each.amount,
                currency=each.currency,
                source="config",
                measure=COUNT if each.amount is None else AMOUNT,
            )
        )
    return found


_FIRST: Final = {"config": 0, "csv": 1, "crm": 2}
"""Of several quotas with one key the first one holds."""


def given_quotas(engine: Engine, connection: str, config: Config) -> list[Quota]:
    """Everybody's that anybody set."""
    saved = saved_quotas(engine, connection)
    wanted = [quota for quota in saved if quota.source != "crm" or config.goals.from_crm]
    return [*configured_quotas(config, connection), *wanted]


def goals_of_the_crm(engine: Engine, connection: str, config: Config) -> Cursor:
    """When its goals were read, and how many were left out for which reason; or the refusal."""
    kept = read.cursor(engine, connection, GOALS) if config.goals.from_crm else None
    return kept or {}


def told_of_the_crm(crm: Cursor) -> list[str]:
    """What is not there of them, and why."""
    if "refused" in crm:
        return [f"Goals set in the CRM could not be read. {crm['refused']}"]
    left_out = {why: int(crm[why]) for why in _LEFT_OUT if why in crm}
    return [
        f"{count} {'goal' if count == 1 else 'goals'} of the CRM left out: {_LEFT_OUT[why]}."
        for why, count in left_out.items()
    ]


def resolved(
    engine: Engine,
    account: StoredAccount,
    config: Config,
    given: Sequence[Quota],
    people: People,
) -> tuple[list[Quota], list[tuple[Quota, str]]]:
    """Quotas of known segments in home currency, the configured one where several are of the same;
    and the others with why not.
    """
    told = rate_frame(engine, account.connection, account.home_currency)
    rates: dict[str, Decimal] = dict(rates_for(config, account.home_currency))
    theirs = {code: Decimal(str(rate)) for code, _, rate in told.iter_rows()}
    rates = theirs | rates if config.exchange_rates_win else rates | theirs
    rates[account.home_currency] = Decimal(1)
    quotas: dict[object, Quota] = {}
    refused = []
    for quota in sorted(given, key=lambda each: _FIRST[each.source]):
        found = people.known(quota)
        if found is not None and found.measure == COUNT:
            quotas.setdefault(found.key, found)
            continue
        rate = rates.get(quota.currency or account.home_currency)
        if found is None:
            refused.append((quota, "unknown"))
        elif rate is None:
            refused.append(
                (replace(quota, segment=people.name(found.kind, found.segment)), "no_rate")
            )
        else:
            home = replace(found, amount=found.amount * rate, currency=account.home_currency)
            quotas.setdefault(home.key, home)
    return list(quotas.values()), refused
