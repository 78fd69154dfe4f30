"""The leads inbox of the simulated Pipedrive: what people do with leads and write to persons."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import TYPE_CHECKING
from uuid import UUID

from sync.sandbox.pipedrive.instants import rfc3339, to_datetime, to_s
from sync.sandbox.pipedrive.records import Activity, Actor, Deal, Lead, Person
from sync.sandbox.store.refusals import Conflict, Missing

if TYPE_CHECKING:
    from sync.sandbox.pipedrive.crm import PipedriveCrm

SOURCES = (
    "Manually created", "Deal", "Web forms", "Prospector", "Leadbooster", "Live chat", "Import",
    "Website visitors", "Workflow automation", "API",
)  # fmt: skip
"""Fixed; an account cannot change them."""

LABELS = (("Hot", "red"), ("Warm", "yellow"), ("Cold", "blue"))
"""Of a new account."""

_GREGORIAN = 0x01B21DD213814000  # 100 ns from 1582-10-15 to 1970-01-01


@dataclass(slots=True)
class Label:
    id: str
    name: str
    color: str
    changed: int


class Inbox:
    """`at`: when it happened, None = now. Unknown ids raise Missing."""

    def __init__(self, crm: "PipedriveCrm") -> None:
        self._crm = crm
        self._dice = Random(crm.company_id)  # noqa: S311 - ids, no secrets
        self._leads: dict[str, Lead] = {}
        self._activities: dict[str, list[Activity]] = {}
        self.labels = [
            Label(self._new_id(crm.since), name, color, crm.since) for name, color in LABELS
        ]
        self.ids: dict[str, str] = {}
        """A contact's key in the company -> its lead's id."""
        self.people: dict[str, int] = {}
        """The same -> its person's id."""

    def add_person(self, name: str, email: str, *, at: datetime | None = None) -> int:
        with self._crm.lock:
            born = self._seconds(at)
            person = Person(
                self._crm.persons.new_id(), name, email, self._crm.users.admin.id, born, born
            )
            return self._crm.persons.add(person).id

    def create(
        self,
        title: str,
        *,
        person_id: int | None = None,
        owner_id: int | None = None,
        source: str = SOURCES[0],
        at: datetime | None = None,
    ) -> str:
        with self._crm.lock:
            born = self._seconds(at)
            owner = owner_id or self._crm.users.admin.id
            lead = Lead(self._new_id(born), title, owner, source, born, born, person_id)
            self._leads[lead.id] = lead
            return lead.id

    def label(self, lead_id: str, *names: str, at: datetime | None = None) -> None:
        """Just these labels from now on."""
        with self._crm.lock:
            lead = self.get(lead_id)
            known = {label.name: label.id for label in self.labels}
            lead.label_ids = [known[name] for name in names]
            lead.update_time = self._seconds(at)

    def assign(self, lead_id: str, owner_id: int) -> None:
        with self._crm.lock:
            lead = self.get(lead_id)
            lead.owner_id, lead.update_time = owner_id, self._crm.now()

    def archive(self, lead_id: str, *, at: datetime | None = None) -> None:
        self._put_aside(lead_id, archived=True, at=at)

    def unarchive(self, lead_id: str) -> None:
        self._put_aside(lead_id, archived=False, at=None)

    def delete(self, lead_id: str) -> None:
        with self._crm.lock:
            del self._leads[self.get(lead_id).id]

    def convert(self, lead_id: str, *, at: datetime | None = None) -> str:
        """The deal's id. The lead is in no list any more; its activities are the deal's."""
        with self._crm.lock:
            crm, lead, born = self._crm, self.get(lead_id), self._seconds(at)
            stage = crm.pipelines.first_stage()
            deal = Deal(
                crm.deals.new_id(), lead.title, lead.owner_id, lead.owner_id,
                stage.pipeline_id, stage.id, born, born, currency=crm.company.home_currency,
                person_id=lead.person_id, org_id=lead.org_id, source_lead_id=lead.id,
            )  # fmt: skip
            crm.writer.born(deal, Actor(lead.owner_id))
            crm.deals.add(deal)
            for activity in self._activities.pop(lead.id, ()):
                activity.lead_id = None
                crm.link_activity(activity, deal.id)
            del self._leads[lead.id]
            return str(deal.id)

    def call(
        self,
        lead_id: str | None,
        *,
        person_id: int | None = None,
        kind: str = "call",
        at: datetime | None = None,
        note: str | None = None,
    ) -> str:
        """Done with a lead, or with a person alone; the activity's id."""
        with self._crm.lock:
            crm, when = self._crm, self._seconds(at)
            lead = None if lead_id is None else self.get(lead_id)
            owner = crm.users.admin.id if lead is None else lead.owner_id
            activity = Activity(
                crm.activities.new_id(), f"{kind} with a lead", kind, owner, owner, when, when,
                lead_id=lead_id, person_id=person_id if lead is None else lead.person_id,
                due_date=rfc3339(when)[:10], due_time=f"{to_datetime(when):%H:%M}", done=True,
                marked_as_done_time=when, note=note,
            )  # fmt: skip
            self.link_activity(crm.activities.add(activity))
            return str(activity.id)

    def mail(self, person_id: int, *, incoming: bool = False, at: datetime | None = None) -> None:
        """A synced mail to the person, or from one."""
        with self._crm.lock:
            person, when = self._crm.persons.get(person_id), self._seconds(at)
            if incoming:
                person.last_incoming = when
            else:
                person.last_outgoing = when
            if self._crm.behaviour.mail_moves_person:
                person.update_time = max(person.update_time, when)

    def rename_label(self, name: str, new: str) -> None:
        with self._crm.lock:
            for label in self.labels:
                if label.name == name:
                    label.name, label.changed = new, self._crm.now()

    def listed(self, *, archived: bool) -> Sequence[Lead]:
        """From the oldest to the newest."""
        chosen = [lead for lead in self._leads.values() if lead.is_archived == archived]
        return sorted(chosen, key=lambda lead: lead.add_time)

    def activities_of(self, lead_id: str) -> list[Activity]:
        """Not deleted ones, by id."""
        return [a for a in self._activities.get(lead_id, ()) if not a.is_deleted]

    def link_activity(self, activity: Activity) -> None:
        if activity.lead_id is not None:
            self._activities.setdefault(activity.lead_id, []).append(activity)

    def get(self, lead_id: str) -> Lead:
        try:
            return self._leads[lead_id]
        except KeyError:
            raise Missing(f"no lead {lead_id}") from None

    def _put_aside(self, lead_id: str, *, archived: bool, at: datetime | None) -> None:
        with self._crm.lock:
            lead = self.get(lead_id)
            if lead.is_archived == archived:
                raise Conflict(f"lead {lead_id} is so already")
            lead.is_archived, lead.update_time = archived, self._seconds(at)

    def _seconds(self, at: datetime | None) -> int:
        return self._crm.now() if at is None else to_s(at)

    def _new_id(self, born: int) -> str:
        """A version 1 UUID has the instant in it, as those in Pipedrive's documentation do."""
        if self._crm.behaviour.lead_ids == 4:
            return str(UUID(int=self._dice.getrandbits(128), version=4))
        ticks = born * 10_000_000 + _GREGORIAN
        fields = (ticks & 0xFFFFFFFF, ticks >> 32 & 0xFFFF, ticks >> 48)
        rest = (self._dice.getrandbits(6), self._dice.getrandbits(8), self._dice.getrandbits(48))
        return str(UUID(fields=(*fields, *rest), version=1))
