"""HubSpot's JSON as the mirror's records. Pure; what HubSpot calls things ends here."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, TypeVar

from sync.crm.base import (
    Change,
    Deal,
    DealStatus,
    FieldDefinition,
    Pipeline,
    Removal,
    RemovalReason,
    Stage,
    Unparsed,
)
from sync.crm.hubspot import extra, history, values
from sync.crm.hubspot.table import Table
from sync.crm.hubspot.values import Doubts
from sync.crm.plain import NO_DEALS, PlainDeals

T = TypeVar("T")
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
_NOTHING: Final[Mapping[str, Any]] = {}


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

    deals: PlainDeals = NO_DEALS
    changes: list[Change] = field(default_factory=list)
    removals: list[Removal] = field(default_factory=list)
    unparsed: list[Unparsed] = field(default_factory=list)


Counts = Mapping[str, Mapping[str, int]]
"""`contacts` or `companies` -> deal id -> how many; a kind that is absent is not known."""


def deals(
    records: Iterable[Json],
    around: Surroundings,
    counts: Counts,
    roles: Mapping[str, str] | None = None,
) -> Mapped:
    """Each record once, by its id; the ids merged into one come as removals. A value that cannot be
    understood is left empty and noted. roles: of the contacts, by deal; None = not known."""
    once: dict[str, Json] = {}
    for record in records:
        once.setdefault(str(record["id"]), record)
    ids = list(once)
    table = Table(list(once.values()), PROPERTIES)
    columns = _columns(ids, table, around) | _associated(ids, counts, roles)
    mapped = Mapped(deals=PlainDeals(columns))
    for n, record in enumerate(table.records):
        if record.get("propertiesWithHistory"):
            mapped.changes += _changes(record, mapped.deals[n], around, table.doubts(n))
    for n, merged in enumerate(table.raw("hs_merged_object_ids")):
        if merged:
            mapped.removals += merged_away(table.records[n], mapped.deals[n].modified_at)
    mapped.unparsed += table.unparsed()
    return mapped


def joined(
    parts: Sequence[Mapped], counts: Counts, roles: Mapping[str, str] | None = None
) -> Mapped:
    """All of several, with what is known by now of their contacts and companies."""
    deals = PlainDeals.joined([part.deals for part in parts])
    told = _associated(deals.columns["deal_id"], counts, roles)
    return Mapped(
        PlainDeals({**deals.columns, **told}),
        [change for part in parts for change in part.changes],
        [removal for part in parts for removal in part.removals],
        [value for part in parts for value in part.unparsed],
    )


def _columns(ids: Sequence[str], table: Table, around: Surroundings) -> dict[str, Sequence[Any]]:
    """As `PlainDeals` has them, without those of `_associated`."""
    pipelines, stage_ids = table.texts("pipeline"), table.texts("dealstage")
    status = _statuses(table, around, pipelines, stage_ids)
    home = around.home_currency
    currencies = _each_once(lambda code: (code or home).upper(), table.texts("deal_currency_code"))
    amounts = table.numbers("amount", "amount")
    close_dates = table.instants("close_date", "closedate")
    modified_at = _modified(table)
    return {
        "deal_id": ids,
        "name": [name or "" for name in table.texts("dealname")],
        "pipeline_id": pipelines,
        "stage_id": stage_ids,
        "owner_id": table.texts("hubspot_owner_id"),
        "status": status,
        "amount": amounts,
        "currency": currencies,
        "amount_home": [
            amount if at_home is None and currency == home else at_home
            for at_home, amount, currency in zip(
                table.numbers("amount_home", "amount_in_home_currency"),
                amounts,
                currencies,
                strict=True,
            )
        ],
        "close_date": close_dates,
        "closed_at": [
            None if is_now == DealStatus.OPEN else at
            for is_now, at in zip(status, close_dates, strict=True)
        ],
        "created_at": _created(table, modified_at),
        "modified_at": modified_at,
        "stage_probability": _stage_probabilities(table, around, pipelines, stage_ids),
        "rep_probability": table.probabilities("rep_probability", "hs_forecast_probability"),
        "rep_amount": table.numbers("rep_amount", "hs_forecast_amount"),
        "forecast_category": table.categories("hs_manual_forecast_category"),
        "deal_type": table.texts("dealtype"),
        "lead_source": table.texts("hs_analytics_source"),
        "loss_reason": table.texts("closed_lost_reason"),
        "next_step": table.texts("hs_next_step"),
        "next_activity_at": table.instants("next_activity_at", "notes_next_activity_date"),
        "last_activity_at": table.instants("last_activity_at", "notes_last_updated"),
        "last_contacted_at": table.instants("last_contacted_at", "notes_last_contacted"),
        "contact_attempts": _attempts(table),
        "last_reply_at": _last_replies(table),
        "own": _own(table, around.own_properties),
        "extra": _extra(table, around),
    }


def _each_once(make: Callable[..., T], *columns: Sequence[Any]) -> list[T]:
    """What `make` makes of each row of `columns`; it is asked once for equal rows."""
    rows = list(zip(*columns, strict=True))
    made = {row: make(*row) for row in set(rows)}
    return list(map(made.__getitem__, rows))


def _statuses(
    table: Table, around: Surroundings, pipelines: Sequence[Any], stages: Sequence[Any]
) -> list[str]:
    won, closed = table.truths("status", "hs_is_closed_won"), table.truths("status", "hs_is_closed")

    def status(won: bool | None, closed: bool | None, pipeline_id: str, stage_id: str) -> str:
        return deal_status(won, closed, around.stage(pipeline_id, stage_id)).value

    return _each_once(status, won, closed, pipelines, stages)


def _stage_probabilities(
    table: Table, around: Surroundings, pipelines: Sequence[Any], stages: Sequence[Any]
) -> Sequence[str | None]:
    stated = table.probabilities("stage_probability", "hs_deal_stage_probability")
    if None not in stated:
        return stated

    def probability(stated: str | None, pipeline_id: str, stage_id: str) -> str | None:
        stage = around.stage(pipeline_id, stage_id)
        return values.written(stage.probability) if stated is None and stage else stated

    return _each_once(probability, stated, pipelines, stages)


def deal_status(won: bool | None, closed: bool | None, stage: Stage | None) -> DealStatus:
    """HubSpot's own word on the deal first, then the stage's definition; never the label."""
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
    stated = (props.get("hs_lastmodifieddate"), record.get("updatedAt"), record.get("createdAt"))
    return _first(stated, "modified_at", doubts) or _NEVER


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
    found = (record.get("associations") or {}).get(kind)
    if not found:
        return 0, True
    linked = found.get("results") or ()
    number = len(linked) if len(linked) < 2 else len({str(entry["id"]) for entry in linked})
    return number, not found.get("paging")


def association_labels(to: Json) -> Iterator[str]:
    """The labels of one association read by batch; the plain one has none. A line each, as
    `Deal.contact_roles` has them."""
    for kind in to.get("associationTypes") or ():
        label = " ".join((values.text(kind.get("label")) or "").split())
        if label:
            yield label


def _changes(record: Json, found: Deal, around: Surroundings, doubts: Doubts) -> Sequence[Change]:
    return history.changes(
        found.deal_id,
        record.get("propertiesWithHistory") or {},
        present=record.get("properties") or {},
        status=found.status,
        status_of=lambda stage_id: stage_status(around.stage(found.pipeline_id, stage_id)),
        doubts=doubts,
    )


def _modified(table: Table) -> list[str]:
    stated = table.instants("modified_at", "hs_lastmodifieddate")
    return [
        at or values.written(modified(table.records[n], table.doubts(n)))
        for n, at in enumerate(stated)
    ]


def _created(table: Table, modified_at: Sequence[str]) -> list[str]:
    stated = table.instants("created_at", "createdate")
    return [
        at
        or values.written(
            _first([table.records[n].get("createdAt")], "created_at", table.doubts(n))
        )
        or modified_at[n]
        for n, at in enumerate(stated)
    ]


def _first(stated: Iterable[Any], field: str, doubts: Doubts) -> datetime | None:
    """The first that can be understood; that there is none is noted."""
    for raw in stated:
        at = doubts.parse(field, values.instant, raw)
        if at is not None:
            return at
    doubts.note(field, None)
    return None


def _attempts(table: Table) -> list[int | None]:
    told = table.numbers("contact_attempts", "num_contacted_notes")
    return [None if number is None else int(Decimal(number)) for number in told]


def _last_replies(table: Table) -> list[str | None]:
    """The last mail that came back, or the last meeting: somebody was there."""
    replied = table.instants("last_reply_at", "hs_sales_email_last_replied")
    met = table.instants("last_reply_at", "hs_latest_meeting_activity")
    return [
        max(one, other) if one and other else one or other
        for one, other in zip(replied, met, strict=True)
    ]


def _own(table: Table, names: Sequence[str]) -> list[Mapping[str, str | None]]:
    if table.lacks(names):
        return [_NOTHING] * len(table.props)
    return [own(props, names) for props in table.props]


def own(props: Json, names: Sequence[str]) -> dict[str, str | None]:
    """Our properties that are there, None = empty."""
    return {name: values.text(props[name]) for name in names if name in props}


def _extra(table: Table, around: Surroundings) -> Sequence[Mapping[str, Any]]:
    if not around.extra:
        return [_NOTHING] * len(table.records)
    return [
        extra.values_of(props, around.extra, table.doubts(n)) for n, props in enumerate(table.props)
    ]


def _associated(
    ids: Sequence[str], counts: Counts, roles: Mapping[str, str] | None
) -> dict[str, Sequence[Any]]:
    return {
        "contact_count": _count(counts, "contacts", ids),
        "company_count": _count(counts, "companies", ids),
        "contact_roles": [None if roles is None else roles.get(deal_id, "") for deal_id in ids],
    }


def _count(counts: Counts, kind: str, ids: Sequence[str]) -> list[int | None]:
    known = counts.get(kind)
    return [None if known is None else known.get(deal_id, 0) for deal_id in ids]
