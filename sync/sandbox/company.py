"""A company's sales as plain facts, in no vendor's words: what the generator and the file reader
make, and what each simulated CRM is filled from.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

Who = Literal["human", "automation", "import"]

FIELDS = (
    "name",
    "pipeline",
    "stage",
    "amount",
    "currency",
    "close_date",
    "owner",
    "deal_type",
    "lead_source",
    "forecast_category",
    "rep_probability",
    "next_step",
    "loss_reason",
)
"""Fields that an event can set. Values are text: amounts plain decimals, close_date an ISO 8601
UTC instant, stage, pipeline and owner the ids below, probabilities 0-1; None empties."""


@dataclass(frozen=True, slots=True)
class CompanyStage:
    id: str
    label: str
    probability: Decimal
    is_closed: bool = False
    is_won: bool = False


@dataclass(frozen=True, slots=True)
class CompanyPipeline:
    id: str
    label: str
    stages: tuple[CompanyStage, ...]


@dataclass(frozen=True, slots=True)
class CompanyOwner:
    id: str
    first_name: str
    last_name: str
    email: str
    active: bool = True
    team: str | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """One field set to one value. The last event of a field is its present value."""

    at: datetime
    field: str
    value: str | None
    who: Who = "human"


@dataclass(slots=True)
class CompanyDeal:
    """`key` is the deal's id in its source; the simulated CRM gives its own id in list order.

    events: in order of time; those at `created_at` are the deal's first values. A closed deal's
    close_date is whatever the last close_date event says. activities: instants of calls, mails
    and meetings with the customer. contacts, companies: how many are associated.
    """

    key: str
    created_at: datetime
    events: list[Event]
    activities: list[datetime] = field(default_factory=list)
    next_activity_at: datetime | None = None
    contacts: int = 0
    companies: int = 0
    archived_at: datetime | None = None


CONTACT_FIELDS = (
    "stage",
    "owner",
    "source",
    "page_views",
    "submissions",
    "email_clicks",
    "email_opens",
    "contacted_at",
    "replied_at",
    "met_at",
)
"""Fields that an event of a contact can set; stage: a lifecycle stage, the counters whole numbers
in text, the last three ISO 8601 UTC instants."""


@dataclass(slots=True)
class CompanyContact:
    """A person. `events`: of `CONTACT_FIELDS`, in order of time."""

    key: str
    created_at: datetime
    first_name: str
    last_name: str
    email: str
    events: list[Event]


@dataclass(frozen=True, slots=True)
class CompanyGoal:
    """What should be reached from `start` to the day before `end`: by an owner or a team of that id
    or name, or by everyone. about: "won" deals, or what else is counted, such as "calls". in_deals:
    how many, not for how much. currency: of an amount, None = the home currency. pipelines: in
    which alone deals count; empty = all.
    """

    start: date
    end: date
    target: Decimal
    owner: str | None = None
    team: str | None = None
    about: str = "won"
    in_deals: bool = False
    currency: str | None = None
    pipelines: tuple[str, ...] = ()


@dataclass(slots=True)
class Company:
    """`exchange_rates`: one unit of a currency in `home_currency`. `truth`: what the generator
    knows and an analysis should find again (rates, skills, planted defects); empty for files.
    """

    name: str
    time_zone: str
    home_currency: str
    pipelines: tuple[CompanyPipeline, ...]
    owners: tuple[CompanyOwner, ...]
    deals: list[CompanyDeal]
    exchange_rates: Mapping[str, Decimal] = field(default_factory=dict)
    truth: Mapping[str, object] = field(default_factory=dict)
    contacts: list[CompanyContact] = field(default_factory=list)
    goals: list[CompanyGoal] = field(default_factory=list)
