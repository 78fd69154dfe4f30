"""A company's contacts in the simulated Pipedrive: persons, leads, and what became of them."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from sync.sandbox.company import CompanyContact, Event
from sync.sandbox.pipedrive.instants import to_s
from sync.sandbox.pipedrive.records import Actor, Deal

if TYPE_CHECKING:
    from sync.sandbox.pipedrive.crm import PipedriveCrm

_LABELS = {"marketingqualifiedlead": "Warm", "salesqualifiedlead": "Hot"}
_CUSTOMER = ("customer", "evangelist")
_GIVEN_UP = timedelta(days=90)
"""So long after the last that is known of them, deals that were leads are marked as lost."""

_VALUE, _STEP, _STEPS = 20_000, 5_000, 9
_SOURCES = {
    "ORGANIC_SEARCH": "Website visitors",
    "PAID_SEARCH": "Web forms",
    "REFERRALS": "Manually created",
    "DIRECT_TRAFFIC": "Live chat",
    "SOCIAL_MEDIA": "Prospector",
}
"""Where a contact came from, in Pipedrive's fixed list."""


def load_contacts(crm: "PipedriveCrm") -> None:
    for contact in crm.company.contacts:
        _Contact(crm, contact).live()


class _Contact:
    """One person's events, each as somebody would have entered it."""

    def __init__(self, crm: "PipedriveCrm", contact: CompanyContact) -> None:
        self._crm = crm
        self._contact = contact
        self._owner = crm.users.admin.id
        self._source: str | None = None
        self._lead: str | None = None
        self._deal: Deal | None = None
        self._person = crm.inbox.add_person(
            f"{contact.first_name} {contact.last_name}", contact.email, at=contact.created_at
        )

    def live(self) -> None:
        first = {e.field: e.value for e in self._contact.events if e.at <= self._contact.created_at}
        self._owner = self._crm.users.ids.get(first.get("owner") or "", self._owner)
        self._source = first.get("source")
        self._crm.persons.get(self._person).owner_id = self._owner
        self._crm.inbox.people[self._contact.key] = self._person
        for event in self._contact.events:
            if event.field == "stage":
                self._stage(event)
            elif event.field in ("contacted_at", "met_at") and event.value:
                at = datetime.fromisoformat(event.value)
                self._touch("call" if event.field == "contacted_at" else "meeting", at)
            elif event.field == "replied_at" and event.value:
                at = datetime.fromisoformat(event.value)
                self._crm.inbox.mail(self._person, incoming=True, at=at)
        self._give_up()

    def _stage(self, event: Event) -> None:
        inbox, stage = self._crm.inbox, event.value
        if stage == "subscriber":
            return  # a person that nobody has made a lead of
        if self._deal is None and self._lead is None:
            self._lead = inbox.create(
                f"{self._contact.last_name} lead",
                person_id=self._person,
                owner_id=self._owner,
                source=_SOURCES.get(self._source or "", "Import"),
                at=event.at,
            )
            inbox.ids[self._contact.key] = self._lead
        if stage in _LABELS and self._deal is None:
            inbox.label(self._lead or "", _LABELS[stage], at=event.at)
        elif stage == "opportunity" or stage in _CUSTOMER:
            deal = self._deal or self._converted(event.at)
            if stage in _CUSTOMER:
                self._crm.writer.win(deal, to_s(event.at), Actor(self._owner))
                deal.update_time = to_s(event.at)
        elif stage in (None, "other") and self._deal is None:
            inbox.archive(self._lead or "", at=event.at)

    def _converted(self, at: datetime) -> Deal:
        self._deal = self._crm.deals.get(self._crm.inbox.convert(self._lead or "", at=at))
        value = Decimal(_VALUE + _STEP * (self._person % _STEPS))
        self._crm.writer.put(self._deal, "value", value, to_s(at), Actor(self._owner))
        return self._deal

    def _give_up(self) -> None:
        at = to_s(max(event.at for event in self._contact.events) + _GIVEN_UP)
        deal = self._deal
        if deal is not None and deal.status == "open" and at < self._crm.now():
            self._crm.writer.lose(deal, at, Actor(self._owner), "No answer")
            deal.update_time = at

    def _touch(self, kind: str, at: datetime) -> None:
        if self._deal is not None:
            self._crm.note_activity(self._deal, to_s(at), kind, done=True)
        else:
            self._crm.inbox.call(self._lead, person_id=self._person, kind=kind, at=at)
