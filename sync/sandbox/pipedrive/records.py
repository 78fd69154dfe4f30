"""Deals, activities, notes and people of the simulated Pipedrive, kept by ascending id."""

from bisect import bisect_right, insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from sync.sandbox.store.refusals import Missing


class Actor(NamedTuple):
    """Who changes something, and how, in Pipedrive's words (app, api, import, workflow)."""

    user_id: int
    source: str = "app"


class Change(NamedTuple):
    """One row of a deal's changelog; values as the changelog writes them."""

    id: int
    key: str
    old: str | None
    new: str | None
    at: int
    actor: Actor


@dataclass(slots=True, eq=False)
class Deal:
    """Instants in epoch seconds; `custom` holds the custom fields that are not empty."""

    id: int
    title: str
    creator_user_id: int
    owner_id: int
    pipeline_id: int
    stage_id: int
    add_time: int
    update_time: int
    value: Decimal | None = None
    currency: str = ""
    person_id: int | None = None
    org_id: int | None = None
    status: str = "open"
    probability: int | None = None
    lost_reason: str | None = None
    visible_to: int = 3
    label_ids: list[int] = field(default_factory=list)
    stage_change_time: int | None = None
    close_time: int | None = None
    won_time: int | None = None
    lost_time: int | None = None
    first_won_time: int | None = None
    expected_close_date: str | None = None
    is_deleted: bool = False
    is_archived: bool = False
    archive_time: int | None = None
    merged_into: int | None = None
    origin: str = "ManuallyCreated"
    source_lead_id: str | None = None
    participants: int = 0
    custom: dict[str, Any] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Activity:
    """`due_time` is UTC, "" = the whole day."""

    id: int
    subject: str
    type: str
    owner_id: int
    creator_user_id: int
    add_time: int
    update_time: int
    deal_id: int | None = None
    lead_id: str | None = None
    person_id: int | None = None
    org_id: int | None = None
    due_date: str | None = None
    due_time: str = ""
    duration: str = ""
    busy: bool = False
    done: bool = False
    marked_as_done_time: int | None = None
    is_deleted: bool = False
    participants: list[dict[str, Any]] = field(default_factory=list)
    public_description: str = ""
    priority: int | None = None
    note: str | None = None


@dataclass(slots=True, eq=False)
class Note:
    id: int
    content: str
    user_id: int
    deal_id: int | None
    add_time: int
    update_time: int
    pinned: bool = False
    active: bool = True


@dataclass(slots=True, eq=False)
class Person:
    """last_incoming, last_outgoing: when a mail came from, or went to, the person."""

    id: int
    name: str
    email: str
    owner_id: int
    add_time: int
    update_time: int
    org_id: int | None = None
    last_incoming: int | None = None
    last_outgoing: int | None = None


@dataclass(slots=True, eq=False)
class Lead:
    """In the inbox, or archived. Once converted or deleted it is in no list any more."""

    id: str
    title: str
    owner_id: int
    source_name: str
    add_time: int
    update_time: int
    person_id: int | None = None
    org_id: int | None = None
    label_ids: list[str] = field(default_factory=list)
    is_archived: bool = False


class Numbered(Protocol):
    @property
    def id(self) -> int: ...


R = TypeVar("R", bound=Numbered)


class Table(Generic[R]):
    def __init__(self, name: str, first_id: int = 1) -> None:
        self.name = name
        self._next_id = first_id
        self._records: dict[int, R] = {}
        self._ids: list[int] = []

    def new_id(self) -> int:
        self._next_id += 1
        return self._next_id - 1

    def add(self, record: R) -> R:
        self._records[record.id] = record
        insort(self._ids, record.id)
        return record

    def drop(self, record_id: int) -> None:
        del self._records[record_id]
        self._ids.remove(record_id)

    def find(self, record_id: int | str) -> R | None:
        text = str(record_id)
        return self._records.get(int(text)) if text.isascii() and text.isdigit() else None

    def get(self, record_id: int | str) -> R:
        """Raises Missing."""
        record = self.find(record_id)
        if record is None:
            raise Missing(f"no {self.name} {record_id}")
        return record

    def __iter__(self) -> Iterator[R]:
        return self.after(0)

    def __len__(self) -> int:
        return len(self._ids)

    def after(self, record_id: int) -> Iterator[R]:
        """Those with a larger id, ascending."""
        return (self._records[i] for i in self._ids[bisect_right(self._ids, record_id) :])
