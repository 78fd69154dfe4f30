"""Accounts that have little or nonsense to forecast from, through the whole product: pulled from a
CRM, assessed, back-tested and shown. Each gets a labelled answer; never NaN, never a number from
nothing.
"""

import io
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from rich.console import Console
from sqlalchemy import delete, func, select, update

from forecasting.notes import Note
from forecasting.wording import Language, day
from sync.bootstrap import App
from sync.cli.daemon_status import daemon_status
from sync.errors import ConfigError
from sync.jobs import chain
from sync.jobs.backtest import backtest_since
from sync.jobs.runner import Job
from sync.mirror import schema
from sync.report.backtest import BacktestCut, backtest_chart, backtest_report
from sync.report.bottlenecks import bottleneck_report
from sync.report.forecast import forecast_report
from sync.report.naming import ForecastSegment
from sync.report.quality import quality_report
from sync.report.table import Format, Report, show
from sync.sandbox.company import Company, CompanyDeal, Event
from sync.sandbox.generator import generate
from sync.sandbox.server import serve
from sync.web.page import render
from tests.end_to_end.conftest import Installation, run_jobs
from tests.fake_clock import START, FakeClock

WON = {"closed_won", "renewal_won"}
ENDS = WON | {"closed_lost", "renewal_lost"}
RANGE = ("p10", "p50", "p90")


def last(deal: CompanyDeal, field: str) -> str | None:
    return next((e.value for e in reversed(deal.events) if e.field == field), None)


def only(company: Company, kept: Callable[[CompanyDeal], bool], most: int | None = None) -> Company:
    company.deals = [deal for deal in company.deals if kept(deal)][:most]
    return company


def edited(
    company: Company, field: str, edit: Callable[[CompanyDeal, Event], str | None]
) -> Company:
    for deal in company.deals:
        deal.events = [
            replace(e, value=edit(deal, e)) if e.field == field else e for e in deal.events
        ]
    return company


def is_open(deal: CompanyDeal) -> bool:
    return last(deal, "stage") not in ENDS


def no_won_deal(company: Company) -> Company:
    return only(company, lambda deal: last(deal, "stage") not in WON)


def one_open_deal(company: Company) -> Company:
    return only(company, is_open, most=1)


def one_won_deal(company: Company) -> Company:
    return only(company, lambda deal: last(deal, "stage") in WON, most=1)


def all_open(company: Company) -> Company:
    for deal in company.deals:
        deal.events = [e for e in deal.events if not (e.field == "stage" and e.value in ENDS)]
    return company


def few_amounts(company: Company) -> Company:
    few = {deal.key for deal in company.deals[::10]}
    return edited(company, "amount", lambda deal, e: e.value if deal.key in few else None)


def no_amounts(company: Company) -> Company:
    return edited(company, "amount", lambda deal, e: None)


def negative_amounts(company: Company) -> Company:
    return edited(company, "amount", lambda deal, e: "-1000")


def no_rates(company: Company) -> Company:
    return edited(company, "currency", lambda deal, e: "SEK")


def stages_gone(company: Company) -> Company:
    sales, *others = company.pipelines
    kept = tuple(s for s in sales.stages if s.id not in {"qualified", "proposal_sent"})
    company.pipelines = (replace(sales, stages=kept), *others)
    return company


def one_stage(company: Company) -> Company:
    sales = company.pipelines[0]
    company.pipelines = (replace(sales, stages=(sales.stages[0], *sales.stages[-2:])),)
    ends = {name: name.replace("renewal", "closed") for name in ENDS}
    edited(company, "pipeline", lambda deal, e: "sales")
    return edited(company, "stage", lambda deal, e: ends.get(e.value or "", sales.stages[0].id))


def quiet_month(company: Company) -> Company:
    """Nothing is ever created, moved or closed in the month that it is now, nor in the next."""
    return only(company, lambda d: not any(e.at.month in {3, 4} for e in d.events))


def closing_in(year: int, every: bool) -> Callable[[Company], Company]:
    def edit(company: Company) -> Company:
        day = f"{year}-06-15T10:00:00.000Z"
        return edited(company, "close_date", lambda d, e: day if every or is_open(d) else e.value)

    return edit


@contextmanager
def installed(company: Company, home: Path) -> Iterator[App]:
    clock = FakeClock(START)
    with serve(company, clock=clock) as sandbox:
        url = f"sqlite:///{home / 'dealpulse.db'}"
        with Installation(home, sandbox.url, sandbox.token, url).write().app(clock) as app:
            run_jobs(app, chain.PULL)
            yield app


def numbers(value: object) -> Iterator[float]:
    if isinstance(value, float):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from numbers(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from numbers(each)


def sound(*reports: Report) -> None:
    """Numbers throughout: JSON would hide that a figure is none."""
    for report in reports:
        assert all(map(math.isfinite, numbers([dict(report.facts), [*map(dict, report.rows)]])))
    for form in Format:
        screen = Console(file=io.StringIO(), width=200)
        show(reports[:1] if form is Format.CSV else reports, form, screen)


def labelled(report: Report) -> None:
    """A figure has a range in its order; what it lacks, and why, is said in a sentence."""
    said = " ".join(report.notes)
    for row in report.rows:
        levels: list[Any] = [row[name] for name in RANGE]
        assert None not in levels or levels == [None] * 3
        assert None in levels or sorted(levels) == levels
        if row["note"]:
            assert Note.of(str(row["note"])).text("en") in said
        if row["chosen"] and None in levels:
            assert Note("nothing_to_come").text("en") in said


def forecasts(app: App) -> Report:
    """The chosen forecast, after all that can be shown of forecasts was looked at."""
    by_total = forecast_report(app.engine, "portal", ForecastSegment.TOTAL)
    methods = forecast_report(app.engine, "portal", ForecastSegment.TOTAL, methods=True)
    owners = forecast_report(app.engine, "portal", ForecastSegment.OWNER, show_rep_figures=True)
    for report in (by_total, methods, owners):
        sound(report)
    for report in (by_total, methods):
        labelled(report)
    for row in by_total.rows:
        silent = not row["open_deals"] and not row["new_amount"]
        assert (row["p50"] is None) == silent, row
        if silent:
            assert row["forecast"] == row["won_amount"]
    for row in methods.rows:
        if row["note"] == "not_enough_history:nothing":
            assert row["forecast"] is row["p50"] is None
    return by_total


def deals(app: App) -> None:
    """Each open deal's own figures: chances, and a sentence that says what they rest on."""
    with app.engine.connect() as database:
        rows = [dict(row._mapping) for row in database.execute(select(schema.deal_assessment))]
    assert all(map(math.isfinite, numbers(rows)))
    for row in rows:
        chances = [row[name] for name in row if name.startswith("win_probability")]
        assert all(chance is None or 0 <= chance <= 1 for chance in chances)
        assert row["explanation"]


def quality(app: App, opened: bool) -> None:
    if opened:
        sound(*quality_report(app.engine, "portal", app.config, worst=3))
        return
    with pytest.raises(ConfigError, match="no open deal is assessed"):
        quality_report(app.engine, "portal", app.config, worst=3)


def backtested(app: App) -> None:
    run_jobs(app, Job("backtest", backtest_since(START.date() - timedelta(days=45))))
    for cut in BacktestCut:
        sound(backtest_report(app.engine, "portal", cut, show_rep_figures=True))
    assert "nan" not in backtest_chart(app.engine, "portal")


def said(report: Report, *sentences: str) -> None:
    for sentence in sentences:
        assert sentence in " ".join(report.notes), (sentence, report.notes)


def company() -> Company:
    return generate(seed=7, until=START, years=2, deals=90)


UNKNOWN_YET = "No open deal can count in it and no new ones can be foreseen"
NOBODY = "No method can say anything yet."
STATED = "Not enough history: showing opportunity stage instead."


@pytest.mark.parametrize(
    ("edit", "sentences"),
    [
        (no_won_deal, ["0 of them won", STATED]),
        (one_open_deal, ["Learned from 0 decided deals", NOBODY, UNKNOWN_YET]),
        (one_open_deal, ["open deals: 1 without a close date"]),
        (one_won_deal, ["Learned from 1 decided deals", UNKNOWN_YET]),
        (all_open, ["Learned from 0 decided deals", STATED, "whose close date has passed"]),
        (few_amounts, ["deals without an amount"]),
        (no_amounts, ["deals without an amount", UNKNOWN_YET]),
        (negative_amounts, ["decided deals"]),
        (no_rates, ["in a currency without a rate", UNKNOWN_YET]),
        (stages_gone, ["decided deals"]),
        (closing_in(1970, every=False), ["decided deals"]),
        (closing_in(2099, every=False), ["decided deals"]),
        (closing_in(1970, every=True), ["whose close date has passed", UNKNOWN_YET]),
        (closing_in(2099, every=True), ["decided deals"]),
        (one_stage, ["decided deals"]),
        (quiet_month, ["decided deals"]),
    ],
)
def test_an_answer_that_says_what_it_rests_on(
    edit: Callable[[Company], Company], sentences: list[str], tmp_path: Path
) -> None:
    edited_company = edit(company())
    opened = any(map(is_open, edited_company.deals))
    with installed(edited_company, tmp_path) as app:
        run_jobs(app, chain.ASSESS)
        said(forecasts(app), "No back-test yet, so no past error is known", *sentences)
        quality(app, opened)
        backtested(app)
        run_jobs(app, chain.ASSESS)
        forecasts(app)
        deals(app)


def test_no_deal_at_all(tmp_path: Path) -> None:
    with installed(only(company(), lambda deal: False), tmp_path) as app:
        run_jobs(app, chain.ASSESS)
        said(forecasts(app), "Learned from 0 decided deals", UNKNOWN_YET)
        quality(app, opened=False)
        with pytest.raises(ConfigError, match="Nothing is back-tested for portal yet"):
            backtested(app)


def test_a_history_that_starts_yesterday(tmp_path: Path) -> None:
    with installed(company(), tmp_path) as app:
        change = schema.deal_change
        with app.engine.begin() as database:
            since = START - timedelta(days=1)
            database.execute(delete(change).where(change.c.changed_at < since))
        run_jobs(app, chain.ASSESS)
        said(forecasts(app), "decided deals")
        backtested(app)
        run_jobs(app, chain.ASSESS)
        forecasts(app)
        deals(app)


def test_what_is_won_without_a_rate_is_counted_as_left_out(tmp_path: Path) -> None:
    """A won deal whose amount is unknown adds nothing to what is won, and that is told."""
    with installed(no_rates(only(company(), lambda d: not is_open(d))), tmp_path) as app:
        run_jobs(app, chain.ASSESS)
        for row in forecasts(app).rows:
            left_out: Any = row["left_out"]
            assert row["won_deals"] == left_out["no_rate"] + left_out["amount_missing"]


@pytest.mark.parametrize("language", ["en", "nb"])
def test_an_old_export_says_since_when_nothing_was_won(tmp_path: Path, language: Language) -> None:
    """Of deals that all ended 390 days ago and more. A year to the day is not long yet."""
    old = only(company(), lambda d: not is_open(d) and d.events[-1].at < START - timedelta(390))
    with installed(old, tmp_path) as app:
        run_jobs(app, chain.ASSESS, chain.PROCESS)
        deal = schema.deal
        with app.engine.begin() as database:
            won_at = database.execute(
                select(func.max(deal.c.closed_at)).where(deal.c.status == "won")
            ).scalar_one()
        on = won_at.astimezone(ZoneInfo("Europe/Oslo")).date()
        sentence = Note("nothing_won_since", on.isoformat()).text(language)
        assert day(on, language) in sentence
        reports = [
            forecast_report(app.engine, "portal", ForecastSegment.TOTAL, language=language),
            bottleneck_report(app.engine, "portal", language),
        ]
        for report in reports:
            said(report, sentence)
            assert report.facts["last_won_on"] == on
        page = render(daemon_status(app, app.config.connections))
        assert Note("nothing_won_since", on.isoformat()).text("en") in page

        with app.engine.begin() as database:
            newest = select(deal.c.deal_id).where(
                deal.c.status == "won", deal.c.closed_at == won_at
            )
            a_year_ago = update(deal).where(deal.c.deal_id.in_(newest))
            database.execute(a_year_ago.values(closed_at=START - timedelta(days=365)))
        told = forecast_report(app.engine, "portal", ForecastSegment.TOTAL, language=language)
        assert told.facts["last_won_on"] == (START - timedelta(days=365)).date()
        assert sentence.split(":")[0][:15] not in " ".join(told.notes)
