"""How fast one account may be called: a window per bucket, shared by all threads and connections.

A window lets `limit * share` calls begin in any `interval_s`; the rest of the account's limit
stays with the customer's other apps. Limits are learned from what the CRM says in its answers.

The CRM counts a call when it arrives, somewhere between our sending it and its answer. A place that
is free one interval after the *answer* is therefore never refused; but where the interval is a
second, as for searches, that gives away as much of the rate as an answer takes. There a place is
held longer than the interval by as much as its call may have arrived later than others do: what
its answer was later than the quickest. Should the CRM refuse a call all the same, the bucket goes
by the answers for a while.

Once a window is half used the calls are spread evenly over it, so that a long load is a steady
stream instead of bursts; who comes late to a turn, because the machine was busy, may catch up.
"""

import threading
from collections import deque
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sync.clock import Clock
from sync.errors import TransientError

DAILY_RESERVE: Final = 0.05
"""Below this share of the day's calls we leave what is left to the customer's other apps."""

DAILY_RECHECK_S: Final = 900.0
"""After so long one call is let through, to learn whether the day's count has begun anew."""

CERTAINTY: Final = 0.08
"""This share of the rate is given away to be certain: an answer within so much of an interval is
waited for."""

GRAIN_S: Final = 0.01
"""The quickest of a few answers is not the quickest possible, and threads are not woken at once."""

RECENT: Final = 50
"""The quickest one of so many,"""

ACQUAINTED: Final = 20
"""and of at least so many: as long as the line is not known, places are free by their answers."""

WARY_S: Final = 600.0
"""So long after a refusal every place is held until an interval after its answer."""

CATCH_UP: Final = 0.2
"""Turns of this share of an interval for which nobody or no place was there may be taken later."""

UNSPACED_SHARE: Final = 0.5
"""So much of a window goes at once; a cycle's few calls never wait for each other."""


@dataclass(frozen=True, slots=True)
class Window:
    """`limit` calls in any `interval_s` seconds, for the whole account."""

    limit: int
    interval_s: float


class Turn:
    """One call's place in a window. `begins`, `free_at`: on the monotonic clock, the latter once it
    was answered; sent: it has begun."""

    __slots__ = ("answered_at", "begins", "bucket", "free_at", "sent")

    def __init__(self, bucket: str, begins: float) -> None:
        self.bucket = bucket
        self.begins = begins
        self.sent = False
        self.answered_at: float | None = None
        self.free_at = float("inf")


class _Bucket:
    """One bucket's window and the places in it. Not locked: the limiter is."""

    def __init__(self, name: str, window: Window) -> None:
        self.window = window
        self._name = name
        self._turns: list[Turn] = []
        self._look_at = 0
        self._last = float("-inf")
        self._closed_until = self._wary_until = float("-inf")
        self._recent: deque[float] = deque(maxlen=RECENT)

    def reserve(self, now: float, share: float) -> Turn:
        """The next turn; one that need not wait is sent."""
        allowed = self._allowed(share)
        crowd = max(1, allowed * UNSPACED_SHARE)
        if len(self._turns) >= min(crowd, self._look_at):  # before that, nobody asks how many
            self._turns = [turn for turn in self._turns if self._free_at(turn, now) > now]
            self._look_at = 2 * len(self._turns)
        begins = due = max(now, self._closed_until, self._last)
        if len(self._turns) >= crowd:
            due = self._last + self.window.interval_s / allowed
            begins = max(begins, due)
        begins = max(begins, self._place_from(self._turns, now, allowed))
        self._last = max(due, begins - self.window.interval_s * CATCH_UP)
        turn = Turn(self._name, begins)
        turn.sent = begins == now
        self._turns.append(turn)
        return turn

    def begin(self, turn: Turn, now: float, share: float) -> None:
        """Send the turn now, if it may be after all that has happened since it was reserved; else
        it begins later."""
        others = [other for other in self._turns if other.sent]
        place_from = self._place_from(others, now, self._allowed(share))
        turn.begins = max(now, self._closed_until, place_from)
        turn.sent = turn.begins == now

    def answered(self, turn: Turn, now: float) -> None:
        turn.answered_at = max(turn.begins, now)
        self._recent.append(turn.answered_at - turn.begins)
        turn.free_at = self._free_if_answered(turn, turn.answered_at, now)

    def refused(self, now: float, seconds: float) -> None:
        self._closed_until = max(self._closed_until, now + seconds)
        self._wary_until = now + WARY_S
        for turn in self._turns:
            if turn.answered_at is not None:
                turn.free_at = self._free_if_answered(turn, turn.answered_at, now)

    def used(self, now: float) -> float:
        held = sum(turn.begins <= now < self._free_at(turn, now) for turn in self._turns)
        return held / self.window.limit

    def _allowed(self, share: float) -> int:
        return max(1, int(self.window.limit * share))

    def _place_from(self, turns: list[Turn], now: float, allowed: int) -> float:
        """When so few of `turns` are left that one more is allowed."""
        if len(turns) < allowed:
            return float("-inf")
        return sorted(self._free_at(turn, now) for turn in turns)[len(turns) - allowed]

    def _free_at(self, turn: Turn, now: float) -> float:
        """When the CRM counts the turn no more; of one without an answer, if that came now, or as
        soon as others do."""
        if turn.answered_at is not None:
            return turn.free_at
        soonest = turn.begins + min(self._recent, default=0.0)
        return self._free_if_answered(turn, max(soonest, now) if turn.sent else soonest, now)

    def _free_if_answered(self, turn: Turn, answered_at: float, now: float) -> float:
        """One interval after the latest instant at which it may have been counted, measured by when
        others are."""
        took_s = answered_at - turn.begins
        later_s = took_s
        known = len(self._recent) >= ACQUAINTED and now >= self._wary_until
        if known and took_s > self.window.interval_s * CERTAINTY:
            later_s = min(took_s, took_s - min(self._recent) + GRAIN_S)
        return turn.begins + later_s + self.window.interval_s


class Limiter:
    """Makes callers wait for their turn; one instance per account, whatever the threads.

    `share` (0-1] of each window is used, but never less than one call.
    """

    def __init__(self, *, share: float, clock: Clock) -> None:
        self._clock = clock
        self._share = share
        self._buckets: dict[str, _Bucket] = {}
        self._spent_until = 0.0
        self._lock = threading.Lock()

    def declare(self, bucket: str, window: Window) -> None:
        """What to go by until the CRM tells; a bucket that is known already stays as it is."""
        with self._lock:
            self._buckets.setdefault(bucket, _Bucket(bucket, window))

    def acquire(self, bucket: str) -> Turn:
        """Wait for the declared bucket's next turn; hand it to `release` once there is an answer.

        Raises TransientError where the account's calls of the day are nearly used up.
        """
        with self._lock:
            now = self._clock.monotonic()
            self._refuse_when_spent(now)
            turn = self._buckets[bucket].reserve(now, self._share)
        while not turn.sent:
            self._clock.sleep(turn.begins - now)
            with self._lock:  # a busy machine wakes us late, and others' answers may be late too
                now = max(turn.begins, self._clock.monotonic())
                self._buckets[bucket].begin(turn, now, self._share)
        return turn

    def release(self, turn: Turn) -> None:
        """The call of this turn was answered, or will not be."""
        with self._lock:
            self._buckets[turn.bucket].answered(turn, self._clock.monotonic())

    def learn(self, bucket: str, window: Window) -> None:
        """Take over the limit that the CRM states; nonsense (nothing allowed at all) is ignored."""
        if window.limit > 0 and window.interval_s > 0:
            with self._lock:
                self._buckets.setdefault(bucket, _Bucket(bucket, window)).window = window

    def learn_daily(self, *, remaining: int, limit: int) -> None:
        """Note how many calls the account has left today."""
        with self._lock:
            spent = remaining < limit * DAILY_RESERVE
            self._spent_until = self._clock.monotonic() + DAILY_RECHECK_S if spent else 0.0

    def close_for(self, bucket: str, seconds: float) -> None:
        """Nobody's turn comes within `seconds`: the CRM said that we were too fast."""
        with self._lock:
            self._buckets[bucket].refused(self._clock.monotonic(), seconds)

    def used(self) -> float:
        """How much of its fullest window the account has used up with our calls: 0-1."""
        with self._lock:
            now = self._clock.monotonic()
            shares = [bucket.used(now) for bucket in self._buckets.values()]
        return min(1.0, max(shares, default=0.0))

    def _refuse_when_spent(self, now: float) -> None:
        if now < self._spent_until:
            raise TransientError(
                "The CRM account's calls of the day are nearly used up; what is left stays with "
                "your other apps. It goes on by itself when the day's count begins anew.",
                retry_after=timedelta(seconds=self._spent_until - now),
            )
