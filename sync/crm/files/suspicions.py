"""What is doubtful about deals that could be read: it is said, and nothing is changed. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sync.crm.base import DealStatus
from sync.crm.files.records import Defect, Doubt, Record
from sync.crm.files.words import plain

DEAD_AFTER: Final = timedelta(days=90)
"""An open deal whose latest date of any kind is older than this when the file was made."""

_TEST_WORDS: Final = frozenset({"test", "testing", "asdf", "demo test"})
_DUPLICATE_WORDS: Final = frozenset({"duplicate", "dublett", "duplikat", "dobbeltregistrert"})


def suspicions(
    records: Mapping[str, Record], lines: Mapping[str, int], file_time: datetime, zone: ZoneInfo
) -> list[Doubt]:
    """One doubt per deal and defect, in the order of the file."""
    twins = _twins(records, zone)
    return [
        Doubt(lines[deal_id], defect, deal_id, detail)
        for deal_id, record in records.items()
        for defect, detail in _of(record, twins, file_time, zone)
    ]


def _of(
    record: Record, twins: Mapping[str, str], file_time: datetime, zone: ZoneInfo
) -> Iterator[tuple[Defect, str]]:
    yield from _dates(record, file_time, zone)
    if record.status == DealStatus.WON and not record.amount:
        yield Defect.WON_WITHOUT_AMOUNT, ""
    if record.status == DealStatus.LOST and record.loss_reason is None:
        yield Defect.LOST_WITHOUT_REASON, ""
    if plain(record.loss_reason or "") in _DUPLICATE_WORDS:
        yield Defect.SAID_DUPLICATE, record.loss_reason or ""
    if any(plain(said or "") in _TEST_WORDS for said in _where_test_stands(record)):
        yield Defect.TEST, ""
    if record.deal_id in twins:
        yield Defect.SAME_DEAL_TWICE, f"as {twins[record.deal_id]}: same name, amount and day"
    latest = _latest(record) if record.status == DealStatus.OPEN else None
    if latest is not None and file_time - latest > DEAD_AFTER:
        yield Defect.DEAD, f"nothing since {latest.astimezone(zone):%Y-%m-%d}"


def _dates(record: Record, file_time: datetime, zone: ZoneInfo) -> Iterator[tuple[Defect, str]]:
    today = _day(file_time, zone)
    if record.created_at is not None and _day(record.created_at, zone) > today:
        yield Defect.CREATED_IN_FUTURE, _day(record.created_at, zone)
    if record.updated_at is not None and _day(record.updated_at, zone) > today:
        yield Defect.UPDATED_IN_FUTURE, _day(record.updated_at, zone)
    if not record.closed:
        return
    if record.closed_at is None:
        won = record.status == DealStatus.WON
        yield (Defect.WON_WITHOUT_DATE if won else Defect.LOST_WITHOUT_DATE), ""
        return
    if _day(record.closed_at, zone) > today:
        yield Defect.CLOSED_IN_FUTURE, _day(record.closed_at, zone)
    if record.created_at is not None and _day(record.closed_at, zone) < _day(
        record.created_at, zone
    ):
        days = f"{_day(record.closed_at, zone)} before {_day(record.created_at, zone)}"
        yield Defect.CLOSED_BEFORE_CREATED, days


def _day(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%Y-%m-%d}"


def _where_test_stands(record: Record) -> tuple[str | None, ...]:
    return record.name, record.lead_source, record.loss_reason, record.owner_name


def _latest(record: Record) -> datetime | None:
    known = [
        moment
        for moment in (
            record.created_at,
            record.updated_at,
            record.last_activity_at,
            record.next_activity_at,
            record.close_date,
        )
        if moment is not None
    ]
    return max(known, default=None)


def _twins(records: Mapping[str, Record], zone: ZoneInfo) -> dict[str, str]:
    """Deal -> the first one with the same name, amount and day of creation."""

    def key(record: Record) -> tuple[object, ...] | None:
        if record.created_at is None:
            return None
        return plain(record.name), record.amount, _day(record.created_at, zone)

    keys = {deal_id: key(record) for deal_id, record in records.items()}
    often = {k for k, n in Counter(k for k in keys.values() if k is not None).items() if n > 1}
    first: dict[tuple[object, ...], str] = {}
    twins: dict[str, str] = {}
    for deal_id, found in keys.items():
        if found in often and found is not None:
            if found in first:
                twins[deal_id] = first[found]
            else:
                first[found] = deal_id
    return twins
