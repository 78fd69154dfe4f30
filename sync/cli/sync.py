"""Reading the CRM: sync, backfill, status."""

from collections.abc import Sequence
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
    screen,
)
from sync.jobs import chain
from sync.jobs.pull import DEALS
from sync.jobs.runner import Job, JobResult, run_chain
from sync.mirror import history_reads, write
from sync.report.status import status_report
from sync.report.table import Format, show


def register(app: typer.Typer) -> None:
    app.command()(sync)
    app.command()(backfill)
    app.command()(status)


def run_jobs(app: App, only: str | None, jobs: Sequence[Job]) -> None:
    """Run `jobs` for each connection with progress bars; raises the first error at the end."""
    console = notices()
    with bars(console) as progress:

        def work(name: str) -> list[JobResult]:
            (settings,) = app.settings(name)
            return run_chain(jobs, app.context(settings, progress=progress))

        each_connection(app, only, work, console)


def sync(
    context: typer.Context,
    sweep: Annotated[
        bool,
        typer.Option(
            "--sweep", help="Then compare with everything that the CRM lists, as each night."
        ),
    ] = False,
    connection: ConnectionOption = None,
) -> None:
    """Pull what changed since the last time, and assess it.

    The first time everything is read, with its history. Interrupted, it resumes where it was.
    """
    state: State = context.obj
    with state.app(migrate=True) as app:
        swept = [chain.SWEEP] if sweep else []
        run_jobs(app, connection, [chain.PULL, *swept, chain.ASSESS, chain.PROCESS])


def backfill(context: typer.Context, connection: ConnectionOption = None) -> None:
    """Read every deal with its whole history again, as the first time.

    Nothing is lost by it: deals and history already mirrored are compared and kept.
    """
    state: State = context.obj
    with state.app(migrate=True) as app:
        for settings in app.settings(connection):
            write.forget_cursor(app.engine, settings.name, DEALS)
            history_reads.forget_histories(app.engine, settings.name)
        run_jobs(app, connection, [chain.PULL, chain.ASSESS, chain.PROCESS])


def status(context: typer.Context, form: FormatOption = Format.TABLE) -> None:
    """Show what the mirror holds and how the last runs went. Asks nothing of the CRM.

    CSV has what the mirror holds, without the runs.
    """
    state: State = context.obj
    with state.app() as app:
        names = [c.name for c in app.config.connections]
        show(status_report(app.engine, names, app.config.time_zone), form, screen())
