"""A company's sales put into the simulated Pipedrive as if people had entered them at the time."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from sync.sandbox.company import CompanyDeal, CompanyStage, Event
from sync.sandbox.pipedrive.fields import FieldDefinition
from sync.sandbox.pipedrive.instants import to_s
from sync.sandbox.pipedrive.lead_loading import load_contacts
from sync.sandbox.pipedrive.records import Actor, Deal, Person
from sync.sandbox.pipedrive.stages import Stage

if TYPE_CHECKING:
    from sync.sandbox.pipedrive.crm import PipedriveCrm

_SOURCES = {"human": "app", "automation": "workflow", "import": "import"}
_PLAIN = {"name": "title", "currency": "currency"}
_CUSTOM = {
    "deal_type": ("Deal type", "enum"),
    "lead_source": ("Lead source", "enum"),
    "forecast_category": ("Forecast category", "enum"),
    "next_step": ("Next step", "varchar"),
}
"""Fields of a company that Pipedrive has no own field for: made by its administrator."""

_KINDS = ("call", "meeting", "email")
_FIRST_ORG = 501


class Loader:
    """`keys`: a deal's id in its source -> its id here. `stages`: a stage's -> its id here."""

    def __init__(self, crm: "PipedriveCrm") -> None:
        self._crm = crm
        self._zone = ZoneInfo(crm.company.time_zone)
        self._closed: dict[str, CompanyStage] = {}
        self._custom: dict[str, FieldDefinition] = {}
        self._options: dict[tuple[str, str], int | str] = {}
        self._org = _FIRST_ORG
        self.keys: dict[str, int] = {}
        self.stages: dict[str, int] = {}
        self.pipelines: dict[str, int] = {}

    def load(self) -> None:
        self._load_stages()
        self._load_fields()
        for deal in self._crm.company.deals:
            self._deal(deal)
        self._load_activities()
        load_contacts(self._crm)

    def _load_stages(self) -> None:
        crm = self._crm
        for source in crm.company.pipelines:
            pipeline = crm.pipelines.add(
                source.label, crm.since, deal_probability=crm.behaviour.deal_probability
            )
            self.pipelines[source.id] = pipeline.id
            for stage in source.stages:
                if stage.is_closed:
                    self._closed[stage.id] = stage
                    continue
                made = crm.pipelines.add_stage(
                    pipeline.id,
                    stage.label,
                    crm.since,
                    probability=round(stage.probability * 100),
                    days_to_rotten=crm.behaviour.days_to_rotten,
                )
                self.stages[stage.id] = made.id

    def _load_fields(self) -> None:
        used: dict[str, set[str]] = {}
        for deal in self._crm.company.deals:
            for event in deal.events:
                if event.field in _CUSTOM and event.value:
                    used.setdefault(event.field, set()).add(event.value)
        for name in sorted(used):
            label, kind = _CUSTOM[name]
            definition = self._crm.fields.add(label, kind, sorted(used[name]))
            self._custom[name] = definition
            for option in definition.options or ():
                self._options[name, option.label] = option.id

    def _deal(self, source: CompanyDeal) -> None:
        crm, born = self._crm, to_s(source.created_at)
        events = [e for e in source.events if not _rewritten(e, source, self._closed)]
        first = {e.field: e.value for e in events if e.at <= source.created_at}
        stage = self._first_stage(first)
        owner = crm.users.ids.get(first.get("owner") or "", crm.users.admin.id)
        deal = Deal(
            crm.deals.new_id(), first.get("name") or source.key, owner, owner,
            stage.pipeline_id, stage.id, born, born, currency=crm.company.home_currency,
        )  # fmt: skip
        crm.writer.born(deal, Actor(owner))
        initial = [e for e in events if e.at <= source.created_at]
        for event in initial:
            self._happened(deal, event)
        deal.changes = [c for c in deal.changes if c.key in ("add_time", "status")]
        deal.stage_change_time = None
        for event in events[len(initial) :]:
            self._happened(deal, event)
        self._people(deal, source)
        if source.archived_at is not None:
            deal.is_deleted, deal.update_time = True, to_s(source.archived_at)
        crm.deals.add(deal)
        self.keys[source.key] = deal.id

    def _first_stage(self, first: Mapping[str, str | None]) -> Stage:
        pipelines = self._crm.pipelines
        stage_id = self.stages.get(first.get("stage") or "")
        if stage_id is not None:
            return pipelines.stage(stage_id)
        return pipelines.first_stage(self.pipelines.get(first.get("pipeline") or ""))

    def _happened(self, deal: Deal, event: Event) -> None:
        at, writer = to_s(event.at), self._crm.writer
        actor = Actor(deal.owner_id, _SOURCES[event.who])
        deal.update_time = max(deal.update_time, at)
        if event.field == "stage":
            self._stage(deal, event.value, at, actor)
        elif event.field in _PLAIN:
            if event.value:
                writer.put(deal, _PLAIN[event.field], event.value, at, actor)
        elif event.field == "amount":
            value = None if event.value is None else Decimal(event.value)
            writer.put(deal, "value", value, at, actor)
        elif event.field == "owner":
            owner = self._crm.users.ids.get(event.value or "", self._crm.users.admin.id)
            writer.put(deal, "owner_id", owner, at, actor)
        elif event.field in self._custom:
            self._put_custom(deal, event, at, actor)
        else:
            self._judged(deal, event, at, actor)

    def _judged(self, deal: Deal, event: Event, at: int, actor: Actor) -> None:
        writer = self._crm.writer
        if event.field == "close_date":
            writer.put(deal, "expected_close_date", self._day(event.value), at, actor)
        elif event.field == "loss_reason" and deal.status == "lost":
            writer.put(deal, "lost_reason", event.value, at, actor)
        elif event.field == "rep_probability":
            percent = None if event.value is None else round(Decimal(event.value) * 100)
            writer.put(deal, "probability", percent, at, actor)

    def _stage(self, deal: Deal, stage_id: str | None, at: int, actor: Actor) -> None:
        writer, closed = self._crm.writer, self._closed.get(stage_id or "")
        if closed is not None:
            if closed.is_won:
                writer.win(deal, at, actor)
            else:
                writer.lose(deal, at, actor, None)
            return
        if deal.status != "open":
            writer.reopen(deal, at, actor)
        if stage_id is not None:
            writer.move(deal, self._known_stage(stage_id, deal.pipeline_id), at, actor)

    def _known_stage(self, stage_id: str, pipeline_id: int) -> Stage:
        """One that the company names no more was deleted, with deals in it."""
        if stage_id not in self.stages:
            gone = self._crm.pipelines.add_stage(pipeline_id, stage_id, self._crm.since)
            gone.is_deleted = True
            self.stages[stage_id] = gone.id
        return self._crm.pipelines.stage(self.stages[stage_id])

    def _put_custom(self, deal: Deal, event: Event, at: int, actor: Actor) -> None:
        value: object = event.value or None
        if value is not None and self._custom[event.field].type == "enum":
            value = self._options[event.field, str(value)]
        self._crm.writer.put_custom(deal, self._custom[event.field].code, value, at, actor)

    def _day(self, text: str | None) -> str | None:
        """The account's day of an instant."""
        if not text:
            return None
        at = datetime.fromisoformat(text)
        return (
            (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(self._zone).date().isoformat()
        )

    def _people(self, deal: Deal, source: CompanyDeal) -> None:
        if source.contacts:
            made = [self._contact(deal) for _ in range(source.contacts)]
            deal.person_id, deal.participants = made[0].id, source.contacts
        if source.companies:
            deal.org_id = self._org
            self._org += source.companies

    def _contact(self, deal: Deal) -> Person:
        persons = self._crm.persons
        number = persons.new_id()
        person = Person(
            number, f"Contact {number}", f"contact{number}@customer.example", deal.owner_id,
            deal.add_time, deal.add_time,
        )  # fmt: skip
        return persons.add(person)

    def _load_activities(self) -> None:
        """In order of time, as their ids are."""
        happened = [
            (at, self.keys[deal.key], True)
            for deal in self._crm.company.deals
            for at in deal.activities
        ]
        happened += [
            (deal.next_activity_at, self.keys[deal.key], False)
            for deal in self._crm.company.deals
            if deal.next_activity_at is not None
        ]
        for number, (at, deal_id, done) in enumerate(sorted(happened)):
            deal = self._crm.deals.get(deal_id)
            kind = _KINDS[number % len(_KINDS)] if done else "call"
            self._crm.note_activity(deal, to_s(at), kind, done=done)
            if done and self._crm.behaviour.activity_moves_deal and not deal.is_deleted:
                deal.update_time = max(deal.update_time, to_s(at))


def _rewritten(event: Event, deal: CompanyDeal, closed: Mapping[str, CompanyStage]) -> bool:
    """Whether it is the close date that other CRMs put in on closing; Pipedrive does not."""
    if event.field != "close_date" or event.who != "automation" or event.at <= deal.created_at:
        return False
    return any(
        e.at == event.at and e.field == "stage" and (e.value or "") in closed for e in deal.events
    )
