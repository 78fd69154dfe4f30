"""The doctor: what the mirror and the CRM do not agree on, deal by deal, and the cure."""

from collections import Counter
from collections.abc import Iterator
from itertools import chain

from sync.jobs.context import JobContext
from sync.jobs.sweep import heal, listed, refuse_mass_removal, unknown
from sync.mirror import read
from sync.mirror.reconcile import Difference, Listing
from sync.report.doctor import Examination


def examine(ctx: JobContext, *, cure: bool, most: int) -> Examination:
    """Compare everything; `cure`: and put it right, as the sweep does. most: deals to name.

    Raises SafetyStop, with nothing changed, where a cure would remove far more deals than usual.
    """
    account = read.account(ctx.engine, ctx.connection)
    at = ctx.clock.now()
    with listed(ctx) as listing:
        totals = listing.totals()
        found: Counter[str] = Counter()
        named: list[Difference] = []
        for difference in _differences(ctx, listing):
            found[difference.why.value] += 1
            if len(named) < most:
                named.append(difference)
        counts = {}
        remaining = found.total()
        if cure and remaining:
            refuse_mass_removal(listing, ctx.config.sweep)
            counts = heal(ctx, listing)
            remaining = sum(1 for _ in _differences(ctx, listing))
        return Examination(
            connection=ctx.connection,
            at=at,
            pulled_at=None if account is None else account.seen_at,
            listed=listing.deals,
            totals=totals,
            found=found,
            named=named,
            cured=counts if cure else None,
            remaining=remaining,
        )


def _differences(ctx: JobContext, listing: Listing) -> Iterator[Difference]:
    return chain(unknown(ctx, listing.differing()), listing.gone())
