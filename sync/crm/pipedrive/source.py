"""Reading Pipedrive. Why it reads the way it does, quirk by quirk, is in BEHAVIOR.md."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from sync.clock import Clock
from sync.crm.base import (
    AccessCheck,
    Account,
    BinPage,
    Capabilities,
    Cursor,
    DealPage,
    DealStatus,
    ExchangeRate,
    FieldDefinition,
    HistoryPage,
    KnownStates,
    ListPage,
    Owner,
    Pipeline,
    PropertySpec,
    Removal,
)
from sync.crm.pipedrive import access, mapping, paths, values
from sync.crm.pipedrive.client import PipedriveClient
from sync.crm.pipedrive.field_map import FieldMap
from sync.crm.pipedrive.listing import pages
from sync.crm.pipedrive.memory import Memory
from sync.crm.pipedrive.position import Position
from sync.crm.pipedrive.pulling import Habits, Pull
from sync.crm.pipedrive.reader import Reader
from sync.crm.pipedrive.state import State

_LOADED: Final = "loaded"
"""The part of the state that says that everything was read once."""


class PipedriveSource:
    """One Pipedrive company, read.

    lookback: how far each list is read behind its last reading. rescan_open: how often all open
    deals are read again. own_properties: ours, which are read back with each deal. rates: the
    customer's own exchange rates. state: what outlives the process. history_per_pull: changelogs
    at most. memory: shared by the pulls of one process, to ask for little twice. reads_leads:
    whether `check` tries that too.
    """

    def __init__(
        self,
        connection: str,
        client: PipedriveClient,
        *,
        lookback: timedelta,
        rescan_open: timedelta,
        own_properties: Sequence[PropertySpec],
        state: State,
        clock: Clock,
        rates: Mapping[str, Decimal] | None = None,
        history_per_pull: int = 250,
        memory: Memory | None = None,
        reads_leads: bool = False,
    ) -> None:
        self._connection = connection
        self._reads_leads = reads_leads
        self._client = client
        self._habits = Habits(lookback, rescan_open, history_per_pull)
        self.reader = Reader(
            client,
            FieldMap(client, own_properties, state),
            memory=memory or Memory(),
            rates=rates or {},
            state=state,
            clock=clock,
        )
        self._state = state
        self._position: Position | None = None

    @property
    def connection(self) -> str:
        return self._connection

    @property
    def capabilities(self) -> Capabilities:
        """Pipedrive does keep a history, but a dear one: it is read as far as tokens go, and until
        then changes are found by comparing."""
        return Capabilities(history=frozenset(), can_write=True, lists_removed=True)

    def check(self) -> Sequence[AccessCheck]:
        """Raises AuthError where the token itself is refused: nothing else could be tried."""
        return access.check(self._client, reads_leads=self._reads_leads)

    def account(self) -> Account:
        return self.reader.account()

    def pipelines(self) -> Sequence[Pipeline]:
        return self.reader.pipelines()

    def owners(self) -> Sequence[Owner]:
        return self.reader.owners()

    def extra_fields(self) -> Sequence[FieldDefinition]:
        return ()

    def exchange_rates(self) -> Sequence[ExchangeRate]:
        return ()

    def deal_count(self) -> int | None:
        """Pipedrive counts only in its summary, which costs as much as reading 2,000 deals."""
        return None

    def deals(
        self, cursor: Cursor | None, *, started_at: datetime, known: KnownStates
    ) -> Iterator[DealPage]:
        # some answer has told Pipedrive's time: a process begins by asking for the stages
        started_at = self._client.server_clock.now().replace(microsecond=0)
        position = (
            Position.first(started_at) if cursor is None else Position.of(cursor).by(started_at)
        )
        pull = Pull(self.reader, position, started_at=started_at, known=known, habits=self._habits)
        for page in pull.run():
            self._position = pull.position
            yield page
        # activities' last step brings no deals, only a later place to go on from
        self._position = pull.position
        self._client.ledger.save()
        if not self._state.load(_LOADED):
            self._state.save(_LOADED, {"at": values.iso(started_at)})
        yield DealPage(cursor=pull.position.cursor())

    def removed(self, *, started_at: datetime) -> Iterator[Sequence[Removal]]:
        """Known from the pull of this run; asked of Pipedrive where there was none. What was put
        there before the first load is no concern of ours, and costs no tokens."""
        if self._position is not None or not self._state.load(_LOADED):
            yield self._position.bin.removals() if self._position else []
            return
        deleted, archived = {"status": "deleted"}, {"status": DealStatus.OPEN.value}
        for path, query in ((paths.DEALS, deleted), (paths.ARCHIVED, archived)):
            for page, _ in pages(self._client, path, query, what="the removed deals"):
                yield [mapping.removed(record, started_at) for record in page]

    def bin_page(self, after: str | None, *, started_at: datetime) -> BinPage:
        return BinPage([gone for page in self.removed(started_at=started_at) for gone in page])

    def listing(self, *, started_at: datetime) -> Iterator[ListPage]:
        """Normal deals, and archived ones that ended; an open one was put aside by archiving it."""
        for path in (paths.DEALS, paths.ARCHIVED):
            query = {**self.reader.deal_query(), "sort_by": "id", "sort_direction": "asc"}
            for page, _ in pages(self._client, path, query, what="the list of all deals"):
                living = [r for r in page if path == paths.DEALS or r.get("status") != "open"]
                mapped = self.reader.mapped(living, with_activities=False)
                for deal in mapped.deals:  # people are told where a deal is looked up alone
                    deal.contact_count = deal.company_count = None
                yield ListPage(mapped.deals, untold=mapping.BY_ACTIVITIES)

    def histories(self, deal_ids: Sequence[str]) -> Iterator[HistoryPage]:
        """Never asked for: changelogs come with the pulls, as far as tokens go."""
        return iter(())

    def read(self, deal_ids: Sequence[str], *, history: bool = False) -> DealPage:
        found = self.reader.by_id(deal_ids)
        got = {str(record["id"]) for record in found}
        missing = [deal_id for deal_id in deal_ids if deal_id not in got]
        if missing:
            archived = self.reader.by_id(missing, path=paths.ARCHIVED)
            found += [r for r in archived if r.get("status") != DealStatus.OPEN]
        mapped = self.reader.mapped(found)
        return DealPage(cursor={}, deals=mapped.deals, unparsed=mapped.unparsed)

    def close(self) -> None:
        self._client.close()
