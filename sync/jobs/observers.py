"""Who is told of every run: the log, one line per job, and the metrics."""

from collections.abc import Callable
from typing import Protocol

from sync.clock import Clock
from sync.errors import DealpulseError
from sync.jobs.runner import JobResult
from sync.telemetry import JobMetrics


class Log(Protocol):
    """structlog's bound logger fits."""

    def info(self, event: str, **values: object) -> object: ...
    def warning(self, event: str, **values: object) -> object: ...
    def error(self, event: str, **values: object) -> object: ...


class JobLog:
    """One line per run. A failure is an error the first time and a note while it lasts; the run
    that ends it says so. What a run left out, or could not bring through, is a warning the first
    time.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._failing: dict[tuple[str, str], int] = {}
        self._left_out: dict[tuple[str, str], frozenset[str]] = {}

    def finished(self, result: JobResult) -> None:
        key = (result.connection, result.job)
        values: dict[str, object] = {
            "connection": result.connection,
            **{name: count for name, count in result.counts.items() if count},
            "requests": result.requests,
            "seconds": round(result.seconds, 2),
        }
        if result.error is not None:
            self._failed(key, result.error, values)
            return
        if result.stopped:
            self._log.info(f"{result.job} stopped; it will be resumed", **values)
            return
        failed = self._failing.pop(key, 0)
        if failed:
            self._log.info(f"{result.job} works again", failed_runs=failed, **values)
        else:
            self._log.info(result.job, **values)
        notes = [*result.notes, *map(str, result.refused)]
        for note in notes:
            if note not in self._left_out.get(key, ()):
                self._log.warning(f"{result.job}: {note}", connection=result.connection)
        self._left_out[key] = frozenset(notes)

    def _failed(
        self, key: tuple[str, str], error: DealpulseError, values: dict[str, object]
    ) -> None:
        runs = self._failing.get(key, 0) + 1
        self._failing[key] = runs
        kind = type(error).__name__
        if runs == 1:
            self._log.error(f"{key[1]} failed", kind=kind, error=str(error), **values)
        else:
            self._log.info(f"{key[1]} still fails", kind=kind, failed_runs=runs, **values)


class MetricsObserver:
    """Keeps the metrics; `holds` gives deals by status and open alerts by rule."""

    def __init__(
        self,
        metrics: JobMetrics,
        clock: Clock,
        holds: Callable[[str], tuple[dict[str, int], dict[str, int]]],
    ) -> None:
        self._metrics = metrics
        self._clock = clock
        self._holds = holds

    def finished(self, result: JobResult) -> None:
        outcome = "ok" if result.ok else "stopped" if result.stopped else "failed"
        self._metrics.job_ended(
            result.connection,
            result.job,
            outcome,
            ended_at=self._clock.now(),
            seconds=result.seconds,
            counts=result.counts,
        )
        self._metrics.requests_sent(result.connection, result.requests)
        deals, alerts = self._holds(result.connection)
        self._metrics.mirror_holds(result.connection, deals=deals, open_alerts=alerts)
