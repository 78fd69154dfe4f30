"""How fast one account may be called: a rolling window per bucket, shared by all threads.

A window lets `limit * share` calls begin in any `interval_s`; the rest of the account's limit
stays with the customer's other apps. Limits are learned from what the CRM says in its answers.
"""

import threading
from collections import defaultdict, deque
from dataclasses import dataclass
from datetime import timedelta

from sync.clock import Clock
from sync.errors import TransientError

DAILY_RESERVE = 0.05
"""Below this share of the day's calls we leave what is left to the customer's other apps."""

DAILY_RECHECK_S = 900.0
"""After so long one call is let through, to learn whether the day's count has begun anew."""


@dataclass(frozen=True, slots=True)
class Window:
    """`limit` calls in any `interval_s` seconds, for the whole account."""

    limit: int
    interval_s: float


class Limiter:
    """Makes callers wait for their turn; one instance per account, whatever the threads.

    `share` (0-1] of each window is used, but never less than one call.
    """

    def __init__(self, *, share: float, clock: Clock) -> None:
        self._clock = clock
        self._share = share
        self._windows: dict[str, Window] = {}
        self._turns: defaultdict[str, deque[float]] = defaultdict(deque)
        self._closed_until: defaultdict[str, float] = defaultdict(float)
        self._spent_until = 0.0
        self._lock = threading.Lock()

    def declare(self, bucket: str, window: Window) -> None:
        """What to go by until the CRM tells; a bucket that is known already stays as it is."""
        with self._lock:
            self._windows.setdefault(bucket, window)

    def acquire(self, bucket: str) -> None:
        """Wait for the declared bucket's next turn.

        Raises TransientError where the account's calls of the day are nearly used up.
        """
        with self._lock:
            now = self._clock.monotonic()
            self._refuse_when_spent(now)
            turn = self._next_turn(bucket, now)
            self._turns[bucket].append(turn)
        if turn > now:
            self._clock.sleep(turn - now)

    def learn(self, bucket: str, window: Window) -> None:
        """Take over the limit that the CRM states; nonsense (nothing allowed at all) is ignored."""
        if window.limit > 0 and window.interval_s > 0:
            with self._lock:
                self._windows[bucket] = window

    def learn_daily(self, *, remaining: int, limit: int) -> None:
        """Note how many calls the account has left today."""
        with self._lock:
            spent = remaining < limit * DAILY_RESERVE
            self._spent_until = self._clock.monotonic() + DAILY_RECHECK_S if spent else 0.0

    def close_for(self, bucket: str, seconds: float) -> None:
        """Nobody's turn comes within `seconds`: the CRM said that we were too fast."""
        with self._lock:
            until = self._clock.monotonic() + seconds
            self._closed_until[bucket] = max(self._closed_until[bucket], until)

    def _refuse_when_spent(self, now: float) -> None:
        if now < self._spent_until:
            raise TransientError(
                "The CRM account's calls of the day are nearly used up; what is left stays with "
                "your other apps. It goes on by itself when the day's count begins anew.",
                retry_after=timedelta(seconds=self._spent_until - now),
            )

    def _next_turn(self, bucket: str, now: float) -> float:
        window, turns = self._windows[bucket], self._turns[bucket]
        while turns and turns[0] <= now - window.interval_s:
            turns.popleft()
        turn = max(now, self._closed_until[bucket], turns[-1] if turns else 0.0)
        allowed = max(1, int(window.limit * self._share))
        if len(turns) >= allowed:
            turn = max(turn, turns[-allowed] + window.interval_s)
        return turn
