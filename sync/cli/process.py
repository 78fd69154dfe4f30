"""The sales process: velocity, process, bottlenecks, improvement. They read the mirror only."""

from enum import StrEnum
from typing import Annotated

import typer

from forecasting.what_if import Lever, parse_lever
from sync.cli.state import ConnectionOption, FormatOption, State, screen, show_each
from sync.config.model import Connection
from sync.errors import ConfigError
from sync.report.bottlenecks import bottleneck_report, improvement_report
from sync.report.process import process_reports
from sync.report.table import Format, Report, show
from sync.report.velocity import VelocitySegment, monthly_report, velocity_report
from sync.report.what_if import example_reports, what_if_reports


class Per(StrEnum):
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


def register(app: typer.Typer) -> None:
    for command in (velocity, process, bottlenecks, improvement):
        app.command()(command)


def velocity(
    context: typer.Context,
    by: Annotated[
        VelocitySegment,
        typer.Option(
            "--by", help="One line for all, or a line per pipeline, team, owner, type or size."
        ),
    ] = VelocitySegment.TOTAL,
    monthly: Annotated[
        bool,
        typer.Option(
            "--monthly", help="Month by month, each change taken apart; the mix is that of --by."
        ),
    ] = False,
    what_if: Annotated[
        list[str] | None,
        typer.Option(
            help="A driver as it might be, several at once: win_rate=25%, win_rate=+5pp, "
            "cycle_days=75, cycle_days=-15, value=+10%, opportunities=120.",
            show_default=False,
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            help="Money to reach, as 2500000, 2.5M or 300k: what that takes.", show_default=False
        ),
    ] = None,
    per: Annotated[Per, typer.Option(help="The target's period.")] = Per.QUARTER,
    example: Annotated[
        bool,
        typer.Option(
            "--example", help="The textbook's numbers instead of yours: 100, 50,000, 20 %, 90 days."
        ),
    ] = False,
    connection: ConnectionOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Sales velocity: opportunities x average value x win rate / cycle length = money per day.

    With --what-if or --target: what other drivers would bring, and what a target takes.
    """
    levers = [_lever(text) for text in what_if or []]
    money = None if target is None else _money(target)
    if example:
        show(example_reports(levers, money, per.value), form, screen())
        return
    state: State = context.obj
    with state.app() as app:

        def build(settings: Connection) -> list[Report]:
            if levers or money is not None:
                return what_if_reports(
                    app.engine, settings.name, levers, target=money, period=per.value
                )
            if monthly:
                return [monthly_report(app.engine, settings.name, by)]
            return [velocity_report(app.engine, settings.name, by)]

        show_each(app, connection, form, build)


def _lever(text: str) -> Lever:
    try:
        return parse_lever(text)
    except ValueError as error:
        raise ConfigError(f"--what-if: {error}.") from None


def _money(text: str) -> float:
    """An amount as people write it; `k` is thousand, `M` million."""
    bare = text.replace(" ", "").replace(",", "").replace("_", "")
    scale = {"k": 1e3, "m": 1e6}.get(bare[-1:].lower(), 1.0)
    try:
        return float(bare[:-1] if scale > 1 else bare) * scale
    except ValueError:
        raise ConfigError(
            f"--target: {text!r} is no amount; write 2500000, 2.5M or 300k."
        ) from None


def process(
    context: typer.Context,
    cohorts: Annotated[
        bool,
        typer.Option("--cohorts", help="Stage conversion by the quarter in which deals entered."),
    ] = False,
    connection: ConnectionOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """How deals run: time and conversion by stage, cycle by size, exit criteria.

    CSV has the stages alone; with --cohorts the cohorts.
    """
    state: State = context.obj
    with state.app() as app:
        show_each(
            app,
            connection,
            form,
            lambda settings: process_reports(app.engine, settings.name, cohorts=cohorts),
        )


def bottlenecks(
    context: typer.Context,
    connection: ConnectionOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """What holds the sale up, the money per day that it costs, and how sure that is."""
    state: State = context.obj
    with state.app() as app:
        language = app.config.language
        show_each(
            app,
            connection,
            form,
            lambda settings: [bottleneck_report(app.engine, settings.name, language)],
        )


def improvement(
    context: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(help="One of process.improvements.  [default: all]", show_default=False),
    ] = None,
    connection: ConnectionOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Did it work: what was changed, against before it and against the others."""
    state: State = context.obj
    with state.app() as app:
        show_each(
            app,
            connection,
            form,
            lambda settings: [improvement_report(app.engine, settings.name, name)],
        )
