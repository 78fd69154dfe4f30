"""What time it is for HubSpot: windows of changes are cut by its clock, not by this machine's.

A machine whose clock is ahead would ask from an instant that HubSpot has not reached, and what
changes until then would never be asked for.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from sync.clock import Clock


class ServerClock:
    """Goes by the `Date` of the last answer; as the machine does until there is one."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ahead = timedelta()

    def hear(self, headers: Mapping[str, str]) -> None:
        """Names in lower case. A date that cannot be understood tells nothing."""
        try:
            at = parsedate_to_datetime(headers.get("date", ""))
        except ValueError:
            return
        if at.tzinfo is not None:
            self._ahead = at - self._clock.now()

    def now(self) -> datetime:
        """Never ahead of HubSpot's clock, and less than a second behind: its dates are cut off."""
        return (self._clock.now() + self._ahead).astimezone(UTC)
