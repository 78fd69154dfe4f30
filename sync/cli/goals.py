"""Goals: how quotas stand, and taking them in from a file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from forecasting.quotas import COUNT, Quota
from sync.cli.state import ConnectionOption, FormatOption, State, notices, screen, show_each
from sync.config.model import Connection
from sync.errors import ConfigError
from sync.jobs.goals import Checked, check_quotas, take_in
from sync.report.goals import IN_DEALS, goals_report
from sync.report.table import Column, Format, Kind, Report, show

_CHECKED = (
    Column("line", "Line", Kind.COUNT),
    Column("kind", "Of"),
    Column("segment", "Who"),
    Column("period", "Period"),
    Column("amount", "Quota", Kind.MONEY),
    Column("currency", "Currency"),
    Column("note", "But"),
)


def register(app: typer.Typer) -> None:
    group = typer.Typer(invoke_without_command=True)
    group.callback()(goals)
    group.command("import")(import_quotas)
    app.add_typer(group, name="goals")


def goals(
    context: typer.Context,
    period: Annotated[
        str | None,
        typer.Option(
            help="Goals of this period alone: 2026-Q4, FY2026, 2026-03.  [default: all that today "
            "is in]",
            show_default=False,
        ),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Also those that are over or not begun.")
    ] = False,
    connection: ConnectionOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Quotas against what was won: attainment, pace, gap, coverage, the chance of reaching them."""
    if context.invoked_subcommand is not None:
        return
    state: State = context.obj
    with state.app() as app:
        show_each(
            app,
            connection,
            form,
            lambda settings: [
                goals_report(app.engine, settings.name, app.config, period=period, every=every)
            ],
        )


def import_quotas(
    context: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(
            help="A CSV with the columns period, amount (or count, of deals), and owner, team or "
            "pipeline (none of them = everyone); currency if it is not the home currency."
        ),
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what is understood; change nothing.")
    ] = False,
    connection: ConnectionOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Take quotas in from a CSV, in the place of all imported before: all its rows or none."""
    state: State = context.obj
    with state.app(migrate=not dry_run) as app:
        settings = _only_one(app.settings(connection))
        checked = check_quotas(app.engine, settings.name, app.config, file)
        if dry_run:
            show([_shown(settings.name, checked)], form, screen())
            return
        earlier = take_in(app.engine, app.clock, settings.name, checked)
        told = f"{settings.name}: {len(checked.quotas)} quotas imported, {earlier} replaced"
        notices().print(told, markup=False, highlight=False)
        for quota in checked.unknown:
            notices().print(
                f"  no {quota.kind} {quota.segment!r} in the CRM: shown as unknown until there is",
                style="yellow",
                markup=False,
                highlight=False,
            )


def _only_one(settings: Sequence[Connection]) -> Connection:
    if len(settings) != 1:
        names = ", ".join(each.name for each in settings)
        raise ConfigError(f"Say which account the quotas are for with --connection: {names}.")
    return settings[0]


def _notes_on(quota: Quota, *, unknown: bool) -> list[str]:
    told = [f"no such {quota.kind} in the CRM"] if unknown else []
    return [*told, IN_DEALS] if quota.measure == COUNT else told


def _shown(connection: str, checked: Checked) -> Report:
    unknown = {quota.key for quota in checked.unknown}
    rows: list[dict[str, object]] = [
        {
            "kind": quota.kind,
            "segment": quota.segment or "everyone",
            "period": quota.label,
            "amount": quota.amount,
            "currency": quota.currency,
            "note": "; ".join(_notes_on(quota, unknown=quota.key in unknown)),
        }
        for quota in checked.quotas
    ]
    rows += [{"line": bad.line, "note": bad.reason} for bad in checked.bad]
    return Report(
        title=f"{connection}: quotas in the file",
        columns=_CHECKED,
        rows=rows,
        facts={"connection": connection, "good": len(checked.quotas), "bad": len(checked.bad)},
        notes=[
            f"{len(checked.quotas)} rows understood, {len(checked.bad)} wrong: "
            + ("an import takes in none of them." if checked.bad else "nothing was changed.")
        ],
    )
