"""What the daemon's page shows, and what makes it ready: plain values, filled by the caller."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

READY_WITHIN_CYCLES: Final = 3


@dataclass(frozen=True, slots=True)
class JobRun:
    """One run of one job. `status`: running, ok, failed, stopped or abandoned; ended_at: None while
    running; error: what to do, where it failed."""

    job: str
    status: str
    started_at: datetime
    ended_at: datetime | None = None
    error: str | None = None
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ForecastTotal:
    """One method's forecast of all deals in a period; money in `currency`.

    `period`: as in `2026-03` or `2026-Q1`. forecast = won_amount + weighted_amount + new_amount;
    new_amount is None where the method leaves deals not yet created out; p10 and p90, the range
    that eight of ten such forecasts should hold, are None where nothing can be foreseen.
    """

    period: str
    method: str
    variant: str
    currency: str
    forecast: float
    won_amount: float
    open_amount: float
    weighted_amount: float
    new_amount: float | None
    open_deals: int
    p10: float | None = None
    p90: float | None = None


@dataclass(frozen=True, slots=True)
class ConnectionStatus:
    """One CRM account. `last_pull_at`: when the last successful pull ended, None = never yet.

    runs: the latest of each job. deals: by status. open_alerts: by rule. notes: sentences on the
    forecasts.
    """

    name: str
    kind: str
    last_pull_at: datetime | None
    runs: Sequence[JobRun] = ()
    deals: Mapping[str, int] = field(default_factory=dict)
    open_alerts: Mapping[str, int] = field(default_factory=dict)
    forecasts: Sequence[ForecastTotal] = ()
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class StatusSnapshot:
    """The state at `as_of`. cycle: the time between two pulls as configured.

    schema_problem: why the mirror's tables do not fit this version; None where they do.
    """

    as_of: datetime
    cycle: timedelta
    connections: Sequence[ConnectionStatus]
    version: str
    schema_problem: str | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """One condition of readiness. `detail`: why, when not ok; how things stand, when ok."""

    name: str
    ok: bool
    detail: str


def readiness(snapshot: StatusSnapshot) -> list[Check]:
    """All must be ok for the daemon to be ready. That there is a snapshot shows that the
    database answers."""
    schema = snapshot.schema_problem
    return [
        Check("database", True, "answers"),
        Check("schema", schema is None, schema or "current"),
        *(_pull_check(snapshot, connection) for connection in snapshot.connections),
    ]


def _pull_check(snapshot: StatusSnapshot, connection: ConnectionStatus) -> Check:
    name = f"pull:{connection.name}"
    pull = next((run for run in connection.runs if run.job == "pull"), None)
    why = f"; the last one failed: {pull.error}" if pull and pull.status == "failed" else ""
    if connection.last_pull_at is None:
        under_way = "; the first is under way" if pull and pull.status == "running" else ""
        return Check(name, False, f"no pull has succeeded yet{under_way}{why}")
    age = snapshot.as_of - connection.last_pull_at
    allowed = READY_WITHIN_CYCLES * snapshot.cycle
    when = f"last succeeded {ago(age)}"
    if age > allowed:
        return Check(name, False, f"{when}, more than {_length(allowed)}{why}")
    return Check(name, True, when)


def ago(age: timedelta) -> str:
    """`just now`, `5 min ago`, `3 h ago`, `2 days ago`; rounded down."""
    return "just now" if age < timedelta(minutes=1) else f"{_length(age)} ago"


def _length(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    if minutes < 60:
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h" if hours < 48 else f"{hours // 24} days"
