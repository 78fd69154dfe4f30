"""Pipedrive's leads: inbox and archive, the deals that they became, and what was done with them.

Pipedrive keeps no history of leads: the mirror compares. Names and addresses come with persons and
titles whether we want them or not; none goes further than `lead_mapping`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from sync.crm.base import Cursor, KnownVersions
from sync.crm.doubts import Doubts
from sync.crm.leads import Lead, LeadChange, LeadPage
from sync.crm.pipedrive import lead_mapping, paths, values
from sync.crm.pipedrive.answers import Json
from sync.crm.pipedrive.lead_position import STREAMS, LeadPosition
from sync.crm.pipedrive.ledger import Purpose
from sync.crm.pipedrive.listing import numbered_pages, pages, records
from sync.crm.pipedrive.memory import Memory
from sync.crm.pipedrive.reader import Reader
from sync.errors import AuthError

DAILY: Final = timedelta(days=1)
_ONCE_A_DAY: Final = "archived deals"
_LEFT_OUT: Final = {
    "activities": "Calls and meetings with leads",
    "mails": "Mails with leads",
}
"""What leads can be read without."""

_BY_ID: Final = {"sort_by": "id", "sort_direction": "asc"}
_ALL_DEALS: Final = {"status": "open,won,lost,deleted"}

Found = tuple[Lead, list[LeadChange]]
Steps = Iterator[tuple[list[Json], str | None]]


class PipedriveLeads:
    """A `LeadSource`. lookback: how far each list is read behind its last reading. every: how often
    they are read at all. memory: shared by the pulls of one process."""

    def __init__(
        self, reader: Reader, *, lookback: timedelta, every: timedelta, memory: Memory
    ) -> None:
        self._reader = reader
        self.lookback = lookback
        self._every = every
        self._memory = memory

    def leads(
        self, cursor: Cursor | None, *, started_at: datetime, known: KnownVersions
    ) -> Iterator[LeadPage]:
        started_at = started_at.replace(microsecond=0)
        position = LeadPosition(started_at) if cursor is None else LeadPosition.of(cursor)
        if position.since is not None and started_at - position.since < self._every:
            return
        yield from _Reading(self, position, started_at, known).run()

    def lead_ids(self) -> Iterator[Sequence[str]]:
        for path in (paths.LEADS, paths.ARCHIVED_LEADS):
            for page, _ in self.numbered(path, {}, what="the list of all leads"):
                yield [str(record["id"]) for record in page]
        since = self._reader.clock.now() - DAILY
        for page, _ in self.deals(paths.DEALS, since, None):
            yield [str(r["source_lead_id"]) for r in page if r.get("source_lead_id")]

    def numbered(
        self, path: str, query: Mapping[str, str], *, what: str, after: str | None = None
    ) -> Steps:
        client = self._reader.client
        return numbered_pages(client, path, query, what=what, after=after, purpose=Purpose.LEADS)

    def listed(self, path: str, query: Mapping[str, str], *, what: str, after: str | None) -> Steps:
        client = self._reader.client
        asked = {**query, **_BY_ID}
        return pages(client, path, asked, what=what, after=after, purpose=Purpose.LEADS)

    def inbox(self, floor: datetime | None, after: str | None) -> Steps:
        return self.numbered(paths.LEADS, _since(floor), what="the leads", after=after)

    def archive(self, floor: datetime | None, after: str | None) -> Steps:
        """There is no asking for changes: what changed last is read first, until it is old."""
        query = {} if floor is None else {"sort": "update_time DESC"}
        walk = self.numbered(paths.ARCHIVED_LEADS, query, what="the archived leads", after=after)
        for page, following in walk:
            oldest = min((str(record.get("update_time")) for record in page), default="")
            passed = floor is not None and oldest < values.iso(floor)
            yield page, None if passed else following
            if passed:
                return

    def deals(self, path: str, floor: datetime | None, after: str | None) -> Steps:
        statuses = _ALL_DEALS if path == paths.DEALS else {}
        query = {**_since(floor), **statuses, "include_fields": "source_lead_id"}
        return self.listed(path, query, what="the deals that were leads", after=after)

    def activities(self, floor: datetime | None, after: str | None) -> Steps:
        query = {**_since(floor), "done": "true"}
        return self.listed(paths.ACTIVITIES, query, what="what was done", after=after)

    def persons(self, floor: datetime | None, after: str | None) -> Steps:
        include = "last_incoming_mail_time,last_outgoing_mail_time"
        query = {**_since(floor), "include_fields": include}
        return self.listed(paths.PERSONS, query, what="the persons' last mails", after=after)

    def labels(self, found: Sequence[Json]) -> Mapping[str, str]:
        """Id -> name; asked for only where a lead carries one, and anew where one is not known."""
        used = {str(each) for record in found for each in record.get("label_ids") or ()}
        if not used:
            return {}
        kept, now = self._memory.lead_labels, self._reader.clock.now()
        if kept.last is not None and used - kept.last.keys() - self._memory.strange_labels:
            self._memory.strange_labels |= used - kept.last.keys()
            kept.forget()
        return kept.get(now, self._read_labels)

    def touches(self, found: Sequence[Json]) -> LeadPage:
        if not found:
            return LeadPage({})
        return LeadPage({}, engagements=lead_mapping.touches(found, self._reader.zone()))

    def _read_labels(self) -> Mapping[str, str]:
        answer = self._reader.client.get(
            paths.LEAD_LABELS, what="the labels of leads", purpose=Purpose.LEADS
        )
        return {str(r["id"]): values.text(r.get("name")) or "" for r in records(answer)}


class _Reading:
    """One reading of everything that is due; made anew each time."""

    def __init__(
        self,
        source: PipedriveLeads,
        position: LeadPosition,
        started_at: datetime,
        known: KnownVersions,
    ) -> None:
        self._source = source
        self._position = position
        self._started_at = started_at
        self._known = known
        last = position.daily
        self._daily = last is None or started_at - last >= DAILY
        self._streams: Mapping[
            str, tuple[Callable[..., Steps], Callable[[Sequence[Json]], LeadPage]]
        ] = {
            "inbox": (source.inbox, self._of_the_inbox),
            "archive": (source.archive, self._of_the_inbox),
            "deals": (partial(source.deals, paths.DEALS), self._converted),
            "archived deals": (partial(source.deals, paths.ARCHIVED), self._converted),
            "activities": (source.activities, source.touches),
            "mails": (source.persons, self._mails),
        }

    def run(self) -> Iterator[LeadPage]:
        lacking, left_out = set(self._position.lacking), []
        for name in STREAMS[STREAMS.index(self._position.stream) :]:
            if name == _ONCE_A_DAY and not self._daily:
                continue
            try:
                yield from self._stream(name)
                lacking.discard(name)
            except AuthError as error:
                if name not in _LEFT_OUT or not error.missing_scopes:
                    raise
                lacking.add(name)
                self._position = self._position.after(name, None)
                left_out.append(f"{_LEFT_OUT[name]} are left out. {error}")
        done = self._position.done(self._started_at, daily=self._daily, lacking=lacking)
        yield LeadPage(done.cursor(), history_read=False, left_out=left_out)

    def _stream(self, name: str) -> Iterator[LeadPage]:
        listed, mapped = self._streams[name]
        for found, place in listed(self._floor(name), self._position.place):
            page = mapped(found)
            self._position = self._position.after(name, place)
            yield LeadPage(
                self._position.cursor(),
                page.leads,
                page.changes,
                page.unparsed,
                page.engagements,
                history_read=False,
            )

    def _floor(self, name: str) -> datetime | None:
        """From where changes are read; None = everything. Whether a mail moves its person's date
        is not certain: once a day all persons are looked at."""
        position = self._position
        if position.since is None or name in position.lacking:
            return None
        if name == "mails" and self._daily:
            return None
        if name == _ONCE_A_DAY and position.daily is not None:
            return position.daily - self._source.lookback
        return position.since - self._source.lookback

    def _of_the_inbox(self, found: Sequence[Json]) -> LeadPage:
        labels, begun = self._source.labels(found), self._position.begun
        return self._page(
            found, lambda record, doubts: lead_mapping.lead(record, labels, doubts, begun=begun)
        )

    def _converted(self, found: Sequence[Json]) -> LeadPage:
        were = [record for record in found if record.get("source_lead_id")]
        held = self._known([str(record["source_lead_id"]) for record in were])
        return self._page(
            were,
            lambda record, doubts: lead_mapping.converted(
                record,
                doubts,
                begun=self._position.begun,
                held=str(record["source_lead_id"]) in held,
            ),
        )

    def _page(
        self, found: Sequence[Json], mapped: Callable[[Json, Doubts], Found | None]
    ) -> LeadPage:
        leads: dict[str, Found] = {}
        unparsed = 0
        for record in found:
            doubts = Doubts(str(record["id"]))
            made = mapped(record, doubts)
            if made is not None:
                leads[made[0].lead_id] = made
            unparsed += len(doubts.found())
        news = self._news([lead for lead, _ in leads.values()])
        changes = [change for lead in news for change in leads[lead.lead_id][1]]
        return LeadPage({}, news, changes, unparsed)

    def _news(self, leads: Sequence[Lead]) -> list[Lead]:
        """Without those that the mirror holds as they are. Dates of deals have whole seconds: what
        changed in the second of the last reading, or later, is always news."""
        since = self._position.since
        if since is None or not leads:
            return list(leads)
        held = self._known([lead.lead_id for lead in leads])
        return [
            lead
            for lead in leads
            if lead.modified_at >= since or lead.modified_at not in held.get(lead.lead_id, ())
        ]

    def _mails(self, found: Sequence[Json]) -> LeadPage:
        doubts = Doubts("")
        told = lead_mapping.mails(found, doubts)
        return LeadPage({}, engagements=told, unparsed=len(doubts.found()))


def _since(floor: datetime | None) -> dict[str, str]:
    return {} if floor is None else {"updated_since": values.iso(floor)}
