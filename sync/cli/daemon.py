"""The daemon's command: run."""

import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Annotated

import structlog
import typer

from sync.bootstrap import App, holder
from sync.cli.daemon_status import daemon_status
from sync.cli.state import ConnectionOption, State
from sync.cli.sync import run_jobs
from sync.clock import StoppableClock
from sync.config.model import Connection
from sync.errors import ConfigError, DealpulseError
from sync.jobs import chain
from sync.jobs.context import JobContext
from sync.jobs.observers import JobLog, Log, MetricsObserver
from sync.jobs.runner import Job, JobResult, Observer, run_chain
from sync.mirror import hints, overview, read
from sync.telemetry import JobMetrics, configure
from sync.web.app import Webhooks, create_app
from sync.web.hints import Endpoint, Inbox, refuse
from sync.web.server import serve_in_thread
from sync.worker import Work, Worker, stop_on_signals


def register(app: typer.Typer) -> None:
    app.command()(run)


def run(
    context: typer.Context,
    once: Annotated[
        bool, typer.Option("--once", help="One cycle for each connection, then end; for cron.")
    ] = False,
    connection: ConnectionOption = None,
) -> None:
    """The daemon: pull, assess, write back every few minutes; alerts once a day.

    One daemon works on a mirror at a time; a second one waits and takes over. SIGTERM ends it
    cleanly: what is in hand is finished or left whole to be resumed.
    """
    state: State = context.obj
    with state.app(migrate=True) as app:
        if once:
            for settings in app.settings(connection):
                run_jobs(app, settings.name, [*chain.cycle(settings), chain.DELIVER_ALERTS])
            return
        _serve(app, app.settings(connection))


def _serve(app: App, connections: Sequence[Connection]) -> None:
    config = app.config
    stopping = threading.Event()
    configure(config.log.format, config.log.level, sys.stderr)
    log: Log = structlog.get_logger()
    app = replace(app, clock=StoppableClock(stopping), log=log)
    metrics = JobMetrics()
    observers: list[Observer] = [
        JobLog(log),
        MetricsObserver(metrics, app.clock, lambda name: overview.holdings(app.engine, name)),
    ]
    worker = Worker(
        connections=(),
        schedule=config.schedule,
        engine=app.engine,
        clock=app.clock,
        holder=holder(),
        log=log,
        stopping=stopping,
    )
    worker.connections = _works(app, connections, observers, worker.should_stop, log)
    stop_on_signals(worker.stop)
    with ExitStack() as stack:
        if config.web.enabled:
            webhooks = _webhooks(app, connections, worker, stack)
            page = create_app(lambda: daemon_status(app, connections), metrics, webhooks)
            server = stack.enter_context(serve_in_thread(page, config.web.host, config.web.port))
            log.info("serving health and metrics", address=server.url)
        worker.run()


def _webhooks(
    app: App, connections: Sequence[Connection], worker: Worker, stack: ExitStack
) -> Webhooks:
    """Hints are written down as long as `stack` is open; each makes its connection's next cycle
    come soon.
    """
    receivers = app.receivers(connections)
    if not receivers:
        return refuse

    def owner(name: str) -> str | None:
        account = read.account(app.engine, name)
        return account.account_id if account else None

    inbox = Inbox(
        lambda name, named: hints.remember(app.engine, name, named), tell=worker.soon, owner=owner
    )
    return Endpoint(receivers, stack.enter_context(inbox), app.clock)


def _works(
    app: App,
    connections: Sequence[Connection],
    observers: Sequence[Observer],
    should_stop: Callable[[], bool],
    log: Log,
) -> list[Work]:
    """Of the connections whose tokens are there; the others are named, and stop nobody. Raises
    ConfigError where no connection is left."""
    works: list[Work] = []
    missing: list[ConfigError] = []
    for settings in connections:
        try:
            works.append(_work(app, settings, observers, should_stop))
        except ConfigError as error:
            missing.append(error)
            log.error(  # noqa: TRY400 - the text says all; a traceback is no help
                "connection left out: correct it and restart dealpulse",
                connection=settings.name,
                error=str(error),
            )
    if missing and not works:
        raise missing[0]
    return works


def _work(
    app: App,
    settings: Connection,
    observers: Sequence[Observer],
    should_stop: Callable[[], bool],
) -> Work:
    context = app.context(settings, should_stop=should_stop)

    def runs(jobs: Sequence[Job]) -> Callable[[], Sequence[JobResult]]:
        return lambda: run_chain(jobs, context, observers)

    return Work(
        name=settings.name,
        zone=_zone(app, context),
        cycle=runs(chain.cycle(settings)),
        deliver=runs([chain.DELIVER_ALERTS]),
        backtest=runs([chain.BACKTEST]),
        sweep=runs([chain.SWEEP]),
    )


def _zone(app: App, context: JobContext) -> str:
    """The zone of the alerts' hour; before the first pull it has to be asked of the CRM."""
    if app.config.time_zone is not None:
        return app.config.time_zone
    known = read.account(app.engine, context.connection)
    if known is not None:
        return known.time_zone
    try:
        return context.source.account().time_zone
    except DealpulseError:  # its cycle will say what is wrong; other connections go on
        return "UTC"
