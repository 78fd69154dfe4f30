"""Closing dead deals: archive plan, apply, undo."""

from typing import Annotated

import typer

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
from sync.jobs.archive import archive, planned
from sync.jobs.archive import undo as undo_archive
from sync.jobs.runner import Job, JobResult, run_chain
from sync.report.archive import archive_report
from sync.report.table import Format, Report


def register(app: typer.Typer) -> None:
    group = typer.Typer(no_args_is_help=True, help="Close dead deals as lost: see, do, undo.")
    group.command()(plan)
    group.command()(apply)
    group.command()(undo)
    app.add_typer(group, name="archive")


def plan(
    context: typer.Context,
    connection: ConnectionOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Show which dead deals would be closed as lost, and on what evidence. Writes nothing."""
    state: State = context.obj
    with state.app() as app:

        def build(settings: Connection) -> list[Report]:
            rows, wanted = planned(app.context(settings))
            return [archive_report(app.engine, settings, app.config, rows, wanted)]

        show_each(app, connection, form, build)


def apply(
    context: typer.Context,
    connection: ConnectionOption = None,
    allow_mass_change: Annotated[
        bool,
        typer.Option(
            "--allow-mass-change",
            help="Close even more than archive.max_share allows. Look at the plan first.",
        ),
    ] = False,
) -> None:
    """Close the deals of the plan as lost, with a reason, and keep a journal to undo it by."""
    _run(context, connection, Job("archive", archive), allow_mass_change=allow_mass_change)


def undo(
    context: typer.Context,
    connection: ConnectionOption = None,
    run: Annotated[
        int | None, typer.Option(help="The run to undo, as `apply` said.  [default: the last]")
    ] = None,
) -> None:
    """Put back what `archive apply` closed, but for deals that somebody has changed since."""
    job = Job("unarchive", lambda ctx, run_id: undo_archive(ctx, run_id, run))
    _run(context, connection, job, allow_mass_change=False)


def _run(
    context: typer.Context, connection: str | None, job: Job, *, allow_mass_change: bool
) -> None:
    state: State = context.obj
    with state.app() as app:
        console = notices()
        with bars(console) as progress:

            def work(name: str) -> list[JobResult]:
                (settings,) = app.settings(name)
                ctx = app.context(settings, progress=progress, allow_mass_change=allow_mass_change)
                results = run_chain([job], ctx)
                for result in results:
                    console.print(f"{name}: run {result.run_id}", markup=False, highlight=False)
                return results

            each_connection(app, connection, work, console)
