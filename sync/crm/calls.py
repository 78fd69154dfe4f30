"""The one place where a call to a CRM is paced, repeated and given up.

breaker -> limiter -> one attempt (which the adapter translates into our errors) -> wait -> again,
until the call's deadline. Nothing else in the house repeats a request, and the transports' own
retries are switched off.
"""

import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import Final, TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception

from sync.clock import Clock
from sync.crm.breaker import Breaker
from sync.crm.limiter import Limiter
from sync.errors import AuthError, PermanentError, TransientError

T = TypeVar("T")

OUTAGE_S: Final = 25.0
"""A fault is lived through for so long, or for MIN_ATTEMPTS where each attempt takes its time.
Being told to wait does not count: that ends with the deadline."""

MIN_ATTEMPTS: Final = 3

FIRST_BACKOFF_S: Final = 0.5
MAX_BACKOFF_S: Final = 10.0
BACKOFF_SHARE: Final = 0.5
"""Each pause is so much of what the fault has lasted already, so that a call ends no later than at
one and a half times the outage."""

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
        breaker: Breaker | None = None,
        jitter: Callable[[], float] = _at_random,
    ) -> None:
        self._limiter = limiter
        self._clock = clock
        self._deadline_s = deadline_s
        self._breaker = breaker or Breaker("", clock)
        self._jitter = jitter

    def run(self, attempt: Callable[[float], T], *, bucket: str, idempotent: bool) -> T:
        """The result of the first `attempt` that succeeds; it is given the seconds left.

        A request that is not idempotent is not repeated once it may have been carried out.
        Raises TransientError when attempts or time have run out, or the account is left alone after
        many failures; AmbiguousError where besides one of them may have been carried out; whatever
        else `attempt` raises comes through.
        """
        call = _Call(
            self._limiter, self._clock, self._breaker, bucket, self._deadline_s, self._jitter
        )
        try:
            return call.once(attempt)
        except AttemptFailed as failure:
            first = failure  # nearly no call comes here, so that none pays for what repeats it
        try:
            return call.again(attempt, first, idempotent=idempotent)
        except AttemptFailed:
            raise call.given_up() from None


class _Call:
    """One call with all its repetitions."""

    def __init__(
        self,
        limiter: Limiter,
        clock: Clock,
        breaker: Breaker,
        bucket: str,
        deadline_s: float,
        jitter: Callable[[], float],
    ) -> None:
        self._limiter = limiter
        self._clock = clock
        self._breaker = breaker
        self._bucket = bucket
        self._jitter = jitter
        self._ends = clock.monotonic() + deadline_s
        self._failures: list[AttemptFailed] = []
        self._failing_since = 0.0
        self._probe = False

    def once(self, attempt: Callable[[float], T]) -> T:
        self._probe = self._breaker.admit()
        try:
            turn = self._limiter.acquire(self._bucket)
            try:
                result = attempt(max(self._left(), 1.0))
            finally:
                self._limiter.release(turn)
        except AttemptFailed as failure:
            self._note(failure)
            raise
        except (AuthError, PermanentError):
            self._breaker.answered()
            raise
        except BaseException:
            self._breaker.abandoned(self._probe)
            raise
        self._breaker.answered()
        return result

    def again(self, attempt: Callable[[float], T], first: AttemptFailed, *, idempotent: bool) -> T:
        """The result of a later attempt; `first`: how the one before ended."""
        failed = [first]

        def following() -> T:
            if failed:
                raise failed.pop()
            return self.once(attempt)

        result: T = self._retrying(idempotent=idempotent)(following)
        return result

    def _retrying(self, *, idempotent: bool) -> Retrying:
        def worth_repeating(error: BaseException) -> bool:
            return isinstance(error, AttemptFailed) and (idempotent or not error.ambiguous)

        return Retrying(
            sleep=self._clock.sleep,
            retry=retry_if_exception(worth_repeating),
            wait=self._wait,
            stop=self._stop,
            reraise=True,
        )

    def given_up(self) -> TransientError:
        """The error that the caller gets; the breaker learns of it unless there was an answer."""
        error = _given_up(self._failures)
        if self._failures[-1].throttled:
            self._breaker.answered()
        else:
            self._breaker.gave_up(error)
        return error

    def _left(self) -> float:
        return self._ends - self._clock.monotonic()

    def _note(self, failure: AttemptFailed) -> None:
        if failure.throttled:
            self._breaker.answered()
        if not failure.throttled and all(earlier.throttled for earlier in self._failures):
            self._failing_since = self._clock.monotonic()
        self._failures.append(failure)

    def _lasted(self) -> float:
        return self._clock.monotonic() - self._failing_since

    def _wait(self, _: RetryCallState) -> float:
        failure = self._failures[-1]
        if failure.throttled:
            seconds = failure.wait_s or FIRST_BACKOFF_S
            self._limiter.close_for(self._bucket, min(seconds, max(self._left(), 0.0)))
            return seconds
        backoff = min(MAX_BACKOFF_S, max(FIRST_BACKOFF_S, self._lasted() * BACKOFF_SHARE))
        return max(failure.wait_s or 0.0, backoff * (0.5 + self._jitter() / 2))

    def _stop(self, state: RetryCallState) -> bool:
        faults = sum(not failure.throttled for failure in self._failures)
        lived_through = faults >= MIN_ATTEMPTS and self._lasted() >= OUTAGE_S
        probed = self._probe and faults > 0
        return lived_through or probed or state.upcoming_sleep >= self._left()


def _given_up(failures: list[AttemptFailed]) -> TransientError:
    last = failures[-1]
    times = "" if len(failures) == 1 else f" Given up after {len(failures)} attempts."
    kind = AmbiguousError if any(failure.ambiguous for failure in failures) else TransientError
    retry_after = None if last.wait_s is None else timedelta(seconds=last.wait_s)
    return kind(last.text + times, retry_after=retry_after)
