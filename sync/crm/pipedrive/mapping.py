"""Pipedrive's deals as the mirror's records. Pure; what Pipedrive calls things ends here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from sync.crm.base import (
    Account,
    Change,
    Deal,
    DealStatus,
    Pipeline,
    Removal,
    RemovalReason,
    Unparsed,
    ValueKind,
)
from sync.crm.doubts import Doubts
from sync.crm.pipedrive import fields, history, values

Json = Mapping[str, Any]

INCLUDED: Final = (
    "next_activity_id",
    "last_activity_id",
    "participants_count",
    "done_activities_count",
    "last_incoming_mail_time",
    "last_outgoing_mail_time",
)
"""What v2 gives of a deal only when asked, at no extra cost."""

BY_ACTIVITIES: Final = frozenset({"next_activity_at", "last_activity_at", "last_contacted_at"})
"""What is not known of a deal before its activities are read."""

_NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class OwnField:
    """One of our fields: its key, how it is written, and its options' numbers."""

    key: str
    kind: ValueKind
    choices: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a deal's JSON means depends on.

    rates: one unit of a currency in the home currency. own_probability: pipelines in which a
    deal's own probability counts. own: our properties as fields.
    """

    account: Account
    stage_probability: Mapping[str, Decimal | None]
    own_probability: frozenset[str]
    rates: Mapping[str, Decimal]
    own: Mapping[str, OwnField]

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.account.time_zone)


def stage_probabilities(pipelines: Sequence[Pipeline]) -> dict[str, Decimal | None]:
    """By stage id, which in Pipedrive is unique in the account."""
    return {s.stage_id: s.probability for pipeline in pipelines for s in pipeline.stages}


@dataclass(frozen=True, slots=True)
class ActivityDates:
    """Of one deal, our own follow-ups left out. last: done; next: planned."""

    last: datetime | None = None
    next: datetime | None = None


@dataclass(slots=True)
class Mapped:
    deals: list[Deal] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    removals: list[Removal] = field(default_factory=list)
    unparsed: list[Unparsed] = field(default_factory=list)


def deals(
    records: Sequence[Json],
    around: Surroundings,
    activities: Mapping[str, ActivityDates],
    *,
    known: frozenset[str],
) -> Mapped:
    """known: deals that the mirror holds; what a new one's own dates tell of its past comes too."""
    mapped = Mapped()
    for record in records:
        doubts = Doubts(str(record["id"]))
        found = deal(record, around, activities.get(str(record["id"]), ActivityDates()), doubts)
        mapped.deals.append(found)
        if found.deal_id not in known:
            mapped.changes += history.born(found, stage_since(record, doubts))
        mapped.unparsed += doubts.found()
    return mapped


def deal(record: Json, around: Surroundings, dates: ActivityDates, doubts: Doubts) -> Deal:
    status = deal_status(record, doubts)
    amount = doubts.parse("amount", values.number, record.get("value"))
    currency = (values.text(record.get("currency")) or around.account.home_currency).upper()
    modified_at = modified(record, doubts)
    pipeline_id = values.identity(record.get("pipeline_id"))
    stage_id = values.identity(record.get("stage_id"))
    own = _own_probability(record, pipeline_id, around, doubts)
    return Deal(
        deal_id=str(record["id"]),
        name=values.text(record.get("title")) or "",
        pipeline_id=pipeline_id,
        stage_id=stage_id,
        owner_id=values.identity(record.get("owner_id")),
        status=status,
        amount=amount,
        currency=currency,
        amount_home=_home(amount, currency, around),
        close_date=_close_date(record, around, doubts),
        closed_at=_closed_at(record, status, modified_at, doubts),
        created_at=_created(record, modified_at, doubts),
        modified_at=modified_at,
        stage_probability=own if own is not None else around.stage_probability.get(stage_id or ""),
        rep_probability=own,
        lead_source=values.text(record.get("origin")),
        loss_reason=values.text(record.get("lost_reason")),
        next_activity_at=dates.next,
        last_activity_at=_last_activity(record, dates, doubts),
        contact_count=_contacts(record),
        company_count=int(values.identity(record.get("org_id")) is not None),
        last_contacted_at=_last_activity(record, dates, doubts),
        contact_attempts=_attempts(record),
        last_reply_at=doubts.parse(
            "last_reply_at", values.instant, record.get("last_incoming_mail_time")
        ),
        own=_own(record, around),
    )


def deal_status(record: Json, doubts: Doubts) -> DealStatus:
    """A deleted deal's status is not documented; whatever is no status counts as open."""
    raw = values.text(record.get("status"))
    if raw in (DealStatus.OPEN, DealStatus.WON, DealStatus.LOST):
        return DealStatus(raw)
    if raw != "deleted":
        doubts.note("status", raw)
    return DealStatus.OPEN


def modified(record: Json, doubts: Doubts) -> datetime:
    """1970 where Pipedrive does not say, so that anything newer wins."""
    for raw in (record.get("update_time"), record.get("add_time")):
        at = doubts.parse("modified_at", values.instant, raw)
        if at is not None:
            return at
    doubts.note("modified_at", None)
    return _NEVER


def stage_since(record: Json, doubts: Doubts) -> datetime | None:
    """None: never moved."""
    return doubts.parse("stage_change_time", values.instant, record.get("stage_change_time"))


def removed(record: Json, seen_at: datetime) -> Removal:
    """A deleted or archived deal. Polling shows a merged one as deleted; where Pipedrive names the
    deal that lives on, it is taken for merged."""
    doubts = Doubts("")
    at = None
    for name in ("archive_time", "update_time"):
        at = at or doubts.parse(name, values.instant, record.get(name))
    survivor = values.identity(record.get("merged_to_id")) or values.identity(
        record.get("merge_what_id")
    )
    reason = RemovalReason.MERGED if survivor else RemovalReason.ARCHIVED
    return Removal(str(record["id"]), reason, at or seen_at, survivor)


def _own_probability(
    record: Json, pipeline_id: str | None, around: Surroundings, doubts: Doubts
) -> Decimal | None:
    if pipeline_id not in around.own_probability:
        return None
    return doubts.parse("probability", values.percent, record.get("probability"))


def _home(amount: Decimal | None, currency: str, around: Surroundings) -> Decimal | None:
    if amount is None or currency == around.account.home_currency:
        return amount
    rate = around.rates.get(currency)
    return None if rate is None else Decimal(values.plain(amount * rate))


def _close_date(record: Json, around: Surroundings, doubts: Doubts) -> datetime | None:
    day = doubts.parse("close_date", values.day, record.get("expected_close_date"))
    return None if day is None else values.noon(day, around.zone)


def _closed_at(
    record: Json, status: DealStatus, modified_at: datetime, doubts: Doubts
) -> datetime | None:
    if status is DealStatus.OPEN:
        return None
    own = "won_time" if status is DealStatus.WON else "lost_time"
    for name in (own, "close_time"):
        at = doubts.parse("closed_at", values.instant, record.get(name))
        if at is not None:
            return at
    doubts.note("closed_at", record.get(own))
    return modified_at


def _created(record: Json, modified_at: datetime, doubts: Doubts) -> datetime:
    at = doubts.parse("created_at", values.instant, record.get("add_time"))
    if at is None:
        doubts.note("created_at", record.get("add_time"))
    return at or modified_at


def _last_activity(record: Json, dates: ActivityDates, doubts: Doubts) -> datetime | None:
    """The last thing done, or the last mail either way."""
    mails = [
        doubts.parse(name, values.instant, record.get(name))
        for name in ("last_incoming_mail_time", "last_outgoing_mail_time")
    ]
    return max((at for at in (dates.last, *mails) if at is not None), default=None)


def _contacts(record: Json) -> int:
    doubts = Doubts("")
    participants = doubts.parse("", values.number, record.get("participants_count"))
    return max(int(participants or 0), int(values.identity(record.get("person_id")) is not None))


def _attempts(record: Json) -> int | None:
    """Calls, meetings and the like that were done; mails are not counted among them."""
    raw = record.get("done_activities_count")
    return raw if isinstance(raw, int) else None


def _own(record: Json, around: Surroundings) -> dict[str, str | None]:
    held: Any = record.get("custom_fields") or {}
    return {
        name: fields.decode(own.kind, held.get(own.key), choices=own.choices)
        for name, own in around.own.items()
    }
