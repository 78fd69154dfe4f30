"""The worker and its lease: outages of the database, take-overs, the missed hour of alerts."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, select, text

from sync.config.model import Schedule
from sync.jobs.runner import JobResult
from sync.mirror import job_runs, lease, schema
from sync.worker import (
    LEASE,
    LEASE_TTL,
    SOON,
    Work,
    Worker,
    _Guarded,
    alerts_hour,
    missed_today,
    nightly,
)
from tests.fake_clock import FakeClock

MONDAY = datetime(2026, 3, 16, tzinfo=UTC)


@dataclass
class Lines:
    """A log that is kept."""

    said: list[str] = field(default_factory=list)

    def info(self, event: str, **_: object) -> None:
        self.said.append(event)

    warning = error = info


class Turns(threading.Event):
    """The time between two renewals: in each turn something happens, in the last one the stop."""

    def __init__(self, *happenings: Callable[[], object]) -> None:
        super().__init__()
        self._happenings = iter(happenings)

    def wait(self, timeout: float | None = None) -> bool:
        happening = next(self._happenings, self.set)
        happening()
        return self.is_set()


@dataclass
class Desk:
    """A worker without connections, so that only the lease is at stake."""

    engine: Engine
    clock: FakeClock
    log: Lines = field(default_factory=Lines)
    stops: list[bool] = field(default_factory=list)

    def worker(self, *happenings: Callable[[], object]) -> Worker:
        self.of = Worker(
            connections=(),
            schedule=Schedule(),
            engine=self.engine,
            clock=self.clock,
            holder="a",
            log=self.log,
            stopping=Turns(*happenings),
        )
        return self.of

    def note(self) -> None:
        self.stops.append(self.of.should_stop())

    def later(self, seconds: float) -> Callable[[], None]:
        return lambda: self.clock.advance(seconds=seconds)

    def database(self, statement: str) -> None:
        with self.engine.begin() as transaction:
            transaction.execute(text(statement))

    def away(self) -> None:
        self.database("ALTER TABLE lease RENAME TO lease_away")

    def back(self) -> None:
        self.database("ALTER TABLE lease_away RENAME TO lease")

    def asleep_while_another_takes_it(self) -> None:
        self.clock.advance(seconds=61)
        self.another_takes_it()

    def held_until(self) -> datetime:
        with self.engine.connect() as database:
            return database.execute(select(schema.lease.c.expires_at)).scalar_one()

    def another_takes_it(self) -> None:
        assert lease.acquire(self.engine, LEASE, "b", ttl=LEASE_TTL, now=self.clock.now())


def until(seen: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not seen():
        assert time.monotonic() < deadline


@pytest.fixture
def desk(engine: Engine, clock: FakeClock) -> Desk:
    return Desk(engine, clock)


def test_it_outlives_an_outage_of_the_database_and_says_so_once(desk: Desk) -> None:
    worker = desk.worker(desk.away, desk.note, desk.later(15), desk.back, desk.note)
    worker.run()
    assert desk.stops == [False, False]
    assert not worker.lost_lease
    outage = [line for line in desk.log.said if "database answers" in line]
    assert len(outage) == 2
    assert desk.log.said[-1] == "worker stopped"
    assert lease.acquire(desk.engine, LEASE, "b", ttl=LEASE_TTL, now=desk.clock.now())


def test_work_pauses_from_the_moment_another_worker_could_begin(desk: Desk) -> None:
    until_then = desk.later(LEASE_TTL.total_seconds())
    worker = desk.worker(desk.away, until_then, desk.note, desk.back, desk.note)
    worker.run()
    assert desk.stops == [True, False], "nobody took over, so the same worker goes on"


def test_a_worker_that_finds_another_one_stops_and_leaves_it_the_lease(desk: Desk) -> None:
    worker = desk.worker(desk.asleep_while_another_takes_it)
    worker.run()
    assert worker.lost_lease
    assert not lease.acquire(desk.engine, LEASE, "c", ttl=LEASE_TTL, now=desk.clock.now())


def test_a_waiting_worker_outlives_an_outage_too(desk: Desk) -> None:
    desk.another_takes_it()
    worker = desk.worker(desk.away, desk.back, desk.later(61), desk.note)
    worker.run()
    assert desk.stops == [False]
    assert "worker started" in desk.log.said


def test_the_lease_is_kept_until_what_is_in_hand_has_ended(desk: Desk) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def cycle() -> Sequence[JobResult]:
        begun.set()
        assert may_end.wait(60)
        return []

    worker = desk.worker(lambda: begun.wait(60))
    clock = worker.clock = FakeClock(datetime.now(UTC))  # the scheduler's clock is the machine's
    worker.connections = [Work("portal", "UTC", cycle, list)]
    worker.renew_every = timedelta(milliseconds=5)
    running = threading.Thread(target=worker.run)
    running.start()
    assert begun.wait(60)
    until(worker.stopping.is_set)
    clock.advance(seconds=61)
    until(lambda: desk.held_until() > clock.now())
    may_end.set()
    running.join(60)
    assert lease.acquire(desk.engine, LEASE, "b", ttl=LEASE_TTL, now=clock.now())


@pytest.fixture
def ran(engine: Engine) -> Iterator[Callable[[datetime, str], job_runs.JobRun]]:
    def deliver_alerts(at: datetime, status: str) -> job_runs.JobRun:
        run_id = job_runs.start_run(engine, "deliver_alerts", "portal", at=at)
        job_runs.end_run(engine, run_id, status=status, counts={}, at=at)
        last = job_runs.last_run(engine, "deliver_alerts", "portal")
        assert last is not None
        return last

    yield deliver_alerts


@pytest.mark.parametrize("database_kind", ["sqlite"])
@pytest.mark.parametrize(
    ("last_h", "status", "now_h", "missed"),
    [
        (-73, "ok", 6.99, False),  # 08:00 in Oslo is 07:00Z
        (-73, "ok", 7.0, True),
        (-73, "ok", 22.9, True),
        (-73, "ok", 23.1, False),  # the next day in Oslo: its own hour will come
        (7.0, "ok", 7.1, False),
        (7.0, "failed", 7.1, False),
        (7.0, "abandoned", 7.1, True),
        (7.0, "stopped", 7.1, True),
        (6.5, "ok", 7.1, True),  # sent by hand before the hour
        (-73, "ok", -20, False),  # a Sunday
    ],
)
def test_the_hour_of_alerts_is_made_up_for_on_the_same_day(
    ran: Callable[[datetime, str], job_runs.JobRun],
    last_h: float,
    status: str,
    now_h: float,
    missed: bool,
) -> None:
    hour = alerts_hour(Schedule(alerts_at="08:00", alerts_on="mon-fri"), "Europe/Oslo")
    last = ran(MONDAY + timedelta(hours=last_h), status)
    assert missed_today(last, hour, MONDAY + timedelta(hours=now_h)) is missed


def test_the_day_of_installation_has_missed_nothing() -> None:
    hour = alerts_hour(Schedule(alerts_at="08:00"), "Europe/Oslo")
    assert not missed_today(None, hour, MONDAY + timedelta(hours=20))


@pytest.mark.parametrize(
    ("before", "fires"),
    [
        (MONDAY, MONDAY + timedelta(hours=1, minutes=30)),
        (MONDAY + timedelta(hours=2), MONDAY + timedelta(days=1, hours=1, minutes=30)),
        # 02:30 does not exist when clocks are put forward: it is half past one, an hour on
        (datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),
        (datetime(2026, 3, 29, 12, tzinfo=UTC), datetime(2026, 3, 30, 0, 30, tzinfo=UTC)),
        # and twice when they are put back: the second run finds nothing left to do
        (datetime(2026, 10, 24, 12, tzinfo=UTC), datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        (datetime(2026, 10, 25, 0, 31, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)),
        (datetime(2026, 10, 25, 1, 31, tzinfo=UTC), datetime(2026, 10, 26, 1, 30, tzinfo=UTC)),
    ],
)
def test_the_back_test_has_its_hour_in_the_account_s_night(
    before: datetime, fires: datetime
) -> None:
    trigger = nightly(Schedule().backtest_at, "Europe/Oslo")
    due = trigger.get_next_fire_time(None, before)
    assert due is not None
    assert due.astimezone(UTC) == fires


def test_a_missed_delivery_follows_the_first_cycle(engine: Engine) -> None:
    now = datetime.now(UTC)  # the scheduler's own clock is the machine's
    job_runs.start_run(engine, "deliver_alerts", "portal", at=now - timedelta(days=2))
    order: list[str] = []
    delivered = threading.Event()

    def cycle() -> Sequence[JobResult]:
        order.append("cycle")
        return []

    def deliver() -> Sequence[JobResult]:
        order.append("deliver")
        delivered.set()
        return []

    worker = Worker(
        connections=[Work("portal", "UTC", cycle, deliver)],
        schedule=Schedule(alerts_at="00:00", alerts_on="mon-sun"),
        engine=engine,
        clock=FakeClock(now),
        holder="a",
        log=Lines(),
        stopping=Turns(lambda: delivered.wait(60)),
    )
    worker.run()
    assert order == ["cycle", "deliver"]


class Scheduled:
    """The one job of a scheduler."""

    def __init__(self, next_run_time: datetime) -> None:
        self.next_run_time = next_run_time

    def get_job(self, _: str) -> "Scheduled":
        return self

    def modify(self, *, next_run_time: datetime) -> None:
        self.next_run_time = next_run_time


def hastened(
    clock: FakeClock, scheduled: Scheduled, cycle: Callable[[], list[JobResult]]
) -> _Guarded:
    work = Work(name="main", zone="UTC", cycle=cycle, deliver=list)
    return _Guarded(
        work,
        scheduled,  # type: ignore[arg-type]
        Lines(),
        lambda: False,
        clock,
        deliver_first=False,
    )


def test_a_webhook_makes_the_next_cycle_come_soon(clock: FakeClock) -> None:
    scheduled = Scheduled(clock.now() + timedelta(minutes=15))
    guarded = hastened(clock, scheduled, list)
    guarded.soon()
    due = clock.now() + SOON
    assert scheduled.next_run_time == due
    clock.advance(seconds=5)
    guarded.soon()
    assert scheduled.next_run_time == due, "more of them do not put it off"


def test_a_webhook_during_a_cycle_makes_another_follow(clock: FakeClock) -> None:
    later = clock.now() + timedelta(minutes=15)
    scheduled = Scheduled(later)

    def cycle() -> list[JobResult]:
        guarded.soon()
        assert scheduled.next_run_time == later
        clock.advance(minutes=3)
        return []

    guarded = hastened(clock, scheduled, cycle)
    guarded.cycle()
    assert scheduled.next_run_time == clock.now() + SOON
    scheduled.next_run_time = later
    hastened(clock, scheduled, list).cycle()
    assert scheduled.next_run_time == later
