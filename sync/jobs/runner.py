"""The runner: jobs in their order, each run a row, the chain stopping at the first failure.

Jobs never call each other; a later one finds its input in the mirror.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from sync.clock import Interrupted
from sync.config.model import ApiConnection
from sync.errors import AuthError, DealpulseError, RecordsRejected
from sync.jobs.context import Counts, JobContext, Partly, Stopped
from sync.mirror import job_runs

JobFunction = Callable[[JobContext, int], Counts]


@dataclass(frozen=True, slots=True)
class Job:
    name: str
    run: JobFunction


@dataclass(frozen=True, slots=True)
class JobResult:
    """How one run ended. `error`: None when it did what it should; `seconds`: of wall time.
    `notes`: what it left out and why, one sentence each; `refused`: records that did not get
    through, which stops nothing."""

    job: str
    connection: str
    run_id: int
    counts: Counts
    requests: int
    seconds: float
    error: DealpulseError | None = None
    stopped: bool = False
    notes: tuple[str, ...] = ()
    refused: tuple[RecordsRejected, ...] = ()

    @property
    def ok(self) -> bool:
        return self.error is None and not self.stopped


class Observer(Protocol):
    """Told of every run's end: the log, the metrics, the screen."""

    def finished(self, result: JobResult) -> None: ...


@dataclass(slots=True)
class _End:
    """`status`: stopped also by whatever ends the process, such as Ctrl-C."""

    status: str = "stopped"
    counts: Counts = field(default_factory=dict)
    error: DealpulseError | None = None
    kind: str | None = None

    def failed(self, error: DealpulseError, cause: Exception) -> None:
        self.status, self.error, self.kind = "failed", error, type(cause).__name__


def run_job(job: Job, ctx: JobContext, observers: Sequence[Observer] = ()) -> JobResult:
    """Run one job, record it and tell `observers`, however it ends.

    Errors that dealpulse knows are returned; bugs are raised.
    """
    started = ctx.clock.monotonic()
    requests = ctx.requests()
    run_id = job_runs.start_run(ctx.engine, job.name, ctx.connection, at=ctx.clock.now())
    end = _End()
    ctx.notes.clear()
    ctx.refused.clear()
    try:
        _run(job, ctx, run_id, end)
    except Exception as bug:
        end.failed(_own_fault(job, bug), bug)
        raise
    finally:
        job_runs.end_run(
            ctx.engine,
            run_id,
            status=end.status,
            counts=end.counts,
            error_kind=end.kind,
            error=str(end.error) if end.error else None,
            at=ctx.clock.now(),
        )
        result = JobResult(
            job=job.name,
            connection=ctx.connection,
            run_id=run_id,
            counts=end.counts,
            requests=ctx.requests() - requests,
            seconds=ctx.clock.monotonic() - started,
            error=end.error,
            stopped=end.status == "stopped",
            notes=tuple(ctx.notes),
            refused=tuple(ctx.refused),
        )
        for observer in observers:
            observer.finished(result)
    return result


def _run(job: Job, ctx: JobContext, run_id: int, end: _End) -> None:
    try:
        end.counts = job.run(ctx, run_id)
        end.status = "ok"
    except (Stopped, Interrupted):
        end.status = "stopped"
    except Partly as partly:
        end.counts = partly.counts
        end.failed(partly.error, partly.error)
    except DealpulseError as error:
        if isinstance(error, AuthError) and isinstance(ctx.settings, ApiConnection):
            error.add_note(ctx.settings.access)
        end.failed(error, error)


def _own_fault(job: Job, bug: Exception) -> DealpulseError:
    """Its own text stays in the log: it may quote what the CRM holds."""
    return DealpulseError(
        f"{job.name} stopped at a mistake in dealpulse ({type(bug).__name__}): report it with the "
        "log line that shows it."
    )


def run_chain(
    jobs: Sequence[Job], ctx: JobContext, observers: Sequence[Observer] = ()
) -> list[JobResult]:
    """Run `jobs` in order up to the first that does not succeed."""
    results: list[JobResult] = []
    for job in jobs:
        result = run_job(job, ctx, observers)
        results.append(result)
        if not result.ok:
            break
    return results
