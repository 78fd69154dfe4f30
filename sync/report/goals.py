"""Goals: each quota against what was won, what is open and what is forecast."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final
from zoneinfo import ZoneInfo

import polars as pl
from sqlalchemy import Engine

from forecasting.fiscal import fiscal_period
from forecasting.goals import Attainment, attainment
from forecasting.quotas import COUNT, Quota, with_rollups
from sync.config.calendar import calendar_of
from sync.config.model import Config
from sync.config.rates import rates_for
from sync.errors import ConfigError
from sync.mirror import assessments, frames, read
from sync.mirror.read import StoredAccount
from sync.report.naming import local_time
from sync.report.people import People, read_people
from sync.report.quotas import given_quotas, goals_of_the_crm, resolved, told_of_the_crm
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
IN_DEALS: Final = "in deals, not money"
_NOTES: Final = {
    "no_forecast": "no forecast ends with it",
    "no_range": "nothing to come can be foreseen in it",
    "few_deals": "under 5 deals: one decides",
    "count": "forecasts are of money",
    "pipelines": "these pipelines together have no forecast",
    "no_rate": "no exchange rate from {currency}: set exchange_rates",
    "unknown": "no such {kind} in the CRM",
    "over": "over",
    "ahead": "not begun",
}
_NONE: Final = (
    "{} has no goals: set goals.quotas in the configuration, run `dealpulse goals import "
    "quotas.csv`, or set them in the CRM, whose goals come with the second pull and then daily."
)
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
    Column("source", "From"),
    Column("measure", on_screen=False),
    Column("pipelines", on_screen=False),
    *(Column(f"pace_{name}", kind=Kind.SHARE, on_screen=False) for name in _PACES),
    Column("won_deals", kind=Kind.COUNT, on_screen=False),
    Column("open_deals", kind=Kind.COUNT, on_screen=False),
    Column("period_start", kind=Kind.DAY, on_screen=False),
    Column("period_end", kind=Kind.DAY, on_screen=False),
)


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
    given = given_quotas(engine, connection, config)
    crm = goals_of_the_crm(engine, connection, config)
    if not given:
        raise ConfigError(_NONE.format(connection) + "".join(f" {t}" for t in told_of_the_crm(crm)))
    people = read_people(engine, connection)
    deals = _deals(engine, account, config, zone)
    quotas, refused = resolved(engine, account, config, given, people)
    wanted = _wanted(config, period, every=every, today=today)
    forecasts = assessments.latest_forecasts(engine, connection).filter("chosen")
    measured = [
        _measured(quota, deals, forecasts, today, account, config, zone)
        for quota in with_rollups(quotas, people.team_of)
        if wanted(quota)
    ]
    rows = [_row(each, people, config.goals.pacing, today) for each in measured]
    rows += [_refused(quota, why, people) for quota, why in refused if wanted(quota)]
    rows.sort(key=_in_order)
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
            "goals_of_the_crm": crm,
        },
        notes=[*_notes(account, config, zone, rows, left_out), *told_of_the_crm(crm)],
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
    told = [_NOTES[key] for key in (*notes, *found.notes)]
    return {
        **_named(quota, people),
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
        "note": "; ".join([*_of_what(quota, people), *told]),
    }


def _in_order(row: Mapping[str, object]) -> tuple[object, ...]:
    kinds = {"total": 0, "pipeline": 1, "team": 2, "owner": 3}
    of_one_kind = (row["segment"], row["measure"], row["pipelines"])
    return row["period_start"], row["period_end"], kinds[str(row["kind"])], *of_one_kind


def _refused(quota: Quota, why: str, people: People) -> dict[str, object]:
    note = _NOTES[why].format(currency=quota.currency, kind=quota.kind)
    unknown: dict[str, object] = dict.fromkeys((column.key for column in _COLUMNS), None)
    named = _named(quota, people) | {"segment": quota.segment}
    return unknown | named | {"note": "; ".join([*_of_what(quota, people), note])}


def _of_what(quota: Quota, people: People) -> list[str]:
    """Said where a quota is not of all money won."""
    told = [IN_DEALS] if quota.measure == COUNT else []
    if quota.pipelines:
        told.append(f"only in {' and '.join(_pipelines(quota, people))}")
    return told


def _pipelines(quota: Quota, people: People) -> list[str]:
    return [people.name("pipeline", each) for each in quota.pipelines]


def _named(quota: Quota, people: People) -> dict[str, object]:
    return {
        "period": quota.label,
        "kind": quota.kind,
        "source": quota.source,
        "measure": quota.measure,
        "pipelines": "; ".join(_pipelines(quota, people)),
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
