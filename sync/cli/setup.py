"""Setting up: init, check, db upgrade."""

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from sync.cli.state import ConnectionOption, FormatOption, Language, State, notices, show_each
from sync.config.example import init_text
from sync.config.model import ApiConnection, Connection
from sync.errors import AuthError, ConfigError
from sync.report.check import check_report
from sync.report.table import Format, Report
from sync.writeback.fields import specs


def register(app: typer.Typer) -> None:
    app.command()(init)
    app.command()(check)
    database = typer.Typer(no_args_is_help=True, help="Look after the mirror's database.")
    database.command("upgrade")(db_upgrade)
    app.add_typer(database, name="db")


class Crm(StrEnum):
    HUBSPOT = "hubspot"
    PIPEDRIVE = "pipedrive"
    FILE = "file"


_TOKENS = {Crm.HUBSPOT: "HUBSPOT_TOKEN", Crm.PIPEDRIVE: "PIPEDRIVE_TOKEN"}


def init(
    context: typer.Context,
    crm: Annotated[Crm, typer.Option(help="Which CRM; file = any that can export.")] = Crm.HUBSPOT,
    name: Annotated[
        str | None,
        typer.Option(help="Your short name for the CRM account.  [default: the CRM's]"),
    ] = None,
    token_env: Annotated[
        str | None,
        typer.Option(help="The environment variable that holds the token.  [default: the CRM's]"),
    ] = None,
    language: Annotated[
        Language, typer.Option(help="Of alerts, explanations and property labels.")
    ] = Language.EN,
    base_url: Annotated[
        str | None, typer.Option(help="Another address than the CRM's own, such as the sandbox's.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Write a commented configuration that works as it stands.

    It asks nothing: time zone and currency come from the CRM, the token from the environment.
    """
    state: State = context.obj
    path = state.config_path or Path("dealpulse.yaml")
    if path.exists() and not force:
        raise ConfigError(f"{path} exists already; use --force to overwrite it.")
    variable = token_env or _TOKENS.get(crm)
    text = init_text(
        kind=crm.value,
        name=name or crm.value,
        token_env=variable,
        language=language.value,
        base_url=base_url,
    )
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written: {error.strerror}. Name another place with --config."
        ) from None
    console = notices()
    console.print(f"Wrote {path}. Next:", markup=False)
    if variable is None:
        console.print("  put an export of your deals into the folder it names", markup=False)
    elif not os.environ.get(variable):
        console.print(f"  export {variable}=...    (the CRM's access token)", markup=False)
    console.print("  dealpulse check          (what it can read and write)", markup=False)
    console.print("  dealpulse sync           (the first load)", markup=False)


def check(
    context: typer.Context,
    connection: ConnectionOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Try the token, its scopes and the database; say what would be read and written.

    Nothing is changed in the CRM.
    """
    state: State = context.obj
    failed: list[str] = []
    with state.app(migrate=True) as app:

        def build(settings: Connection) -> list[Report]:
            connected = app.connected(settings)
            try:
                report, refused = check_report(
                    connected.source,
                    connected.sink,
                    settings,
                    specs(app.config.language),
                    app.config.staleness.after_days,
                )
            except AuthError as error:
                if isinstance(settings, ApiConnection):
                    error.add_note(settings.access)
                raise
            failed.extend(refused)
            return [report]

        show_each(app, connection, form, build)
    if failed:
        raise AuthError(f"{len(failed)} of the checks failed: " + "; ".join(failed))


def db_upgrade(context: typer.Context) -> None:
    """Bring the mirror's tables up to this version of dealpulse."""
    state: State = context.obj
    with state.app(migrate=True) as app:
        notices().print(f"The mirror at {app.config.database.url} is up to date.", markup=False)
