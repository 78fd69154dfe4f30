"""The demo: one whole loop, twice, against a simulated CRM, on this machine alone."""

import dataclasses
import io
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

from sync.alerts.channels.console import ConsoleChannel
from sync.bootstrap import App, open_app
from sync.cli.demo_crms import NAME, TOKEN_ENV, DemoCrm, Simulation, simulated
from sync.cli.state import Language, bars, report_results
from sync.clock import SystemClock
from sync.errors import ConfigError
from sync.jobs import chain
from sync.jobs.backtest import backtest_since
from sync.jobs.runner import Job, JobResult, run_chain
from sync.report.backtest import backtest_report
from sync.report.forecast import forecast_report
from sync.report.naming import Segment
from sync.report.quality import quality_report
from sync.report.status import mirror_report
from sync.report.table import Format, show
from sync.report.velocity import VelocitySegment, velocity_report
from sync.report.writeback import journal_report
from sync.sandbox.generator import generate
from sync.sandbox.salespeople import perform, plan_edits

TESTED_DAYS = 250
"""Eight months of history to back-test on, one day in each."""


def register(app: typer.Typer) -> None:
    app.command()(demo)


def demo(
    crm: Annotated[DemoCrm, typer.Option(help="Which CRM is simulated.")] = DemoCrm.HUBSPOT,
    deals: Annotated[int, typer.Option(help="Deals in the simulated CRM.", min=50)] = 3000,
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
    company = generate(seed=seed, until=clock.now(), years=3, deals=deals)
    with _home(keep) as home, simulated(crm, company, clock, home) as sandbox:
        config = _write_config(home, sandbox, language.value)
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


def _write_config(home: Path, sandbox: Simulation, language: str) -> Path:
    path = home / "dealpulse.yaml"
    settings = {
        "language": language,
        "database": {"url": f"sqlite:///{home / 'dealpulse.db'}"},
        "connections": [
            {**sandbox.settings, "name": NAME, "write_back": {"enabled": True}},
        ],
        **sandbox.more,
    }
    text = yaml.safe_dump(settings, sort_keys=False)
    path.write_text(text, encoding="utf-8")
    return path


def _run(app: App, console: Console, jobs: Sequence[Job]) -> list[JobResult]:
    (settings,) = app.config.connections
    with bars(console) as progress:
        results = run_chain(jobs, app.context(settings, progress=progress))
    failure = report_results(results, console)
    if failure is not None:
        raise failure
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

    _heading(console, "3  What it writes back to the CRM, and whom it alerts")
    (written,) = _run(app, console, [chain.WRITE_BACK])
    show([journal_report(app.engine, NAME, written.run_id, limit=4)], Format.TABLE, console)
    _deliver_alerts(app, console)


def _deliver_alerts(app: App, console: Console) -> None:
    """The console channel would print every owner's digest here; one is enough to see."""
    caught = io.StringIO()
    (settings,) = app.config.connections
    context = app.context(settings)
    shown = dataclasses.replace(context, channels=[ConsoleChannel("console", caught)])
    failure = report_results(run_chain([chain.RAISE_ALERTS, chain.DELIVER_ALERTS], shown), console)
    if failure is not None:
        raise failure
    digests = caught.getvalue().strip().split("\n\n")
    shortest = min(digests, key=len)
    console.print(Panel(Text(shortest), title="One digest", title_align="left"))
    console.print(f"  and {len(digests) - 1} more, one for each owner.", style="dim")


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
        "  dealpulse forecast            and: velocity, quality\n"
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
