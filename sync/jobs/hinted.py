"""The part of a pull that reads what webhooks named; polling finds the same, only later."""

from collections import Counter
from typing import Final

from sync.jobs.context import Counts, JobContext, Stopped
from sync.jobs.saving import save
from sync.mirror import hints

HINTED: Final = "hinted"
AT_ONCE: Final = 100


def read_hinted(ctx: JobContext) -> Counts:
    """Read the deals that were named and that the pull has not brought already.

    A search for changes may not show them yet. One that is not there is found by the recycle bin.
    """
    counts: Counter[str] = Counter()
    hints.drop_served(ctx.engine, ctx.connection)
    while named := hints.pending(ctx.engine, ctx.connection, AT_ONCE):
        counts.update(save(ctx, HINTED, ctx.source.read(sorted(named), history=True)))
        hints.clear(ctx.engine, ctx.connection, named)
        counts["hinted"] += len(named)
        if ctx.should_stop():
            raise Stopped
    return counts
