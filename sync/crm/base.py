"""What every CRM adapter offers: the records that cross the border, and the ports; the writing half
is in writing.py and handed on here.

Records are the mirror's vocabulary, not a vendor's: an adapter's mapping.py translates.
Instants are aware and in UTC, amounts are Decimal, ids are strings as the CRM gives them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final, Protocol

from sync.crm.writing import CrmSink as CrmSink
from sync.crm.writing import DealWrite as DealWrite
from sync.crm.writing import FollowUp as FollowUp
from sync.crm.writing import FollowUps as FollowUps
from sync.crm.writing import MovesDeals as MovesDeals
from sync.crm.writing import PropertySpec as PropertySpec
from sync.crm.writing import PropertyState as PropertyState
from sync.crm.writing import PropertyStatus as PropertyStatus
from sync.crm.writing import ValueKind as ValueKind
from sync.crm.writing import WriteOutcome as WriteOutcome
from sync.crm.writing import WriteResult as WriteResult
from sync.errors import RecordsRejected


class DealStatus(StrEnum):
    OPEN = "open"
    WON = "won"
    LOST = "lost"


class Field(StrEnum):
    """Fields of a deal whose history is kept. Values in changes are text, None = empty:
    stage, pipeline, owner: ids; status: DealStatus; amount: plain decimal in the deal's
    currency; close_date: ISO 8601 UTC instant; forecast_category: as in design, upper case.
    """

    STAGE = "stage"
    STATUS = "status"
    PIPELINE = "pipeline"
    OWNER = "owner"
    AMOUNT = "amount"
    CLOSE_DATE = "close_date"
    FORECAST_CATEGORY = "forecast_category"
    NEXT_STEP = "next_step"


class ChangeSource(StrEnum):
    """Who made a change. OWN: dealpulse itself. DIFF: seen by comparing pulls, maker unknown."""

    HUMAN = "human"
    AUTOMATION = "automation"
    INTEGRATION = "integration"
    OWN = "own"
    DIFF = "diff"
    UNKNOWN = "unknown"


class RemovalReason(StrEnum):
    ARCHIVED = "archived"
    MERGED = "merged"
    PURGED = "purged"


@dataclass(frozen=True, slots=True)
class Account:
    """The customer's account. `deal_url`: link to a deal with `{deal_id}` in it, `lead_url`: to a
    lead with `{lead_id}`; or None."""

    account_id: str
    time_zone: str
    home_currency: str
    currencies: tuple[str, ...] = ()
    deal_url: str | None = None
    lead_url: str | None = None


@dataclass(frozen=True, slots=True)
class Stage:
    """`probability` 0-1 as the CRM states it, None where it states none."""

    stage_id: str
    label: str
    position: int
    probability: Decimal | None
    is_closed: bool
    is_won: bool
    archived: bool = False


@dataclass(frozen=True, slots=True)
class Pipeline:
    pipeline_id: str
    label: str
    position: int
    stages: tuple[Stage, ...]
    archived: bool = False


@dataclass(frozen=True, slots=True)
class Owner:
    """`active` is False for a deactivated or archived user. `name` falls back to the id."""

    owner_id: str
    name: str
    email: str | None
    active: bool
    teams: tuple[str, ...] = ()


ExtraValue = str | int | float | bool | list[str] | None
"""A value as JSON has it, by the kind of its field; None = empty."""


class FieldKind(StrEnum):
    """What the values of a field look like in `Deal.extra`: NUMBER a JSON number, or plain decimal
    text where a float would not hold it exactly; BOOL true or false; DATE `2026-03-31`; DATETIME
    ISO 8601 in UTC; CHOICE an option's value; CHOICES a sorted list of them; TEXT as it is.
    """

    NUMBER = "number"
    BOOL = "bool"
    DATE = "date"
    DATETIME = "datetime"
    CHOICE = "choice"
    CHOICES = "choices"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class FieldDefinition:
    """A field of `Deal.extra` as the CRM defines it now."""

    name: str
    label: str
    kind: FieldKind


@dataclass(frozen=True, slots=True)
class ExchangeRate:
    """One unit of `currency` is worth `rate` of `into`, from `valid_from` until the next one."""

    currency: str
    into: str
    rate: Decimal
    valid_from: datetime


@dataclass(slots=True)  # not frozen: a load makes a million, and frozen costs ten times as much
class Deal:
    """One deal as the CRM holds it now; never changed once made.

    amount: in `currency` (None = the CRM left it empty); amount_home: the CRM's own conversion
    to the account's home currency where it gives one. close_date: expected close while open.
    closed_at: actual close, None while open. stage_probability, rep_probability: 0-1.
    own: values of our own written properties as the CRM holds them (name -> text, None = empty).
    contact_count, company_count: None where the CRM did not say. last_contacted_at: the last call,
    mail or meeting; contact_attempts: how many; last_reply_at: the last mail from a contact, or
    meeting with one. None where there was none, or the CRM does not say.
    contact_roles: the roles that its contacts have on this deal, sorted, a line each; "" = none has
    one, None = not known, or not asked for.
    extra: fields that the customer asked for besides (name -> value by its `FieldKind`, None =
    empty); of a field that is absent the mirror keeps what it held.
    """

    deal_id: str
    name: str
    pipeline_id: str | None
    stage_id: str | None
    owner_id: str | None
    status: DealStatus
    amount: Decimal | None
    currency: str | None
    amount_home: Decimal | None
    close_date: datetime | None
    closed_at: datetime | None
    created_at: datetime
    modified_at: datetime
    stage_probability: Decimal | None = None
    rep_probability: Decimal | None = None
    rep_amount: Decimal | None = None
    forecast_category: str | None = None
    deal_type: str | None = None
    lead_source: str | None = None
    loss_reason: str | None = None
    next_step: str | None = None
    next_activity_at: datetime | None = None
    last_activity_at: datetime | None = None
    contact_count: int | None = None
    company_count: int | None = None
    last_contacted_at: datetime | None = None
    contact_attempts: int | None = None
    last_reply_at: datetime | None = None
    contact_roles: str | None = None
    own: Mapping[str, str | None] = field(default_factory=dict)
    extra: Mapping[str, ExtraValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of a deal's history. `ordinal` tells apart entries of one field and one instant."""

    deal_id: str
    field: Field
    old: str | None
    new: str | None
    changed_at: datetime
    source: ChangeSource
    ordinal: int = 0


@dataclass(frozen=True, slots=True)
class Removal:
    """A deal that left the CRM's list. `survivor_id`: for a merge, the id that lives on."""

    deal_id: str
    reason: RemovalReason
    removed_at: datetime
    survivor_id: str | None = None


@dataclass(frozen=True, slots=True)
class Unparsed:
    """A value that could not be understood; the field is left empty in the mirror and counted."""

    deal_id: str
    field: str
    raw: str


Cursor = Mapping[str, str]
"""Where to resume, opaque to everyone but the adapter that made it; stored as JSON."""


@dataclass(frozen=True, slots=True)
class DealPage:
    """What one step of a pull brought; committed together with `cursor`, or not at all.

    deals: full current state, to be upserted if `modified_at` is not older than the mirror's.
    changes: complete known history of the fields in `Capabilities.history` for those deals.
    removals: deals that left. `cursor`: where to resume after this page.
    history_read: False for a page that carries no history though the CRM keeps some: what the
    mirror holds of it stays, and it is read apart.
    whole_history: ids of deals whose `changes` are all that the CRM knows of those fields, for a
    CRM that tells it only now and then: what comparing pulls found of them gives way.
    left_out: what could not be read for want of a scope, each with what to do; deals go on.
    refused: records that could not be taken; the others are.
    notes: how the deals were read, where an operator may want to know; a sentence each.
    """

    cursor: Cursor
    deals: Sequence[Deal] = ()
    changes: Sequence[Change] = ()
    removals: Sequence[Removal] = ()
    unparsed: Sequence[Unparsed] = ()
    left_out: Sequence[str] = ()
    refused: Sequence[RecordsRejected] = ()
    notes: Sequence[str] = ()
    history_read: bool = True
    whole_history: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """The past of the deals that were `asked` for; those that `page` does not have are no more.

    stage_dates_differ: deals whose own date of the present stage is not that of their history.
    """

    asked: Sequence[str]
    page: DealPage
    stage_dates_differ: int = 0


@dataclass(frozen=True, slots=True)
class ListPage:
    """Some of all living deals as a list shows them: without our own values, with numbers and roles
    of people only where they are told. `untold`: of SHOWN, what this list does not tell; of `extra`
    it may tell a part. `removals`: ids that are known to be merged into one of the deals.
    """

    deals: Sequence[Deal]
    removals: Sequence[Removal] = ()
    untold: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class BinPage:
    """Some of the recycle bin. `following`: where the next page starts, None after the last."""

    removals: Sequence[Removal]
    following: str | None = None


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What this CRM can do on this account; stated, not guessed.

    history: fields whose history the CRM itself keeps; others are found by comparing pulls.
    can_write: forecast properties can be written back.
    contact_roles: it tells which role a contact has on a deal.
    """

    history: frozenset[Field]
    can_write: bool
    lists_removed: bool
    contact_roles: bool = False


@dataclass(frozen=True, slots=True)
class AccessCheck:
    """One thing tried by `dealpulse check`. `remedy`: what to do when not ok; `scope`: what the
    token needs for it, where the CRM has scopes."""

    what: str
    ok: bool
    detail: str
    remedy: str = ""
    needed_for: str = "reading"
    scope: str = ""


KnownVersions = Callable[[Sequence[str]], Mapping[str, frozenset[datetime]]]
"""ids -> the `modified_at` values under which the mirror already holds their present state."""

PEOPLE: Final = ("contact_count", "company_count", "contact_roles")
"""Of a deal, what its contacts and companies make: it moves no date and comes by calls of its own.
"""

SHOWN: Final = tuple(
    entry.name
    for entry in fields(Deal)
    if entry.name not in ("deal_id", "modified_at", "own", "extra", *PEOPLE)
)
"""By what, besides the date and `extra`, it is seen whether a deal is as the mirror holds it: CRMs
change a deal twice in one instant. Not by our own values, which the mirror knows before it reads
them, nor by PEOPLE."""


@dataclass(frozen=True, slots=True)
class Known:
    """A deal as the mirror holds it, and the dates under which that is its present state: its own,
    and the one that our last write gave it."""

    deal: Deal
    dates: frozenset[datetime]

    def is_shown_by(self, found: Deal) -> bool:
        """Whether `found`, as a list or a search shows it, need not be read."""
        told = found.extra.items()
        return (
            found.modified_at in self.dates
            and all(getattr(found, name) == getattr(self.deal, name) for name in SHOWN)
            and all(self.deal.extra.get(name) == value for name, value in told)
        )


KnownStates = Callable[[Sequence[str]], Mapping[str, Known]]
"""deal ids -> those that the mirror holds as living."""


class CrmSource(Protocol):
    """Reading. Every method may raise AuthError, TransientError or PermanentError."""

    @property
    def connection(self) -> str: ...

    @property
    def capabilities(self) -> Capabilities: ...

    def check(self) -> Sequence[AccessCheck]:
        """Try each permission with the cheapest request; never raises for a missing one."""

    def account(self) -> Account: ...

    def pipelines(self) -> Sequence[Pipeline]: ...

    def owners(self) -> Sequence[Owner]:
        """Active and deactivated alike."""

    def extra_fields(self) -> Sequence[FieldDefinition]:
        """The fields that `Deal.extra` has from now on."""

    def exchange_rates(self) -> Sequence[ExchangeRate]:
        """The account's own rates into its home currency, past ones too where it tells them."""

    def deal_count(self) -> int | None:
        """Deals in the CRM now, for progress bars and completeness; None where it cannot say."""

    def deals(
        self, cursor: Cursor | None, *, started_at: datetime, known: KnownStates
    ) -> Iterator[DealPage]:
        """Everything since `cursor`, page by page; None = everything there is. A generator's
        closing ends its requests.

        An interrupted pull goes on from the last committed page's cursor. The last page's cursor
        covers all changes up to `started_at` minus an overlap, never the newest change seen.
        """

    def removed(self, *, started_at: datetime) -> Iterator[Sequence[Removal]]:
        """All deals in the CRM's recycle bin."""

    def bin_page(self, after: str | None, *, started_at: datetime) -> BinPage:
        """Part of the recycle bin, as much as one request gives, or all of it; None = from the
        top. Within and across pages ids ascend."""

    def listing(self, *, started_at: datetime) -> Iterator[ListPage]:
        """All living deals with the little that tells whether the mirror holds the same."""

    def histories(self, deal_ids: Sequence[str]) -> Iterator[HistoryPage]:
        """State and whole history of these deals, page by page, as fast as the CRM allows; counts
        of contacts and companies are left out. For a CRM with `Capabilities.history` only."""

    def read(self, deal_ids: Sequence[str], *, history: bool = False) -> DealPage:
        """The present state of these deals, without changes unless `history`; missing ones are
        simply absent. A merged id comes back under its survivor's id.
        """

    def close(self) -> None: ...
