"""One pull of Pipedrive's deals: which lists are read, in which order, and where it stands."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from sync.crm.base import DealPage, DealStatus, KnownStates, Removal
from sync.crm.doubts import Doubts
from sync.crm.pipedrive import mapping, paths, values
from sync.crm.pipedrive.answers import Json
from sync.crm.pipedrive.backfill import Backfill
from sync.crm.pipedrive.ledger import Ledger
from sync.crm.pipedrive.listing import LIMIT, chunks, pages
from sync.crm.pipedrive.mapping import Mapped
from sync.crm.pipedrive.position import Position
from sync.crm.pipedrive.reader import Reader
from sync.errors import PermanentError

FIRST_LOAD_SHARE: Final = 0.01
"""Of the daily budget; what of the first load would pass it comes with the second pull."""

_BY_ID: Final = {"sort_by": "id", "sort_direction": "asc"}


@dataclass(frozen=True, slots=True)
class Habits:
    """lookback: how far each list is read behind its last reading. rescan_open: how often all open
    deals are read. history_per_pull: changelogs at most."""

    lookback: timedelta
    rescan_open: timedelta
    history_per_pull: int


class Pull:
    """Made anew for each pull; `position` is where it stands, after each page."""

    def __init__(
        self,
        reader: Reader,
        position: Position,
        *,
        started_at: datetime,
        known: KnownStates,
        habits: Habits,
    ) -> None:
        self.position = position
        self._reader = reader
        self._started_at = started_at.replace(microsecond=0)
        self._known = known
        self._habits = habits
        self._open = 0
        self._seen: set[str] = set()
        self._backfill = Backfill(reader, known, habits.history_per_pull)

    def run(self) -> Iterator[DealPage]:
        """An interrupted first load is finished first; what changed meanwhile comes next time."""
        if self.position.loading:
            yield from self._load()
            yield from self._archived(only_cheap=True)
            if self._rescan_is_cheap():
                yield from self._rescan()
            return
        yield from self._changes()
        yield from self._archived()
        yield from self._deleted()
        if self._rescan_is_due():
            yield from self._rescan()
        for page, position in self._backfill.run(self.position, self._started_at):
            self.position = position
            yield page

    def _load(self) -> Iterator[DealPage]:
        """Everything that is neither archived nor deleted, by ascending id."""
        after = self.position.after
        for page, following in self._listed(paths.DEALS, {}, what="the list of deals", after=after):
            mapped = self._reader.mapped(page, self._known, with_activities=False)
            self._open += sum(deal.status is DealStatus.OPEN for deal in mapped.deals)
            self._queue(page, mapped, since=None)
            self.position = self.position.walked(following)
            yield self._page(mapped)

    def _changes(self) -> Iterator[DealPage]:
        """Deals that changed, then those with which something was done."""
        started = self.position.until or self._started_at
        self.position = replace(self.position, until=started)
        touched = self._touched()
        floor = self.position.since - self._habits.lookback
        query = {"updated_since": values.iso(floor)}
        walk = self._listed(paths.DEALS, query, what="the changed deals", after=self.position.after)
        for page, following in walk:
            _refuse_older(page, floor)
            mapped = self._living(page)
            self._queue(page, mapped, since=floor)
            self.position = self.position.walked(following)
            yield self._page(mapped)
        for some in chunks([i for i in touched if i not in self._seen], LIMIT):
            yield self._page(self._living(self._reader.by_id(some)))
        self.position = replace(self.position, activities=started)

    def _touched(self) -> list[str]:
        """Whether logging an activity moves the deal's own date is not certain."""
        since = (self.position.activities or self.position.since) - self._habits.lookback
        zone = self._reader.surroundings().zone
        return self._reader.activities.touched(self._reader.client, since, zone)

    def _archived(self, *, only_cheap: bool = False) -> Iterator[DealPage]:
        """Won and lost ones still are what happened; open ones are no longer worked on."""
        if only_cheap and not self._cheap(paths.cost("GET", paths.ARCHIVED)):
            return
        since = self.position.archived
        query = (
            {} if since is None else {"updated_since": values.iso(since - self._habits.lookback)}
        )
        for page, following in self._listed(paths.ARCHIVED, query, what="the archived deals"):
            closed = [record for record in page if record.get("status") != DealStatus.OPEN]
            removals = [
                mapping.removed(record, self._started_at)
                for record in page
                if record.get("status") == DealStatus.OPEN
            ]
            self.position.bin.take_out(str(record["id"]) for record in page)
            self.position.bin.archived |= {r.deal_id: r.removed_at for r in removals}
            self.position.backlog.drop(removal.deal_id for removal in removals)
            mapped = self._reader.mapped(closed, self._known, with_activities=False)
            self._queue(closed, mapped, since=since)
            if following is None:
                self.position = replace(self.position, archived=self._started_at)
            yield self._page(mapped, removals)
            if only_cheap and not self._cheap(paths.cost("GET", paths.ARCHIVED)):
                return  # the next pull reads them from the first

    def _deleted(self) -> Iterator[DealPage]:
        since = self.position.deleted
        query = {"status": "deleted"}
        if since is not None:
            query["updated_since"] = values.iso(since - self._habits.lookback)
        for page, following in self._listed(paths.DEALS, query, what="the deleted deals"):
            removals = [mapping.removed(record, self._started_at) for record in page]
            gone = [removal.deal_id for removal in removals]
            self.position.bin.take_out(gone)
            self.position.bin.deleted |= {r.deal_id: r.removed_at for r in removals}
            self.position.bin.expire(self._started_at)
            self.position.backlog.drop(gone)
            if following is None:
                self.position = replace(self.position, deleted=self._started_at)
            yield self._page(Mapped(), removals)

    def _rescan(self) -> Iterator[DealPage]:
        """All open deals: mails, people and planned activities may change in silence."""
        query = {"status": DealStatus.OPEN.value}
        for page, following in self._listed(paths.DEALS, query, what="the open deals"):
            mapped = self._living(page)
            if following is None:
                self.position = replace(self.position, rescanned=self._started_at)
            yield self._page(mapped)

    def _rescan_is_due(self) -> bool:
        last = self.position.rescanned
        return last is None or self._started_at - last >= self._habits.rescan_open

    def _rescan_is_cheap(self) -> bool:
        """Whether the first load may look up the open deals' activities at once."""
        listing = -(-self._open // LIMIT) * paths.cost("GET", paths.DEALS)
        looking_up = -(-2 * self._open // 100) * paths.cost("GET", paths.ACTIVITIES)
        return self.position.archived is not None and self._cheap(listing + looking_up)

    def _cheap(self, cost: int) -> bool:
        """Whether the first load may spend so many tokens more."""
        ledger: Ledger = self._reader.client.ledger
        return ledger.session + cost < ledger.budget * FIRST_LOAD_SHARE

    def _living(self, found: Sequence[Json]) -> Mapped:
        """Deals of the normal list; one that was away is back."""
        ids = [str(record["id"]) for record in found]
        self._seen.update(ids)
        self.position.bin.take_out(ids)
        return self._reader.mapped(found, self._known)

    def _queue(self, found: Sequence[Json], mapped: Mapped, *, since: datetime | None) -> None:
        """Deals that were moved or ended (since then) wait for their changelog."""
        moved = {str(record["id"]) for record in found if _moved(record, since)}
        for deal in mapped.deals:
            if deal.deal_id in moved:
                self.position.backlog.add(deal)

    def _listed(
        self, path: str, query: dict[str, str], *, what: str, after: str | None = None
    ) -> Iterator[tuple[list[Json], str | None]]:
        whole = {**_BY_ID, **self._reader.deal_query(), **query}
        return pages(self._reader.client, path, whole, what=what, after=after)

    def _page(self, mapped: Mapped, removals: Sequence[Removal] = ()) -> DealPage:
        return DealPage(
            cursor=self.position.cursor(),
            deals=mapped.deals,
            changes=mapped.changes,
            removals=[*mapped.removals, *removals],
            unparsed=mapped.unparsed,
            left_out=(*self._reader.activities.left_out, *self._backfill.left_out),
        )


def _moved(record: Json, since: datetime | None) -> bool:
    doubts = Doubts("")
    names = ("stage_change_time", "won_time", "lost_time")
    instants = [doubts.parse(name, values.instant, record.get(name)) for name in names]
    return any(at is not None and (since is None or at >= since) for at in instants)


def _refuse_older(found: Sequence[Json], floor: datetime) -> None:
    """Pipedrive may pass over a question's part that it does not know, and answer everything."""
    doubts = Doubts("")
    times = [doubts.parse("", values.instant, record.get("update_time")) for record in found]
    if any(at is not None and at < floor.replace(microsecond=0) for at in times):
        raise PermanentError(
            "Pipedrive gave deals that did not change since the last pull: it no longer heeds "
            "`updated_since`, and each pull would read everything. Update dealpulse."
        )
