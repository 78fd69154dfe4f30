"""The demo: one whole loop, twice, against a simulated CRM, on this machine alone."""

import dataclasses
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
import yaml
from rich.console import Console
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from sync.alerts.digest import Message
from sync.bootstrap import App, open_app
from sync.cli.demo_crms import NAME, TOKEN_ENV, DemoCrm, Simulation, simulated
from sync.cli.state import Language, bars, raise_first, report_results
from sync.clock import SystemClock
from sync.errors import ConfigError
from sync.jobs import chain
from sync.jobs.backtest import backtest_since
from sync.jobs.runner import Job, JobResult, run_chain
from sync.report.backtest import backtest_report
from sync.report.forecast import forecast_report
from sync.report.funnel import funnel_reports, lead_reports
from sync.report.lead_score import score_reports
from sync.report.naming import Segment
from sync.report.quality import quality_report
from sync.report.status import mirror_report
from sync.report.table import Format, show
from sync.report.velocity import VelocitySegment, velocity_report
from sync.report.writeback import journal_report
from sync.sandbox.generator import generate
from sync.sandbox.salespeople import perform, plan_edits

LEADS_SHOWN = 3

TESTED_DAYS = 250
"""Eight months of history to back-test on, one day in each."""


def register(app: typer.Typer) -> None:
    app.command()(demo)


def demo(
    crm: Annotated[DemoCrm, typer.Option(help="Which CRM is simulated.")] = DemoCrm.HUBSPOT,
    deals: Annotated[int, typer.Option(help="Deals in the simulated CRM.", min=50)] = 3000,
    leads: Annotated[
        int, typer.Option(help="Leads in the simulated CRM; an export has none.", min=0)
    ] = 500,
    seed: Annotated[int, typer.Option(help="Another seed, another company.")] = 7,
    language: Annotated[
        Language, typer.Option(help="Of alerts and of what the CRM shows.")
    ] = Language.EN,
    keep: Annotated[
        Path | None,
        typer.Option(help="Keep the mirror and the configuration in this folder."),
    ] = None,
) -> None:
    """Show the whole loop on a simulated CRM: nothing to install, no account, no network.

    A company's three years of deals are served by a HubSpot or Pipedrive look-alike on this
    machine, or exported as CSV. dealpulse pulls them, assesses them, writes back and alerts;
    salespeople then change some deals, and the second cycle finds just those.
    """
    console = Console()
    console = Console(width=min(console.width, 120) if console.is_terminal else 100)
    clock = SystemClock()
    leads = 0 if crm is DemoCrm.FILE else leads
    company = generate(seed=seed, until=clock.now(), years=3, deals=deals, leads=leads)
    with _home(keep) as home, simulated(crm, company, clock, home) as sandbox:
        config = _write_config(home, sandbox, language.value, with_leads=leads > 0)
        environ = {**os.environ, TOKEN_ENV: sandbox.token}
        environ.pop("DEALPULSE_DATABASE_URL", None)
        with open_app(config, environ=environ, clock=clock, migrate=True) as app:
            _first_cycle(app, sandbox, console, company.name, deals)
            _salespeople_work(sandbox, console, seed)
            _second_cycle(app, sandbox, console)
            _as_salespeople_see_it(app, sandbox, console)
    _how_to_go_on(console, sandbox, keep)


@contextmanager
def _home(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="dealpulse-demo-") as folder:
            yield Path(folder)
        return
    try:
        keep.mkdir(parents=True, exist_ok=True)
        empty = not any(keep.iterdir())
    except OSError as error:
        raise ConfigError(f"{keep} cannot be used for the demo: {error.strerror}.") from None
    if not empty:
        raise ConfigError(f"{keep} is not empty; the demo needs a folder of its own.")
    yield keep.resolve()


def _write_config(home: Path, sandbox: Simulation, language: str, *, with_leads: bool) -> Path:
    path = home / "dealpulse.yaml"
    connection = {**sandbox.settings, "name": NAME, "write_back": {"enabled": True}}
    rules = ["stale", "bottleneck"]
    if with_leads:
        connection["leads"] = {"enabled": True}
        rules.append("lead_unanswered")
    settings = {
        "language": language,
        "database": {"url": f"sqlite:///{home / 'dealpulse.db'}"},
        "connections": [connection],
        "alerts": {"rules": rules},
        **sandbox.more,
    }
    text = yaml.safe_dump(settings, sort_keys=False)
    path.write_text(text, encoding="utf-8")
    return path


def _run(app: App, console: Console, jobs: Sequence[Job]) -> list[JobResult]:
    (settings,) = app.config.connections
    with bars(console) as progress:
        results = run_chain(jobs, app.context(settings, progress=progress))
    raise_first(report_results(results, console))
    return results


def _heading(console: Console, text: str) -> None:
    console.print()
    console.print(Rule(Text(text, style="bold"), align="left"))


def _first_cycle(app: App, sandbox: Simulation, console: Console, company: str, deals: int) -> None:
    _heading(console, f"1  A CRM with {deals:,} deals of {company}, {sandbox.where}")
    sandbox.settle()
    _run(app, console, [chain.PULL])
    show([mirror_report(app.engine, NAME)], Format.TABLE, console)

    _heading(console, "2  What dealpulse computes from it")
    first = app.clock.now().date() - timedelta(days=TESTED_DAYS)
    _run(
        app, console, [Job("backtest", backtest_since(first, "month")), chain.ASSESS, chain.PROCESS]
    )
    show([forecast_report(app.engine, NAME, Segment.TOTAL)], Format.TABLE, console)
    show([backtest_report(app.engine, NAME)], Format.TABLE, console)
    show([velocity_report(app.engine, NAME, VelocitySegment.TOTAL)], Format.TABLE, console)
    show(quality_report(app.engine, NAME, app.config, worst=5), Format.TABLE, console)
    _leads(app, console)

    _heading(console, "3  What it writes back to the CRM, and whom it alerts")
    (written,) = _run(app, console, [chain.WRITE_BACK])
    show([journal_report(app.engine, NAME, written.run_id, limit=4)], Format.TABLE, console)
    _deliver_alerts(app, console)


def _leads(app: App, console: Console) -> None:
    """Who came how far, who waits and who is worth a call: the first of each."""
    (settings,) = app.config.connections
    if not chain.leads_cycle(settings):
        return
    _run(app, console, [chain.LEADS, chain.FUNNEL, chain.LEAD_SCORE])
    show(funnel_reports(app.engine, NAME, "total"), Format.TABLE, console)
    waiting = lead_reports(app.engine, NAME, untouched=True, limit=LEADS_SHOWN)
    show(waiting, Format.TABLE, console)
    show(score_reports(app.engine, NAME, app.config, limit=LEADS_SHOWN), Format.TABLE, console)


class _Kept:
    """A channel that keeps what is told."""

    name = "console"

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def deliver(self, message: Message) -> None:
        self.messages.append(message)


def _deliver_alerts(app: App, console: Console) -> None:
    """The console channel would print every owner's digest here; one is enough to see."""
    kept = _Kept()
    (settings,) = app.config.connections
    shown = dataclasses.replace(app.context(settings), channels=[kept])
    raise_first(report_results(run_chain(chain.telling(settings), shown), console))
    on_account = [each for each in kept.messages if each.owner == NAME]
    owners = [each for each in kept.messages if each.owner != NAME]
    for title, messages in (("Of the account", on_account), ("One digest", owners)):
        if messages:
            shortest = min(messages, key=lambda each: len(each.text))
            text = f"{shortest.headline}\n{shortest.text.strip()}"
            console.print(Panel(Text(text), title=title, title_align="left"))
    console.print(f"  and {max(len(owners) - 1, 0)} more, one for each owner.", style="dim")


def _salespeople_work(sandbox: Simulation, console: Console, seed: int) -> None:
    _heading(console, "4  Meanwhile, salespeople work in the CRM")
    edits = plan_edits(sandbox.desk, seed=seed)
    perform(sandbox.desk, edits)
    for edit in edits:
        console.print(f"  {edit.description}", markup=False, highlight=False)


def _second_cycle(app: App, sandbox: Simulation, console: Console) -> None:
    _heading(console, "5  The second cycle finds just that")
    sandbox.settle()
    (settings,) = app.config.connections
    results = _run(app, console, [*chain.cycle(settings), chain.DELIVER_ALERTS])
    written = next(r for r in results if r.job == chain.WRITE_BACK.name)
    show([mirror_report(app.engine, NAME)], Format.TABLE, console)
    show([journal_report(app.engine, NAME, written.run_id, limit=12)], Format.TABLE, console)


def _as_salespeople_see_it(app: App, sandbox: Simulation, console: Console) -> None:
    _heading(console, "6  Read back from the CRM, as a salesperson sees it")
    for title, lines in sandbox.cards(app.engine, count=3):
        table = Table(show_header=False, box=None, padding=(0, 1))
        table.add_column(style="dim", no_wrap=True)
        table.add_column(overflow="fold")
        for label, value in lines:
            table.add_row(Text(label), Text(value))
        console.print(Panel(table, title=Text(title), title_align="left"))


def _how_to_go_on(console: Console, sandbox: Simulation, keep: Path | None) -> None:
    _heading(console, "With your own CRM")
    console.print(
        f"{sandbox.start}\n"
        "  dealpulse check               what can be read and written\n"
        "  dealpulse sync                the first load\n"
        "  dealpulse forecast            and: velocity, quality, bottlenecks, funnel\n"
        "  dealpulse writeback plan      what it would write, once you switch it on\n"
        "  dealpulse run                 the daemon",
        markup=False,
        highlight=False,
    )
    if keep is not None:
        console.print(
            f"\n  The demo's mirror is kept; its CRM is gone. Look at it with\n"
            f"  dealpulse --config {keep / 'dealpulse.yaml'} forecast --by owner",
            markup=False,
            highlight=False,
        )
