"""What all commands share: the configuration path, the output forms, bars for long work."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from sync.bootstrap import App, open_app
from sync.config.model import Connection
from sync.config.secrets import redact
from sync.errors import DealpulseError, RecordsRejected
from sync.jobs.runner import JobResult
from sync.report.table import Format, Report, show

FormatOption = Annotated[
    Format,
    typer.Option(
        "--format", "-f", help="A table to read; or JSON (a list of reports) or CSV to go on with."
    ),
]
ConnectionOption = Annotated[
    str | None,
    typer.Option("--connection", help="Only this connection.  [default: all]", show_default=False),
]


@dataclass(frozen=True, slots=True)
class State:
    config_path: Path | None

    @contextmanager
    def app(self, *, migrate: bool = False) -> Iterator[App]:
        with open_app(self.config_path, migrate=migrate) as app:
            yield app


class Language(StrEnum):
    EN = "en"
    NB = "nb"


class _Screen(Console):
    def on_broken_pipe(self) -> None:
        """Rich would end the process with 1, which is kept for bugs."""
        raise BrokenPipeError


def screen() -> Console:
    """Standard output, for results."""
    return _Screen(file=sys.stdout)


def notices() -> Console:
    """Standard error, for what is not the result, so that results can be piped."""
    return Console(file=sys.stderr, soft_wrap=True)


class Rate(ProgressColumn):
    """So many units a second lately; empty before there were any."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f}/s")


class LimitUsed(ProgressColumn):
    """How much of the CRM's rate limit is used now; empty where nothing is asked of it."""

    def __init__(self) -> None:
        super().__init__()
        self.used: Callable[[], float] = lambda: 0.0

    def render(self, task: Task) -> Text:
        share = 0.0 if task.finished else self.used()
        return Text(f"{share:.0%} of the rate limit" if share else "")


class Bars:
    """Progress bars on standard error; on anything but a terminal they stay away."""

    def __init__(self, progress: Progress, limit: LimitUsed) -> None:
        self._progress = progress
        self._limit = limit
        self._tasks: dict[str, TaskID] = {}

    def step(self, what: str, done: int, total: int | None) -> None:
        if what not in self._tasks:
            self._tasks[what] = self._progress.add_task(what, total=total)
        self._progress.update(self._tasks[what], completed=done, total=total)

    def paced_by(self, used: Callable[[], float]) -> None:
        self._limit.used = used


@contextmanager
def bars(console: Console) -> Iterator[Bars]:
    limit = LimitUsed()
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        limit,
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        yield Bars(progress, limit)


def report_results(results: Sequence[JobResult], console: Console) -> list[DealpulseError]:
    """Print a line per job, and what it left out; returns what went wrong, records that were
    refused last."""
    failed: list[DealpulseError] = []
    for result in results:
        done = ", ".join(_counted(n, name) for name, n in result.counts.items() if n)
        outcome = "stopped" if result.stopped else done or "nothing new"
        if result.error is not None:
            outcome = "failed"
            failed.append(result.error)
        console.print(
            f"{result.connection}: {result.job}: {outcome} "
            f"({_counted(result.requests, 'requests')}, {result.seconds:.1f} s)",
            markup=False,
            highlight=False,
        )
        for note in result.notes:
            console.print(f"  {note}", style="yellow", markup=False, highlight=False)
    return [*failed, *(each for result in results for each in result.refused)]


def raise_first(wrong: Sequence[DealpulseError]) -> None:
    """Tell all of it and raise the first, records that were refused after everything else."""
    ordered = sorted(wrong, key=lambda error: isinstance(error, RecordsRejected))
    for later in ordered[1:]:
        notices().print(f"Error: {redact(str(later))}", style="red", markup=False, highlight=False)
    if ordered:
        raise ordered[0]


def _counted(number: int, name: str) -> str:
    """`2 open_deals` as `2 open deals`, one of them as `1 open deal`."""
    if number == 1:
        name = f"{name[:-3]}y" if name.endswith("ies") else name.removesuffix("s")
    return f"{number} {name.replace('_', ' ')}"


def show_each(
    app: App,
    only: str | None,
    form: Format,
    build: Callable[[Connection], Sequence[Report]],
    together: Callable[[], Report] | None = None,
) -> None:
    """Show what `build` makes of every connection; one failing does not keep the others from it.

    `together`: what all come to, shown last where all could be shown. Raises the first error at
    the end.
    """
    reports: list[Report] = []
    failures: list[DealpulseError] = []
    for settings in app.settings(only):
        try:
            reports += build(settings)
        except DealpulseError as error:
            failures.append(error)
    if together is not None and not failures:
        reports.append(together())
    if reports:
        show(reports, form, screen())
    raise_first(failures)


def each_connection(
    app: App, only: str | None, work: Callable[[str], list[JobResult]], console: Console
) -> None:
    """Do `work` for every connection; one failing does not keep the others from it.

    Raises the first error at the end, when all were tried; the others are told.
    """
    wrong: list[DealpulseError] = []
    chosen = app.settings(only)
    for settings in chosen:
        try:
            found = report_results(work(settings.name), console)
        except DealpulseError as error:
            console.print(f"{settings.name}: failed", markup=False, highlight=False)
            found = [error]
        for each in found if len(chosen) > 1 else ():
            each.add_note(f"(Connection: {settings.name}.)")
        wrong += found
    raise_first(wrong)
