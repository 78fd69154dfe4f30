"""The simulated Pipedrive itself: what people and programs can do to it.

Every method may be called from any thread. Instants come from the clock.
"""

import re
import threading
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from zlib import crc32

from sync.clock import Clock
from sync.sandbox.company import Company
from sync.sandbox.pipedrive.behaviour import PipedriveBehaviour
from sync.sandbox.pipedrive.editing import Editor
from sync.sandbox.pipedrive.fields import Fields
from sync.sandbox.pipedrive.goals import in_v1
from sync.sandbox.pipedrive.inbox import Inbox
from sync.sandbox.pipedrive.instants import DAY_S, rfc3339, spaced, to_datetime, to_s
from sync.sandbox.pipedrive.loading import Loader
from sync.sandbox.pipedrive.people import Users
from sync.sandbox.pipedrive.records import Activity, Actor, Deal, Note, Person, Table
from sync.sandbox.pipedrive.shape import DealShape
from sync.sandbox.pipedrive.stages import Pipelines
from sync.sandbox.pipedrive.tokens import Tokens
from sync.sandbox.pipedrive.writing import Writer
from sync.sandbox.store.refusals import Conflict, Missing

Id = str | int


class PipedriveCrm:
    """One company account, filled from `company`. Unknown ids raise Missing.

    Deal ids are given as texts and taken as texts or numbers.
    """

    def __init__(self, company: Company, clock: Clock, behaviour: PipedriveBehaviour) -> None:
        self.lock = threading.RLock()
        self.clock = clock
        self.behaviour = behaviour
        self.company = company
        self.company_id = 7_000_000 + crc32(company.name.encode()) % 1_000_000
        self.domain = re.sub(r"[^a-z0-9]+", "-", company.name.lower()).strip("-") or "company"
        self.since = min((to_s(d.created_at) for d in company.deals), default=self.now())
        self.users = Users(company.owners, self.since)
        self.pipelines = Pipelines()
        self.fields = Fields()
        self.currencies = {company.home_currency: Decimal(1)} | dict(company.exchange_rates)
        self.tokens = Tokens(clock, behaviour, self.users.admin.id)
        self.deals: Table[Deal] = Table("deal")
        self.activities: Table[Activity] = Table("activity")
        self.notes: Table[Note] = Table("note")
        self.persons: Table[Person] = Table("person", 1001)
        self.inbox = Inbox(self)
        self.goals: list[dict[str, Any]] = []
        self.filters: dict[int, frozenset[int]] = {}
        self.writer = Writer(self.pipelines)
        self._by_deal: dict[int, list[Activity]] = {}
        self._editor = Editor(self)
        self._loader = Loader(self)
        self._loader.load()
        for goal in company.goals:
            self.add_goal(in_v1(self, goal))

    def now(self) -> int:
        return to_s(self.clock.now())

    # what people do

    def create(self, fields: Mapping[str, Any], *, source: str = "app") -> str:
        """A new deal from v2's keys; without a stage, in the first one. Raises Invalid."""
        with self.lock:
            owner = fields.get("owner_id", self.users.admin.id)
            return str(self._editor.create(fields, Actor(owner, source)).id)

    def edit(self, deal_id: Id, fields: Mapping[str, Any], *, source: str = "app") -> None:
        """v2's keys. Raises Invalid or Conflict, and then nothing was written."""
        with self.lock:
            deal = self.deals.get(deal_id)
            self._editor.edit(deal, fields, Actor(deal.owner_id, source))

    def move(self, deal_id: Id, stage: Id) -> None:
        self.edit(deal_id, {"stage_id": self.stage_id(stage)})

    def win(self, deal_id: Id) -> None:
        self.edit(deal_id, {"status": "won"})

    def lose(self, deal_id: Id, reason: str | None = None) -> None:
        fields: dict[str, Any] = {"status": "lost"}
        self.edit(deal_id, fields if reason is None else fields | {"lost_reason": reason})

    def reopen(self, deal_id: Id) -> None:
        self.edit(deal_id, {"status": "open"})

    def archive(self, deal_id: Id) -> None:
        """Out of the ordinary lists, not deleted."""
        self.edit(deal_id, {"is_archived": True})

    def unarchive(self, deal_id: Id) -> None:
        self.edit(deal_id, {"is_archived": False})

    def delete(self, deal_id: Id) -> None:
        """Restorable for 30 days. Raises Missing where it is deleted already."""
        with self.lock:
            self.delete_deal(self.shown(deal_id))

    def restore(self, deal_id: Id) -> None:
        """Raises Missing where it is not deleted, or for ever."""
        with self.lock:
            deal = self.deals.get(deal_id)
            if not deal.is_deleted or self.purged(deal):
                raise Missing(f"no deleted deal {deal_id}")
            deal.merged_into = None
            self.edit(deal_id, {"is_deleted": False})

    def purge(self, deal_id: Id) -> None:
        """Delete for ever, at once."""
        with self.lock:
            self.deals.drop(self.deals.get(deal_id).id)

    def merge(self, winner_id: Id, loser_id: Id) -> str:
        """The winner's id. Raises Missing, and Conflict for one deal with itself."""
        with self.lock:
            winner, loser = self.deals.get(winner_id), self.deals.get(loser_id)
            self._editor.merge(winner, loser, Actor(winner.owner_id))
            return str(winner.id)

    def log_activity(self, deal_id: Id, at: datetime | None = None, kind: str = "call") -> str:
        """A call, mail or meeting that took place now, or at that instant; the activity's id."""
        with self.lock:
            when = self.now() if at is None else to_s(at)
            return str(self._new_activity(deal_id, when, kind, done=True).id)

    def schedule_activity(self, deal_id: Id, at: datetime, kind: str = "call") -> str:
        with self.lock:
            return str(self._new_activity(deal_id, to_s(at), kind, done=False).id)

    def add_note(self, deal_id: Id, content: str) -> str:
        with self.lock:
            deal = self.shown(deal_id)
            return str(self.write_note(content, deal, deal.owner_id).id)

    # what an administrator does

    def rename_stage(self, stage: Id, name: str) -> None:
        with self.lock:
            found = self.pipelines.stage(self.stage_id(stage))
            found.name, found.update_time = name, self.now()

    def set_probability(self, stage: Id, percent: int) -> None:
        with self.lock:
            found = self.pipelines.stage(self.stage_id(stage))
            found.probability, found.update_time = percent, self.now()

    def delete_stage(self, stage: Id) -> None:
        """Deals in it keep its id."""
        with self.lock:
            found = self.pipelines.stage(self.stage_id(stage))
            found.is_deleted, found.update_time = True, self.now()

    def add_stage(self, pipeline: Id, name: str, *, probability: int = 100) -> str:
        """At the pipeline's end; its id."""
        with self.lock:
            made = self.pipelines.add_stage(
                self.pipeline_id(pipeline), name, self.now(), probability=probability
            )
            return str(made.id)

    def add_user(self, name: str, email: str) -> str:
        with self.lock:
            return str(self.users.add(name, email, self.now()).id)

    def deactivate_user(self, user: Id) -> None:
        with self.lock:
            found = self.users.get(self.user_id(user))
            found.active, found.modified = False, self.now()

    def delete_field(self, code: str) -> None:
        """Values are gone from every deal."""
        with self.lock:
            self.fields.delete(code)
            for deal in self.deals:
                deal.custom.pop(code, None)

    def rename_field(self, code: str, name: str) -> None:
        with self.lock:
            self.fields.get(code).name = name

    def add_filter(self, deal_ids: list[str]) -> int:
        """A filter that finds just these deals; its id."""
        with self.lock:
            self.filters[len(self.filters) + 1] = frozenset(map(int, deal_ids))
            return len(self.filters)

    def add_goal(self, goal: Mapping[str, Any]) -> str:
        """A goal in v1's form, without id; its id."""
        with self.lock:
            number = f"{len(self.goals) + 1:032x}"
            self.goals.append({"id": number, "owner_id": self.users.admin.id, **goal})
            return number

    # what can be seen

    def deal(self, deal_id: Id) -> dict[str, Any]:
        """As GET /api/v2/deals/{id} shows it; archived and deleted ones too."""
        with self.lock:
            return DealShape(self).show(self.deals.get(deal_id))

    def history(self, deal_id: Id, key: str | None = None) -> list[dict[str, Any]]:
        """Rows of its changelog, oldest first."""
        with self.lock:
            return [
                {"field_key": c.key, "old_value": c.old, "new_value": c.new, "time": spaced(c.at),
                 "actor_user_id": c.actor.user_id, "change_source": c.actor.source}
                for c in self.deals.get(deal_id).changes
                if key in (None, c.key)
            ]  # fmt: skip

    def deal_ids(self) -> list[str]:
        """Of the deals that are neither archived nor deleted, ascending."""
        with self.lock:
            return [str(deal.id) for deal in self.live() if not deal.is_archived]

    def archived_ids(self) -> list[str]:
        with self.lock:
            return [str(deal.id) for deal in self.live() if deal.is_archived]

    def deleted_ids(self) -> list[str]:
        """Of those not yet gone for ever."""
        with self.lock:
            return [str(d.id) for d in self.deals if d.is_deleted and not self.purged(d)]

    def id_of(self, key: str) -> str:
        """The id of the company's deal with that key."""
        return str(self._loader.keys[key])

    def user_id(self, key: Id) -> int:
        """The id of the company's owner with that id; ids from here go through."""
        return _own(self.users.ids, key)

    def stage_id(self, key: Id) -> int:
        """The id of the company's open stage with that id; ids from here go through."""
        return _own(self._loader.stages, key)

    def pipeline_id(self, key: Id) -> int:
        return _own(self._loader.pipelines, key)

    # what the API uses

    def live(self) -> Iterator[Deal]:
        return (deal for deal in self.deals if not deal.is_deleted)

    def purged(self, deal: Deal) -> bool:
        """Deleted for so long that nobody can see it any more."""
        kept = self.behaviour.purge_after_days * DAY_S
        return deal.is_deleted and self.now() - deal.update_time > kept

    def shown(self, deal_id: Id) -> Deal:
        """A deal that is not deleted. Raises Missing."""
        deal = self.deals.get(deal_id)
        if deal.is_deleted:
            raise Missing(f"no deal {deal_id}")
        return deal

    def write(self, deal: Deal, body: Mapping[str, Any], actor: Actor) -> None:
        self._editor.edit(deal, body, actor)

    def add(self, body: Mapping[str, Any], actor: Actor) -> Deal:
        return self._editor.create(body, actor)

    def delete_deal(self, deal: Deal) -> None:
        deal.is_deleted, deal.update_time = True, self.now()

    def merge_deals(self, winner: Deal, loser: Deal, actor: Actor) -> None:
        self._editor.merge(winner, loser, actor)

    def activities_of(self, deal_id: int) -> list[Activity]:
        """Not deleted ones, by id."""
        return [a for a in self._by_deal.get(deal_id, ()) if not a.is_deleted]

    def link_activity(self, activity: Activity, deal_id: int | None) -> None:
        """To another deal, or to none."""
        if activity.deal_id is not None and activity in self._by_deal.get(activity.deal_id, ()):
            self._by_deal[activity.deal_id].remove(activity)
        activity.deal_id = deal_id
        if deal_id is not None:
            self._by_deal.setdefault(deal_id, []).append(activity)

    def give_activities(self, loser_id: int, winner_id: int) -> None:
        self._by_deal.setdefault(winner_id, []).extend(self._by_deal.pop(loser_id, ()))

    def touched_by_activity(self, deal_id: int | None) -> None:
        deal = self.deals.find(deal_id) if deal_id is not None else None
        if deal is not None and self.behaviour.activity_moves_deal and not deal.is_deleted:
            deal.update_time = self.now()

    def note_activity(self, deal: Deal, at: int, kind: str, *, done: bool) -> Activity:
        """An activity of the deal's owner; entered when it took place, or now where planned."""
        entered = min(at, self.now())
        activity = Activity(
            self.activities.new_id(), f"{kind.capitalize()}: {deal.title}", kind,
            deal.owner_id, deal.owner_id, entered, entered,
            person_id=deal.person_id, org_id=deal.org_id,
            due_date=rfc3339(at)[:10], due_time=f"{to_datetime(at):%H:%M}",
            done=done, marked_as_done_time=at if done else None,
        )  # fmt: skip
        self.activities.add(activity)
        self.link_activity(activity, deal.id)
        return activity

    def write_note(self, content: str, deal: Deal | None, user_id: int) -> Note:
        now = self.now()
        note = Note(self.notes.new_id(), content, user_id, deal.id if deal else None, now, now)
        self.touched_by_activity(note.deal_id)
        return self.notes.add(note)

    def _new_activity(self, deal_id: Id, at: int, kind: str, *, done: bool) -> Activity:
        deal = self.shown(deal_id)
        if deal.is_archived:
            raise Conflict(f"deal {deal_id} is archived")
        activity = self.note_activity(deal, at, kind, done=done)
        activity.add_time = activity.update_time = self.now()
        self.touched_by_activity(deal.id)
        return activity


def _own(ids: Mapping[str, int], key: Id) -> int:
    return ids[key] if isinstance(key, str) and key in ids else int(key)
