"""The contacts of the simulated HubSpot: people, their lifecycle and what they did."""

from collections.abc import Callable, Iterable, Mapping
from threading import RLock

from sync.sandbox.company import CompanyContact
from sync.sandbox.store import catalogue
from sync.sandbox.store.definitions import Definitions
from sync.sandbox.store.instants import to_ms
from sync.sandbox.store.kinds import Kind, PlainReader
from sync.sandbox.store.owners import Owners
from sync.sandbox.store.records import Record, Source, Table

PROPERTIES = {
    "stage": "lifecyclestage",
    "owner": "hubspot_owner_id",
    "source": "hs_analytics_source",
    "page_views": "hs_analytics_num_page_views",
    "submissions": "num_conversion_events",
    "email_clicks": "hs_email_click",
    "email_opens": "hs_email_open",
    "contacted_at": "notes_last_contacted",
    "replied_at": "hs_sales_email_last_replied",
    "met_at": "hs_latest_meeting_activity",
}
"""A contact's field -> HubSpot's property."""

_FIRST_ID = 151_000_000_001
_SOURCE = Source("CONTACTS", "1")


class Contacts:
    """`ids`: a contact's key in the company -> its id in the CRM."""

    def __init__(
        self,
        contacts: Iterable[CompanyContact],
        owners: Owners,
        now: Callable[[], int],
        lock: RLock,
    ) -> None:
        self.kind = _kind()
        self.ids: dict[str, str] = {}
        self._owners = owners
        self._now = now
        self._lock = lock
        for contact in contacts:
            self.ids[contact.key] = self.add(contact)

    def add(self, contact: CompanyContact) -> str:
        """As if it had been entered at its time; returns its id."""
        with self._lock:
            created = to_ms(contact.created_at)
            record = Record(self.kind.table.new_id(), created, created)
            person = {
                "firstname": contact.first_name,
                "lastname": contact.last_name,
                "email": contact.email,
            }
            for name, text in person.items():
                record.put(name, text, created, _SOURCE)
            for event in contact.events:
                at = to_ms(event.at)
                value = self._owners.ids.get(event.value or "", event.value)
                record.put(PROPERTIES[event.field], value or None, at, _SOURCE)
                record.modified = max(record.modified, at)
            self.kind.table.add(record)
            return str(record.id)

    def set(self, contact_id: str, values: Mapping[str, str | None]) -> None:
        """Properties by HubSpot's names, also those that only HubSpot itself writes, now."""
        with self._lock:
            record = self.kind.table.get(contact_id)
            record.modified = self._now()
            for name, value in values.items():
                record.put(name, value, record.modified, _SOURCE)

    def value(self, contact_id: str, name: str) -> str | None:
        with self._lock:
            return self.kind.table.get(contact_id).values.get(name)

    def erase(self, contact_id: str) -> None:
        """For ever, as HubSpot does on a person's request."""
        with self._lock:
            self.kind.table.drop(self.kind.table.get(contact_id))


def _kind() -> Kind:
    definitions = Definitions(catalogue.contact_definitions(), catalogue.contact_groups())
    return Kind(
        name="contacts",
        singular="contact",
        type_id="0-1",
        table=Table(_FIRST_ID),
        definitions=definitions,
        reader=PlainReader(definitions, created="createdate", modified="lastmodifieddate"),
        defaults=("createdate", "email", "firstname", "lastname"),
        always=("createdate", "lastmodifieddate", "hs_object_id"),
        required=(),
        read_scopes=("crm.objects.contacts.read",),
        write_scopes=("crm.objects.contacts.write",),
    )
