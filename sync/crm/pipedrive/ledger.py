"""What we spend of the company's daily tokens, counted by ourselves.

Pipedrive ends its day at a midnight that it does not name, so the count is of the last 24 hours
at any time: whoever keeps to that keeps to every calendar day in any zone.
"""

import threading
from collections import defaultdict
from datetime import timedelta
from enum import Enum
from typing import Final

from sync.clock import Clock
from sync.crm.pipedrive.state import State
from sync.errors import TransientError

SMALLEST_BUDGET: Final = 30_000
"""One seat on the smallest plan."""

SAVE_EVERY: Final = 40
"""So many tokens at most are forgotten by a process that is killed."""

_PART: Final = "tokens"
_HOUR_S: Final = 3600
_DAY_H: Final = 24


class Purpose(Enum):
    """How much of our part a kind of call may use, so that the patient ones never starve the
    urgent ones."""

    READ = 1.0
    WRITE = 0.85
    LEADS = 0.75
    HISTORY = 0.6


class Ledger:
    """share: of the daily budget. budget_tokens: the budget, until Pipedrive's answers tell it."""

    def __init__(
        self, *, share: float, clock: Clock, state: State, budget_tokens: int | None = None
    ) -> None:
        self._share = share
        self._clock = clock
        self._state = state
        self._lock = threading.RLock()
        saved = dict(state.load(_PART))
        self._told = int(saved["budget"]) if "budget" in saved else None
        self._assumed = budget_tokens or SMALLEST_BUDGET
        self._hours = _hours(saved)
        self._unsaved: defaultdict[int, int] = defaultdict(int)
        self._paused_until = float(saved.get("paused_until", 0))
        self._why = saved.get("why", "")
        self.session = 0
        """Tokens spent since this object was made."""

    @property
    def budget(self) -> int:
        """The company's tokens a day, all apps together."""
        return self._told or self._assumed

    def allowance(self, purpose: Purpose) -> int:
        """What calls of that purpose may bring our spending of 24 hours to."""
        return int(self.budget * self._share * purpose.value)

    def spent(self) -> int:
        """By us, in the last 24 hours and up to one more."""
        with self._lock:
            oldest = self._hour() - _DAY_H
            return sum(tokens for hour, tokens in self._hours.items() if hour >= oldest)

    def room(self, purpose: Purpose) -> int:
        """What is left for `purpose`; never below 0."""
        return max(0, self.allowance(purpose) - self.spent())

    def admit(self, cost: int, purpose: Purpose) -> None:
        """Raises TransientError where the call would pass our share, or all calls are to rest."""
        with self._lock:
            now = self._now_s()
            if now < self._paused_until:
                raise TransientError(
                    self._why, retry_after=timedelta(seconds=self._paused_until - now)
                )
            if self.room(purpose) < cost:
                raise TransientError(
                    f"dealpulse has used up its part of Pipedrive's daily tokens ({self.spent()} "
                    f"of {self.allowance(purpose)} for this, of the company's {self.budget}); "
                    "what is left stays with your other apps. It goes on by itself; raise "
                    "daily_budget_share, or cycle_minutes, if that happens every day.",
                    retry_after=self._until_room(cost, purpose),
                )

    def book(self, cost: int) -> None:
        """Note tokens that were spent."""
        with self._lock:
            hour = self._hour()
            self._hours[hour] = self._hours.get(hour, 0) + cost
            self._unsaved[hour] += cost
            self.session += cost
            if sum(self._unsaved.values()) >= SAVE_EVERY:
                self.save()

    def learn(self, limit: int) -> None:
        """Pipedrive's own word on the company's daily budget."""
        with self._lock:
            if limit > 0 and limit != self._told:
                self._told = limit
                self.save()

    def pause(self, seconds: float, why: str) -> None:
        """Nothing is sent for so long, by whichever process; `why` is what callers are told."""
        with self._lock:
            self._paused_until, self._why = self._now_s() + seconds, why
            self.save()

    def save(self) -> None:
        """Other processes may have spent as well: only what is ours is added."""
        with self._lock:
            saved = dict(self._state.load(_PART))
            hours = _hours(saved)
            for hour, tokens in self._unsaved.items():
                hours[hour] = hours.get(hour, 0) + tokens
            self._unsaved.clear()
            oldest = self._hour() - _DAY_H
            self._hours = {hour: tokens for hour, tokens in hours.items() if hour >= oldest}
            if float(saved.get("paused_until", 0)) > self._paused_until:
                self._paused_until, self._why = float(saved["paused_until"]), saved["why"]
            values = {f"hour_{hour}": str(tokens) for hour, tokens in self._hours.items()}
            if self._told:
                values["budget"] = str(self._told)
            if self._paused_until > self._now_s():
                values |= {"paused_until": str(self._paused_until), "why": self._why}
            self._state.save(_PART, values)

    def _until_room(self, cost: int, purpose: Purpose) -> timedelta:
        """Until enough of what was spent is a day old; a day where it never will be."""
        spent, allowed = self.spent(), self.allowance(purpose)
        for hour in sorted(self._hours):
            spent -= self._hours[hour]
            if spent + cost <= allowed:
                free_at = (hour + _DAY_H + 1) * _HOUR_S
                return timedelta(seconds=max(60.0, free_at - self._now_s()))
        return timedelta(days=1)

    def _hour(self) -> int:
        return int(self._now_s() // _HOUR_S)

    def _now_s(self) -> float:
        return self._clock.now().timestamp()


def _hours(saved: dict[str, str]) -> dict[int, int]:
    return {
        int(name.removeprefix("hour_")): int(tokens)
        for name, tokens in saved.items()
        if name.startswith("hour_")
    }
