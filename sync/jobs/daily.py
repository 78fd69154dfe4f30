"""Parts of a pull that are due once a day, spread so that no pull asks for everything."""

from datetime import datetime, timedelta
from typing import Final

from sync.jobs.context import JobContext

A_DAY: Final = timedelta(days=1)
DEFERRED_BY: Final = timedelta(hours=1)
"""So long what is due waits for a pull that has not read the directory too."""


def day_passed(ctx: JobContext, started_at: datetime, read_at: datetime) -> bool:
    """Whether what was last read at `read_at` is read again by the pull that began at
    `started_at`."""
    directory_at = ctx.asked_at.get("directory")
    busy = directory_at is None or directory_at >= started_at
    wait = A_DAY + (DEFERRED_BY if busy else timedelta())
    return ctx.clock.now() - read_at >= wait
