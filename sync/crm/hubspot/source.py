"""Reading HubSpot: a first load by listing, then what changed by searching.

Why it reads the way it does, quirk by quirk, is in BEHAVIOR.md.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from itertools import chain
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sync.clock import Clock
from sync.crm.base import (
    AccessCheck,
    Account,
    BinPage,
    Capabilities,
    Cursor,
    DealPage,
    ExchangeRate,
    FieldDefinition,
    HistoryPage,
    KnownStates,
    ListPage,
    Owner,
    Pipeline,
    Removal,
)
from sync.crm.hubspot import (
    access,
    backfill,
    census,
    changes,
    currencies,
    definitions,
    mapping,
    values,
)
from sync.crm.hubspot.answers import Json, Refused
from sync.crm.hubspot.associations import Associated, Associations, Linked, linked
from sync.crm.hubspot.changes import Seen, Window
from sync.crm.hubspot.client import HubSpotClient
from sync.crm.hubspot.deal_calls import LIST_LIMIT, DealCalls
from sync.crm.hubspot.first_load import FirstLoad, Loaded, LoadState
from sync.crm.hubspot.history import HISTORY_FIELDS
from sync.crm.hubspot.listing import pages, records
from sync.crm.hubspot.mapping import Mapped, Surroundings
from sync.crm.hubspot.selection import ExtraProperties, Selection
from sync.errors import AuthError


class _Kept(NamedTuple):
    """What a first load keeps of a page until it is committed, a fraction of its JSON."""

    mapped: Mapped
    linked: Linked


class HubSpotSource:
    """One HubSpot account, read.

    lookback: how far each pull reaches back behind the last one's start, since search sees
    changes late. own_properties: ours, which are read back with each deal. extra_properties: what
    the customer asked for besides, as configured. contact_roles: whether they are read.
    writes_leads: whether `check` looks for that too.

    Cursors: `since`, from where changes are still to be read; during a first load those of
    `first_load.LoadState`, during a pull of changes `changes.Window`'s. Their instants are
    HubSpot's own, whatever this machine's clock says.
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
        contact_roles: bool = False,
        writes_leads: bool = False,
    ) -> None:
        self._connection = connection
        self._client = client
        self._lookback = lookback
        self._roles = contact_roles
        self._writes_leads = writes_leads
        self._own = tuple(own_properties)
        self._plain = (*mapping.PROPERTIES, *self._own)
        self._extra = ExtraProperties(client, extra_properties, taken=self._plain, clock=clock)
        self._calls = DealCalls(client, self._selection)
        self._account: Account | None = None
        self._pipelines: Sequence[Pipeline] | None = None

    @property
    def connection(self) -> str:
        return self._connection

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            history=HISTORY_FIELDS, can_write=True, lists_removed=True, contact_roles=True
        )

    def check(self) -> Sequence[AccessCheck]:
        """Raises AuthError where the token itself is refused: nothing else could be tried."""
        return access.check(self._client, writes_leads=self._writes_leads)

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
        try:
            return int(self._calls.search(body, what="the number of deals")["total"])
        except Refused:  # then the load, too, finds another way than searching
            return None

    def deals(
        self, cursor: Cursor | None, *, started_at: datetime, known: KnownStates
    ) -> Iterator[DealPage]:
        # some answer tells HubSpot's time; every pull has asked for the pipelines before
        now = self._client.server_clock.now()
        loading = None if cursor is None else LoadState.of(cursor)
        if cursor is None or loading is not None:
            return self._load(loading, since=values.iso(now))
        return self._changes(Window.of(cursor, now=now, lookback=self._lookback), known)

    def removed(self, *, started_at: datetime) -> Iterator[Sequence[Removal]]:
        return census.whole_bin(self._client, started_at)

    def bin_page(self, after: str | None, *, started_at: datetime) -> BinPage:
        return census.bin_page(self._client, after, started_at)

    def listing(self, *, started_at: datetime) -> Iterator[ListPage]:
        return census.listing(self._calls, self._surroundings(), roles=self._roles)

    def histories(self, deal_ids: Sequence[str]) -> Iterator[HistoryPage]:
        return backfill.histories(self._calls, deal_ids, self._surroundings())

    def read(self, deal_ids: Sequence[str], *, history: bool = False) -> DealPage:
        found = self._calls.read(deal_ids, history=history)
        associations = Associations(self._client, roles=self._roles)
        page = self._page({}, self._mapped(found, associations), associations)
        return replace(page, history_read=history)

    def close(self) -> None:
        self._client.close()

    def _load(self, state: LoadState | None, *, since: str) -> Iterator[DealPage]:
        """Everything there is, without its past; `state`: how far an interrupted load has come."""
        associations = Associations(self._client, roles=self._roles)
        load = FirstLoad(self._calls, lambda: associations.asked)
        while True:
            try:
                state = state or load.begin(since)
                lots = load.run(state, self._kept())
                for loaded, told in self._told(lots, associations):
                    state = loaded.state
                    mapped = mapping.joined([kept.mapped for kept in loaded.pages], *told)
                    page = self._page(state.cursor(), mapped, associations)
                    yield replace(page, notes=(loaded.note,), history_read=False)
            except AuthError as error:
                associations.give_up(error)
            else:
                return

    def _changes(self, window: Window, known: KnownStates) -> Iterator[DealPage]:
        associations = Associations(self._client, roles=self._roles)
        unknown = partial(census.unknown, known=known, around=self._surroundings())
        seen = Seen(self._selection().shown, unknown)
        for cursor, found in changes.changed(self._calls, window, seen):
            yield self._page(cursor, self._mapped(found, associations), associations)

    def _told(
        self, lots: Iterator[Loaded[_Kept]], associations: Associations
    ) -> Iterator[tuple[Loaded[_Kept], Associated]]:
        """Lots with their associations. Where these take requests of their own, the lot waits for
        them while the next one is being loaded."""
        waiting: tuple[Loaded[_Kept], Future[Associated]] | None = None
        with ThreadPoolExecutor(1, thread_name_prefix="associations") as pool:
            for loaded in lots:
                if waiting is not None:
                    yield waiting[0], waiting[1].result()
                    waiting = None
                if loaded.listed and not self._roles:
                    yield loaded, _associated(loaded, associations)
                else:
                    waiting = loaded, pool.submit(_associated, loaded, associations)
            if waiting is not None:
                yield waiting[0], waiting[1].result()

    def _kept(self) -> Callable[[list[Json]], _Kept]:
        """What the first load keeps of a page; for several threads."""
        asking = threading.Lock()

        def kept(records: list[Json]) -> _Kept:
            with asking:  # once, where nobody has asked for the account and its pipelines before
                around = self._surroundings()
            return _Kept(mapping.deals(records, around, {}), linked(records))

        return kept

    def _mapped(self, found: Sequence[Json], associations: Associations) -> Mapped:
        if not found:
            return Mapped()
        told = associations.read([str(record["id"]) for record in found])
        return mapping.deals(found, self._surroundings(), *told)

    def _page(self, cursor: Cursor, mapped: Mapped, associations: Associations) -> DealPage:
        return DealPage(
            cursor=cursor,
            deals=mapped.deals or [],
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


def _associated(loaded: Loaded[_Kept], associations: Associations) -> Associated:
    if loaded.listed:
        return associations.listed(kept.linked for kept in loaded.pages)
    ids = chain.from_iterable(kept.mapped.deals.columns["deal_id"] for kept in loaded.pages)
    return associations.read(list(ids))
