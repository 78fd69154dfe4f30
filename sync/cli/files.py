"""Exports of CRMs without an API: import."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from sync.bootstrap import App, preview_file
from sync.cli.state import ConnectionOption, FormatOption, State, notices, screen
from sync.cli.sync import run_jobs
from sync.clock import SystemClock
from sync.config.loader import default_path, load
from sync.config.model import Connection, FileConnection
from sync.errors import ConfigError, RecordsRejected
from sync.jobs import chain
from sync.report.table import Column, Format, Kind, Report, show


def register(app: typer.Typer) -> None:
    app.command("import")(import_file)


def import_file(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A CSV or XLSX export of deals.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what is understood; change nothing.")
    ] = False,
    mapping: Annotated[
        Path | None,
        typer.Option(help="Another mapping file than the connection's; with --dry-run."),
    ] = None,
    write_mapping: Annotated[
        Path | None,
        typer.Option(help="Write the mapping used or guessed into this file; with --dry-run."),
    ] = None,
    connection: ConnectionOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Read an export of any CRM: show what is understood of it, or take it in.

    --dry-run needs no configuration: it guesses from the headings which column is what, and says
    how many cells were understood, which rows would be rejected and what is doubtful. Without it
    the file is put into the folder of the file connection, pulled and assessed.
    """
    state: State = context.obj
    if dry_run:
        _show(file, mapping, write_mapping, _configured(state, connection), form)
        return
    if mapping or write_mapping:
        raise ConfigError("--mapping and --write-mapping go with --dry-run; set `mapping` in the "
                          "configuration.")  # fmt: skip
    with state.app(migrate=True) as app:
        settings = _only_one(app.settings(connection))
        _put(file, Path(settings.folder))
        try:
            run_jobs(app, settings.name, [chain.PULL, chain.ASSESS, chain.PROCESS])
        except RecordsRejected:
            _outcome(app, settings)
            raise
        _outcome(app, settings)


def _configured(state: State, connection: str | None) -> FileConnection | None:
    """The file connection that the dry run is for; None where nothing is configured yet."""
    path = state.config_path or default_path(os.environ)
    if state.config_path is None and connection is None and not path.exists():
        return None
    settings = load(path, os.environ).config.connections
    if connection is None and not any(isinstance(c, FileConnection) for c in settings):
        return None
    return _only_one([c for c in settings if connection in (None, c.name)])


def _only_one(settings: Sequence[Connection]) -> FileConnection:
    found = [each for each in settings if isinstance(each, FileConnection)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise ConfigError(
            "the configuration has no such connection of kind file: add one with its folder"
        )
    names = ", ".join(each.name for each in found)
    raise ConfigError(f"there are several file connections; name one with --connection: {names}")


def _put(file: Path, folder: Path) -> None:
    """Copy the file into the folder, whole or not at all, with the date that it has."""
    if not file.is_file():
        raise ConfigError(f"there is no file {file}")
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / file.name
    if target.exists() and target.samefile(file):
        return
    draft = folder / f".{file.name}.draft"
    shutil.copy2(file, draft)
    draft.replace(target)


def _outcome(app: App, settings: FileConnection) -> None:
    connected = app.connected(settings)
    for check in connected.source.check():
        if check.what.startswith("the last file"):
            notices().print(f"{check.what}: {check.detail}", markup=False, highlight=False)


def _show(
    file: Path,
    mapping: Path | None,
    write_mapping: Path | None,
    settings: FileConnection | None,
    form: Format,
) -> None:
    found = preview_file(file, settings, mapping=mapping, clock=SystemClock())
    console = screen()
    if form is Format.TABLE:
        for fact in found.facts:
            console.print(fact, markup=False, highlight=False)
    reports = [
        Report("What the columns are", _COLUMNS, found.columns),
        Report("The first deals", _DEALS, found.deals),
        Report("What is wrong or doubtful", _DEFECTS, found.defects),
    ]
    show(reports, form, console)
    if write_mapping is not None:
        if write_mapping.exists():
            raise ConfigError(f"{write_mapping} exists already; name another file.")
        write_mapping.write_text(found.mapping, encoding="utf-8")
        notices().print(
            f"Wrote {write_mapping}. Look through it, then name it as `mapping` in the "
            "configuration.",
            markup=False,
        )
    elif found.guessed:
        notices().print("The mapping is guessed; --write-mapping FILE keeps it.", markup=False)


_COLUMNS = (
    Column("heading", "Heading"),
    Column("meaning", "Is our"),
    Column("understood", "Understood", Kind.COUNT),
    Column("empty", "Empty", Kind.COUNT),
    Column("not_understood", "Not understood", Kind.COUNT),
    Column("example", "Example"),
)
_DEALS = (
    Column("line", "Line", Kind.COUNT),
    Column("id", "Id"),
    Column("name", "Deal"),
    Column("stage", "Stage"),
    Column("status", "Status"),
    Column("amount", "Amount"),
    Column("close_date", "Close date"),
    Column("created", "Created"),
    Column("owner", "Owner"),
)
_DEFECTS = (
    Column("defect", "Defect"),
    Column("rows", "Rows", Kind.COUNT),
    Column("what", "The rows are"),
    Column("examples", "Examples"),
)
