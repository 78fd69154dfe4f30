"""What was computed: forecast, velocity, quality. These commands read the mirror only."""

from typing import Annotated

import typer

from sync.cli.state import ConnectionOption, FormatOption, State, screen
from sync.report.all_connections import all_connections_report
from sync.report.forecast import Segment, forecast_report
from sync.report.quality import quality_report
from sync.report.table import Format, show
from sync.report.velocity import velocity_report

SegmentOption = Annotated[
    Segment, typer.Option("--by", help="One line for all, or a line per pipeline or owner.")
]


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel="Look")(forecast)
    app.command(rich_help_panel="Look")(velocity)
    app.command(rich_help_panel="Look")(quality)


def forecast(
    context: typer.Context,
    by: SegmentOption = Segment.TOTAL,
    connection: ConnectionOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Revenue expected this and next month and quarter.

    Won so far plus amount x probability of the open deals that should close in the period: once
    with the CRM's stage probabilities, once with those that your own history shows. Several
    connections are also added up, in `reporting_currency`.
    """
    state: State = context.obj
    with state.app() as app:
        for settings in app.settings(connection):
            show(forecast_report(app.engine, settings.name, by), form, screen())
        if connection is None and by is Segment.TOTAL and len(app.config.connections) > 1:
            show(all_connections_report(app.engine, app.config), form, screen())


def velocity(
    context: typer.Context,
    by: SegmentOption = Segment.TOTAL,
    connection: ConnectionOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Sales velocity: opportunities x average value x win rate / cycle length = money per day."""
    state: State = context.obj
    with state.app() as app:
        for settings in app.settings(connection):
            show(velocity_report(app.engine, settings.name, by), form, screen())


def quality(
    context: typer.Context,
    deals: Annotated[
        int, typer.Option(help="How many of the worst deals to list; 0 = the rules only.", min=0)
    ] = 10,
    connection: ConnectionOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """What is wrong with the open deals: findings by rule, and the worst deals."""
    state: State = context.obj
    with state.app() as app:
        for settings in app.settings(connection):
            for report in quality_report(app.engine, settings.name, app.config, worst=deals):
                show(report, form, screen())
