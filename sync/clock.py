"""Time as an argument: nothing below the composition root asks the machine what time it is."""

import threading
import time
from datetime import UTC, datetime
from typing import Final, Protocol

FINISHED_S: Final = 1.0
"""A sleep no longer than this is finished also when asked to stop, so that what is in hand ends."""


class Clock(Protocol):
    def now(self) -> datetime:
        """The present instant, aware, in UTC."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary start, never going back; for durations and limiters."""

    def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class Interrupted(Exception):
    """A sleep was cut short, or not begun, because the process was asked to stop."""


class StoppableClock(SystemClock):
    """The machine's clock of a process that may be asked to stop: it never sleeps through that."""

    def __init__(self, stopping: threading.Event) -> None:
        self._stopping = stopping

    def sleep(self, seconds: float) -> None:
        """Raises Interrupted where `stopping` is set before or during a sleep worth the name."""
        if seconds <= FINISHED_S:
            super().sleep(seconds)
        elif self._stopping.wait(seconds):
            raise Interrupted
