"""Leads: the funnel, first responses, who waits. They read the mirror only."""

from enum import StrEnum
from typing import Annotated

import typer

from sync.cli.state import ConnectionOption, FormatOption, State, show_each
from sync.config.model import Connection
from sync.report.funnel import funnel_reports, lead_reports
from sync.report.lead_score import score_reports
from sync.report.table import Format, Report


class By(StrEnum):
    TOTAL = "total"
    COHORT = "cohort"
    SOURCE = "source"


def register(app: typer.Typer) -> None:
    app.command()(funnel)
    app.command()(leads)


def funnel(
    context: typer.Context,
    by: Annotated[
        By,
        typer.Option("--by", help="All together, by month of entering a stage, or by source."),
    ] = By.TOTAL,
    version: Annotated[
        int | None,
        typer.Option(
            help="Figures under an earlier version of the definition.  [default: the last run's]",
            show_default=False,
            min=1,
        ),
    ] = None,
    connection: ConnectionOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Leads from visitor to customer: who entered each stage, went on, and how soon.

    Needs `leads.enabled` on the connection. The stages are defined by `funnel`.
    """
    state: State = context.obj
    with state.app() as app:
        show_each(
            app,
            connection,
            form,
            lambda settings: funnel_reports(app.engine, settings.name, by.value, version),
        )


def leads(
    context: typer.Context,
    untouched: Annotated[
        bool,
        typer.Option("--untouched", help="Only the leads that nobody has touched, oldest first."),
    ] = False,
    scores: Annotated[
        bool, typer.Option("--scores", help="Open leads by their score, with the reasons.")
    ] = False,
    top: Annotated[
        int, typer.Option(help="How many leads to list in the table; 0 = all.", min=0)
    ] = 20,
    connection: ConnectionOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """How soon leads get a first response, who nobody has touched, and who is worth a call.

    Needs `leads.enabled` on the connection. What is scored is set by `lead_score`.
    """
    state: State = context.obj
    with state.app() as app:
        limit = top if form is Format.TABLE else 0

        def build(settings: Connection) -> list[Report]:
            if scores:
                return score_reports(app.engine, settings.name, app.config, limit=limit)
            return lead_reports(app.engine, settings.name, untouched=untouched, limit=limit)

        show_each(app, connection, form, build)
