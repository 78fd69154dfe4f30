"""What calls cost, and what the simulated Pipedrive allows: tokens a day, calls in two seconds."""

import threading
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from sync.clock import Clock
from sync.sandbox.limits import Window
from sync.sandbox.pipedrive.behaviour import PipedriveBehaviour
from sync.sandbox.pipedrive.tokens import Token

WINDOW_S = 2.0
_FAIR_USE = 10_000


class Spent(NamedTuple):
    """`operation`: method and path as documented, such as `GET /api/v2/deals/{id}`."""

    at: datetime
    operation: str
    cost: int


Refusal = Literal["burst", "daily", "blocked"]


class Ledger:
    """The company's daily budget, shared by all its tokens. May be read from any thread."""

    def __init__(self, behaviour: PipedriveBehaviour, clock: Clock) -> None:
        self._behaviour = behaviour
        self._clock = clock
        self._zone = ZoneInfo(behaviour.budget_zone)
        self._lock = threading.RLock()
        self._day = self._today()
        self._used_today = 0
        self.entries: list[Spent] = []

    @property
    def budget(self) -> int:
        return self._behaviour.budget

    @property
    def used_today(self) -> int:
        with self._lock:
            if self._today() != self._day:
                self._day, self._used_today = self._today(), 0
            return self._used_today

    @property
    def remaining(self) -> int:
        return max(self.budget - self.used_today, 0)

    @property
    def total(self) -> int:
        """Tokens spent since the start, or since `clear()`."""
        return sum(entry.cost for entry in list(self.entries))

    def by_operation(self) -> dict[str, int]:
        """Tokens spent on each operation."""
        spent: Counter[str] = Counter()
        for entry in list(self.entries):
            spent[entry.operation] += entry.cost
        return dict(spent)

    def by_day(self) -> dict[str, int]:
        """Tokens spent on each day (ISO) of the budget's zone."""
        spent: Counter[str] = Counter()
        for entry in list(self.entries):
            spent[entry.at.astimezone(self._zone).date().isoformat()] += entry.cost
        return dict(spent)

    def spend(self, operation: str, cost: int) -> None:
        with self._lock:
            self._used_today = self.used_today + cost
            self.entries.append(Spent(self._clock.now(), operation, cost))

    def use_up(self, leave: int = 0) -> None:
        """As if the company's other integrations had taken all but `leave` tokens of today."""
        with self._lock:
            self._used_today = max(self.used_today, self.budget - leave)

    def clear(self) -> None:
        """Forget the entries; what was used today stays used."""
        self.entries.clear()

    def resets_in(self) -> timedelta:
        local = self._clock.now().astimezone(self._zone)
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
        return midnight + timedelta(days=1) - local

    def _today(self) -> str:
        return self._clock.now().astimezone(self._zone).date().isoformat()


@dataclass(slots=True)
class _Caller:
    window: Window
    search: Window
    ignored: int = 0
    blocked_until: float = 0.0


@dataclass(slots=True)
class Traffic:
    """Not locked: its caller is."""

    behaviour: PipedriveBehaviour
    clock: Clock
    ledger: Ledger
    _callers: dict[str, _Caller] = field(default_factory=dict)

    def refuse(self, token: Token, *, search: bool) -> Refusal | None:
        """Count one call; None where it is allowed. Ignored refusals add up to a shut-out."""
        caller, now = self._caller(token), self.clock.monotonic()
        if now < caller.blocked_until:
            return "blocked"
        refusal = self._refusal(caller, now, search=search)
        if refusal is None:
            caller.ignored = 0
            return None
        caller.ignored += 1
        after = self.behaviour.cloudflare_after
        if after and caller.ignored >= after and not token.oauth:
            caller.blocked_until, caller.ignored = now + self.behaviour.cloudflare_s, 0
        return refusal

    def headers(self, token: Token, method: str) -> dict[str, str]:
        shown: dict[str, str] = {}
        window = self._caller(token).window
        if self.behaviour.limit_headers and self.behaviour.bursts:
            shown["x-ratelimit-limit"] = str(window.limit)
            shown["x-ratelimit-remaining"] = str(max(window.remaining, 0))
            shown["x-ratelimit-reset"] = str(ceil(WINDOW_S))
        if self.behaviour.daily_headers:
            shown["x-daily-ratelimit-token-limit"] = str(self.ledger.budget)
            shown["x-daily-ratelimit-token-remaining"] = str(self.ledger.remaining)
        if self.behaviour.limit_headers and method in ("POST", "PUT") and not token.oauth:
            shown["x-daily-requests-left"] = str(_FAIR_USE)
        return shown

    def _refusal(self, caller: _Caller, now: float, *, search: bool) -> Refusal | None:
        if self.behaviour.bursts:
            if caller.window.wait(now) > 0:
                return "burst"
            if search and caller.search.wait(now) > 0:
                return "burst"
        return "daily" if self.ledger.remaining <= 0 else None

    def _caller(self, token: Token) -> _Caller:
        key = f"user {token.user_id}" if token.oauth else token.value
        if key not in self._callers:
            burst = self.behaviour.burst(oauth=token.oauth)
            self._callers[key] = _Caller(
                Window(burst, WINDOW_S), Window(self.behaviour.search_limit, WINDOW_S)
            )
        return self._callers[key]
