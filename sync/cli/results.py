"""What was computed: the forecast. This command reads the mirror only."""

from functools import partial
from typing import Annotated

import typer

from sync.cli.state import ConnectionOption, FormatOption, State, show_each
from sync.config.model import Connection
from sync.report.all_connections import all_connections_report
from sync.report.forecast import forecast_report
from sync.report.naming import ForecastSegment
from sync.report.table import Format, Report


def register(app: typer.Typer) -> None:
    app.command()(forecast)


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
