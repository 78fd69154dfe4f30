"""A company's sales put into the CRM as if people had entered them at the time."""

from collections.abc import Mapping
from decimal import Decimal

from sync.sandbox.company import Company, CompanyDeal, Event
from sync.sandbox.store.calculated import plain
from sync.sandbox.store.definitions import Definitions, Option
from sync.sandbox.store.instants import iso, parse_ms, to_ms
from sync.sandbox.store.links import Links
from sync.sandbox.store.owners import Owners
from sync.sandbox.store.pipelines import Pipelines
from sync.sandbox.store.records import Record, Source, Table

PROPERTIES = {
    "name": "dealname",
    "pipeline": "pipeline",
    "stage": "dealstage",
    "amount": "amount",
    "currency": "deal_currency_code",
    "close_date": "closedate",
    "owner": "hubspot_owner_id",
    "deal_type": "dealtype",
    "lead_source": "hs_analytics_source",
    "forecast_category": "hs_manual_forecast_category",
    "rep_probability": "hs_forecast_probability",
    "next_step": "hs_next_step",
    "loss_reason": "closed_lost_reason",
}
"""A company's field -> HubSpot's property."""

ENGAGEMENTS = Source("ENGAGEMENTS")
_CHOSEN = ("dealtype", "hs_analytics_source", "hs_manual_forecast_category", "deal_currency_code")
_FIRST_CONTACT, _FIRST_COMPANY = 101_000_000_001, 201_000_000_001


class Loader:
    """`keys`: the deal's id in its source -> its id in the CRM, as far as loaded."""

    def __init__(
        self,
        table: Table,
        definitions: Definitions,
        pipelines: Pipelines,
        owners: Owners,
        links: Links,
        *,
        percent: bool,
    ) -> None:
        self._table = table
        self._definitions = definitions
        self._pipelines = pipelines
        self._owners = owners
        self._links = links
        self._percent = percent
        self._contact, self._company = _FIRST_CONTACT, _FIRST_COMPANY
        self._automation = Source("AUTOMATION_PLATFORM", "enrollmentId:1;actionExecutionIndex:0")
        self._import = Source("IMPORT", "1")
        self._people: dict[str | None, Source] = {}
        self.keys: dict[str, int] = {}

    def load(self, company: Company) -> None:
        for deal in company.deals:
            self.keys[deal.key] = self._deal(deal)
        self._offer_what_is_used()

    def _deal(self, deal: CompanyDeal) -> int:
        created = to_ms(deal.created_at)
        record = Record(self._table.new_id(), created, created)
        for event in deal.events:
            at = to_ms(event.at)
            name = PROPERTIES[event.field]
            record.put(name, self._value(name, event.value), at, self._source(event, record))
            record.modified = max(record.modified, at)
        self._default_pipeline(record)
        self._activities(deal, record)
        self.link(record.id, deal.contacts, deal.companies)
        if deal.archived_at is not None:
            record.archived = to_ms(deal.archived_at)
        self._table.add(record)
        return record.id

    def _value(self, name: str, value: str | None) -> str | None:
        if not value:
            return None
        if name == "closedate":
            ms = parse_ms(value)
            return value if ms is None else iso(ms)
        if name == "hubspot_owner_id":
            return self._owners.ids.get(value, value)
        if name == "hs_manual_forecast_category":
            return "OMIT" if value == "OMITTED" else value
        if name == "hs_forecast_probability" and self._percent:
            return plain(Decimal(value) * 100)
        return value

    def _source(self, event: Event, record: Record) -> Source:
        if event.who == "automation":
            return self._automation
        return self._import if event.who == "import" else self.person(record)

    def person(self, record: Record) -> Source:
        """The deal's owner at the CRM's own screen."""
        owner = record.values.get("hubspot_owner_id")
        if owner not in self._people:
            user = self._owners.user_id(owner)
            self._people[owner] = Source("CRM_UI", f"userId:{user}", user_id=user)
        return self._people[owner]

    def _default_pipeline(self, record: Record) -> None:
        if "pipeline" not in record.values:
            home = self._pipelines.holding(record.values.get("dealstage", ""))
            pipeline = home or self._pipelines.first()
            record.put("pipeline", pipeline.id, record.created, self.person(record))

    def _activities(self, deal: CompanyDeal, record: Record) -> None:
        if deal.activities:
            last = to_ms(max(deal.activities))
            for name in ("notes_last_updated", "notes_last_contacted"):
                record.put(name, iso(last), last, ENGAGEMENTS)
            for name in ("num_contacted_notes", "num_notes"):
                record.put(name, str(len(deal.activities)), last, ENGAGEMENTS)
            record.modified = max(record.modified, last)
        if deal.next_activity_at is not None:
            planned = iso(to_ms(deal.next_activity_at))
            record.put("notes_next_activity_date", planned, record.modified, ENGAGEMENTS)

    def link(self, deal_id: int, contacts: int, companies: int) -> None:
        for _ in range(contacts):
            self._links.add("deals", deal_id, "contacts", self._contact)
            self._contact += 1
        for _ in range(companies):
            self._links.add("deals", deal_id, "companies", self._company)
            self._company += 1

    def _offer_what_is_used(self) -> None:
        """The company's own types and sources become options, as its administrator made them."""
        for name in _CHOSEN:
            definition = self._definitions.one(name)
            used = {v.values[name] for v in self._table.records() if name in v.values}
            for value in sorted(used - {o.value for o in definition.options}):
                definition.options.append(Option(value, value, len(definition.options)))


def currencies(home: str, rates: Mapping[str, Decimal]) -> list[str]:
    return [home, *sorted(set(rates) - {home})]
