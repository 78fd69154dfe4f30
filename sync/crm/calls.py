"""The one place where a call to a CRM is paced, repeated and given up.

limiter -> one attempt (which the adapter translates into our errors) -> wait -> again, until the
call's deadline. Nothing else in the house repeats a request, and the transports' own retries are
switched off.
"""

import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception

from sync.clock import Clock
from sync.crm.limiter import Limiter
from sync.errors import TransientError

T = TypeVar("T")

MAX_FAULTS = 6
"""Attempts on a failing CRM. Being told to wait does not count: that ends with the deadline."""

FIRST_BACKOFF_S = 0.5
MAX_BACKOFF_S = 30.0

_at_random = secrets.SystemRandom().random


class AttemptFailed(Exception):
    """One attempt failed in a way that may pass. Made by adapters, never seen outside of calls.

    text: what happened, for the error that is raised in the end.
    wait_s: the least time to the next attempt; None = our own back-off.
    throttled: we were told to wait; everybody who uses the bucket has to.
    ambiguous: the request may have been carried out although it failed.
    """

    def __init__(
        self,
        text: str,
        *,
        wait_s: float | None = None,
        throttled: bool = False,
        ambiguous: bool = False,
    ) -> None:
        super().__init__(text)
        self.text = text
        self.wait_s = wait_s
        self.throttled = throttled
        self.ambiguous = ambiguous


class AmbiguousError(TransientError):
    """No usable answer came: the request may or may not have been carried out."""


class Calls:
    """Runs attempts for one account. `jitter` gives 0-1 at random."""

    def __init__(
        self,
        limiter: Limiter,
        clock: Clock,
        *,
        deadline_s: float,
        jitter: Callable[[], float] = _at_random,
    ) -> None:
        self._limiter = limiter
        self._clock = clock
        self._deadline_s = deadline_s
        self._jitter = jitter

    def run(self, attempt: Callable[[float], T], *, bucket: str, idempotent: bool) -> T:
        """The result of the first `attempt` that succeeds; it is given the seconds left.

        A request that is not idempotent is not repeated once it may have been carried out.
        Raises TransientError when attempts or time have run out, AmbiguousError where besides
        one of them may have been carried out; whatever else `attempt` raises comes through.
        """
        started = self._clock.monotonic()
        failures: list[AttemptFailed] = []

        def left() -> float:
            return started + self._deadline_s - self._clock.monotonic()

        def once() -> T:
            self._limiter.acquire(bucket)
            try:
                return attempt(max(left(), 1.0))
            except AttemptFailed as failure:
                failures.append(failure)
                raise

        def wait(state: RetryCallState) -> float:
            seconds = self._wait_after(failures[-1], state.attempt_number)
            if failures[-1].throttled:
                self._limiter.close_for(bucket, min(seconds, max(left(), 0.0)))
            return seconds

        def stop(state: RetryCallState) -> bool:
            faults = sum(not failure.throttled for failure in failures)
            return faults >= MAX_FAULTS or state.upcoming_sleep >= left()

        def worth_repeating(error: BaseException) -> bool:
            return isinstance(error, AttemptFailed) and (idempotent or not error.ambiguous)

        retrying = Retrying(
            sleep=self._clock.sleep,
            retry=retry_if_exception(worth_repeating),
            wait=wait,
            stop=stop,
            reraise=True,
        )
        try:
            return retrying(once)
        except AttemptFailed:
            raise _given_up(failures) from None

    def _wait_after(self, failure: AttemptFailed, attempt_number: int) -> float:
        if failure.throttled:
            return failure.wait_s or FIRST_BACKOFF_S
        backoff: float = min(MAX_BACKOFF_S, FIRST_BACKOFF_S * 2 ** (attempt_number - 1))
        return max(failure.wait_s or 0.0, backoff * (0.5 + self._jitter() / 2))


def _given_up(failures: list[AttemptFailed]) -> TransientError:
    last = failures[-1]
    times = "" if len(failures) == 1 else f" Given up after {len(failures)} attempts."
    kind = AmbiguousError if any(failure.ambiguous for failure in failures) else TransientError
    retry_after = None if last.wait_s is None else timedelta(seconds=last.wait_s)
    return kind(last.text + times, retry_after=retry_after)
