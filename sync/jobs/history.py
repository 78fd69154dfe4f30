"""The past of deals that were loaded without it: the most valuable ones first."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from sync.crm.base import Deal, DealPage, HistoryPage
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
        counts.update(save(ctx, HISTORY, _with_counts(ctx, found.page)))
        _give_up_missing(ctx, found)
        done += len(found.asked)
        counts.update(histories=len(found.page.deals), stage_dates_differ=found.stage_dates_differ)
        ctx.progress.step("histories", done, total)
        if ctx.should_stop():
            raise Stopped
    return counts


def _pages(ctx: JobContext) -> Iterator[HistoryPage]:
    while waiting := history_reads.unread_ids(ctx.engine, ctx.connection, QUEUE):
        yield from ctx.source.histories(waiting)


def _with_counts(ctx: JobContext, page: DealPage) -> DealPage:
    """With the numbers of contacts and companies that the mirror has: no history tells them."""
    ids = [deal.deal_id for deal in page.deals]
    held = history_reads.association_counts(ctx.engine, ctx.connection, ids)
    return replace(page, deals=[_counted(deal, held.get(deal.deal_id)) for deal in page.deals])


def _counted(deal: Deal, held: tuple[int | None, int | None] | None) -> Deal:
    if held is None or held == (None, None):
        return deal
    contacts, companies = held
    return replace(deal, contact_count=contacts, company_count=companies)


def _give_up_missing(ctx: JobContext, found: HistoryPage) -> None:
    """A deal that went in between would be asked for for ever; the sweep learns where it went."""
    there = {deal.deal_id for deal in found.page.deals}
    missing: Sequence[str] = [deal_id for deal_id in found.asked if deal_id not in there]
    if missing:
        at = ctx.clock.now()
        history_reads.give_up_history(ctx.engine, ctx.connection, missing, at=at)
