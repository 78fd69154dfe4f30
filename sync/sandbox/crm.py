"""The simulated CRM itself, in HubSpot's vocabulary: what people and programs can do to it.

Every method may be called from any thread. Instants come from the clock.
"""

import threading
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from zlib import crc32

from sync.clock import Clock
from sync.sandbox.behaviour import Behaviour
from sync.sandbox.company import Company
from sync.sandbox.store import catalogue
from sync.sandbox.store.calculated import Calculated
from sync.sandbox.store.contacts import Contacts
from sync.sandbox.store.definitions import Definitions
from sync.sandbox.store.editing import Editor
from sync.sandbox.store.goals import GoalTargets
from sync.sandbox.store.instants import to_ms
from sync.sandbox.store.kinds import Kind, PlainReader
from sync.sandbox.store.links import Links
from sync.sandbox.store.loading import Loader, currencies
from sync.sandbox.store.owners import Owners
from sync.sandbox.store.pipelines import Pipelines
from sync.sandbox.store.rates import Rates
from sync.sandbox.store.records import Record, Source, Table
from sync.sandbox.store.tokens import Token, Tokens

_FIRST_DEAL, _FIRST_TASK = 498_828_500_001, 498_900_000_001
_TASK_READ = ("crm.objects.contacts.read", "crm.objects.tasks.read")
_TASK_WRITE = ("crm.objects.contacts.write", "crm.objects.tasks.write")


class Crm:
    """One account, filled from `company`. Deal ids are texts; unknown ones raise Missing."""

    def __init__(self, company: Company, clock: Clock, behaviour: Behaviour) -> None:
        self.lock = threading.RLock()
        self.clock = clock
        self.behaviour = behaviour
        self.company = company
        self.portal_id = 140_000_000 + crc32(company.name.encode()) % 1_000_000
        self.deals_since = min((to_ms(d.created_at) for d in company.deals), default=self.now())
        self.pipelines = Pipelines(company.pipelines, self.deals_since)
        self.owners = Owners(company.owners, self.deals_since)
        self.currencies = currencies(company.home_currency, company.exchange_rates)
        self.rates = Rates(company.home_currency, company.exchange_rates, self.deals_since)
        self.links = Links()
        self.tokens = Tokens()
        self.deals = self._deal_kind()
        self.tasks = self._task_kind()
        self.contacts = Contacts(company.contacts, self.owners, self.now, self.lock)
        self.goals = GoalTargets(company.goals, self.owners, self.now, self.lock)
        kinds = (self.deals, self.tasks, self.contacts.kind, self.goals.kind)
        self.kinds = {kind.name: kind for kind in kinds}
        self._loader = Loader(
            self.deals.table,
            self.deals.definitions,
            self.pipelines,
            self.owners,
            self.links,
            percent=behaviour.forecast_probability == "percent",
        )
        self._loader.load(company)
        self._editor = Editor(self)

    def now(self) -> int:
        return to_ms(self.clock.now())

    # what people do

    def create(
        self,
        properties: Mapping[str, object],
        *,
        contacts: int = 0,
        companies: int = 0,
        source: str = "CRM_UI",
    ) -> str:
        """A new deal; without a pipeline and a stage, in the first ones. Raises Refused."""
        with self.lock:
            record = self._editor.create(self.deals, properties, self._source(source, properties))
            self._loader.link(record.id, contacts, companies)
            return str(record.id)

    def edit(self, deal_id: str, properties: Mapping[str, object], source: str = "CRM_UI") -> None:
        """None or "" empties. Raises Refused, and then nothing was written."""
        with self.lock:
            record = self.deals.table.get(deal_id)
            self._editor.edit(self.deals, record, properties, self._source(source, record.values))

    def archive(self, deal_id: str) -> None:
        """Into the recycle bin; its modification instant stays."""
        with self.lock:
            self.deals.table.archive(self.deals.table.get(deal_id), self.now())

    def restore(self, deal_id: str) -> None:
        with self.lock:
            record = self.deals.table.get(deal_id, archived=True)
            self.deals.table.restore(record)

    def purge(self, deal_id: str) -> None:
        """Delete for ever, from the recycle bin or at once."""
        with self.lock:
            table = self.deals.table
            table.drop(table.find(deal_id) or table.get(deal_id, archived=True))

    def merge(self, winner_id: str, loser_id: str) -> str:
        """The id under which both go on. Raises Missing, and Conflict for one deal with itself."""
        with self.lock:
            return str(self._editor.merge(winner_id, loser_id).id)

    def log_activity(self, deal_id: str, at: datetime | None = None) -> None:
        """A call, a mail or a meeting with the customer, now or at that instant."""
        with self.lock:
            record = self.deals.table.get(deal_id)
            self._editor.log_activity(record, self.now() if at is None else to_ms(at))

    def schedule_activity(self, deal_id: str, at: datetime) -> None:
        with self.lock:
            self._editor.schedule(self.deals.table.get(deal_id), to_ms(at))

    def label_contact(self, deal_id: str, contact_id: int, *labels: str) -> None:
        """What a contact is on a deal; moves no modification date, as in HubSpot."""
        with self.lock:
            self.links.label("deals", int(deal_id), "contacts", contact_id, *labels)

    # what an administrator does

    def delete_stage(self, pipeline_id: str, stage_id: str) -> None:
        """Deals in it keep its id."""
        with self.lock:
            self.pipelines.delete_stage(pipeline_id, stage_id, self.now())

    def rename_stage(self, pipeline_id: str, stage_id: str, label: str) -> None:
        with self.lock:
            self.pipelines.rename_stage(pipeline_id, stage_id, label, self.now())

    def deactivate_owner(self, owner_id: str) -> None:
        with self.lock:
            self.owners.get(self.owner_id(owner_id)).archived = True

    def remove_property(self, name: str) -> None:
        """A deal property; reads drop it from now on."""
        with self.lock:
            self.deals.definitions.archive(name, self.now())

    def purge_property(self, name: str) -> None:
        """A deal property out of the recycle bin, for ever; its values and their history go too."""
        with self.lock:
            self.deals.definitions.purge(name)
            for record in self.deals.table.records():
                record.values.pop(name, None)
                record.history.pop(name, None)

    def set_rate(self, currency: str, rate: Decimal, effective: datetime | None = None) -> None:
        """Another rate from that instant on, or from now; the former ones stay on the list."""
        with self.lock:
            now = self.now()
            self.rates.set(currency, rate, now if effective is None else to_ms(effective), now)

    def edit_rate(self, currency: str, rate: Decimal) -> None:
        """The present rate is another one, and always was."""
        with self.lock:
            self.rates.edit(currency, rate, self.now())

    def add_property(
        self, name: str, value_type: str = "string", field_type: str = "text", **more: object
    ) -> None:
        """A deal property of the customer's own."""
        spec = {
            "name": name,
            "label": name.replace("_", " ").capitalize(),
            "type": value_type,
            "fieldType": field_type,
            "groupName": "dealinformation",
            **more,
        }
        with self.lock:
            self.deals.definitions.create(spec, self.now())

    def rename_property(self, name: str, label: str) -> None:
        """Its label: the internal name never changes."""
        with self.lock:
            self.deals.definitions.update(name, {"label": label}, self.now())

    def add_token(self, scopes: Iterable[str]) -> str:
        with self.lock:
            return self.tokens.add(scopes).value

    def set_scopes(self, token: str, scopes: Iterable[str]) -> None:
        with self.lock:
            self.tokens.get(token).scopes = frozenset(scopes)

    def expire_token(self, token: str) -> None:
        with self.lock:
            self.tokens.get(token).expired = self.now()

    def expire_all_tokens(self) -> None:
        """Also those that would have lived on, as when the app was changed."""
        with self.lock:
            self.tokens.expire(self.now())

    # what can be seen

    def deal(self, deal_id: str) -> dict[str, str | None]:
        """Every property of a deal, live or in the bin, calculated ones included."""
        with self.lock:
            table = self.deals.table
            record = table.find(deal_id, archived=True) or table.get(deal_id)
            names = (d.name for d in self.deals.definitions.all(with_derived=True))
            return {name: get(record) for name, get in self.deals.reader.getters(names)}

    def history(self, deal_id: str, name: str) -> list[dict[str, object]]:
        """As the API shows it, oldest first."""
        with self.lock:
            table = self.deals.table
            record = table.find(deal_id, archived=True) or table.get(deal_id)
            return [version.as_json() for version in record.history.get(name, ())]

    def deal_ids(self) -> list[str]:
        """Of the live deals, ascending."""
        with self.lock:
            return [str(deal_id) for deal_id in self.deals.table.ids()]

    def id_of(self, key: str) -> str:
        """The CRM's id of the company's deal with that key (a merged one: its first id)."""
        return str(self._loader.keys[key])

    def owner_id(self, key: str) -> str:
        """The CRM's id of the company's owner with that id; the CRM's own ids go through."""
        return self.owners.ids.get(key, key)

    # what programs do, through the API

    def write(
        self, kind: Kind, record: Record, properties: Mapping[str, object], token: Token
    ) -> None:
        self._editor.edit(kind, record, properties, integration(token))

    def add(
        self,
        kind: Kind,
        properties: Mapping[str, object],
        token: Token,
        links: Sequence[tuple[str, int]] = (),
    ) -> Record:
        record = self._editor.create(kind, properties, integration(token))
        for to_kind, to_id in links:
            self.associate(kind.name, record.id, to_kind, to_id)
        return record

    def associate(self, kind: str, record_id: int, to_kind: str, to_id: int) -> None:
        """A task that is given to a deal counts as activity on the deal."""
        if not self.links.add(kind, record_id, to_kind, to_id):
            return
        pair = {kind: record_id, to_kind: to_id}
        if pair.keys() == {"tasks", "deals"}:
            task = self.tasks.table.find(pair["tasks"])
            deal = self.deals.table.find(pair["deals"])
            if task is not None and deal is not None:
                self._editor.task_given(task, deal)

    def check(self, kind: Kind, record: Record | None, properties: Mapping[str, Any]) -> None:
        """Raises Refused for values that could not be written."""
        self._editor.check(kind, record, properties)

    def _source(self, source: str, values: Mapping[str, Any]) -> Source:
        if source != "CRM_UI":
            return Source(source, "1")
        user = self.owners.user_id(values.get("hubspot_owner_id"))
        return Source("CRM_UI", f"userId:{user}", user_id=user)

    def _deal_kind(self) -> Kind:
        definitions = Definitions(
            catalogue.deal_definitions(self.pipelines, self.currencies),
            catalogue.deal_groups(),
            catalogue.StageDefinitions(self.pipelines),
        )
        reader = Calculated(
            definitions,
            self.pipelines,
            self.links,
            self.company.home_currency,
            self.rates.now,
            self.behaviour.computes_forecast_amount,
        )
        return Kind(
            name="deals",
            singular="deal",
            type_id="0-3",
            table=Table(_FIRST_DEAL),
            definitions=definitions,
            reader=reader,
            defaults=catalogue.DEAL_DEFAULTS,
            always=catalogue.ALWAYS,
            required=("dealname", "dealstage", "pipeline"),
            read_scopes=("crm.objects.deals.read",),
            write_scopes=("crm.objects.deals.write",),
        )

    def _task_kind(self) -> Kind:
        definitions = Definitions(catalogue.task_definitions(), catalogue.task_groups())
        return Kind(
            name="tasks",
            singular="task",
            type_id="0-27",
            table=Table(_FIRST_TASK),
            definitions=definitions,
            reader=PlainReader(definitions),
            defaults=(),
            always=("hs_createdate", "hs_lastmodifieddate", "hs_object_id"),
            required=("hs_timestamp",),
            read_scopes=_TASK_READ,
            write_scopes=_TASK_WRITE,
        )


def integration(token: Token) -> Source:
    return Source("INTEGRATION", str(token.app_id))
