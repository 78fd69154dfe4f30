"""What Pipedrive's deals are read with: account, stages, rates, our fields, activities."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from sync.clock import Clock
from sync.crm.base import Account, KnownStates, Owner, Pipeline
from sync.crm.pipedrive import definitions, mapping, paths, values
from sync.crm.pipedrive.answers import Json
from sync.crm.pipedrive.client import PipedriveClient
from sync.crm.pipedrive.field_map import FieldMap
from sync.crm.pipedrive.listing import MAX_IDS, chunks, every, records
from sync.crm.pipedrive.mapping import Mapped, OwnField, Surroundings
from sync.crm.pipedrive.memory import Memory, Pipelines
from sync.crm.pipedrive.state import State
from sync.errors import AuthError

RATES_LAST: Final = timedelta(days=1)
_RATES: Final = "rates"


class Reader:
    """rates: the customer's own, one unit of a currency in the home currency; they win over those
    that Pipedrive reckons with. memory: shared by the pulls of one process."""

    def __init__(
        self,
        client: PipedriveClient,
        field_map: FieldMap,
        *,
        memory: Memory,
        rates: Mapping[str, Decimal],
        state: State,
        clock: Clock,
    ) -> None:
        self.client = client
        self.activities = memory.activities
        self.clock = clock
        self._memory = memory
        self._field_map = field_map
        self._rates = dict(rates)
        self._state = state
        self._account: Account | None = None

    def account(self) -> Account:
        me = self.client.get(paths.ME, what="the token's user")
        self._account = definitions.account(me["data"])
        return self._account

    def pipelines(self) -> Sequence[Pipeline]:
        return self._known_pipelines().found

    def _known_pipelines(self) -> Pipelines:
        return self._memory.pipelines.get(self.clock.now(), self._read_pipelines)

    def _read_pipelines(self) -> Pipelines:
        listed = every(self.client, paths.PIPELINES, {}, what="the pipelines")
        stages = every(self.client, paths.STAGES, {}, what="the stages")
        return Pipelines(
            definitions.pipelines(listed, stages), definitions.deal_probability_pipelines(listed)
        )

    def owners(self) -> Sequence[Owner]:
        return self._memory.owners.get(self.clock.now(), self._read_owners)

    def _read_owners(self) -> Sequence[Owner]:
        """v1 gives the whole list at once and may repeat a user."""
        users = records(self.client.get(paths.USERS, what="the users"))
        return list({str(user["id"]): definitions.owner(user) for user in users}.values())

    def deal_query(self) -> dict[str, str]:
        """What is asked of every list of deals. Without fields of ours Pipedrive sends them all."""
        keys = [own.key for own in self.own().values()]
        chosen = {"custom_fields": ",".join(keys)} if keys else {}
        return {"include_fields": ",".join(mapping.INCLUDED), **chosen}

    def own(self) -> Mapping[str, OwnField]:
        return self._memory.own.get(self.clock.now(), self._field_map.read)

    def learn_own(self, own: Mapping[str, OwnField]) -> None:
        """Our fields as somebody else just read them."""
        self._memory.own.put(self.clock.now(), own)

    def by_id(self, deal_ids: Sequence[str], *, path: str = paths.DEALS) -> list[Json]:
        """Those of the deals that are on the list, in any order."""
        found: list[Json] = []
        for some in chunks(deal_ids, MAX_IDS):
            query = {**self.deal_query(), "ids": ",".join(some), "limit": str(MAX_IDS)}
            found += records(self.client.get(path, query, what=f"{len(some)} deals"))
        asked = frozenset(deal_ids)
        return [record for record in found if str(record["id"]) in asked]

    def mapped(
        self,
        found: Sequence[Json],
        known: KnownStates | None = None,
        *,
        with_activities: bool = True,
    ) -> Mapped:
        """known: which deals are not new, None = all of them."""
        if not found:
            return Mapped()
        self._meet(found)
        around = self.surroundings(found)
        dates = self.activities.dates(self.client, found, around.zone) if with_activities else {}
        ids = [str(record["id"]) for record in found]
        held = frozenset(ids if known is None else known(ids))
        return mapping.deals(found, around, dates, known=held)

    def _meet(self, found: Iterable[Json]) -> None:
        held = [
            (values.identity(r.get("stage_id")), values.identity(r.get("owner_id"))) for r in found
        ]
        self._memory.meet({s for s, _ in held if s}, {o for _, o in held if o})

    def zone(self) -> ZoneInfo:
        """The account's, in which its days are counted."""
        return ZoneInfo((self._account or self.account()).time_zone)

    def surroundings(self, found: Iterable[Json] = ()) -> Surroundings:
        account = self._account or self.account()
        pipelines = self._known_pipelines()
        used = {(values.text(r.get("currency")) or account.home_currency).upper() for r in found}
        return Surroundings(
            account=account,
            stage_probability=mapping.stage_probabilities(pipelines.found),
            own_probability=pipelines.own_probability,
            rates=self._rates_for(used - {account.home_currency}),
            own=self.own(),
        )

    def _rates_for(self, currencies: set[str]) -> Mapping[str, Decimal]:
        """Only where the customer gives none is Pipedrive asked, once a day."""
        if currencies <= self._rates.keys():
            return self._rates
        kept = self._state.load(_RATES)
        now = self.clock.now()
        if not kept or now.timestamp() - float(kept["at"]) >= RATES_LAST.total_seconds():
            told = {code: f"{rate:f}" for code, rate in self._implied().items()}
            kept = {"at": str(now.timestamp()), **told}
            self._state.save(_RATES, kept)
        implied = {code: Decimal(rate) for code, rate in kept.items() if code != "at"}
        return {**implied, **self._rates}

    def _implied(self) -> Mapping[str, Decimal]:
        try:
            summary = self.client.get(paths.SUMMARY, what="the summary of deals")
        except AuthError as error:
            if not error.missing_scopes:
                raise
            return {}
        return definitions.rates(summary["data"] or {})
