"""Rate limits as HubSpot keeps them: a rolling window per token, a day's total per account."""

from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from sync.clock import Clock
from sync.sandbox.behaviour import Behaviour

Group = Literal["calls", "search", "associations"]
WINDOW_S = 10.0


@dataclass(frozen=True, slots=True)
class Exceeded:
    """`wait_s`: seconds until one more call is allowed."""

    policy: Literal["TEN_SECONDLY_ROLLING", "SECONDLY", "DAILY"]
    group: str
    wait_s: float


class Window:
    """At most `limit` calls in any `seconds` on end; refused ones are not counted."""

    def __init__(self, limit: int, seconds: float) -> None:
        self.limit = limit
        self.seconds = seconds
        self._calls: deque[float] = deque()

    def wait(self, now: float) -> float:
        """Seconds until a call is allowed; counts it if that is now."""
        while self._calls and self._calls[0] <= now - self.seconds:
            self._calls.popleft()
        if len(self._calls) >= self.limit:
            # the sum may round to a hair more than the window is long
            return min(self._calls[0] + self.seconds - now, self.seconds)
        self._calls.append(now)
        return 0.0

    @property
    def remaining(self) -> int:
        return self.limit - len(self._calls)


class Limits:
    """Not locked: its caller is."""

    def __init__(self, behaviour: Behaviour, clock: Clock, time_zone: str, portal_id: int) -> None:
        self._behaviour = behaviour
        self._clock = clock
        self._zone = ZoneInfo(time_zone)
        self._portal_id = portal_id
        self._windows: dict[tuple[Group, int], Window] = {}
        self._day = self._today()
        self.used_today = 0

    def count(self, group: Group, app_id: int) -> Exceeded | None:
        """Count one call; None where it is allowed."""
        day = self._today()
        if day != self._day:
            self._day, self.used_today = day, 0
        self.used_today += 1
        if self.used_today > self._behaviour.daily_limit:
            wait = (self.resets_at() - self._clock.now()).total_seconds()
            name = f"publicapi:private-app-api-calls-daily:{self._portal_id}"
            return Exceeded("DAILY", name, wait)
        if self._behaviour.rate_limit is None:
            return None
        wait = self._window(group, app_id).wait(self._clock.monotonic())
        if wait <= 0:
            return None
        if group == "search":
            name = f"publicapi:crm:search:oauth:{app_id}:{self._portal_id}"
            return Exceeded("SECONDLY", name, wait)
        name = f"publicapi:private-app-api-{group}-ten-secondly:{app_id}:{self._portal_id}"
        return Exceeded("TEN_SECONDLY_ROLLING", name, wait)

    def headers(self, group: Group, app_id: int) -> dict[str, str]:
        """What is left, as HubSpot states it; searches say nothing."""
        rate = self._behaviour.rate_limit
        if group == "search" or rate is None:
            return {}
        window = self._window(group, app_id)
        prefix = "X-HubSpot-RateLimit-"
        left = max(self._behaviour.daily_limit - self.used_today, 0)
        return {
            prefix + "Daily": str(self._behaviour.daily_limit),
            prefix + "Daily-Remaining": str(left),
            prefix + "Interval-Milliseconds": str(int(WINDOW_S * 1000)),
            prefix + "Max": str(window.limit),
            prefix + "Remaining": str(window.remaining),
            prefix + "Secondly": str(window.limit // 10),
            prefix + "Secondly-Remaining": str(min(window.remaining, window.limit // 10)),
        }

    def resets_at(self) -> datetime:
        """The account's next midnight."""
        local = self._clock.now().astimezone(self._zone)
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
        return (midnight + timedelta(days=1)).astimezone(UTC)

    def _today(self) -> str:
        return self._clock.now().astimezone(self._zone).date().isoformat()

    def _window(self, group: Group, app_id: int) -> Window:
        key = (group, 0 if group == "search" else app_id)  # searches count for the account
        if key not in self._windows:
            limit = {
                "calls": self._behaviour.rate_limit or 0,
                "search": self._behaviour.search_limit,
                "associations": self._behaviour.association_limit,
            }[group]
            self._windows[key] = Window(limit, 1.0 if group == "search" else WINDOW_S)
        return self._windows[key]
