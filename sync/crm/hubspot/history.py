"""A deal's `propertiesWithHistory` as changes of our fields. Pure."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

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


class _Version(NamedTuple):
    at: datetime
    value: str | None
    source: ChangeSource


StatusOfStage = Callable[[str | None], DealStatus]
"""By a stage's definition; an unknown stage counts as open."""


def changes(
    deal_id: str,
    history: Mapping[str, Any],
    *,
    status: DealStatus,
    status_of: StatusOfStage,
    doubts: Doubts,
) -> list[Change]:
    """The deal's changes, each field's in order of time, equal neighbours collapsed.

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
        found += _collapsed(deal_id, field, versions)
        if field is Field.STAGE and versions:
            statuses = [v._replace(value=status_of(v.value).value) for v in versions]
            statuses[-1] = statuses[-1]._replace(value=status.value)
            found += _collapsed(deal_id, Field.STATUS, statuses)
    return found


def source(entry: Mapping[str, Any]) -> ChangeSource:
    """Who made a version, by `sourceType` (`source` in old answers)."""
    kind = str(entry.get("sourceType") or entry.get("source") or "").upper()
    if kind in _HUMAN:
        return ChangeSource.HUMAN
    if kind in _AUTOMATION:
        return ChangeSource.AUTOMATION
    if kind in _INTEGRATION:
        return ChangeSource.INTEGRATION
    if str(entry.get("sourceId") or "").startswith("userId:"):
        return ChangeSource.HUMAN
    return ChangeSource.UNKNOWN


def _versions(
    field: Field, entries: Sequence[Any], parse: Callable[[Any], str | None], doubts: Doubts
) -> list[_Version]:
    versions: list[_Version] = []
    for entry in entries:
        if not isinstance(entry, dict):
            continue
        what = f"history of {field.value}"
        at = doubts.parse(what, values.instant, entry.get("timestamp"))
        if at is None:
            doubts.note(what, entry.get("timestamp"))
        else:
            value = doubts.parse(what, parse, entry.get("value"))
            versions.append(_Version(at, value, source(entry)))
    # HubSpot was seen to give the newest first, which decides between equal instants
    if versions and versions[0].at >= versions[-1].at:
        versions.reverse()
    return sorted(versions, key=lambda version: version.at)


def _collapsed(deal_id: str, field: Field, versions: Sequence[_Version]) -> Iterator[Change]:
    ordinals: Counter[datetime] = Counter()
    old: str | None = None
    for version in versions:
        if version.value == old:
            continue
        yield Change(
            deal_id, field, old, version.value, version.at, version.source, ordinals[version.at]
        )
        ordinals[version.at] += 1
        old = version.value
