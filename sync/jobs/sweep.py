"""The sweep: once a night the mirror is compared with all that the CRM lists, and put right.

Pulls find what changed; the sweep finds what they could not: changes that the CRM's search never
showed, deals archived, restored, merged or deleted for ever, and people and companies that came or
went, which move no date.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from itertools import chain, islice
from typing import Final, TypeVar

from sync.config.model import Sweep
from sync.crm.base import DealPage, Removal, RemovalReason
from sync.errors import SafetyStop
from sync.jobs.context import Counts, JobContext, Stopped
from sync.jobs.saving import save
from sync.mirror import job_runs, read, retention, tombstones
from sync.mirror.reconcile import Difference, Listing, Why, reconciling

SWEEP: Final = "sweep"
"""The stream of what a sweep brought."""

LOT: Final = 500
"""Deals that are read again and committed together."""

T = TypeVar("T")


def sweep(ctx: JobContext, run_id: int) -> Counts:  # noqa: ARG001 - every job has one
    """Compare with all that the CRM lists, heal what differs, forget what is old.

    Raises SafetyStop, with nothing changed, where the CRM suddenly shows far fewer deals.
    """
    counts: Counter[str] = Counter()
    loaded = job_runs.last_run(ctx.engine, "pull", ctx.connection, status="ok") is not None
    if loaded:  # a first load is faster at what a sweep would have to do
        with listed(ctx) as listing:
            counts.update(listed=listing.deals)
            refuse_mass_removal(listing, ctx.config.sweep)
            counts.update(heal(ctx, listing))
    counts.update(_forget(ctx))
    return counts


@contextmanager
def listed(ctx: JobContext) -> Iterator[Listing]:
    """Everything that the CRM lists as living or in its bin, beside the mirror."""
    at = ctx.clock.now()
    ctx.source.pipelines()
    total = read.deal_count(ctx.engine, ctx.connection)
    with reconciling(ctx.engine, ctx.connection, since=at) as listing:
        done = 0
        for page in ctx.source.listing(started_at=at):
            listing.add(page)
            done += len(page.deals)
            ctx.progress.step("listing", done, max(total, done))
            _stop_if_asked(ctx)
        # after the living ones: what is archived meanwhile is on either list, or on both
        for removals in ctx.source.removed(started_at=at):
            listing.add_left(removals)
            _stop_if_asked(ctx)
        yield listing


def refuse_mass_removal(listing: Listing, limits: Sweep) -> None:
    """Raises SafetyStop where too many deals are gone for no known reason."""
    gone, held = listing.unexplained, listing.mirrored
    if gone >= limits.least_missing and gone > limits.max_missing_share * held:
        raise SafetyStop(
            f"The CRM lists {gone} of the mirror's {held} deals no longer, and they are neither in "
            "its recycle bin nor merged: nothing was removed. Look whether the token's user may "
            "still see all deals (permissions, teams, scopes) and whether the token is that of the "
            "right account. If the deals are gone indeed, raise sweep.max_missing_share and run "
            "`dealpulse sync --sweep`."
        )


def heal(ctx: JobContext, listing: Listing) -> Counts:
    """Make the mirror hold what the CRM lists. Repeatable; may be interrupted anywhere."""
    counts: Counter[str] = Counter()
    at = ctx.clock.now()
    for removals in lots(listing.left()):
        marked = tombstones.save_removals(ctx.engine, ctx.connection, removals, at=at)
        counts.update(removed=marked)
        _stop_if_asked(ctx)
    for found in lots(unknown(ctx, listing.differing())):
        counts.update(_read_again(ctx, found))
        _stop_if_asked(ctx)
    gone = (found.deal_id for found in listing.gone() if found.left_as is None)
    for ids in lots(chain(gone, listing.no_longer_in_bin())):
        counts.update(_settle(ctx, ids))
        _stop_if_asked(ctx)
    counts.update(associations=listing.heal_associations())
    return counts


def unknown(ctx: JobContext, differences: Iterable[Difference]) -> Iterator[Difference]:
    """Without those that differ by our own last write alone."""
    for lot in lots(differences):
        ids = [found.deal_id for found in lot]
        known = read.known_states(ctx.engine, ctx.connection, ids)
        for found in lot:
            held = known.get(found.deal_id)
            ours = held is not None and found.listed_at in held.dates
            if found.why is not Why.OLDER or found.fields or not ours:
                yield found


def _read_again(ctx: JobContext, found: Sequence[Difference]) -> Counts:
    page = ctx.source.read([difference.deal_id for difference in found], history=True)
    counts = save(ctx, SWEEP, _page(page))
    restored = sum(difference.why is Why.REMOVED for difference in found)
    return Counter(counts) + Counter(restored=restored, healed=len(page.deals))


def _settle(ctx: JobContext, deal_ids: Sequence[str]) -> Counts:
    """Deals that no list shows: alive after all, merged, or deleted for ever."""
    found = ctx.source.read(deal_ids, history=True)
    told = {deal.deal_id for deal in found.deals} | {gone.deal_id for gone in found.removals}
    at = ctx.clock.now()
    purged = [Removal(i, RemovalReason.PURGED, at) for i in deal_ids if i not in told]
    counts = save(ctx, SWEEP, _page(found, purged))
    return Counter(counts) + Counter(purged=len(purged))


def _page(found: DealPage, purged: Sequence[Removal] = ()) -> DealPage:
    return DealPage(
        cursor={},
        deals=found.deals,
        changes=found.changes,
        removals=[*purged, *found.removals],
        unparsed=found.unparsed,
    )


def _forget(ctx: JobContext) -> Counts:
    kept, now = ctx.config.retention, ctx.clock.now()
    journal = now - timedelta(days=kept.write_journal_days)
    runs = now - timedelta(days=kept.job_runs_days)
    return {
        "journal_forgotten": retention.forget_journal(ctx.engine, ctx.connection, before=journal),
        "runs_forgotten": retention.forget_runs(ctx.engine, ctx.connection, before=runs),
    }


def lots(items: Iterable[T], size: int = LOT) -> Iterator[list[T]]:
    rest = iter(items)
    while lot := list(islice(rest, size)):
        yield lot


def _stop_if_asked(ctx: JobContext) -> None:
    if ctx.should_stop():
        raise Stopped
