"""The past of deals that were loaded without it: the most valuable ones first."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from sync.crm.base import DealPage, HistoryPage
from sync.jobs.context import Counts, JobContext, Stopped
from sync.jobs.saving import save
from sync.mirror import history_reads

HISTORY: Final = "history"
"""The stream of the backfill; where it stands is told by the deals themselves."""

QUEUE: Final = 20_000
"""Deals that are queued at a time: so much memory, and so seldom sorted by value."""


def read_histories(ctx: JobContext) -> Counts:
    """Read the past of all deals that wait for it; interrupted, the next pull goes on.

    `stage_dates_differ`: deals whose history and whose own date of the present stage disagree.
    """
    counts: Counter[str] = Counter()
    if not ctx.source.capabilities.history:
        return counts
    total = history_reads.history_unread(ctx.engine, ctx.connection)
    done = 0
    for found in _pages(ctx):
        counts.update(save(ctx, HISTORY, _with_associated(ctx, found.page)))
        done += len(found.asked)
        counts.update(histories=len(found.page.deals), stage_dates_differ=found.stage_dates_differ)
        ctx.progress.step("histories", done, total)
        if ctx.should_stop():
            raise Stopped
    return counts


def _pages(ctx: JobContext) -> Iterator[HistoryPage]:
    """Each deal is asked for once. One that went in between goes on waiting: it may come back as it
    was, and then nothing else would tell of its past. The bin or the sweep end that."""
    asked: set[str] = set()
    while waiting := [
        deal_id
        for deal_id in history_reads.unread_ids(ctx.engine, ctx.connection, QUEUE)
        if deal_id not in asked
    ]:
        asked.update(waiting)
        yield from ctx.source.histories(waiting)


def _with_associated(ctx: JobContext, page: DealPage) -> DealPage:
    """With the contacts and companies that the mirror has: no history tells them."""
    ids = [deal.deal_id for deal in page.deals]
    held = history_reads.associated(ctx.engine, ctx.connection, ids)
    deals = [replace(deal, **held.get(deal.deal_id, {})) for deal in page.deals]
    return replace(page, deals=deals)
