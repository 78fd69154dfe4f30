"""The daemon: the schedule, the lease that keeps it single, and a clean end.

Each connection has its own cycle (pull, assess, write back, raise alerts), so that one failing
account does not hurt the others. Alerts are delivered once a day. Nothing of the schedule is
persistent: what was missed while the process was down is read from `job_run`.
"""

import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from types import FrameType
from zoneinfo import ZoneInfo

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger
from sqlalchemy import Engine

from sync.clock import Clock
from sync.config.model import Schedule
from sync.errors import AuthError
from sync.jobs.observers import Log
from sync.jobs.runner import JobResult
from sync.mirror import job_runs, lease

LEASE = "worker"
LEASE_TTL = timedelta(seconds=60)
RENEW_EVERY = timedelta(seconds=15)

Cycle = Callable[[], Sequence[JobResult]]


@dataclass(frozen=True, slots=True)
class Work:
    """One account's work: `cycle` every few minutes, `deliver` at the hour of alerts."""

    name: str
    zone: str
    cycle: Cycle
    deliver: Cycle


@dataclass
class Worker:
    """Runs until `stop` is called or a signal comes; `run` then ends with what is in hand done."""

    connections: Sequence[Work]
    schedule: Schedule
    engine: Engine
    clock: Clock
    holder: str
    log: Log
    stopping: threading.Event = field(default_factory=threading.Event)
    lost_lease: bool = False

    def stop(self, *_: object) -> None:
        self.stopping.set()

    def should_stop(self) -> bool:
        return self.stopping.is_set()

    def run(self) -> None:
        """Wait for the lease, run the schedule, and give both up in order."""
        if not self._acquire():
            return
        job_runs.abandon_running(self.engine, at=self.clock.now())
        scheduler = self._scheduler()
        scheduler.start()
        self.log.info("worker started", holder=self.holder, connections=len(self.connections))
        try:
            self._hold()
        finally:
            self.stopping.set()
            scheduler.shutdown(wait=True)
            if not self.lost_lease:
                lease.release(self.engine, LEASE, self.holder)
            self.log.info("worker stopped", lease_lost=self.lost_lease)

    def _acquire(self) -> bool:
        waiting = False
        while not self.stopping.is_set():
            if lease.acquire(self.engine, LEASE, self.holder, ttl=LEASE_TTL, now=self.clock.now()):
                return True
            if not waiting:
                self.log.info("another worker holds the lease; waiting to take over")
                waiting = True
            self.stopping.wait(RENEW_EVERY.total_seconds())
        return False

    def _hold(self) -> None:
        """Keep the lease; a worker that lost it stops at once, for another one is running."""
        while not self.stopping.wait(RENEW_EVERY.total_seconds()):
            if not lease.renew(
                self.engine, LEASE, self.holder, ttl=LEASE_TTL, now=self.clock.now()
            ):
                self.lost_lease = True
                self.log.error("the lease was lost to another worker; stopping")
                return

    def _scheduler(self) -> BackgroundScheduler:
        scheduler = BackgroundScheduler(
            timezone="UTC",
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": 3600},
        )
        for connection in self.connections:
            guarded = _Guarded(connection, scheduler, self.log)
            scheduler.add_job(
                guarded.cycle,
                IntervalTrigger(
                    minutes=self.schedule.cycle_minutes, jitter=self.schedule.jitter_seconds or None
                ),
                id=f"{connection.name}:cycle",
                next_run_time=self.clock.now(),
            )
            hour, minute = self.schedule.alerts_at.split(":")
            scheduler.add_job(
                guarded.deliver,
                CronTrigger(
                    day_of_week=self.schedule.alerts_on,
                    hour=hour,
                    minute=minute,
                    timezone=ZoneInfo(connection.zone),
                ),
                id=f"{connection.name}:deliver",
            )
        return scheduler


class _Guarded:
    """A connection whose credentials are refused is taken off the schedule until a restart:
    asking again with a wrong token only locks the account.
    """

    def __init__(self, connection: Work, scheduler: BackgroundScheduler, log: Log) -> None:
        self._connection = connection
        self._scheduler = scheduler
        self._log = log

    def cycle(self) -> None:
        self._suspend_on_auth_failure(self._connection.cycle())

    def deliver(self) -> None:
        self._suspend_on_auth_failure(self._connection.deliver())

    def _suspend_on_auth_failure(self, results: Sequence[JobResult]) -> None:
        if not any(isinstance(result.error, AuthError) for result in results):
            return
        name = self._connection.name
        self._scheduler.pause_job(f"{name}:cycle")
        self._log.error(
            "connection suspended: its credentials were refused; "
            "correct them and restart dealpulse",
            connection=name,
        )


def stop_on_signals(stop: Callable[..., None]) -> None:
    """SIGTERM and SIGINT ask for a clean end; a second SIGINT ends at once."""

    def handle(_: int, __: FrameType | None) -> None:
        stop()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)
