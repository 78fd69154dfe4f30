"""Records of one object type: values, their history, the recycle bin and retired ids."""

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from sync.sandbox.store.instants import iso
from sync.sandbox.store.refusals import Missing


class Source(NamedTuple):
    """Who wrote a value, in HubSpot's words."""

    type: str
    id: str = ""
    label: str | None = None
    user_id: int | None = None


class Version(NamedTuple):
    """A value (None = emptied) and since when it held, in epoch milliseconds."""

    value: str | None
    at: int
    source: Source

    def as_json(self) -> dict[str, object]:
        entry: dict[str, object] = {
            "value": self.value or "",
            "timestamp": iso(self.at),
            "sourceType": self.source.type,
        }
        if self.source.id:
            entry["sourceId"] = self.source.id
        if self.source.label:
            entry["sourceLabel"] = self.source.label
        if self.source.user_id is not None:
            entry["updatedByUserId"] = self.source.user_id
        return entry


@dataclass(slots=True)
class Record:
    """`values` holds what is not empty; `history` oldest first. Instants in epoch milliseconds.

    unindexed: earlier states that the search index still shows, each until an instant.
    """

    id: int
    created: int
    modified: int
    values: dict[str, str] = field(default_factory=dict)
    history: dict[str, list[Version]] = field(default_factory=dict)
    archived: int | None = None
    unindexed: list[tuple[int, "Record | None"]] | None = None

    def put(self, name: str, value: str | None, at: int, source: Source) -> bool:
        """Set one value and keep its history; False where it was that already."""
        if self.values.get(name) == value:
            return False
        if value is None:
            del self.values[name]
        else:
            self.values[name] = value
        self.history.setdefault(name, []).append(Version(value, at, source))
        return True

    def copy(self) -> "Record":
        history = {name: list(versions) for name, versions in self.history.items()}
        return Record(
            self.id, self.created, self.modified, dict(self.values), history, self.archived
        )


class Table:
    """All records of one type by id, with the live and the archived ids in ascending order."""

    def __init__(self, first_id: int) -> None:
        self._next_id = first_id
        self._records: dict[int, Record] = {}
        self._live: list[int] = []
        self._archived: list[int] = []
        self._merged: dict[int, int] = {}

    def new_id(self) -> int:
        self._next_id += 1
        return self._next_id - 1

    def add(self, record: Record) -> None:
        self._records[record.id] = record
        insort(self._live if record.archived is None else self._archived, record.id)

    def survivor(self, record_id: int) -> int:
        """The id under which a merged record lives on; the id itself where it was not merged."""
        while record_id in self._merged:
            record_id = self._merged[record_id]
        return record_id

    def find(self, record_id: str | int, *, archived: bool = False) -> Record | None:
        """None where it does not exist, was merged away, or is not on that side of the bin."""
        if not str(record_id).isascii() or not str(record_id).isdigit():
            return None
        record = self._records.get(int(record_id))
        if record is None or (record.archived is not None) != archived:
            return None
        return record

    def get(self, record_id: str | int, *, archived: bool = False) -> Record:
        """A merged id gives its survivor. Raises Missing."""
        text = str(record_id)
        canonical = self.survivor(int(text)) if text.isascii() and text.isdigit() else text
        record = self.find(canonical, archived=archived)
        if record is None:
            raise Missing(f"no record {record_id}")
        return record

    def is_merged(self, record_id: str) -> bool:
        return record_id.isascii() and record_id.isdigit() and int(record_id) in self._merged

    def ids(self, *, archived: bool = False) -> list[int]:
        return self._archived if archived else self._live

    def records(self) -> Iterator[Record]:
        """The live ones by ascending id."""
        return (self._records[record_id] for record_id in self._live)

    def page(self, after: int, limit: int, *, archived: bool) -> tuple[list[Record], int | None]:
        """Records from id `after` on, and the id with which the next page starts."""
        ids = self.ids(archived=archived)
        start = bisect_left(ids, after)
        chosen = ids[start : start + limit + 1]
        following = chosen[limit] if len(chosen) > limit else None
        return [self._records[i] for i in chosen[:limit]], following

    def archive(self, record: Record, at: int) -> None:
        self._live.pop(bisect_left(self._live, record.id))
        record.archived = at
        insort(self._archived, record.id)

    def restore(self, record: Record) -> None:
        self._archived.pop(bisect_left(self._archived, record.id))
        record.archived = None
        insort(self._live, record.id)

    def drop(self, record: Record) -> None:
        """For ever: not even in the recycle bin."""
        ids = self._live if record.archived is None else self._archived
        ids.pop(bisect_left(ids, record.id))
        del self._records[record.id]

    def retire(self, record: Record, survivor: int) -> None:
        self.drop(record)
        self._merged[record.id] = survivor

    def purge(self, before: int) -> None:
        """Empty the bin of what was archived before `before`."""
        for record in [self._records[i] for i in self._archived]:
            if record.archived is not None and record.archived < before:
                self.drop(record)
