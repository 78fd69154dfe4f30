"""Object types of the simulated CRM: what is common to deals and tasks."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from sync.sandbox.store.calculated import Getter
from sync.sandbox.store.definitions import Definitions
from sync.sandbox.store.instants import iso
from sync.sandbox.store.records import Record, Table


class Reader(Protocol):
    def getter(self, name: str) -> Getter | None:
        """How to read one property of a record; None where there is no such property."""

    def getters(self, names: Iterable[str]) -> list[tuple[str, Getter]]:
        """For those of `names` that exist, each once."""


@dataclass(slots=True)
class PlainReader:
    """Of stored values; `created` and `modified`: what the type calls the record's own dates."""

    definitions: Definitions
    created: str = "hs_createdate"
    modified: str = "hs_lastmodifieddate"

    def getter(self, name: str) -> Getter | None:
        if self.definitions.get(name) is None:
            return None
        of_the_record: dict[str, Getter] = {
            "hs_object_id": lambda r: str(r.id),
            self.created: lambda r: iso(r.created),
            self.modified: lambda r: iso(r.modified),
        }
        return of_the_record.get(name) or partial(_stored, name)

    def getters(self, names: Iterable[str]) -> list[tuple[str, Getter]]:
        known = ((name, self.getter(name)) for name in dict.fromkeys(names))
        return [(name, getter) for name, getter in known if getter is not None]


def _stored(name: str, record: Record) -> str | None:
    return record.values.get(name)


@dataclass(frozen=True, slots=True)
class Kind:
    """defaults: shown where a read names no properties; always: shown whatever it names.
    read_scopes, write_scopes: any one of them suffices.
    """

    name: str
    singular: str
    type_id: str
    table: Table
    definitions: Definitions
    reader: Reader
    defaults: tuple[str, ...]
    always: tuple[str, ...]
    required: tuple[str, ...]
    read_scopes: tuple[str, ...]
    write_scopes: tuple[str, ...]
