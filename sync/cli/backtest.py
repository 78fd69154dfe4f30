"""Testing the forecasts on the account's own past: backtest."""

from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from sync.cli.state import ConnectionOption, FormatOption, State, show_each
from sync.cli.sync import run_jobs
from sync.config.model import Connection
from sync.errors import ConfigError
from sync.jobs.backtest import backtest_since
from sync.jobs.runner import Job
from sync.report.backtest import BacktestCut, backtest_chart, backtest_report
from sync.report.table import Format, Report


class Every(StrEnum):
    WEEK = "week"
    MONTH = "month"


def register(app: typer.Typer) -> None:
    app.command()(backtest)


def backtest(
    context: typer.Context,
    by: Annotated[
        BacktestCut,
        typer.Option(help="A line per method and kind of period, week of it, or segment."),
    ] = BacktestCut.HORIZON,
    since: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            help="Test the days from here on.  [default: a year back]",
            show_default=False,
        ),
    ] = None,
    every: Annotated[
        Every, typer.Option(help="A test each Monday, or each month on the day that it is today.")
    ] = Every.WEEK,
    chart: Annotated[
        Path | None,
        typer.Option(help="Draw the ranges against what came into this SVG file."),
    ] = None,
    connection: ConnectionOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Test every forecast method on your own past: what each would have said, and what came.

    Days tested already are not tested again, and what was found of them never changes; stopped, it
    goes on where it was. The next assessment uses what it finds.
    """
    state: State = context.obj
    first: date | None = since.date() if since is not None else None
    with state.app(migrate=True) as app:
        run_jobs(app, connection, [Job("backtest", backtest_since(first, every.value))])
        config = app.config

        def build(settings: Connection) -> list[Report]:
            if chart is not None:
                _draw(chart, backtest_chart(app.engine, settings.name))
            report = backtest_report(
                app.engine,
                settings.name,
                by,
                config.time_zone,
                show_rep_figures=config.forecast.show_rep_figures,
                language=config.language,
            )
            return [report]

        if chart is not None and len(app.settings(connection)) > 1:
            raise ConfigError("--chart draws one account: say which with --connection.")
        show_each(app, connection, form, build)


def _draw(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"The chart cannot be written to {path}: {error.strerror}.") from None
