"""Logs and metrics. One line per event, UTC, and nothing in it that looks like a secret."""

import logging
import os
import sys
import traceback
from collections.abc import Mapping, MutableMapping, Sequence
from datetime import datetime
from pathlib import PurePath
from typing import Any, Final, Literal, TextIO

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from structlog.typing import EventDict, Processor

from sync.config.secrets import is_secret_name, redact

_QUIET: Final = ("hubspot", "urllib3", "sqlalchemy", "alembic", "asyncio", "uvicorn.access")
"""Their finer lines hold request bodies and rows, or say what our own lines say better."""
_DURATIONS_S: Final = (0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 4 * 3600)


def configure(
    format: Literal["text", "json"],  # noqa: A002 - the setting's name
    level: Literal["debug", "info", "warning", "error"],
    stream: TextIO,
    *,
    environ: Mapping[str, str] = os.environ,
) -> None:
    """Send every log line, ours and the libraries', to `stream`. Replaces an earlier set-up.

    Colours only on a terminal, and not when NO_COLOR is set.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.PositionalArgumentsFormatter(),
        _flatten_exception,
        _redact_event,
    ]
    colors = stream.isatty() and not environ.get("NO_COLOR")
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _json if format == "json" else _text(colors=colors),
            ],
        )
    )
    root = logging.getLogger()
    for old in list(root.handlers):
        if isinstance(old.formatter, structlog.stdlib.ProcessorFormatter):
            root.removeHandler(old)
    root.addHandler(handler)
    threshold = getattr(logging, level.upper())
    root.setLevel(threshold)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(threshold, logging.WARNING))
    for name in ("apscheduler", "uvicorn"):  # worth reading only when something is wrong
        own = threshold if level == "debug" else max(threshold, logging.WARNING)
        logging.getLogger(name).setLevel(own)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def _redact_event(_logger: Any, _method: str, event: EventDict) -> EventDict:
    return {key: _clean(key, value) for key, value in event.items()}


def _clean(key: str, value: Any) -> Any:
    if isinstance(value, (bool, int, float)) or value is None or key.startswith("_"):
        return value
    if is_secret_name(key):
        return "***"
    if isinstance(value, Mapping):
        return {str(inner): _clean(str(inner), each) for inner, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return [_clean("", each) for each in value]
    return redact(str(value))


def _flatten_exception(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """An exception as two fields: what was raised, and through which lines, innermost first."""
    error = event.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()[1]
    if isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        frames = traceback.extract_tb(error.__traceback__)
        event["raised"] = f"{type(error).__name__}: {error}"
        event["trace"] = " < ".join(
            f"{'/'.join(PurePath(frame.filename).parts[-2:])}:{frame.lineno} {frame.name}"
            for frame in reversed(frames)
        )
    return event


def _json(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> str:
    first = {key: event.pop(key, None) for key in ("timestamp", "level", "event")}
    rendered = structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
    return str(rendered(None, "", {**first, **event}))


def _text(*, colors: bool) -> Processor:
    console = structlog.dev.ConsoleRenderer(colors=colors, pad_event_to=24)

    def render(logger: Any, method: str, event: MutableMapping[str, Any]) -> str:
        event["event"] = _one_line(str(event.get("event", "")))
        return _one_line(str(console(logger, method, event)))

    return render


def _one_line(text: str) -> str:
    return text.replace("\r", "\\r").replace("\n", "\\n")


class JobMetrics:
    """What a monitoring system reads at /metrics; all names start with `dealpulse_`."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        job = ("connection", "job_name")  # `job` is Prometheus' own word for what it scrapes
        self._runs = Counter(
            "dealpulse_job_runs",
            "Ended runs of a job; outcome: ok, failed, stopped.",
            (*job, "outcome"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "dealpulse_job_duration_seconds",
            "How long a run of a job took.",
            job,
            buckets=_DURATIONS_S,
            registry=self.registry,
        )
        self._success = Gauge(
            "dealpulse_job_last_success_timestamp_seconds",
            "When the last good run of a job ended; seconds since 1970.",
            job,
            registry=self.registry,
        )
        self._rows = Counter(
            "dealpulse_rows",
            "What the jobs did, by what was counted: deals, changes, written, sent, ...",
            (*job, "what"),
            registry=self.registry,
        )
        self._requests = Counter(
            "dealpulse_crm_requests",
            "Requests sent to the CRM.",
            ("connection",),
            registry=self.registry,
        )
        self._alerts = Gauge(
            "dealpulse_open_alerts",
            "Alerts raised and not resolved.",
            ("connection", "rule"),
            registry=self.registry,
        )
        self._deals = Gauge(
            "dealpulse_deals",
            "Deals in the mirror, without removed ones; status: open, won, lost.",
            ("connection", "status"),
            registry=self.registry,
        )

    def job_ended(
        self,
        connection: str,
        job: str,
        outcome: str,
        *,
        ended_at: datetime,
        seconds: float,
        counts: Mapping[str, int],
    ) -> None:
        """One run of a job. `counts` are what this run did; negative ones are left out."""
        self._runs.labels(connection, job, outcome).inc()
        self._seconds.labels(connection, job).observe(seconds)
        if outcome == "ok":
            self._success.labels(connection, job).set(ended_at.timestamp())
        for what, count in counts.items():
            if count >= 0:
                self._rows.labels(connection, job, what).inc(count)

    def requests_sent(self, connection: str, count: int) -> None:
        """`count` more requests than at the last call."""
        self._requests.labels(connection).inc(count)

    def mirror_holds(
        self, connection: str, *, deals: Mapping[str, int], open_alerts: Mapping[str, int]
    ) -> None:
        """The present state: deals by status, open alerts by rule. A name not given counts as 0
        if it was given before."""
        _replace(self._deals, connection, "status", deals)
        _replace(self._alerts, connection, "rule", open_alerts)

    def render(self) -> bytes:
        """The Prometheus text format."""
        return generate_latest(self.registry)


def _replace(gauge: Gauge, connection: str, label: str, values: Mapping[str, int]) -> None:
    seen = {
        sample.labels[label]
        for metric in gauge.collect()
        for sample in metric.samples
        if sample.labels.get("connection") == connection
    }
    for name in seen | set(values):
        gauge.labels(connection, name).set(values.get(name, 0))
