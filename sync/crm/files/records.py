"""One row of an export as we understand it, and what was doubtful in it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from sync.crm.base import DealStatus


class Defect(StrEnum):
    """What can be wrong with a row. The first group loses the row, which is then in
    `<file>.rejected.csv`; the others are kept, the value left empty where it has no meaning."""

    NO_ID = "no_id"
    NO_STAGE = "no_stage"
    UNKNOWN_STATUS = "unknown_status"
    DUPLICATE_ID = "duplicate_id"
    SHIFTED = "more_cells_than_headings"

    REPEATED_ROW = "repeated_row"
    IGNORED = "ignored_status"
    NO_NAME = "no_name"
    NOT_UNDERSTOOD = "value_not_understood"
    BROKEN_FORMULA = "broken_formula"
    AMOUNT_AS_TEXT = "amount_typed_as_text"
    TWO_CURRENCIES = "two_currencies"
    STAGE_NOT_MAPPED = "stage_not_in_mapping"
    NO_CREATED = "no_creation_date"
    WON_WITHOUT_DATE = "won_without_close_date"
    LOST_WITHOUT_DATE = "lost_without_close_date"
    OPEN_WITH_DATE = "open_with_close_date"
    CLOSED_BEFORE_CREATED = "closed_before_created"
    CREATED_IN_FUTURE = "created_in_the_future"
    CLOSED_IN_FUTURE = "closed_in_the_future"
    UPDATED_IN_FUTURE = "updated_in_the_future"
    LOST_WITHOUT_REASON = "lost_without_reason"
    WON_WITHOUT_AMOUNT = "won_without_amount"
    SAID_DUPLICATE = "called_a_duplicate"
    SAME_DEAL_TWICE = "same_deal_twice"
    TEST = "test_deal"
    DEAD = "open_but_dead"


LOSES_THE_ROW: Final = frozenset(
    {
        Defect.NO_ID,
        Defect.NO_STAGE,
        Defect.UNKNOWN_STATUS,
        Defect.DUPLICATE_ID,
        Defect.SHIFTED,
    }
)


@dataclass(frozen=True, slots=True)
class Doubt:
    """deal_id: None where the row has none. `detail` says what was found, and where it helps, what
    was made of it."""

    line: int
    defect: Defect
    deal_id: str | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """A deal as a file holds it; None = empty or without meaning.

    created_at, updated_at: None where the file does not say. status: open, won or lost, or
    `deleted`. unparsed: field -> what stood there. *_count: None = the file has no such column.
    """

    deal_id: str
    name: str
    pipeline: str
    stage: str | None
    status: str
    amount: Decimal | None = None
    currency: str | None = None
    probability: Decimal | None = None
    close_date: datetime | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    closed_at: datetime | None = None
    owner: str | None = None
    owner_name: str | None = None
    owner_email: str | None = None
    last_activity_at: datetime | None = None
    next_activity_at: datetime | None = None
    next_step: str | None = None
    loss_reason: str | None = None
    lead_source: str | None = None
    deal_type: str | None = None
    forecast_category: str | None = None
    contact_count: int | None = None
    company_count: int | None = None
    contact_roles: str | None = None
    unparsed: Mapping[str, str] = field(default_factory=dict)

    @property
    def closed(self) -> bool:
        return self.status in (DealStatus.WON, DealStatus.LOST)


_INSTANTS: Final = (
    "close_date",
    "created_at",
    "updated_at",
    "closed_at",
    "last_activity_at",
    "next_activity_at",
)
_AMOUNTS: Final = ("amount", "probability")
_NAMES: Final = tuple(each.name for each in fields(Record))


def as_json(record: Record) -> dict[str, Any]:
    """What the record holds, empty fields left out."""
    held = ((name, getattr(record, name)) for name in _NAMES)
    return {name: _plain(value) for name, value in held if value not in (None, {})}


def from_json(held: Mapping[str, Any]) -> Record:
    back: dict[str, Any] = dict(held)
    back |= {n: datetime.fromisoformat(back[n]) for n in _INSTANTS if n in back}
    back |= {n: Decimal(back[n]) for n in _AMOUNTS if n in back}
    return Record(**back)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return f"{value:f}" if isinstance(value, Decimal) else value
