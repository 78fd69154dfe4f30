"""Reading HubSpot: a first load by listing, then what changed by searching.

Why it reads the way it does, quirk by quirk, is in BEHAVIOR.md.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sync.clock import Clock
from sync.crm.base import (
    AccessCheck,
    Account,
    Capabilities,
    Cursor,
    DealPage,
    ExchangeRate,
    FieldDefinition,
    KnownVersions,
    Owner,
    Pipeline,
    Removal,
)
from sync.crm.hubspot import access, currencies, definitions, mapping, values
from sync.crm.hubspot.answers import Json, Refused
from sync.crm.hubspot.associations import Associations
from sync.crm.hubspot.client import HubSpotClient, Query
from sync.crm.hubspot.history import HISTORY_FIELDS, HISTORY_PROPERTIES
from sync.crm.hubspot.limits import SEARCH
from sync.crm.hubspot.listing import chunks, pages, records
from sync.crm.hubspot.mapping import Surroundings
from sync.crm.hubspot.selection import ExtraProperties, Selection, completed, read_by_id
from sync.errors import AuthError, PermanentError

LIST_LIMIT: Final = 100
HISTORY_LIMIT: Final = 50
"""HubSpot gives at most so many records together with history."""
SEARCH_LIMIT: Final = 200
BATCH_LIMIT: Final = 100

_LISTING: Final = "the list of deals"
_SEARCH: Final = "the search for changed deals"


class HubSpotSource:
    """One HubSpot account, read.

    lookback: how far each pull reaches back behind the last one's start, since search sees
    changes late. own_properties: ours, which are read back with each deal. extra_properties: what
    the customer asked for besides, as configured.

    Cursors: `since`, from where changes are still to be read; during a first load also `after`,
    the next page; during a pull of changes also `until`, its start, and `last`, the last deal.
    """

    def __init__(
        self,
        connection: str,
        client: HubSpotClient,
        *,
        lookback: timedelta,
        own_properties: Sequence[str],
        clock: Clock,
        extra_properties: Sequence[str] = (),
    ) -> None:
        self._connection = connection
        self._client = client
        self._lookback = lookback
        self._own = tuple(own_properties)
        self._plain = (*mapping.PROPERTIES, *self._own)
        self._extra = ExtraProperties(client, extra_properties, taken=self._plain, clock=clock)
        self._account: Account | None = None
        self._pipelines: Sequence[Pipeline] | None = None

    @property
    def connection(self) -> str:
        return self._connection

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(history=HISTORY_FIELDS, can_write=True, lists_removed=True)

    def check(self) -> Sequence[AccessCheck]:
        """Raises AuthError where the token itself is refused: nothing else could be tried."""
        return access.check(self._client)

    def account(self) -> Account:
        what = "the account's details"
        record = self._client.get(self._client.paths.account, what=what, expect="portalId")
        self._account = definitions.account(record)
        self._client.zone = ZoneInfo(self._account.time_zone)
        return self._account

    def pipelines(self) -> Sequence[Pipeline]:
        path = self._client.paths.pipelines
        answer = self._client.get(path, what="the deal pipelines", expect="results")
        self._pipelines = [definitions.pipeline(record) for record in records(answer)]
        return self._pipelines

    def owners(self) -> Sequence[Owner]:
        """Both of HubSpot's lists, by id; who is in both is active."""
        found: dict[str, Owner] = {}
        for archived in ("false", "true"):
            query = [("limit", str(LIST_LIMIT)), ("archived", archived)]
            for page, _ in pages(self._client, self._client.paths.owners, query, what="the owners"):
                for owner in map(definitions.owner, page):
                    if owner.active or owner.owner_id not in found:
                        found[owner.owner_id] = owner
        return list(found.values())

    def extra_fields(self) -> Sequence[FieldDefinition]:
        return list(self._extra.now().fields.values())

    def exchange_rates(self) -> Sequence[ExchangeRate]:
        account = self._account or self.account()
        return currencies.read(self._client, account.home_currency)

    def deal_count(self) -> int | None:
        body = {"limit": 1, "properties": ["hs_object_id"]}
        answer = self._search(body, what="the number of deals")
        return int(answer["total"])

    def deals(
        self, cursor: Cursor | None, *, started_at: datetime, known: KnownVersions
    ) -> Iterator[DealPage]:
        if cursor is None:
            return self._load(since=values.iso(started_at), after=None)
        if "after" in cursor:
            return self._load(since=cursor["since"], after=cursor["after"])
        until = cursor.get("until", values.iso(started_at))
        return self._changes(cursor["since"], until, cursor.get("last"), known)

    def removed(self, *, started_at: datetime) -> Iterator[Sequence[Removal]]:
        query = [
            ("limit", str(LIST_LIMIT)),
            ("archived", "true"),
            ("properties", "hs_object_id"),
        ]
        what = "the list of archived deals"
        for page, _ in pages(self._client, self._client.paths.deals, query, what=what):
            yield [mapping.archived(record, started_at) for record in page]

    def read(self, deal_ids: Sequence[str], *, history: bool = False) -> DealPage:
        associations = Associations(self._client)
        found: list[Json] = []
        for part in chunks(deal_ids, HISTORY_LIMIT if history else BATCH_LIMIT):
            batch = self._batch_read(part, history=history)
            got = {str(record["id"]) for record in batch}
            singly = (self._read_one(i, history=history) for i in part if i not in got)
            found += [*batch, *(record for record in singly if record is not None)]
        return self._page({}, found, associations)

    def close(self) -> None:
        self._client.close()

    def _load(self, *, since: str, after: str | None) -> Iterator[DealPage]:
        """Everything there is, by ascending id."""
        associations = Associations(self._client)
        while True:
            try:
                for listed, following in self._listed(associations, after):
                    page = completed(self._client, listed, self._selection())
                    position = {} if following is None else {"after": following}
                    yield self._page({"since": since, **position}, page, associations, listed=True)
                    after = following
            except AuthError as error:
                associations.give_up(error)
            else:
                return

    def _listed(
        self, associations: Associations, after: str | None
    ) -> Iterator[tuple[list[Json], str | None]]:
        query: Query = [
            ("limit", str(HISTORY_LIMIT)),
            ("properties", ",".join(self._selection().listed)),
            ("propertiesWithHistory", ",".join(HISTORY_PROPERTIES)),
            *([("associations", associations.asked)] if associations.asked else []),
        ]
        return pages(self._client, self._client.paths.deals, query, what=_LISTING, after=after)

    def _changes(
        self, since: str, until: str, last: str | None, known: KnownVersions
    ) -> Iterator[DealPage]:
        """What changed since `since` less the lookback, by ascending id.

        Not by date: a bulk job can give more deals one instant than a search ever shows.
        """
        associations = Associations(self._client)
        floor = datetime.fromisoformat(since) - self._lookback
        while True:
            hits, more = self._changed_page(floor, last)
            changed = _unknown(hits, known)
            found = [
                record
                for part in chunks(changed, HISTORY_LIMIT)
                for record in self._batch_read(part, history=True)
            ]
            if not more:
                yield self._page({"since": until}, found, associations)
                return
            last = _furthest(hits, last)
            cursor = {"since": since, "until": until, "last": last}
            yield self._page(cursor, found, associations)

    def _changed_page(self, floor: datetime, last: str | None) -> tuple[list[Json], bool]:
        """Hits beyond the deal `last`, and whether there are more behind them."""
        since_ms = str(int(floor.timestamp() * 1000))
        filters = [
            {"propertyName": "hs_lastmodifieddate", "operator": "GTE", "value": since_ms},
            {"propertyName": "hs_object_id", "operator": "GT", "value": last or "0"},
        ]
        body = {
            "filterGroups": [{"filters": filters}],
            "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
            "properties": ["hs_lastmodifieddate"],
            "limit": SEARCH_LIMIT,
        }
        answer = self._search(body, what=_SEARCH)
        hits = records(answer)
        return hits, bool(hits) and int(answer["total"]) > len(hits)

    def _search(self, body: Json, *, what: str) -> Json:
        path = self._client.paths.deals_search
        return self._client.post(
            path, body, what=what, expect="total", bucket=SEARCH, idempotent=True
        )

    def _batch_read(self, deal_ids: Sequence[str], *, history: bool) -> list[Json]:
        """Those that exist, in any order."""
        wanted = HISTORY_PROPERTIES if history else ()
        return read_by_id(self._client, deal_ids, self._selection(), wanted)

    def _read_one(self, deal_id: str, *, history: bool) -> Json | None:
        """A merged deal gives its survivor; None where there is none."""
        selection = self._selection()
        query = [("properties", ",".join(selection.listed))]
        if history:
            query.append(("propertiesWithHistory", ",".join(HISTORY_PROPERTIES)))
        try:
            found = self._client.get(
                self._client.paths.deal(deal_id), query, what=f"deal {deal_id}", expect="id"
            )
        except Refused as refusal:
            if refusal.status != 404:
                raise
            return None
        return completed(self._client, [found], selection)[0]

    def _page(
        self,
        cursor: Cursor,
        found: Sequence[Json],
        associations: Associations,
        *,
        listed: bool = False,
    ) -> DealPage:
        if listed:
            counts = associations.listed(found)
        else:
            counts = associations.read([str(record["id"]) for record in found])
        mapped = mapping.deals(found, self._surroundings(), counts) if found else mapping.Mapped()
        return DealPage(
            cursor=cursor,
            deals=mapped.deals,
            changes=mapped.changes,
            removals=mapped.removals,
            unparsed=mapped.unparsed,
            left_out=(*self._extra.now().left_out, *associations.left_out),
        )

    def _surroundings(self) -> Surroundings:
        account = self._account or self.account()
        pipelines = self._pipelines if self._pipelines is not None else self.pipelines()
        extra = self._extra.now().fields
        return Surroundings.of(account.home_currency, pipelines, self._own, extra)

    def _selection(self) -> Selection:
        return Selection(self._plain, self._extra.now().fields)


def _unknown(hits: Sequence[Json], known: KnownVersions) -> list[str]:
    """The deals whose found state the mirror does not hold yet."""
    found = {}
    for hit in hits:
        raw = (hit.get("properties") or {}).get("hs_lastmodifieddate") or hit.get("updatedAt")
        found[str(hit["id"])] = values.Doubts(str(hit["id"])).parse("", values.instant, raw)
    held = known(list(found)) if found else {}
    return [i for i, modified_at in found.items() if modified_at not in held.get(i, frozenset())]


def _furthest(hits: Sequence[Json], last: str | None) -> str:
    """The highest id; raises PermanentError where the search does not get on."""
    ids = [str(hit["id"]) for hit in hits]
    if not all(i.isascii() and i.isdigit() for i in ids):
        raise PermanentError("HubSpot gave a deal an id that is no number; dealpulse has to learn.")
    furthest = max(map(int, ids))
    if furthest <= int(last or 0):
        raise PermanentError(
            "HubSpot's search gave the same deals twice, so that reading would never end. "
            "Nothing is lost; try again later and tell HubSpot's support if it lasts."
        )
    return str(furthest)
