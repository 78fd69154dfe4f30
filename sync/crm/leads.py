"""Leads: the people (contacts, persons) on their way to becoming customers, as every CRM adapter
that can read them hands them over. A capability of its own: not every CRM has it.

Nothing here can hold a name, a message or an address: what is not read cannot leak.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from sync.crm.base import CrmSink, Cursor, KnownVersions


class LeadField(StrEnum):
    """What of a lead has a history. Values in changes are text, None = empty.

    stage: the CRM's own id of the lifecycle stage; where a lead is in several at once, all of them
    with `;` between. source: its own name of where it came from.
    page_views, submissions, email_clicks, email_opens: how many so far, whole numbers.
    contacted_at: our last call, mail or meeting; replied_at: the lead's last answer; met_at: the
    last meeting; all three ISO 8601 in UTC.
    """

    STAGE = "stage"
    SOURCE = "source"
    PAGE_VIEWS = "page_views"
    SUBMISSIONS = "submissions"
    EMAIL_CLICKS = "email_clicks"
    EMAIL_OPENS = "email_opens"
    CONTACTED_AT = "contacted_at"
    REPLIED_AT = "replied_at"
    MET_AT = "met_at"


@dataclass(frozen=True, slots=True)
class Lead:
    """A lead as the CRM holds it now. `source`: the CRM's own name of where it came from. `own`:
    our properties' values as text, None = empty; those that are not there are left out.
    person_id, deal_id: whose lead it is and the deal that it became, where those are records of
    their own. known_since: what is known of its past begins then; None = it is known whole.
    """

    lead_id: str
    stage: str | None
    owner_id: str | None
    source: str | None
    created_at: datetime
    modified_at: datetime
    own: Mapping[str, str | None] = field(default_factory=dict)
    person_id: str | None = None
    deal_id: str | None = None
    known_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class LeadChange:
    """Since `changed_at` the field held `value`. `ordinal` tells entries of one instant apart."""

    lead_id: str
    field: LeadField
    changed_at: datetime
    value: str | None
    ordinal: int = 0


@dataclass(frozen=True, slots=True)
class Engagement:
    """Something that happened at `at` with a lead, or with a person or a deal and so with each of
    their leads that there were by then. `field`: of those whose values are instants."""

    field: LeadField
    at: datetime
    lead_id: str | None = None
    person_id: str | None = None
    deal_id: str | None = None


@dataclass(frozen=True, slots=True)
class LeadPage:
    """Committed together with `cursor`, or not at all. `unparsed`: values that were left out.

    history_read: False where the CRM keeps none: another stage than the last known one is a change
    found by comparing, and what a lead no longer tells (its source, its person) stays as it was.
    left_out: what could not be read for want of a scope, each with what to do; the rest goes on.
    """

    cursor: Cursor
    leads: Sequence[Lead] = ()
    changes: Sequence[LeadChange] = ()
    unparsed: int = 0
    engagements: Sequence[Engagement] = ()
    history_read: bool = True
    left_out: Sequence[str] = ()


class LeadSource(Protocol):
    """Every method may raise AuthError (with `missing_scopes` where only a scope is missing),
    TransientError or PermanentError."""

    def leads(
        self, cursor: Cursor | None, *, started_at: datetime, known: KnownVersions
    ) -> Iterator[LeadPage]:
        """What changed since `cursor`, page by page; None = all there are. A first load that was
        interrupted goes on at the last committed page's cursor. `known`: as for deals."""

    def lead_ids(self) -> Iterator[Sequence[str]]:
        """The ids of all that there are now; of those with a `deal_id` some may be missing."""


class LeadSink(CrmSink, Protocol):
    """Writing our properties of leads: `DealWrite.deal_id` and `WriteOutcome.deal_id` are a lead's.
    Only for CRMs that have a place for them."""

    def own_values(self, lead_ids: Sequence[str]) -> Mapping[str, Mapping[str, str | None]]:
        """Our properties' values as the CRM holds them now, by lead; those that are gone are left
        out."""
