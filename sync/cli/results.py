"""What was computed: forecast, velocity, quality. These commands read the mirror only."""

from functools import partial
from typing import Annotated

import typer

from sync.cli.state import ConnectionOption, FormatOption, State, show_each
from sync.config.model import Connection
from sync.report.all_connections import all_connections_report
from sync.report.forecast import forecast_report
from sync.report.naming import ForecastSegment, Segment
from sync.report.quality import quality_report
from sync.report.table import Format, Report
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
    by: Annotated[
        ForecastSegment,
        typer.Option("--by", help="One line for all, or a line per pipeline, team, owner or type."),
    ] = ForecastSegment.TOTAL,
    methods: Annotated[
        bool, typer.Option("--methods", help="Every method's figure, side by side.")
    ] = False,
    connection: ConnectionOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Revenue expected this and next month and quarter, as a range with its past accuracy.

    The figure of the combination that the last back-test chose, the error it had on your own past,
    and the error that chance alone leaves to any method.
    """
    state: State = context.obj
    with state.app() as app:
        config = app.config

        def build(settings: Connection) -> list[Report]:
            report = forecast_report(
                app.engine,
                settings.name,
                by,
                config.time_zone,
                methods=methods,
                show_rep_figures=config.forecast.show_rep_figures,
                language=config.language,
            )
            return [report]

        several = connection is None and by == ForecastSegment.TOTAL and len(config.connections) > 1
        together = partial(all_connections_report, app.engine, config) if several else None
        show_each(app, connection, form, build, together)


def velocity(
    context: typer.Context,
    by: SegmentOption = Segment.TOTAL,
    connection: ConnectionOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Sales velocity: opportunities x average value x win rate / cycle length = money per day."""
    state: State = context.obj
    with state.app() as app:
        zone = app.config.time_zone
        show_each(
            app,
            connection,
            form,
            lambda settings: [velocity_report(app.engine, settings.name, by, zone)],
        )


def quality(
    context: typer.Context,
    deals: Annotated[
        int, typer.Option(help="How many of the worst deals to list; 0 = the rules only.", min=0)
    ] = 10,
    connection: ConnectionOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """What is wrong with the open deals: findings by rule, and the worst deals.

    CSV has the deals alone; with --deals 0 the rules.
    """
    state: State = context.obj
    with state.app() as app:

        def build(settings: Connection) -> list[Report]:
            reports = quality_report(app.engine, settings.name, app.config, worst=deals)
            return reports[-1:] if form is Format.CSV else reports

        show_each(app, connection, form, build)
