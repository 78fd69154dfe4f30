"""The CRM's recycle bin, one page of it a pull: deals put there are marked, those taken out come
back. What a full bin keeps from being seen at once, the sweep finds."""

from collections.abc import Set
from dataclasses import dataclass

from sync.crm.base import BinPage, DealPage, Removal, RemovalReason
from sync.jobs.context import Counts, JobContext
from sync.jobs.saving import save
from sync.mirror import read, tombstones

BIN = "bin"
"""The stream that remembers where the next page begins and, while one page holds all of the bin,
which ids were in it: what leaves is read again, also where the mirror never held it. Restoring a
deal may leave its modification date as it was."""


@dataclass(frozen=True, slots=True)
class _Position:
    after: str | None
    ids: frozenset[str]

    @staticmethod
    def of(state: dict[str, str]) -> "_Position":
        ids = frozenset(filter(None, state.get("ids", "").split(",")))
        return _Position(state.get("after"), ids)

    def cursor(self) -> dict[str, str]:
        after = {} if self.after is None else {"after": self.after}
        return {"ids": ",".join(sorted(self.ids)), **after}


def look_into_bin(ctx: JobContext) -> Counts:
    """One page of the bin, wherever the last pull's ended."""
    at = ctx.clock.now()
    before = _Position.of(dict(read.cursor(ctx.engine, ctx.connection, BIN) or {}))
    page = ctx.source.bin_page(before.after, started_at=at)
    removed = tombstones.save_removals(ctx.engine, ctx.connection, page.removals, at=at)
    here = frozenset(removal.deal_id for removal in page.removals)
    whole = before.after is None and page.following is None
    now = _Position(page.following, here if whole else frozenset())
    marked = read.archived_ids(ctx.engine, ctx.connection)
    expected = marked | before.ids if whole else _within(marked, before.after, page)
    gone = sorted(expected - here)
    if not gone and now == before:
        return {"removed": removed}
    counts = save(ctx, BIN, _out_of_bin(ctx, gone, now))
    counts["removed"] += removed
    return counts


def _out_of_bin(ctx: JobContext, gone: list[str], now: _Position) -> DealPage:
    """Deals that left the bin: restored, or deleted for ever."""
    at = ctx.clock.now()
    found = ctx.source.read(gone, history=True)
    alive = {deal.deal_id for deal in found.deals}
    purged = [
        Removal(deal_id, RemovalReason.PURGED, at) for deal_id in gone if deal_id not in alive
    ]
    return DealPage(
        cursor=now.cursor(),
        deals=found.deals,
        changes=found.changes,
        removals=[*purged, *found.removals],  # a merge says more than a purge
        unparsed=found.unparsed,
    )


def _within(marked: Set[str], after: str | None, page: BinPage) -> set[str]:
    """Of the ids those that this page would have; none where its order is not that of the ids."""
    ids = [removal.deal_id for removal in page.removals]
    places = [*([] if after is None else [after]), *ids]
    if not all(place.isascii() and place.isdigit() for place in places):
        return set()
    numbers = [int(place) for place in places]
    if numbers != sorted(numbers):
        return set()
    low = 0 if after is None else int(after)
    high = numbers[-1] if page.following is not None and ids else None
    return {
        deal_id
        for deal_id in marked
        if deal_id.isdigit() and low <= int(deal_id) and (high is None or int(deal_id) <= high)
    }
