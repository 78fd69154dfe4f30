"""Alerts: alerts plan, alerts send."""

from typing import Annotated

import typer

from sync.alerts.store import delivery_counts, send_again
from sync.cli.state import (
    ConnectionOption,
    FormatOption,
    State,
    each_connection,
    notices,
    show_each,
)
from sync.config.model import Connection
from sync.jobs import chain
from sync.jobs.alert import planned
from sync.jobs.bottleneck_alert import planned_bottlenecks
from sync.jobs.lead_alert import planned_leads
from sync.jobs.runner import JobResult, run_chain
from sync.report.alerts import alerts_report
from sync.report.table import Format, Report


def register(app: typer.Typer) -> None:
    group = typer.Typer(
        no_args_is_help=True, help="Alerts on deals, leads and bottlenecks: see, then send."
    )
    group.command()(plan)
    group.command()(send)
    app.add_typer(group, name="alerts")


def plan(
    context: typer.Context,
    connection: ConnectionOption = None,
    form: FormatOption = Format.TABLE,
    limit: Annotated[
        int, typer.Option(help="Show at most so many in the table; 0 = all.", min=0)
    ] = 40,
) -> None:
    """Show which alerts would be raised and resolved. Sends and stores nothing."""
    state: State = context.obj
    with state.app() as app:

        def build(settings: Connection) -> list[Report]:
            job = app.context(settings)
            rows = [*planned_bottlenecks(job), *planned(job)]
            if chain.leads_cycle(settings):
                rows += planned_leads(job)
            told = delivery_counts(app.engine, settings.name)
            most = limit if form is Format.TABLE else 0
            return [alerts_report(app.engine, settings.name, rows, told, limit=most)]

        show_each(app, connection, form, build)


def send(
    context: typer.Context,
    connection: ConnectionOption = None,
    allow_mass_alert: Annotated[
        bool, typer.Option("--allow-mass-alert", help="Send even if far more are new than usual.")
    ] = False,
    retry_failed: Annotated[
        bool,
        typer.Option(
            "--retry-failed",
            help="Also what a channel refused for good, now that you have corrected it.",
        ),
    ] = False,
    retry_uncertain: Annotated[
        bool,
        typer.Option(
            "--retry-uncertain",
            help="Also what may have arrived already: somebody may be told twice.",
        ),
    ] = False,
) -> None:
    """Raise what is new, resolve what is fixed, and deliver what is waiting.

    Each alert goes to each channel once per episode, however often this runs.
    """
    state: State = context.obj
    with state.app() as app:
        console = notices()

        def work(name: str) -> list[JobResult]:
            (settings,) = app.settings(name)
            if retry_failed or retry_uncertain:
                again = send_again(app.engine, name, failed=retry_failed, uncertain=retry_uncertain)
                console.print(f"{name}: {again} deliveries are tried again", markup=False)
            job = app.context(settings, allow_mass_alert=allow_mass_alert)
            return run_chain(chain.telling(settings), job)

        each_connection(app, connection, work, console)
