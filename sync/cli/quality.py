"""Data and deals that need somebody: quality, stale. These commands read the mirror only."""

from enum import StrEnum
from typing import Annotated

import typer

from sync.cli.state import ConnectionOption, FormatOption, State, show_each
from sync.config.model import Connection
from sync.report.naming import ForecastSegment, segment_names
from sync.report.quality import quality_report, score_report
from sync.report.staleness import staleness_report
from sync.report.table import Format, Report


class Scored(StrEnum):
    """What a score is told of."""

    TOTAL = "total"
    PIPELINE = "pipeline"
    TEAM = "team"
    OWNER = "owner"


def register(app: typer.Typer) -> None:
    app.command()(quality)
    app.command()(stale)


def quality(
    context: typer.Context,
    deals: Annotated[
        int, typer.Option(help="How many deals to put right first; 0 = the rules only.", min=0)
    ] = 10,
    by: Annotated[
        Scored | None,
        typer.Option("--by", help="The score and its trend instead, a line for each of these."),
    ] = None,
    connection: ConnectionOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """What is wrong with the deals, the money that rests on it, and what to put right first.

    Findings by rule, with how far this month's and quarter's forecast would move if they were
    true; then the deals, what moves most first. CSV has the deals alone; with --deals 0 the rules.
    """
    state: State = context.obj
    with state.app() as app:

        def build(settings: Connection) -> list[Report]:
            if by is not None:
                names = segment_names(app.engine, settings.name, ForecastSegment(by.value))
                return [score_report(app.engine, settings.name, app.config, by.value, names)]
            reports = quality_report(app.engine, settings.name, app.config, worst=deals)
            return reports[-1:] if form is Format.CSV else reports

        show_each(app, connection, form, build)


def stale(
    context: typer.Context,
    deals: Annotated[
        int, typer.Option(help="How many deals to list in the table; 0 = all.", min=0)
    ] = 20,
    archive: Annotated[
        bool, typer.Option("--archive", help="Only candidates for the archive, with the evidence.")
    ] = False,
    connection: ConnectionOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Open deals that nobody has touched for longer than is normal in their stage.

    Fresh, cooling, stale or dead by working days of silence; the longest over their norm first.
    """
    state: State = context.obj
    with state.app() as app:
        limit = deals if form is Format.TABLE else 0

        def build(settings: Connection) -> list[Report]:
            reports = staleness_report(
                app.engine, settings.name, app.config, only_archive=archive, limit=limit
            )
            return reports[-1:] if form is Format.CSV else reports

        show_each(app, connection, form, build)
