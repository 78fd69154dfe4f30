"""Writing to the CRM: writeback plan, writeback apply."""

from typing import Annotated

import typer

from sync.bootstrap import App
from sync.cli.state import (
    ConnectionOption,
    FormatOption,
    State,
    bars,
    each_connection,
    notices,
    show_each,
)
from sync.config.model import Connection
from sync.errors import ConfigError
from sync.jobs import chain, lead_write_back
from sync.jobs.runner import JobResult, run_chain
from sync.jobs.write_back import planned
from sync.report.table import Format, Report
from sync.report.writeback import lead_plan_report, on_screen, plan_report


def register(app: typer.Typer) -> None:
    group = typer.Typer(
        no_args_is_help=True, help="Forecast properties in the CRM: see, then write."
    )
    group.command()(plan)
    group.command()(apply)
    app.add_typer(group, name="writeback")


def plan(
    context: typer.Context,
    connection: ConnectionOption = None,
    form: FormatOption = Format.TABLE,
    limit: Annotated[
        int, typer.Option(help="Show at most so many values in the table; 0 = all.", min=0)
    ] = 40,
) -> None:
    """Show what would be written, value by value. Writes nothing."""
    state: State = context.obj
    with state.app() as app:

        def build(settings: Connection) -> list[Report]:
            rows, deals = planned(app.context(settings))
            reports = [
                plan_report(settings.name, rows, deals=deals, enabled=settings.write_back.enabled)
            ]
            if chain.leads_cycle(settings):
                reports.append(_lead_plan(app, settings))
            return [on_screen(r, limit) if form is Format.TABLE else r for r in reports]

        show_each(app, connection, form, build)


def _lead_plan(app: App, settings: Connection) -> Report:
    rows, leads = lead_write_back.planned(app.context(settings))
    enabled = chain.LEAD_WRITE_BACK in chain.leads_cycle(settings)
    return lead_plan_report(settings.name, rows, leads=leads, enabled=enabled)


def apply(
    context: typer.Context,
    connection: ConnectionOption = None,
    allow_mass_change: Annotated[
        bool,
        typer.Option(
            "--allow-mass-change",
            help="Write even if far more deals change than usual. Look at the plan first.",
        ),
    ] = False,
) -> None:
    """Write the plan to the CRM, read it back, and keep a journal.

    Only where write_back.enabled, or leads.write_back for leads, is true in the configuration.
    """
    state: State = context.obj
    with state.app() as app:
        chosen = app.settings(connection)
        off = [c.name for c in chosen if not chain.writing(c)]
        if off and (connection is not None or len(off) == len(chosen)):
            raise ConfigError(
                f"Write-back is off for {', '.join(off)}. Look at `dealpulse writeback plan`, then "
                "set write_back.enabled to true for that connection in the configuration."
            )
        console = notices()
        with bars(console) as progress:

            def work(name: str) -> list[JobResult]:
                (settings,) = app.settings(name)
                jobs = chain.writing(settings)
                if not jobs:
                    console.print(f"{name}: write-back is off", markup=False)
                    return []
                job = app.context(settings, progress=progress, allow_mass_change=allow_mass_change)
                return run_chain(jobs, job)

            each_connection(app, connection, work, console)
