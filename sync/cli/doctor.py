"""Whether the mirror can be believed: doctor."""

from typing import Annotated

import typer

from sync.cli.state import (
    ConnectionOption,
    FormatOption,
    State,
    bars,
    notices,
    show_each,
)
from sync.config.model import Connection
from sync.errors import MirrorDiffers
from sync.jobs.doctor import examine
from sync.report.doctor import doctor_report
from sync.report.table import Format, Report


def register(app: typer.Typer) -> None:
    app.command()(doctor)


def doctor(
    context: typer.Context,
    heal: Annotated[
        bool,
        typer.Option("--heal/--dry-run", help="Put right what differs, or only say what does."),
    ] = False,
    deals: Annotated[
        int, typer.Option(help="How many of the deals that differ to name.", min=0)
    ] = 50,
    connection: ConnectionOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Compare the mirror with everything that the CRM lists, and name the deals that differ.

    Counts and sums by pipeline, stage and currency. What changed since the last pull differs too:
    run `dealpulse sync` before. Ends with 8 while deals differ.
    """
    state: State = context.obj
    remaining: dict[str, int] = {}
    with state.app(migrate=True) as app, bars(notices()) as progress:

        def build(settings: Connection) -> list[Report]:
            examination = examine(app.context(settings, progress=progress), cure=heal, most=deals)
            if examination.remaining:
                remaining[settings.name] = examination.remaining
            return doctor_report(app.engine, examination, app.config.time_zone)

        show_each(app, connection, form, build)
    if remaining:
        counted = ", ".join(f"{name}: {number}" for name, number in remaining.items())
        raise MirrorDiffers(
            f"Deals that differ between the CRM and the mirror: {counted}. "
            + (
                "They changed meanwhile, or the CRM does not give them: run it again."
                if heal
                else "`dealpulse doctor --heal` puts them right."
            )
        )
