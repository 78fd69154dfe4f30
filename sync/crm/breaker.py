"""The circuit breaker: an account that does not answer is left alone, and said so once.

A call that was given up counts as one failure. After several in a row further calls fail at once,
except for one probe now and then; the first answer of any kind lets all of them through again.
"""

import threading
from datetime import timedelta
from typing import Final, Protocol

from sync.clock import Clock
from sync.errors import TransientError

OPENS_AFTER: Final = 3
"""Calls given up in a row, by whichever thread."""

FIRST_PAUSE_S: Final = 60.0
LONGEST_PAUSE_S: Final = 900.0


class Log(Protocol):
    """structlog's bound logger fits."""

    def info(self, event: str, **values: object) -> object: ...
    def warning(self, event: str, **values: object) -> object: ...


class Breaker:
    """One account's; may be used from several threads. `account`: as the log names it."""

    def __init__(self, account: str, clock: Clock, log: Log | None = None) -> None:
        self._account = account
        self._clock = clock
        self._log = log
        self._lock = threading.Lock()
        self._failures = 0
        self._pause_s = 0.0
        self._next_probe = 0.0
        self._probing = False
        self._last = ""

    @property
    def open(self) -> bool:
        return self._failures >= OPENS_AFTER

    def admit(self) -> bool:
        """Whether this call is the probe, which is not to be repeated; False in good times.

        Raises TransientError while the account is left alone.
        """
        with self._lock:
            if not self.open:
                return False
            left = self._next_probe - self._clock.monotonic()
            if left <= 0 and not self._probing:
                self._probing = True
                return True
        wait = max(left, 1.0)
        raise TransientError(
            f"{self._last} It has failed {self._failures} times in a row and is left alone for "
            f"{round(wait)} s; it goes on by itself once there are answers again.",
            retry_after=timedelta(seconds=wait),
        )

    def answered(self) -> None:
        """There was an answer, be it a refusal: somebody is there."""
        with self._lock:
            failures, was_open = self._failures, self.open
            self._failures, self._pause_s, self._probing = 0, 0.0, False
        if was_open and self._log is not None:
            self._log.info("the CRM answers again", account=self._account, failed_calls=failures)

    def gave_up(self, error: TransientError) -> None:
        """A call was given up because there was no usable answer."""
        with self._lock:
            was_open = self.open
            self._failures += 1
            self._probing = False
            self._last = str(error)
            if self.open:
                self._pause_s = min(LONGEST_PAUSE_S, max(FIRST_PAUSE_S, self._pause_s * 2))
                self._next_probe = self._clock.monotonic() + self._pause_s
            opened = self.open and not was_open
        if opened and self._log is not None:
            self._log.warning(
                "the CRM does not answer; it is left alone but for a probe now and then",
                account=self._account,
                failed_calls=OPENS_AFTER,
                error=str(error),
            )

    def abandoned(self, probe: bool) -> None:
        """The call ended without telling anything, such as when the process is to stop."""
        if probe:
            with self._lock:
                self._probing = False
