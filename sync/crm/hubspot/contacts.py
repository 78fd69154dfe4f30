"""Contacts of HubSpot as leads: a first load by listing, then what changed by searching.

Asked for are lifecycle, owner, source and engagement, with their histories; never a name, an
address or a message. See `docs/decisions/no-personal-data-of-leads.md`.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import chain
from typing import Any, Final

from sync.crm.base import Cursor, KnownVersions
from sync.crm.doubts import Doubts
from sync.crm.hubspot import changes, values
from sync.crm.hubspot.answers import Json
from sync.crm.hubspot.changes import Seen, Window
from sync.crm.hubspot.client import HubSpotClient
from sync.crm.hubspot.deal_calls import HISTORY_LIMIT, LIST_LIMIT, modified_at
from sync.crm.hubspot.in_flight import in_flight
from sync.crm.hubspot.limits import SEARCH
from sync.crm.hubspot.listing import chunks, pages, records, refuse_half_answers
from sync.crm.hubspot.mapping import own
from sync.crm.leads import Lead, LeadChange, LeadField, LeadPage

MODIFIED: Final = "lastmodifieddate"

HISTORIES: Final[Mapping[str, LeadField]] = {
    "lifecyclestage": LeadField.STAGE,
    "hs_analytics_source": LeadField.SOURCE,
    "hs_analytics_num_page_views": LeadField.PAGE_VIEWS,
    "num_conversion_events": LeadField.SUBMISSIONS,
    "hs_email_click": LeadField.EMAIL_CLICKS,
    "hs_email_open": LeadField.EMAIL_OPENS,
    "notes_last_contacted": LeadField.CONTACTED_AT,
    "hs_sales_email_last_replied": LeadField.REPLIED_AT,
    "hs_latest_meeting_activity": LeadField.MET_AT,
}
PROPERTIES: Final = (
    "lifecyclestage",
    "hubspot_owner_id",
    "hs_analytics_source",
    "createdate",
    MODIFIED,
)
_TEXTS: Final = (LeadField.STAGE, LeadField.SOURCE)
_COUNTERS: Final = (
    LeadField.PAGE_VIEWS,
    LeadField.SUBMISSIONS,
    LeadField.EMAIL_CLICKS,
    LeadField.EMAIL_OPENS,
)
READ: Final = "2"
"""Raised whenever more is asked of a contact: a mirror that was filled with less is filled anew."""


def unknown(hits: Sequence[Json], known: KnownVersions) -> list[str]:
    """The contacts that the mirror does not hold under the date that is shown, or without one."""
    found = {str(hit["id"]): modified_at(hit, MODIFIED) for hit in hits}
    held = known(list(found))
    return [i for i, at in found.items() if at is None or at not in held.get(i, ())]


class ContactCalls:
    """The calls that ask for contacts."""

    records = "contacts"
    modified = MODIFIED

    def __init__(self, client: HubSpotClient, own_properties: Sequence[str]) -> None:
        self._client = client
        self._properties = (*PROPERTIES, *own_properties)

    def search(self, body: Json, *, what: str) -> Json:
        path = self._client.paths.contacts_search
        return self._client.post(
            path, body, what=what, expect="total", bucket=SEARCH, idempotent=True
        )

    def read(self, ids: Sequence[str], *, history: bool, singly: bool) -> list[Json]:
        """Those that exist, always with their histories and never one by one."""
        parts = in_flight(self._batch_read, chunks(ids, HISTORY_LIMIT))
        return list(chain.from_iterable(batch for _, batch in parts))

    def listed(self, after: str | None) -> Iterator[tuple[list[Json], str | None]]:
        query = [
            ("limit", str(HISTORY_LIMIT)),
            ("properties", ",".join(self._properties)),
            ("propertiesWithHistory", ",".join(HISTORIES)),
        ]
        path = self._client.paths.contacts
        return pages(self._client, path, query, what="the list of contacts", after=after)

    def ids(self) -> Iterator[list[str]]:
        query = [("limit", str(LIST_LIMIT)), ("properties", "hs_object_id")]
        path = self._client.paths.contacts
        for found, _ in pages(self._client, path, query, what="the list of contacts"):
            yield [str(record["id"]) for record in found]

    def _batch_read(self, ids: Sequence[str]) -> list[Json]:
        what = "contacts by id"
        body = {
            "inputs": [{"id": each} for each in ids],
            "properties": list(self._properties),
            "propertiesWithHistory": list(HISTORIES),
        }
        path = self._client.paths.contacts_batch_read
        answer = self._client.post(path, body, what=what, expect="results", idempotent=True)
        refuse_half_answers(answer, what)
        return records(answer)


class HubSpotContacts:
    """A `LeadSource`. lookback: how far each pull reaches back behind the last one's start.
    own_properties: those that we write.

    Cursors: `since`, from where changes are still to be read, with `after` during a first load;
    during a pull of changes those of `changes.Window`; always with `read`, see `READ`.
    """

    def __init__(
        self, client: HubSpotClient, *, lookback: timedelta, own_properties: Sequence[str]
    ) -> None:
        self._client = client
        self._own = tuple(own_properties)
        self._calls = ContactCalls(client, self._own)
        self._lookback = lookback

    def leads(
        self,
        cursor: Cursor | None,
        *,
        started_at: datetime,
        known: KnownVersions,
    ) -> Iterator[LeadPage]:
        now = self._client.server_clock.now()
        if cursor is None or cursor.get("read") != READ:
            cursor = {"since": values.iso(now), "after": ""}
        if "after" in cursor:
            yield from self._load(cursor)
            return
        window = Window.of(cursor, now=now, lookback=self._lookback)
        seen = Seen((MODIFIED,), partial(unknown, known=known))
        for behind, found in changes.changed(self._calls, window, seen):
            yield page({**behind, "read": READ}, found, self._own)

    def lead_ids(self) -> Iterator[Sequence[str]]:
        return self._calls.ids()

    def _load(self, begun: Cursor) -> Iterator[LeadPage]:
        since = {"since": begun["since"], "read": READ}
        for found, after in self._calls.listed(begun["after"] or None):
            yield page(since if after is None else {**since, "after": after}, found, self._own)


def page(cursor: Cursor, found: Sequence[Json], own_properties: Sequence[str] = ()) -> LeadPage:
    """Contacts as HubSpot shows them, with their histories, as leads."""
    leads: list[Lead] = []
    told: list[LeadChange] = []
    unparsed = 0
    for record in found:
        doubts = Doubts(str(record["id"]))
        lead = _lead(record, doubts, own_properties)
        if lead is not None:
            leads.append(lead)
            told += _changes(lead.lead_id, record.get("propertiesWithHistory") or {}, doubts)
        unparsed += len(doubts.found())
    return LeadPage(cursor, leads, told, unparsed)


def _lead(record: Json, doubts: Doubts, own_properties: Sequence[str]) -> Lead | None:
    """None, and noted, for one that HubSpot gives no readable dates."""
    held = record.get("properties") or {}
    created = doubts.parse(
        "createdate", values.instant, held.get("createdate") or record.get("createdAt")
    )
    modified = doubts.parse(MODIFIED, values.instant, held.get(MODIFIED) or record.get("updatedAt"))
    if created is None:
        doubts.note("createdate", None)
        return None
    return Lead(
        lead_id=str(record["id"]),
        stage=values.text(held.get("lifecyclestage")),
        owner_id=values.text(held.get("hubspot_owner_id")),
        source=values.text(held.get("hs_analytics_source")),
        created_at=created,
        modified_at=modified or created,
        own=own(record.get("properties") or {}, own_properties),
    )


def _changes(lead_id: str, histories: Mapping[str, Any], doubts: Doubts) -> list[LeadChange]:
    """Each field's versions in order of time, equal neighbours collapsed."""
    found: list[LeadChange] = []
    for name, field in HISTORIES.items():
        entries = histories.get(name)
        versions = []
        for entry in entries if isinstance(entries, list) else ():
            at = doubts.parse(name, values.instant, entry.get("timestamp"))
            value = doubts.parse(name, partial(_value, field), entry.get("value"))
            if at is not None:
                versions.append((at, value))
        versions.sort(key=lambda version: version[0])
        last: str | None = None
        for ordinal, (at, value) in enumerate(versions):
            if value != last:
                same = ordinal - next(n for n, each in enumerate(versions) if each[0] == at)
                found.append(LeadChange(lead_id, field, at, value, same))
            last = value
    return found


def _value(field: LeadField, raw: object) -> str | None:
    if field in _TEXTS:
        return values.text(raw)
    if field in _COUNTERS:
        count = values.number(raw)
        return None if count is None else str(int(count))
    at = values.instant(raw)
    return None if at is None else values.iso(at)
