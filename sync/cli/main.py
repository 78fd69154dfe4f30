"""The command `dealpulse`: one file per group of commands, one place for errors and exit codes.

What commands work with is imported when one runs, not by `dealpulse --help`.
"""

import io
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from sync import __version__
from sync.cli.commands import MARKUP, Commands
from sync.errors import DealpulseError

app = typer.Typer(
    name="dealpulse",
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=(
        "Pull deals from your CRM into a local mirror, score their data, forecast revenue, "
        "write the figures back and alert on stale deals.\n\n"
        "First time: [bold]dealpulse demo[/] shows everything on a simulated CRM; then "
        "[bold]dealpulse init[/], [bold]check[/], [bold]sync[/], [bold]forecast[/]."
    ),
    epilog=(
        "Exit codes: 0 done, 1 a bug, 2 correct the configuration or command, 3 correct the "
        "token or its scopes, 4 try again later, 5 refused for good, 6 look and confirm, "
        "7 some records were refused, 8 the mirror and the CRM differ."
    ),
    rich_markup_mode=MARKUP,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"dealpulse {__version__}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-c",
            envvar="DEALPULSE_CONFIG",
            help="The configuration file.  [default: ./dealpulse.yaml]",
            show_default=False,
        ),
    ] = None,
    _version_wanted: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    from sync.cli.state import State

    context.obj = State(config_path=config)


def main() -> None:
    """Run the command line; known errors become one message and their own exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal without UTF-8 shows ? for å
            stream.reconfigure(errors="replace")
    try:
        app()
    except DealpulseError as error:
        from sync.config.secrets import redact

        Console(stderr=True, soft_wrap=True).print(
            f"Error: {redact(str(error))}", style="red", markup=False, highlight=False
        )
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.stderr.write("Stopped. What was committed is whole; the same command goes on.\n")
        sys.exit(130)
