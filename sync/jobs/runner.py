"""The runner: jobs in their order, each run a row, the chain stopping at the first failure.

Jobs never call each other; a later one finds its input in the mirror.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from sync.config.model import ApiConnection
from sync.errors import AuthError, DealpulseError
from sync.jobs.context import Counts, JobContext, Partly, Stopped
from sync.mirror import job_runs

JobFunction = Callable[[JobContext, int], Counts]


@dataclass(frozen=True, slots=True)
class Job:
    name: str
    run: JobFunction


@dataclass(frozen=True, slots=True)
class JobResult:
    """How one run ended. `error`: None when it did what it should; `seconds`: of wall time."""

    job: str
    connection: str
    run_id: int
    counts: Counts
    requests: int
    seconds: float
    error: DealpulseError | None = None
    stopped: bool = False

    @property
    def ok(self) -> bool:
        return self.error is None and not self.stopped


class Observer(Protocol):
    """Told of every run's end: the log, the metrics, the screen."""

    def finished(self, result: JobResult) -> None: ...


def run_job(job: Job, ctx: JobContext) -> JobResult:
    """Run one job and record it. Errors that dealpulse knows are returned; bugs are raised."""
    started = ctx.clock.monotonic()
    requests = ctx.requests()
    run_id = job_runs.start_run(ctx.engine, job.name, ctx.connection, at=ctx.clock.now())
    counts: Counts = {}
    error: DealpulseError | None = None
    stopped = False
    status = "failed"
    try:
        counts = job.run(ctx, run_id)
        status = "ok"
    except Stopped:
        status, stopped = "stopped", True
    except Partly as partly:
        counts, error = partly.counts, partly.error
    except DealpulseError as caught:
        error = caught
        if isinstance(error, AuthError) and isinstance(ctx.settings, ApiConnection):
            error.add_note(f"{ctx.connection} takes its token from {ctx.settings.token_env}.")
    finally:
        job_runs.end_run(
            ctx.engine,
            run_id,
            status=status,
            counts=counts,
            error_kind=type(error).__name__ if error else None,
            error=str(error) if error else None,
            at=ctx.clock.now(),
        )
    return JobResult(
        job=job.name,
        connection=ctx.connection,
        run_id=run_id,
        counts=counts,
        requests=ctx.requests() - requests,
        seconds=ctx.clock.monotonic() - started,
        error=error,
        stopped=stopped,
    )


def run_chain(
    jobs: Sequence[Job], ctx: JobContext, observers: Sequence[Observer] = ()
) -> list[JobResult]:
    """Run `jobs` in order up to the first that does not succeed."""
    results: list[JobResult] = []
    for job in jobs:
        result = run_job(job, ctx)
        results.append(result)
        for observer in observers:
            observer.finished(result)
        if not result.ok:
            break
    return results
