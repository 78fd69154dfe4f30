"""HubSpot's JSON as the mirror's records. Pure; what HubSpot calls things ends here."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from sync.crm.base import (
    Change,
    Deal,
    DealStatus,
    ExtraValue,
    FieldDefinition,
    Pipeline,
    Removal,
    RemovalReason,
    Stage,
    Unparsed,
)
from sync.crm.hubspot import extra, history, values
from sync.crm.hubspot.values import Doubts

Json = Mapping[str, Any]

PROPERTIES: Final = (
    "dealname",
    "pipeline",
    "dealstage",
    "hubspot_owner_id",
    "amount",
    "deal_currency_code",
    "amount_in_home_currency",
    "closedate",
    "createdate",
    "hs_lastmodifieddate",
    "hs_is_closed",
    "hs_is_closed_won",
    "hs_deal_stage_probability",
    "hs_forecast_probability",
    "hs_forecast_amount",
    "hs_manual_forecast_category",
    "dealtype",
    "hs_analytics_source",
    "closed_lost_reason",
    "hs_next_step",
    "notes_next_activity_date",
    "notes_last_updated",
    "notes_last_contacted",
    "num_contacted_notes",
    "hs_sales_email_last_replied",
    "hs_latest_meeting_activity",
    "hs_merged_object_ids",
)
"""What is asked of every deal, besides our own properties."""

_NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NOTHING: Final[Mapping[str, ExtraValue]] = {}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a deal's JSON means depends on: the account's currency and its stages."""

    home_currency: str
    stages: Mapping[tuple[str | None, str], Stage]
    own_properties: Sequence[str] = ()
    extra: Mapping[str, FieldDefinition] = field(default_factory=dict)

    def stage(self, pipeline_id: str | None, stage_id: str | None) -> Stage | None:
        """None: no such stage (any more). Found by its id alone where it is unique enough."""
        if stage_id is None:
            return None
        return self.stages.get((pipeline_id, stage_id)) or self.stages.get((None, stage_id))

    @staticmethod
    def of(
        home_currency: str,
        pipelines: Iterable[Pipeline],
        own_properties: Sequence[str] = (),
        extra: Mapping[str, FieldDefinition] | None = None,
    ) -> "Surroundings":
        stages: dict[tuple[str | None, str], Stage] = {}
        for pipeline in pipelines:
            for stage in pipeline.stages:
                stages[pipeline.pipeline_id, stage.stage_id] = stage
                stages.setdefault((None, stage.stage_id), stage)
        return Surroundings(home_currency, stages, own_properties, extra or {})


@dataclass(slots=True)
class Mapped:
    """Several deals with what came along with them."""

    deals: list[Deal] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    removals: list[Removal] = field(default_factory=list)
    unparsed: list[Unparsed] = field(default_factory=list)


Counts = Mapping[str, Mapping[str, int]]
"""`contacts` or `companies` -> deal id -> how many; a kind that is absent is not known."""


def deals(records: Iterable[Json], around: Surroundings, counts: Counts) -> Mapped:
    """Each record once, by its id; the ids merged into one come as removals."""
    mapped = Mapped()
    seen: set[str] = set()
    for record in records:
        deal_id = str(record["id"])
        if deal_id in seen:
            continue
        seen.add(deal_id)
        doubts = Doubts(deal_id)
        found = deal(record, around, counts, doubts)
        mapped.deals.append(found)
        mapped.changes += _changes(record, found, around, doubts)
        mapped.removals += merged_away(record, found.modified_at)
        mapped.unparsed += doubts.found()
    return mapped


def deal(record: Json, around: Surroundings, counts: Counts, doubts: Doubts) -> Deal:
    """One deal; a value that cannot be understood is left empty and noted in `doubts`."""
    deal_id = str(record["id"])
    props: Json = record.get("properties") or {}
    pipeline_id, stage_id = values.text(props.get("pipeline")), values.text(props.get("dealstage"))
    stage = around.stage(pipeline_id, stage_id)
    status = deal_status(props, stage, doubts)
    amount = doubts.parse("amount", values.number, props.get("amount"))
    currency = (values.text(props.get("deal_currency_code")) or around.home_currency).upper()
    amount_home = doubts.parse("amount_home", values.number, props.get("amount_in_home_currency"))
    if amount_home is None and currency == around.home_currency:
        amount_home = amount
    close_date = doubts.parse("close_date", values.instant, props.get("closedate"))
    probability = doubts.parse(
        "stage_probability", values.probability, props.get("hs_deal_stage_probability")
    )
    modified_at = modified(record, doubts)
    return Deal(
        deal_id=deal_id,
        name=values.text(props.get("dealname")) or "",
        pipeline_id=pipeline_id,
        stage_id=stage_id,
        owner_id=values.text(props.get("hubspot_owner_id")),
        status=status,
        amount=amount,
        currency=currency,
        amount_home=amount_home,
        close_date=close_date,
        closed_at=None if status is DealStatus.OPEN else close_date,
        created_at=_created(record, modified_at, doubts),
        modified_at=modified_at,
        stage_probability=stage.probability if probability is None and stage else probability,
        rep_probability=doubts.parse(
            "rep_probability", values.probability, props.get("hs_forecast_probability")
        ),
        rep_amount=doubts.parse("rep_amount", values.number, props.get("hs_forecast_amount")),
        forecast_category=values.forecast_category(props.get("hs_manual_forecast_category")),
        deal_type=values.text(props.get("dealtype")),
        lead_source=values.text(props.get("hs_analytics_source")),
        loss_reason=values.text(props.get("closed_lost_reason")),
        next_step=values.text(props.get("hs_next_step")),
        next_activity_at=doubts.parse(
            "next_activity_at", values.instant, props.get("notes_next_activity_date")
        ),
        last_activity_at=doubts.parse(
            "last_activity_at", values.instant, props.get("notes_last_updated")
        ),
        contact_count=_count(counts, "contacts", deal_id),
        company_count=_count(counts, "companies", deal_id),
        last_contacted_at=doubts.parse(
            "last_contacted_at", values.instant, props.get("notes_last_contacted")
        ),
        contact_attempts=_whole(
            doubts.parse("contact_attempts", values.number, props.get("num_contacted_notes"))
        ),
        last_reply_at=_last_reply(props, doubts),
        own={name: values.text(props.get(name)) for name in around.own_properties if name in props},
        extra=extra.values_of(props, around.extra, doubts) if around.extra else _NOTHING,
    )


def deal_status(props: Json, stage: Stage | None, doubts: Doubts) -> DealStatus:
    """HubSpot's own word on the deal first, then the stage's definition; never the label."""
    won = doubts.parse("status", values.truth, props.get("hs_is_closed_won"))
    closed = doubts.parse("status", values.truth, props.get("hs_is_closed"))
    if won:
        return DealStatus.WON
    if closed is False:
        return DealStatus.OPEN
    if closed and (won is False or stage is None):
        return DealStatus.LOST
    if stage is None:
        return DealStatus.OPEN
    if closed:
        return DealStatus.WON if stage.is_won else DealStatus.LOST
    return stage_status(stage)


def stage_status(stage: Stage | None) -> DealStatus:
    """What a deal is while in this stage; open in one that exists no more."""
    if stage is None or not stage.is_closed:
        return DealStatus.OPEN
    return DealStatus.WON if stage.is_won else DealStatus.LOST


def modified(record: Json, doubts: Doubts) -> datetime:
    """When the deal was last changed; 1970 where HubSpot does not say, so that it is read again."""
    props: Json = record.get("properties") or {}
    for raw in (props.get("hs_lastmodifieddate"), record.get("updatedAt"), record.get("createdAt")):
        at = doubts.parse("modified_at", values.instant, raw)
        if at is not None:
            return at
    doubts.note("modified_at", None)
    return _NEVER


def merged_away(record: Json, at: datetime) -> Iterator[Removal]:
    """The ids that retired into this deal; HubSpot may list the deal itself among them.

    HubSpot does not say when: `removed_at` is the survivor's last change.
    """
    survivor = str(record["id"])
    listed = values.text((record.get("properties") or {}).get("hs_merged_object_ids")) or ""
    for old_id in dict.fromkeys(part.strip() for part in listed.split(";")):
        if old_id and old_id != survivor:
            yield Removal(old_id, RemovalReason.MERGED, at, survivor)


def archived(record: Json, seen_at: datetime) -> Removal:
    """A deal in the recycle bin."""
    try:
        removed_at = values.instant(record.get("archivedAt"))
    except ValueError:
        removed_at = None
    return Removal(str(record["id"]), RemovalReason.ARCHIVED, removed_at or seen_at)


def listed_counts(record: Json, kind: str) -> tuple[int, bool]:
    """How many distinct `kind` a listed deal has, and whether that is all of them.

    The same contact comes once for each label of its association.
    """
    found = (record.get("associations") or {}).get(kind) or {}
    ids = {str(entry["id"]) for entry in found.get("results") or ()}
    return len(ids), not found.get("paging")


def _changes(record: Json, found: Deal, around: Surroundings, doubts: Doubts) -> Sequence[Change]:
    return history.changes(
        found.deal_id,
        record.get("propertiesWithHistory") or {},
        status=found.status,
        status_of=lambda stage_id: stage_status(around.stage(found.pipeline_id, stage_id)),
        doubts=doubts,
    )


def _created(record: Json, modified_at: datetime, doubts: Doubts) -> datetime:
    props: Json = record.get("properties") or {}
    for raw in (props.get("createdate"), record.get("createdAt")):
        at = doubts.parse("created_at", values.instant, raw)
        if at is not None:
            return at
    doubts.note("created_at", None)
    return modified_at


def _last_reply(props: Json, doubts: Doubts) -> datetime | None:
    """The last mail that came back, or the last meeting: somebody was there."""
    replied = props.get("hs_sales_email_last_replied")
    met = props.get("hs_latest_meeting_activity")
    if not replied and not met:
        return None
    found = [doubts.parse("last_reply_at", values.instant, raw) for raw in (replied, met)]
    return max((at for at in found if at is not None), default=None)


def _whole(number: Decimal | None) -> int | None:
    return None if number is None else int(number)


def _count(counts: Counts, kind: str, deal_id: str) -> int | None:
    return counts[kind].get(deal_id, 0) if kind in counts else None
