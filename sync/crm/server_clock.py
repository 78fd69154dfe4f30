"""What time it is for a CRM: windows of changes are cut by its clock, not by this machine's.

A machine whose clock is ahead would ask from an instant that the CRM has not reached, and what
changes until then would never be asked for.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from sync.clock import Clock


class ServerClock:
    """Goes by the `Date` of the last answer and the time since, whatever becomes of this machine's
    date; as the machine does until there is an answer."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heard: tuple[datetime, float] | None = None

    def hear(self, headers: Mapping[str, str]) -> None:
        """Names in lower case. A date that cannot be understood tells nothing."""
        try:
            at = parsedate_to_datetime(headers.get("date", ""))
        except ValueError:
            return
        if at.tzinfo is not None:
            self._heard = at, self._clock.monotonic()

    def now(self) -> datetime:
        """Never ahead of the CRM's clock, and less than a second behind: its dates are cut off."""
        if self._heard is None:
            return self._clock.now()
        at, then = self._heard
        return (at + timedelta(seconds=self._clock.monotonic() - then)).astimezone(UTC)
