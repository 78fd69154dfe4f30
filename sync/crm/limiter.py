"""How fast one account may be called: a window per bucket, shared by all threads and connections.

A window lets `limit * share` calls begin in any `interval_s`; the rest of the account's limit
stays with the customer's other apps. Limits are learned from what the CRM says in its answers.

The CRM counts a call when it arrives, which is somewhere between our sending it and its answer. So
a call's place is free again one interval after its *answer*, not after its beginning: then no
jitter of the network makes two of our windows overlap in the CRM's. And once a window is half used
the calls are spread evenly over it, so that a long load is a steady stream instead of bursts; who
comes late to a turn, because the machine was busy, may catch up.
"""

import threading
from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sync.clock import Clock
from sync.errors import TransientError

DAILY_RESERVE: Final = 0.05
"""Below this share of the day's calls we leave what is left to the customer's other apps."""

DAILY_RECHECK_S: Final = 900.0
"""After so long one call is let through, to learn whether the day's count has begun anew."""

LONGEST_HOLD: Final = 1.08
"""A place is held for so many intervals where the answer takes no longer than usual: with intervals
of a second, waiting for answers would cost a fifth of the rate."""

LATE_S: Final = 0.15
"""An answer later by more than this than the quickest one may have been counted as late as that,
and its place is held so much longer."""

CATCH_UP: Final = 0.1
"""Turns of this share of an interval that nobody was there to take may be taken afterwards."""

UNSPACED_SHARE: Final = 0.5
"""So much of a window goes at once; a cycle's few calls never wait for each other."""


@dataclass(frozen=True, slots=True)
class Window:
    """`limit` calls in any `interval_s` seconds, for the whole account."""

    limit: int
    interval_s: float


class Turn:
    """One call's place in a window. `begins`, `free_at`: on the monotonic clock."""

    __slots__ = ("begins", "bucket", "free_at", "interval_s", "took_s")

    def __init__(self, bucket: str, begins: float, interval_s: float) -> None:
        self.bucket = bucket
        self.interval_s = interval_s
        self.took_s = float("inf")
        self.begun(begins)

    def begun(self, now: float) -> None:
        """The call is sent now."""
        self.begins = now
        self.free_at = now + self.interval_s * LONGEST_HOLD

    def answered(self, now: float, quickest_s: float) -> None:
        """The CRM has counted it by now; other answers of late took `quickest_s` at least."""
        self.took_s = max(0.0, now - self.begins)
        late = self.took_s - quickest_s
        if late > LATE_S:
            self.free_at = max(self.free_at, self.begins + late + self.interval_s)
        self.free_at = min(self.free_at, max(now, self.begins) + self.interval_s)


class Limiter:
    """Makes callers wait for their turn; one instance per account, whatever the threads.

    `share` (0-1] of each window is used, but never less than one call.
    """

    def __init__(self, *, share: float, clock: Clock) -> None:
        self._clock = clock
        self._share = share
        self._windows: dict[str, Window] = {}
        self._turns: defaultdict[str, list[Turn]] = defaultdict(list)
        self._last: defaultdict[str, float] = defaultdict(lambda: float("-inf"))
        self._closed_until: defaultdict[str, float] = defaultdict(float)
        self._spent_until = 0.0
        self._lock = threading.Lock()

    def declare(self, bucket: str, window: Window) -> None:
        """What to go by until the CRM tells; a bucket that is known already stays as it is."""
        with self._lock:
            self._windows.setdefault(bucket, window)

    def acquire(self, bucket: str) -> Turn:
        """Wait for the declared bucket's next turn; hand it to `release` once there is an answer.

        Raises TransientError where the account's calls of the day are nearly used up.
        """
        with self._lock:
            now = self._clock.monotonic()
            self._refuse_when_spent(now)
            begins = self._next_turn(bucket, now)
            turn = Turn(bucket, begins, self._windows[bucket].interval_s)
            self._turns[bucket].append(turn)
        if begins > now:
            self._clock.sleep(begins - now)
            with self._lock:  # a busy machine wakes us late
                turn.begun(max(begins, self._clock.monotonic()))
        return turn

    def release(self, turn: Turn) -> None:
        """The call of this turn was answered, or will not be."""
        with self._lock:
            quickest_s = min((other.took_s for other in self._turns[turn.bucket]), default=0.0)
            turn.answered(self._clock.monotonic(), quickest_s)

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

    def used(self) -> float:
        """How much of its fullest window the account has used up with our calls: 0-1."""
        with self._lock:
            now = self._clock.monotonic()
            shares = [
                sum(turn.begins <= now < turn.free_at for turn in turns)
                / self._windows[bucket].limit
                for bucket, turns in self._turns.items()
            ]
        return min(1.0, max(shares, default=0.0))

    def _refuse_when_spent(self, now: float) -> None:
        if now < self._spent_until:
            raise TransientError(
                "The CRM account's calls of the day are nearly used up; what is left stays with "
                "your other apps. It goes on by itself when the day's count begins anew.",
                retry_after=timedelta(seconds=self._spent_until - now),
            )

    def _next_turn(self, bucket: str, now: float) -> float:
        window = self._windows[bucket]
        turns = [turn for turn in self._turns[bucket] if turn.free_at > now]
        self._turns[bucket] = turns
        allowed = max(1, int(window.limit * self._share))
        last = self._last[bucket]
        begins = due = max(now, self._closed_until[bucket], last)
        if len(turns) >= max(1, allowed * UNSPACED_SHARE):
            due = last + window.interval_s / allowed
            begins = max(begins, due)
        if len(turns) >= allowed:
            begins = max(begins, sorted(turn.free_at for turn in turns)[len(turns) - allowed])
        missed = begins == now and begins > due
        self._last[bucket] = max(due, now - window.interval_s * CATCH_UP) if missed else begins
        return begins
