"""What changed: the open pipeline, the weighted one and the forecast between two instants."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import polars as pl
from sqlalchemy import Engine

from forecasting.history import Habits, counted_changes, habits, pushes
from forecasting.periods import Period, PeriodKind, period_of
from forecasting.snapshot import History
from forecasting.spans import named_day
from forecasting.standing import standing
from forecasting.waterfall import Measure, Waterfall, waterfall
from forecasting.waterfall_wording import END, MOVE_LABELS, NOT_CREATED_YET, START, headline
from forecasting.wording import Language
from sync.config.model import Config
from sync.config.rates import rates_for
from sync.errors import ConfigError
from sync.mirror import frames, read
from sync.mirror.frames import rate_frame
from sync.mirror.past_forecasts import Said, said_between
from sync.report.naming import local_time
from sync.report.table import Column, Kind, Report

DEFINITIONS: Final[Mapping[Measure, str]] = {
    Measure.OPEN: "the amounts of open deals",
    Measure.WEIGHTED: "the amounts of open deals times the probability that their stage had then",
    Measure.EXPECTED: "what was won in the period, plus each open deal's amount times its chance "
    "of being won in it as forecast then, plus what deals not created yet should bring",
}
_EXACT: Final = "start + all moves = end, to the cent; amounts in {currency} at the rates of then."
_LEFT_OUT: Final = {
    "no_amount": "{} deals without an amount count 0",
    "no_rate": "{} deals in a currency without an exchange rate count 0: set exchange_rates",
    "no_chance": "{} open deals without a stated probability count 0",
}
_WHICH: Final = (Column("measure", on_screen=False), Column("period", on_screen=False))
_TOTALS: Final = (
    *_WHICH,
    Column("label", "What"),
    Column("move", on_screen=False),
    Column("deals", "Deals", Kind.COUNT),
    Column("amount", "Amount", Kind.MONEY),
)
_DEALS: Final = (
    *_WHICH,
    Column("label", "What"),
    Column("move", on_screen=False),
    Column("deal_id", "Id"),
    Column("name", "Deal"),
    Column("owner", "Owner"),
    Column("amount", "Amount", Kind.MONEY),
)


@dataclass(frozen=True, slots=True)
class Span:
    """From one instant to a later one; `days`: the account's days in it; `now`: it ends at the
    last pull.
    """

    since: datetime
    until: datetime
    days: Period
    now: bool


@dataclass(frozen=True, slots=True)
class Account:
    """One account with everything that ever was in it, as far as the mirror knows."""

    name: str
    zone: str
    currency: str
    as_of: datetime
    changes: pl.DataFrame
    history: History
    removed: pl.DataFrame
    rates: pl.DataFrame
    versions: pl.DataFrame
    names: pl.DataFrame

    def stood(self, at: datetime) -> pl.DataFrame:
        return standing(
            self.history,
            at,
            removed=self.removed,
            rates=self.rates,
            versions=self.versions,
            present=at >= self.as_of,
        )


def read_account(engine: Engine, connection: str, config: Config) -> Account:
    """Raises ConfigError where the connection was never pulled, or has no history at all."""
    stored = read.account(engine, connection)
    if stored is None:
        raise ConfigError(f"{connection} has never been pulled: run `dealpulse sync` first.")
    zone = config.time_zone or stored.time_zone
    home, own_win = stored.home_currency, config.exchange_rates_win
    deals = frames.deal_frame(
        engine,
        connection,
        zone=zone,
        home_currency=home,
        rates=rates_for(config, home),
        rates_win=own_win,
        removed=True,
    )
    changes = frames.change_frame(engine, connection, removed=True)
    if changes.is_empty():
        raise ConfigError(
            f"{connection} has no history yet, so nothing is known of the past: it comes with the "
            "CRM's own history, or with pulls over some days."
        )
    rates = rate_frame(engine, connection, home)
    if own_win:
        rates = rates.filter(~pl.col("currency").is_in(list(config.exchange_rates)))
    owners = frames.owner_frame(engine, connection)
    return Account(
        name=connection,
        zone=zone,
        currency=home,
        as_of=stored.seen_at,
        changes=changes,
        history=History(deals, changes, frames.stage_frame(engine, connection), owners, zone=zone),
        removed=frames.removal_frame(engine, connection),
        rates=rates,
        versions=frames.stage_version_frame(engine, connection),
        names=deals.select("deal_id", "name", "owner_id").join(
            owners.select("owner_id", "owner"), on="owner_id", how="left"
        ),
    )


def span_of(account: Account, since: str, until: str | None) -> Span:
    """From the start of the day that `since` names to the end of `until`'s, or the last pull.

    Raises ConfigError for what is no day, is not over yet, or lies before the history.
    """
    zone = ZoneInfo(account.zone)
    today = account.as_of.astimezone(zone).date()
    first = _day("--since", since, today)
    last = today if until is None else _day("--until", until, today)
    if first > today:
        raise ConfigError(
            f"--since: {first} is in the future; the last pull of {account.name} was on {today}."
        )
    if last < first:
        raise ConfigError(f"--until: {last} is before --since, {first}.")
    begin = _start(first, zone)
    changed = account.changes["changed_at"]
    known: datetime = changed.min()  # type: ignore[assignment]
    if begin + timedelta(days=1) <= known:
        raise ConfigError(
            f"--since: the history of {account.name} begins on {known.astimezone(zone).date()}; "
            "nothing is known of the time before."
        )
    end = min(_start(last + timedelta(days=1), zone), account.as_of)
    days = Period(first, last + timedelta(days=1), PeriodKind.WINDOW)
    return Span(begin, end, days, now=end == account.as_of)


def _day(option: str, text: str, today: date) -> date:
    try:
        return named_day(text, today)
    except ValueError as error:
        raise ConfigError(f"{option}: {error}.") from None


def _start(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)


def changes_reports(
    engine: Engine,
    connection: str,
    config: Config,
    *,
    since: str,
    until: str | None = None,
    deals: bool = False,
) -> list[Report]:
    """The open pipeline, and of the quarter in which the span ends the open and the weighted
    pipeline and the forecast. deals: a row per deal and move instead of one per move.
    """
    account = read_account(engine, connection, config)
    span = span_of(account, since, until)
    quarter = period_of(span.days.last_day, PeriodKind.QUARTER)
    then, now = account.stood(span.since), account.stood(span.until)
    build = _Builder(account, config.language, deals=deals)
    reports = [
        build.report(waterfall(then, now, measure, period), span, period)
        for measure, period in (
            (Measure.OPEN, None),
            (Measure.OPEN, quarter),
            (Measure.WEIGHTED, quarter),
        )
    ]
    reports[0] = replace(
        reports[0],
        notes=[*reports[0].notes, *_habits(account, habits(then, now, span.days), span)],
    )
    return [*reports, _forecast_report(engine, account, span, quarter, build)]


def _forecast_report(
    engine: Engine, account: Account, span: Span, quarter: Period, build: "_Builder"
) -> Report:
    said = said_between(engine, account.name, quarter, span.since, None if span.now else span.until)
    if said is None:
        return Report(
            title=f"{account.name}: the forecast for {quarter.label}",
            columns=build.columns,
            rows=[],
            facts={
                "connection": account.name,
                "measure": Measure.EXPECTED.value,
                "definition": DEFINITIONS[Measure.EXPECTED],
                "period": quarter.label,
                "as_of": account.as_of,
                "cut_off": span.until,
                "sample": 0,
                "left_out": {"no_two_forecasts_kept": account.history.deals.height},
            },
            notes=[
                "No two forecasts of this quarter are kept up to then: what is said of each deal "
                "is kept once a week, by the first run from Monday on."
            ],
            zone=account.zone,
        )
    before, after = said
    then, now = (
        account.stood(each.as_of).drop("chance").join(each.chances, on="deal_id", how="left")
        for each in said
    )
    found = waterfall(then, now, Measure.EXPECTED, quarter)
    days = Period(
        before.as_of.astimezone(ZoneInfo(account.zone)).date(),
        after.as_of.astimezone(ZoneInfo(account.zone)).date() + timedelta(days=1),
        PeriodKind.WINDOW,
    )
    seen = Span(before.as_of, after.as_of, days, now=False)
    return build.report(found, seen, quarter, (before, after))


def _habits(account: Account, found: Habits, span: Span) -> list[str]:
    told = []
    if found.won:
        told.append(
            f"Of {len(found.won)} deals won, {len(found.unseen)} were created after the start, so "
            f"no earlier pipeline held them, and {len(found.early)} were expected later."
        )
    if found.slip_rate is not None:
        told.append(
            f"Slip rate {found.slip_rate:.0%}: of {found.due} open deals due from "
            f"{span.days.start} to {span.days.last_day}, {found.slipped} are still open."
        )
    still_open = account.history.deals.filter(pl.col("status") == "open")
    counted = pushes(
        account.changes, still_open, span.until, account.zone, stages=account.history.stages
    )
    touched = counted_changes(account.changes, still_open, span.until, since=span.since)
    told.append(
        f"{found.pushed} open deals have a later close date than at the start; "
        f"{_with_some(counted, 'pushes', 3)} were pushed three times or more in their life, "
        f"{_with_some(counted, 'slips')} past the end of a quarter. The amount of "
        f"{_with_some(touched, 'amount_changes')} open deals was changed since the start, the "
        f"owner of {_with_some(touched, 'owner_changes')}."
    )
    return told


def _with_some(counted: pl.DataFrame, column: str, least: int = 1) -> int:
    return counted.filter(pl.col(column) >= least).height


@dataclass(frozen=True, slots=True)
class _Builder:
    account: Account
    language: Language
    deals: bool

    @property
    def columns(self) -> Sequence[Column]:
        return _DEALS if self.deals else _TOTALS

    def report(
        self,
        found: Waterfall,
        span: Span,
        period: Period | None,
        said: tuple[Said, Said] | None = None,
    ) -> Report:
        totals = dict(found.totals().select("move", "cents").iter_rows())
        new = [round((each.new_amount or 0.0) * 100) for each in said] if said else [0, 0]
        if new[1] != new[0]:
            totals[NOT_CREATED_YET] = new[1] - new[0]
        ends = (found.start_cents + new[0], found.end_cents + new[1])
        currency = self.account.currency
        top = headline(
            totals,
            found,
            ends,
            period=None if period is None else period.label,
            currency=currency,
            language=self.language,
        )
        zone = self.account.zone
        return Report(
            title=f"{self.account.name}: {top}",
            columns=self.columns,
            rows=self._deals(found) if self.deals else self._moves(found, totals, ends),
            facts={
                "connection": self.account.name,
                "measure": found.measure.value,
                "definition": DEFINITIONS[found.measure],
                "period": None if period is None else period.label,
                "as_of": self.account.as_of,
                "cut_off": span.until,
                "since": span.since,
                "until": span.until,
                "currency": currency,
                "start": ends[0] / 100,
                "end": ends[1] / 100,
                "sample": self.account.history.deals.height,
                "left_out": found.left_out,
                "method": said[1].method if said else None,
            },
            notes=[
                f"From {local_time(span.since, zone)} to {local_time(span.until, zone)}: "
                f"{DEFINITIONS[found.measure]}.",
                _EXACT.format(currency=currency),
                *(f"{_LEFT_OUT[why].format(count)}." for why, count in found.left_out.items()),
            ],
            zone=zone,
        )

    def _moves(
        self, found: Waterfall, totals: Mapping[str, int], ends: tuple[int, int]
    ) -> list[dict[str, object]]:
        counted = dict(found.totals().select("move", "deals").iter_rows())
        return [
            self._line(START, found.start_deals, ends[0]),
            *(self._line(move, counted.get(move), cents) for move, cents in totals.items()),
            self._line(END, found.end_deals, ends[1]),
        ]

    def _line(self, move: str, deals: int | None, cents: int) -> dict[str, object]:
        label = MOVE_LABELS[move][self.language]
        return {"label": label, "move": move, "deals": deals, "amount": cents / 100}

    def _deals(self, found: Waterfall) -> list[dict[str, object]]:
        order = {move: place for place, move in enumerate(MOVE_LABELS)}
        named = found.moves.join(self.account.names, on="deal_id", how="left").sort(
            pl.col("move").replace_strict(order, return_dtype=pl.Int64),
            pl.col("cents").abs(),
            "deal_id",
            descending=[False, True, False],
        )
        return [
            {
                "label": MOVE_LABELS[row["move"]][self.language],
                "move": row["move"],
                "deal_id": row["deal_id"],
                "name": row["name"],
                "owner": row["owner"],
                "amount": row["cents"] / 100,
            }
            for row in named.iter_rows(named=True)
        ]
