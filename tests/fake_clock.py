"""A clock that tests move; sleeping moves it too. Shared by the code under test and the sandbox."""

import os
import threading
from datetime import UTC, datetime, timedelta

START = datetime(2026, 3, 16, 9, 0, tzinfo=UTC)  # a Monday, mid-quarter


class FakeClock:
    def __init__(self, start: datetime = START) -> None:
        self._start = start
        self._elapsed = timedelta()
        self._lock = threading.Lock()
        self.slept: list[float] = []

    def now(self) -> datetime:
        with self._lock:
            return self._start + self._elapsed

    def monotonic(self) -> float:
        with self._lock:
            return self._elapsed.total_seconds()

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(seconds=seconds)

    def advance(self, *, days: float = 0, minutes: float = 0, seconds: float = 0) -> None:
        with self._lock:
            self._elapsed += timedelta(days=days, minutes=minutes, seconds=seconds)


class StillClock(FakeClock):
    """Sleeping lets others go on and moves nothing: for threads that wait for one another's work,
    whose sleeps would add up to a time in which nothing ever takes so long."""

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        os.sched_yield()
