"""What changed since a day. The command reads the mirror only."""

from typing import Annotated

import typer

from sync.cli.state import ConnectionOption, FormatOption, State, show_each
from sync.report.changes import changes_reports
from sync.report.table import Format


def register(app: typer.Typer) -> None:
    app.command()(changes)


def changes(
    context: typer.Context,
    since: Annotated[
        str,
        typer.Option(
            help="From the start of this day: 2026-10-01, 30d, 6w, monday, yesterday, month, "
            "quarter."
        ),
    ] = "monday",
    until: Annotated[
        str | None,
        typer.Option(
            help="To the end of this day, written the same way.  [default: the last pull]",
            show_default=False,
        ),
    ] = None,
    deals: Annotated[
        bool, typer.Option("--deals", help="The deals behind each number instead.")
    ] = False,
    connection: ConnectionOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """What changed in the open pipeline and in the forecast, adding up to the cent.

    The open pipeline as a whole; then of the current quarter the open and the weighted pipeline and
    the forecast. CSV has them one under the other.
    """
    state: State = context.obj
    with state.app() as app:
        show_each(
            app,
            connection,
            form,
            lambda settings: changes_reports(
                app.engine, settings.name, app.config, since=since, until=until, deals=deals
            ),
        )
