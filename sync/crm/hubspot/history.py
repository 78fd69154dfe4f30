"""A deal's `propertiesWithHistory` as changes of our fields. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any, Final

from sync.crm.base import Change, ChangeSource, DealStatus, Field
from sync.crm.hubspot import values
from sync.crm.hubspot.values import Doubts


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_HUMAN: Final = _words(
    "CRM_UI CRM_UI_BULK_ACTION BATCH_UPDATE COMPANIES CONTACTS CONTACTS_WEB CONVERSATIONS DEALS "
    "EXTENSION FORECASTING GMAIL_INTEGRATION HELP_DESK MEETINGS MERGE_OBJECTS MOBILE_ANDROID "
    "MOBILE_IOS PLAYBOOKS QUOTES RECYCLING_BIN SALES SALES_MESSAGES SIDEKICK SUCCESS TASK"
)
_AUTOMATION: Final = _words(
    "AI_GROUP AUTOMATION_JOURNEY AUTOMATION_PLATFORM BET_ASSIGNMENT BOT CALCULATED "
    "DATA_ENRICHMENT DEFAULT ENGAGEMENTS INTERNAL_PROCESSING PIPELINE_SETTINGS "
    "PROPERTY_SETTINGS SEQUENCES WORKFLOWS"
)
_INTEGRATION: Final = _words(
    "API EMAIL_INTEGRATION IMPORT INTEGRATION INTEGRATIONS_PLATFORM INTEGRATIONS_SYNC MIGRATION "
    "PORTAL_OBJECT_SYNC SALESFORCE SLACK_INTEGRATION"
)


def _close_date(raw: Any) -> str | None:
    parsed = values.instant(raw)
    return None if parsed is None else values.iso(parsed)


def _amount(raw: Any) -> str | None:
    parsed = values.number(raw)
    return None if parsed is None else values.plain(parsed)


_FIELDS: Final[Mapping[str, tuple[Field, Callable[[Any], str | None]]]] = {
    "dealstage": (Field.STAGE, values.text),
    "pipeline": (Field.PIPELINE, values.text),
    "amount": (Field.AMOUNT, _amount),
    "closedate": (Field.CLOSE_DATE, _close_date),
    "hubspot_owner_id": (Field.OWNER, values.text),
    "hs_manual_forecast_category": (Field.FORECAST_CATEGORY, values.forecast_category),
}

HISTORY_PROPERTIES: Final[tuple[str, ...]] = tuple(_FIELDS)
"""Whose history is read with a deal."""

HISTORY_FIELDS: Final = frozenset({field for field, _ in _FIELDS.values()} | {Field.STATUS})


_SOURCES: Final[Mapping[str, ChangeSource]] = {
    **dict.fromkeys(_INTEGRATION, ChangeSource.INTEGRATION),
    **dict.fromkeys(_AUTOMATION, ChangeSource.AUTOMATION),
    **dict.fromkeys(_HUMAN, ChangeSource.HUMAN),
}

_Version = tuple[datetime, str | None, ChangeSource]
"""Since when, what, by whom: plain tuples, for there are a dozen in every deal."""


StatusOfStage = Callable[[str | None], DealStatus]
"""By a stage's definition; an unknown stage counts as open."""


def changes(
    deal_id: str,
    history: Mapping[str, Any],
    *,
    present: Mapping[str, Any],
    status: DealStatus,
    status_of: StatusOfStage,
    doubts: Doubts,
) -> list[Change]:
    """The deal's changes, each field's in order of time, equal neighbours collapsed.

    `present`: the deal's properties, which tell what was last where two share an instant.

    HubSpot keeps no history of the status: it follows from the stages', and the last one is the
    present `status`, whatever the stage's definition says today. What cannot be understood goes
    to `doubts`.
    """
    found: list[Change] = []
    for name, (field, parse) in _FIELDS.items():
        entries = history.get(name)
        if not isinstance(entries, list):
            continue
        versions = _versions(field, entries, parse, doubts)
        if name in present:
            _put_last(versions, present[name], parse)
        found += _collapsed(deal_id, field, versions)
        if field is Field.STAGE and versions:
            statuses = [(at, status_of(stage).value, by) for at, stage, by in versions]
            at, _, by = statuses[-1]
            statuses[-1] = (at, status.value, by)
            found += _collapsed(deal_id, Field.STATUS, statuses)
    return found


def source(entry: Mapping[str, Any]) -> ChangeSource:
    """Who made a version, by `sourceType` (`source` in old answers)."""
    kind = str(entry.get("sourceType") or entry.get("source") or "").upper()
    known = _SOURCES.get(kind)
    if known is not None:
        return known
    if str(entry.get("sourceId") or "").startswith("userId:"):
        return ChangeSource.HUMAN
    return ChangeSource.UNKNOWN


def _versions(
    field: Field, entries: Sequence[Any], parse: Callable[[Any], str | None], doubts: Doubts
) -> list[_Version]:
    versions: list[_Version] = []
    what = f"history of {field.value}"
    for entry in entries:
        if not isinstance(entry, dict):
            continue
        raw = entry.get("timestamp")
        at = doubts.parse(what, _instant, raw)
        if at is None:
            doubts.note(what, raw)
        else:
            versions.append((at, doubts.parse(what, parse, entry.get("value")), source(entry)))
    # HubSpot was seen to give the newest first, which decides between equal instants
    if versions and versions[0][0] >= versions[-1][0]:
        versions.reverse()
    versions.sort(key=itemgetter(0))
    return versions


def _put_last(versions: list[_Version], raw: Any, parse: Callable[[Any], str | None]) -> None:
    """Among those of the last instant the present value comes last, whatever their order was."""
    if len(versions) < 2 or versions[-1][0] != versions[-2][0]:
        return
    try:
        value = parse(raw)
    except ValueError:  # noted where the value itself is read
        return
    at = versions[-1][0]
    same = [n for n, version in enumerate(versions) if version[:2] == (at, value)]
    if same:
        versions.append(versions.pop(same[-1]))


def _instant(raw: Any) -> datetime | None:
    """As `values.instant`, at once for the form in which nearly all come."""
    if type(raw) is str and raw.endswith("Z") and raw[4:5] == "-":
        return datetime.fromisoformat(raw)
    return values.instant(raw)


def _collapsed(deal_id: str, field: Field, versions: Sequence[_Version]) -> Iterator[Change]:
    old: str | None = None
    last: datetime | None = None
    ordinal = 0
    for at, value, by in versions:
        if value == old:
            continue
        ordinal = ordinal + 1 if at == last else 0
        yield Change(deal_id, field, old, value, at, by, ordinal)
        old, last = value, at
