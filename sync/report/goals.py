"""Goals: each quota against what was won, what is open and what is forecast."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

import polars as pl
from sqlalchemy import Engine

from forecasting.fiscal import fiscal_period
from forecasting.goals import Attainment, Quota, attainment, with_rollups
from sync.config.calendar import calendar_of
from sync.config.model import Config
from sync.config.rates import rates_for
from sync.errors import ConfigError
from sync.mirror import assessments, frames, read
from sync.mirror.quotas import owner_emails, saved_quotas
from sync.mirror.rates import rate_frame
from sync.mirror.read import StoredAccount
from sync.report.naming import local_time
from sync.report.table import Column, Kind, Report

DEFINITION: Final = (
    "attainment = won / quota; pace = won / (quota x share of the period that should be won by the "
    "start of today); coverage = open deals due in what is left of the period / gap; chance = of "
    "reaching the quota, by the forecast's P10, P50 and P90"
)
_PACES: Final = {
    "linear": "calendar days",
    "selling_days": "working days without public holidays",
    "seasonal": "what your own finished periods of that length had by then",
}
_NOTES: Final = {
    "no_forecast": "no forecast ends with it",
    "few_deals": "under 5 deals: one decides",
    "no_rate": "no exchange rate from {currency}: set exchange_rates",
    "unknown": "no such {kind} in the CRM",
    "over": "over",
    "ahead": "not begun",
}
_COLUMNS: Final = (
    Column("period", "Period"),
    Column("kind", "Of"),
    Column("segment", "Who"),
    Column("segment_id", on_screen=False),
    Column("quota", "Quota", Kind.MONEY),
    Column("won", "Won", Kind.MONEY),
    Column("attainment", "Attained", Kind.SHARE),
    Column("pace", "Pace", Kind.SHARE),
    Column("gap", "Gap", Kind.MONEY),
    Column("open_amount", "Open, due in it", Kind.MONEY),
    Column("coverage", "Coverage", Kind.SHARE),
    Column("probability", "Chance", Kind.SHARE),
    Column("note", "But"),
    Column("source", on_screen=False),
    *(Column(f"pace_{name}", kind=Kind.SHARE, on_screen=False) for name in _PACES),
    Column("won_deals", kind=Kind.COUNT, on_screen=False),
    Column("open_deals", kind=Kind.COUNT, on_screen=False),
    Column("period_start", kind=Kind.DAY, on_screen=False),
    Column("period_end", kind=Kind.DAY, on_screen=False),
)


@dataclass(frozen=True, slots=True)
class People:
    """What segments are called: kind -> (lower-case id, name or e-mail -> id), and id -> name."""

    ids: Mapping[str, Mapping[str, str]]
    names: Mapping[str, Mapping[str, str]]
    team_of: Mapping[str, str | None]

    def known(self, quota: Quota) -> Quota | None:
        """`quota` with the id of its segment; None where nobody is called so."""
        if quota.kind == "total":
            return quota
        found = self.ids[quota.kind].get(quota.segment.strip().casefold())
        return None if found is None else replace(quota, segment=found)

    def name(self, kind: str, segment: str) -> str:
        return "everyone" if kind == "total" else self.names[kind].get(segment, segment)


def read_people(engine: Engine, connection: str) -> People:
    owners = frames.owner_frame(engine, connection)
    emails = owner_emails(engine, connection)
    stages = frames.stage_frame(engine, connection)
    named = {
        "owner": list(owners.select("owner_id", "owner").iter_rows()),
        "team": [(team, team) for team in owners["team"].drop_nulls().unique()],
        "pipeline": list(stages.select("pipeline_id", "pipeline").unique().iter_rows()),
    }
    ids = {kind: _aliases(pairs) for kind, pairs in named.items()}
    ids["owner"] |= {email.casefold(): owner_id for email, owner_id in emails.items()}
    return People(
        ids=ids,
        names={kind: dict(pairs) for kind, pairs in named.items()},
        team_of=dict(owners.select("owner_id", "team").iter_rows()),
    )


def _aliases(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """A name that several have is none's; ids always count."""
    pairs = list(pairs)
    names = [name.casefold() for _, name in pairs]
    return {name.casefold(): key for key, name in pairs if names.count(name.casefold()) == 1} | {
        key.casefold(): key for key, _ in pairs
    }


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
                amount=each.amount,
                currency=each.currency,
                source="config",
            )
        )
    return found


_FIRST: Final = {"config": 0, "csv": 1, "crm": 2}


def goals_report(
    engine: Engine, connection: str, config: Config, *, period: str | None, every: bool
) -> Report:
    """Quotas whose period holds the day of the last pull, or of `period`, or `every` one.

    Raises ConfigError where there is no quota at all, or nothing was ever pulled.
    """
    account = read.account(engine, connection)
    if account is None:
        raise ConfigError(f"{connection} has never been pulled: run `dealpulse sync` first.")
    zone = config.time_zone or account.time_zone
    today = account.seen_at.astimezone(ZoneInfo(zone)).date()
    given = [*configured_quotas(config, connection), *saved_quotas(engine, connection)]
    if not given:
        raise ConfigError(
            f"{connection} has no goals: set goals.quotas in the configuration, or run "
            "`dealpulse goals import quotas.csv`."
        )
    people = read_people(engine, connection)
    deals = _deals(engine, account, config, zone)
    quotas, refused = _resolved(engine, account, config, given, people)
    wanted = _wanted(config, period, every=every, today=today)
    forecasts = assessments.latest_forecasts(engine, connection).filter("chosen")
    measured = [
        _measured(quota, deals, forecasts, today, account, config, zone)
        for quota in with_rollups(quotas, people.team_of)
        if wanted(quota)
    ]
    rows = [_row(each, people, config.goals.pacing, today) for each in measured]
    rows += [_refused(quota, why) for quota, why in refused if wanted(quota)]
    kinds = {"total": 0, "pipeline": 1, "team": 2, "owner": 3}
    rows.sort(
        key=lambda r: (r["period_start"], r["period_end"], kinds[str(r["kind"])], r["segment"])
    )
    unpriced = deals["amount_problem"].drop_nulls().value_counts()
    left_out = dict(sorted(unpriced.iter_rows()))
    return Report(
        title=f"{connection}: goals, {account.home_currency}",
        columns=_COLUMNS,
        rows=rows,
        facts={
            "connection": connection,
            "definition": DEFINITION,
            "as_of": account.seen_at,
            "cut_off": account.seen_at,
            "currency": account.home_currency,
            "pacing": config.goals.pacing,
            "fiscal_year_starts": config.goals.fiscal_year_starts,
            "sample": deals.height,
            "left_out": left_out,
        },
        notes=_notes(account, config, zone, rows, left_out),
        zone=zone,
    )


def _deals(engine: Engine, account: StoredAccount, config: Config, zone: str) -> pl.DataFrame:
    return frames.deal_frame(
        engine,
        account.connection,
        zone=zone,
        home_currency=account.home_currency,
        rates=rates_for(config, account.home_currency),
        rates_win=config.exchange_rates_win,
    )


def _resolved(
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


class _wanted:  # noqa: N801 - used like a function
    """Whether a quota is one of those asked for."""

    def __init__(self, config: Config, text: str | None, *, every: bool, today: date) -> None:
        self._every, self._today, self._period = every, today, None
        if text is not None:
            try:
                self._period = fiscal_period(text, config.goals.fiscal_year_starts).period
            except ValueError as error:
                raise ConfigError(f"--period: {error}.") from None

    def __call__(self, quota: Quota) -> bool:
        if self._period is not None:
            return (quota.period.start, quota.period.end) == (self._period.start, self._period.end)
        return self._every or self._today in quota.period


def _measured(
    quota: Quota,
    deals: pl.DataFrame,
    forecasts: pl.DataFrame,
    today: date,
    account: StoredAccount,
    config: Config,
    zone: str,
) -> Attainment:
    years = range(quota.period.start.year, quota.period.end.year + 1)
    selling = calendar_of(config, time_zone=zone, home_currency=account.home_currency, years=years)
    return attainment(quota, deals, forecasts, today=today, selling=selling)


def _row(found: Attainment, people: People, pacing: str, today: date) -> dict[str, object]:
    quota = found.quota
    over, ahead = quota.period.end <= today, quota.period.start > today
    notes = [key for key, holds in (("over", over), ("ahead", ahead)) if holds]
    return {
        **_named(quota),
        "segment": people.name(quota.kind, quota.segment),
        "segment_id": quota.segment,
        "quota": float(quota.amount),
        "won": found.won,
        "won_deals": found.won_deals,
        "attainment": found.attainment,
        "pace": found.pace[pacing],
        **{f"pace_{name}": pace for name, pace in found.pace.items()},
        "gap": found.gap,
        "open_amount": found.open_amount,
        "open_deals": found.open_deals,
        "coverage": found.coverage,
        "probability": found.probability,
        "note": "; ".join(_NOTES[key] for key in (*notes, *found.notes)),
    }


def _refused(quota: Quota, why: str) -> dict[str, object]:
    note = _NOTES[why].format(currency=quota.currency, kind=quota.kind)
    unknown: dict[str, object] = dict.fromkeys((column.key for column in _COLUMNS), None)
    return unknown | _named(quota) | {"segment": quota.segment, "note": note}


def _named(quota: Quota) -> dict[str, object]:
    return {
        "period": quota.label,
        "kind": quota.kind,
        "source": quota.source,
        "period_start": quota.period.start,
        "period_end": quota.period.end,
    }


def _notes(
    account: StoredAccount,
    config: Config,
    zone: str,
    rows: Sequence[Mapping[str, object]],
    left_out: Mapping[str, int],
) -> list[str]:
    told = [
        f"As of {local_time(account.seen_at, zone)}: {DEFINITION}.",
        f"Pace by {_PACES[config.goals.pacing]} (goals.pacing); 100 % is on time.",
    ]
    if not rows:
        told.append("No goal is of this time; --all shows every one.")
    if any(row["source"] == "sum" for row in rows):
        told.append("A team, or everyone, without a quota of its own has the sum of its people's.")
    reasons = {
        "missing": "{} deals have no amount and count 0",
        "no_rate": "{} deals in a currency without an exchange rate count 0: set exchange_rates",
    }
    return [*told, *(f"{reasons[why].format(count)}." for why, count in left_out.items())]
