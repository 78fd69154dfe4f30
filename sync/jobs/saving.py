"""A page that the CRM brought, into the mirror."""

from collections import Counter

from sync.crm.base import DealPage
from sync.jobs.context import Counts, JobContext
from sync.mirror import write_deals


def save(ctx: JobContext, stream: str, page: DealPage) -> Counts:
    """Commit the page with its cursor under `stream`; what it did, by name."""
    saved = write_deals.save_page(
        ctx.engine,
        ctx.connection,
        stream,
        page,
        history=ctx.source.capabilities.history,
        at=ctx.clock.now(),
    )
    return Counter(
        created=saved.created,
        updated=saved.updated,
        changes=saved.changes,
        removed=saved.removed,
        unparsed=saved.unparsed,
        histories=len(page.whole_history),
    )
