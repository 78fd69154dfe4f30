"""The writing half of what every CRM adapter offers: our properties, their values, tasks.

`base.py` hands these on: whoever needs a record or a port takes it from there.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol, runtime_checkable


class ValueKind(StrEnum):
    """How a written value is to be shown. TEXT forms: probability "0.42" (0-1), amount "1234.50",
    integer "7", date "2026-03-31", datetime ISO UTC, choice "a", choices "a;b" sorted, text as is.
    """

    PROBABILITY = "probability"
    AMOUNT = "amount"
    INTEGER = "integer"
    DATE = "date"
    DATETIME = "datetime"
    CHOICE = "choice"
    CHOICES = "choices"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class PropertySpec:
    """A property of ours in the CRM. `name` starts with `dealpulse_`. options: (value, label)."""

    name: str
    kind: ValueKind
    label: str
    description: str
    options: tuple[tuple[str, str], ...] = ()


class PropertyStatus(StrEnum):
    PRESENT = "present"
    MISSING = "missing"
    DIFFERS = "differs"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True)
class PropertyState:
    """DIFFERS: label, description or options are not ours (can be put right). CONFLICT: another
    type holds the name; a person has to rename or delete it. `detail` says what. created_at: no
    value is older than that; None where the CRM does not say."""

    name: str
    status: PropertyStatus
    detail: str = ""
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class DealWrite:
    """Values for one deal, text or None to clear. `trace_id` is unique in its batch."""

    deal_id: str
    trace_id: str
    values: Mapping[str, str | None]


class WriteResult(StrEnum):
    """MISSING: no such deal any more. MERGED: the id retired into another. REJECTED: the CRM's
    rules refused it, for ever. UNKNOWN: no answer; it may or may not have been written."""

    WRITTEN = "written"
    MISSING = "missing"
    MERGED = "merged"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class WriteOutcome:
    deal_id: str
    trace_id: str
    result: WriteResult
    detail: str = ""


@dataclass(frozen=True, slots=True)
class FollowUp:
    """Something for a deal's owner to do. rule: what found it. lines: why, what next."""

    deal_id: str
    rule: str
    subject: str
    lines: tuple[str, ...]


class FollowUps(Protocol):
    """Tasks in the CRM, for those that have them."""

    def open(self, follow_up: FollowUp) -> bool:
        """Make it, unless one of ours is open for that deal and rule; whether it was made now.

        Raises PermanentError where the CRM refuses, TransientError where it may be tried again:
        what did arrive is found then, and not made twice.
        """

    def close_others(self, standing: Collection[tuple[str, str]]) -> int:
        """Mark as done what we opened for a (deal, rule) that is not `standing`; how many."""


@runtime_checkable
class MovesDeals(Protocol):
    """Closing deals as lost and opening them again, for CRMs whose API can take that back."""

    def move(self, batch: Sequence[DealWrite]) -> Sequence[WriteOutcome]:
        """One outcome per record, in the order of `batch`. Values: status (open or lost), stage
        (where being lost is a stage), close_date (ISO UTC) and loss_reason; None = empty.
        """


class CrmSink(Protocol):
    """Writing."""

    @property
    def connection(self) -> str: ...

    @property
    def batch_size(self) -> int:
        """How many deals `write` takes at most."""

    def property_states(self, specs: Sequence[PropertySpec]) -> Sequence[PropertyState]:
        """Compare, change nothing."""

    def ensure_properties(self, specs: Sequence[PropertySpec]) -> Sequence[PropertyState]:
        """Create what is missing and put right what differs; returns the states found before.

        Raises AuthError naming the scope where properties may not be created, PermanentError on
        a conflict.
        """

    def write(self, batch: Sequence[DealWrite]) -> Sequence[WriteOutcome]:
        """One outcome per record, in the order of `batch`, whatever happened to the others."""
