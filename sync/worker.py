"""The daemon: the schedule, the lease that keeps it single, and a clean end.

Each connection has its own cycle (pull, assess, write back, raise alerts), so that one failing
account does not hurt the others. Alerts are delivered once a day; once a night forecasts are
back-tested, and the mirror is swept. Nothing of the schedule is persistent: what was missed while
the process was down is read from `job_run`.
"""

import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import FrameType
from zoneinfo import ZoneInfo

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger
from sqlalchemy import Engine

from sync.clock import Clock
from sync.config.model import Schedule
from sync.errors import AuthError, DealpulseError
from sync.jobs import chain
from sync.jobs.observers import Log
from sync.jobs.runner import JobResult
from sync.mirror import job_runs, lease

LEASE = "worker"
LEASE_TTL = timedelta(seconds=60)
RENEW_EVERY = timedelta(seconds=15)
SOON = timedelta(seconds=20)
"""So long after a webhook a cycle begins; more of them within that time are read by it."""

Cycle = Callable[[], Sequence[JobResult]]


@dataclass(frozen=True, slots=True)
class Work:
    """One account's work: `cycle` every few minutes, `deliver` at the hour of alerts, `backtest`
    and `sweep` once a night.
    """

    name: str
    zone: str
    cycle: Cycle
    deliver: Cycle
    backtest: Cycle = list
    sweep: Cycle = list


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
    renew_every: timedelta = RENEW_EVERY
    lost_lease: bool = False
    _guarded: dict[str, "_Guarded"] = field(default_factory=dict)
    _held_until: datetime | None = None
    _unreachable: bool = False

    def stop(self, *_: object) -> None:
        self.stopping.set()

    def soon(self, connection: str) -> None:
        """Begin that connection's next cycle within SOON, or as soon as the running one ends."""
        guarded = self._guarded.get(connection)
        if guarded is not None and not self.stopping.is_set():
            guarded.soon()

    def should_stop(self) -> bool:
        """Also while the lease has run out unrenewed: another worker may have taken over."""
        held = self._held_until is not None and self.clock.now() < self._held_until
        return self.stopping.is_set() or not held

    def run(self) -> None:
        """Wait for the lease, run the schedule, and give both up in order."""
        if not self._acquire():
            return
        scheduler = BackgroundScheduler(
            timezone="UTC",
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": 3600},
        )
        try:
            job_runs.abandon_running(self.engine, at=self.clock.now())
            self._fill(scheduler)
            scheduler.start()
            self.log.info("worker started", holder=self.holder, connections=len(self.connections))
            self._hold()
        finally:
            self._end(scheduler)

    def _acquire(self) -> bool:
        waiting = False
        while not self.stopping.is_set():
            if self._lease(lease.acquire):
                return True
            if not waiting and not self._unreachable:
                self.log.info("another worker holds the lease; waiting to take over")
                waiting = True
            self.stopping.wait(self.renew_every.total_seconds())
        return False

    def _hold(self) -> None:
        """Keep the lease; a worker that lost it stops at once, for another one is running."""
        while not self.stopping.wait(self.renew_every.total_seconds()):
            if not self._lease(lease.renew) and not self._unreachable:
                self.lost_lease = True
                self.log.error("the lease was lost to another worker; stopping")
                return

    def _lease(self, step: Callable[..., bool]) -> bool:
        """Acquire or renew; False where another worker has it, or the database does not answer.

        The latter is said once, and when it is over: a daemon outlives its database's restart.
        """
        now = self.clock.now()
        try:
            held = step(self.engine, LEASE, self.holder, ttl=LEASE_TTL, now=now)
        except DealpulseError as error:
            self._answers(False, str(error))
            return False
        self._answers(True)
        self._held_until = now + LEASE_TTL if held else None
        return held

    def _answers(self, yes: bool, error: str = "") -> None:
        if not yes and not self._unreachable:
            self.log.error("no lease; work pauses until the database answers", error=error)
        if yes and self._unreachable:
            self.log.info("the database answers again")
        self._unreachable = not yes

    def _end(self, scheduler: BackgroundScheduler) -> None:
        """Let the jobs in hand end; until then the lease is kept, or another worker would begin."""
        self.stopping.set()
        if scheduler.running:
            ending = threading.Thread(target=scheduler.shutdown, name="shutdown", daemon=True)
            ending.start()
            ending.join(self.renew_every.total_seconds())
            while ending.is_alive():
                if not self.lost_lease:
                    self._lease(lease.renew)
                ending.join(self.renew_every.total_seconds())
        if not self.lost_lease:
            self._lease(_release)
        self.log.info("worker stopped", lease_lost=self.lost_lease)

    def _fill(self, scheduler: BackgroundScheduler) -> None:
        for connection in self.connections:
            hour = alerts_hour(self.schedule, connection.zone)
            last = job_runs.last_run(self.engine, chain.DELIVER_ALERTS.name, connection.name)
            guarded = _Guarded(
                connection,
                scheduler,
                self.log,
                self.should_stop,
                self.clock,
                deliver_first=missed_today(last, hour, self.clock.now()),
            )
            self._guarded[connection.name] = guarded
            scheduler.add_job(
                guarded.cycle,
                IntervalTrigger(
                    minutes=self.schedule.cycle_minutes, jitter=self.schedule.jitter_seconds or None
                ),
                id=guarded.cycle_id,
                next_run_time=self.clock.now(),
            )
            scheduler.add_job(guarded.deliver, hour, id=f"{connection.name}:deliver")
            scheduler.add_job(
                guarded.backtest,
                nightly(self.schedule.backtest_at, connection.zone),
                id=f"{connection.name}:backtest",
            )
            scheduler.add_job(
                guarded.sweep,
                nightly(self.schedule.sweep_at, connection.zone),
                id=f"{connection.name}:sweep",
            )


def alerts_hour(schedule: Schedule, zone: str) -> CronTrigger:
    """When alerts are delivered, by the clocks of `zone`."""
    hour, minute = schedule.alerts_at.split(":")
    return CronTrigger(
        day_of_week=schedule.alerts_on, hour=hour, minute=minute, timezone=ZoneInfo(zone)
    )


def nightly(at: str, zone: str) -> CronTrigger:
    """When forecasts are back-tested, or the mirror is swept, by the clocks of `zone`. A missed
    night needs no making up for: the next one does what is not done yet.
    """
    hour, minute = at.split(":")
    return CronTrigger(hour=hour, minute=minute, timezone=ZoneInfo(zone))


def missed_today(last: job_runs.JobRun | None, hour: CronTrigger, now: datetime) -> bool:
    """Whether today's hour of alerts has passed without a whole delivery; `last`: the latest.

    Never before the first delivery: nobody expects a digest at the hour of installation.
    """
    if last is None:
        return False
    midnight = now.astimezone(hour.timezone).replace(hour=0, minute=0, second=0, microsecond=0)
    whole = last.status in ("ok", "failed")  # what failed is tried again every cycle
    after_it = last.started_at + timedelta(microseconds=1)
    due = hour.get_next_fire_time(None, max(after_it, midnight) if whole else midnight)
    return due is not None and due <= now


class _Guarded:
    """A connection whose credentials are refused is taken off the schedule until a restart:
    asking again with a wrong token only locks the account.

    deliver_first: the first cycle is followed by a delivery of alerts that was missed.
    """

    def __init__(
        self,
        connection: Work,
        scheduler: BackgroundScheduler,
        log: Log,
        should_stop: Callable[[], bool],
        clock: Clock,
        *,
        deliver_first: bool,
    ) -> None:
        self._connection = connection
        self._scheduler = scheduler
        self._log = log
        self._should_stop = should_stop
        self._clock = clock
        self._deliver_first = deliver_first
        self._in_cycle = False
        self._again = False
        self._lock = threading.Lock()

    @property
    def cycle_id(self) -> str:
        return f"{self._connection.name}:cycle"

    def soon(self) -> None:
        with self._lock:
            self._again = self._in_cycle
            if self._in_cycle:
                return
        self._hasten()

    def cycle(self) -> None:
        with self._lock:
            self._in_cycle, self._again = True, False
        try:
            self._cycle()
        finally:
            with self._lock:
                self._in_cycle = False
                again = self._again
            if again:
                self._hasten()

    def _hasten(self) -> None:
        """Not at once: what comes together is read together."""
        job = self._scheduler.get_job(self.cycle_id)
        due = self._clock.now() + SOON
        if job is not None and job.next_run_time is not None and job.next_run_time > due:
            job.modify(next_run_time=due)

    def _cycle(self) -> None:
        self._run(self._connection.cycle)
        if self._deliver_first and not self._should_stop():
            self._deliver_first = False
            self.deliver()

    def deliver(self) -> None:
        self._run(self._connection.deliver)

    def backtest(self) -> None:
        self._run(self._connection.backtest)

    def sweep(self) -> None:
        self._run(self._connection.sweep)

    def _run(self, work: Cycle) -> None:
        if self._should_stop():
            return
        try:
            results = work()
        except DealpulseError as error:  # the mirror was away: the run could not be recorded
            self._log.error(
                "a run broke off; the next one goes on",
                connection=self._connection.name,
                error=str(error),
            )
        else:
            self._suspend_on_auth_failure(results)

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


def _release(engine: Engine, name: str, holder: str, **_: object) -> bool:
    """As a step of `Worker._lease`; a lease that cannot be given back runs out by itself."""
    return lease.release(engine, name, holder)


def stop_on_signals(stop: Callable[..., None]) -> None:
    """SIGTERM and SIGINT ask for a clean end; a second SIGINT ends at once."""

    def handle(_: int, __: FrameType | None) -> None:
        stop()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)
