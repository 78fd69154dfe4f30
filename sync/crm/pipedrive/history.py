"""A deal's past as changes: from its changelog, or from the dates on the deal itself. Pure."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from sync.crm.base import Change, ChangeSource, Deal, DealStatus, Field
from sync.crm.doubts import Doubts
from sync.crm.pipedrive import values

Json = Mapping[str, Any]

_HUMAN: Final = frozenset({"app", "mobile", "web", "mobile_app", "web_app"})
_AUTOMATION: Final = frozenset(
    {"automation", "workflow", "workflow_automation", "system", "sequence"}
)
_INTEGRATION: Final = frozenset({"api", "import", "integration", "marketplace", "sync"})

_FIELDS: Final[Mapping[str, Field]] = {
    "stage_id": Field.STAGE,
    "status": Field.STATUS,
    "pipeline_id": Field.PIPELINE,
    "user_id": Field.OWNER,
    "owner_id": Field.OWNER,
    "value": Field.AMOUNT,
    "expected_close_date": Field.CLOSE_DATE,
}
_STATUSES: Final = frozenset(DealStatus)


class _Step(NamedTuple):
    at: datetime
    old: str | None
    new: str | None
    source: ChangeSource


def born(deal: Deal, stage_since: datetime | None) -> list[Change]:
    """What a deal's own dates tell of its past, for one that was never seen before.

    stage_since: when it came into its present stage, None = it was never moved.
    """
    at, source = deal.created_at, ChangeSource.UNKNOWN
    found = [Change(deal.deal_id, Field.STATUS, None, DealStatus.OPEN.value, at, source)]
    if deal.status is not DealStatus.OPEN and deal.closed_at is not None:
        was, now = DealStatus.OPEN.value, deal.status.value
        ended = max(deal.closed_at, at)
        ordinal = int(ended == at)
        found.append(Change(deal.deal_id, Field.STATUS, was, now, ended, source, ordinal))
    if deal.stage_id is not None:
        entered = max(stage_since or at, at)
        found.append(Change(deal.deal_id, Field.STAGE, None, deal.stage_id, entered, source))
    if deal.pipeline_id is not None and stage_since is None:
        found.append(Change(deal.deal_id, Field.PIPELINE, None, deal.pipeline_id, at, source))
    return found


def from_changelog(
    deal: Deal, rows: Sequence[Json], zone: ZoneInfo, doubts: Doubts
) -> list[Change]:
    """The deal's whole history of our fields, each field's in order of time.

    rows: newest first, as Pipedrive gives them. What a field was at birth is what its first change
    changed; a field without a change is as it is now. Rows later than the deal as read are left
    for the next comparison.
    """
    steps: dict[Field, list[_Step]] = {field: [] for field in dict.fromkeys(_FIELDS.values())}
    for row in reversed(rows):
        field = _FIELDS.get(str(row.get("field_key")))
        if field is not None:
            step = _step(field, row, zone, doubts)
            if step is not None and step.at <= deal.modified_at:
                steps[field].append(step)
    found: list[Change] = []
    for field, taken in steps.items():
        taken.sort(key=lambda step: step.at)
        found += _chained(deal, field, _in_order(taken))
    return found


def source(row: Json) -> ChangeSource:
    """Who made a change, by `change_source`, which is an open list."""
    kind = str(row.get("change_source") or "").lower()
    if kind in _HUMAN:
        return ChangeSource.HUMAN
    if kind in _AUTOMATION:
        return ChangeSource.AUTOMATION
    return ChangeSource.INTEGRATION if kind in _INTEGRATION else ChangeSource.UNKNOWN


def _step(field: Field, row: Json, zone: ZoneInfo, doubts: Doubts) -> _Step | None:
    what = f"history of {field.value}"
    at = doubts.parse(what, values.instant, row.get("time"))
    if at is None:
        doubts.note(what, row.get("time"))
        return None
    parse = _parser(field, zone)
    old = doubts.parse(what, parse, row.get("old_value"))
    new = doubts.parse(what, parse, row.get("new_value"))
    return _Step(at, old, new, source(row))


def _parser(field: Field, zone: ZoneInfo) -> Callable[[Any], str | None]:
    def close_date(raw: Any) -> str | None:
        day = values.day(raw)
        return None if day is None else values.iso(values.noon(day, zone))

    def amount(raw: Any) -> str | None:
        value = values.number(raw)
        return None if value is None else values.plain(value)

    def status(raw: Any) -> str | None:
        value = values.text(raw)
        if value is not None and value not in _STATUSES:
            raise ValueError("no status of a deal")
        return value

    special = {Field.CLOSE_DATE: close_date, Field.AMOUNT: amount, Field.STATUS: status}
    return special.get(field, values.identity)


def _in_order(steps: list[_Step]) -> list[_Step]:
    """Steps of one second form a chain: each goes on from where the one before ended."""
    ordered: list[_Step] = []
    left = list(steps)
    while left:
        now = [step for step in left if step.at == left[0].at]
        here = ordered[-1].new if ordered else None
        follows = [step for step in now if ordered and step.old == here]
        begins = [step for step in now if step.old not in {other.new for other in now}]
        chosen = (follows or begins or now)[0]
        ordered.append(chosen)
        left.remove(chosen)
    return ordered


def _chained(deal: Deal, field: Field, steps: Sequence[_Step]) -> Iterator[Change]:
    first = steps[0].old if steps else _present(deal, field)
    ordinals: Counter[datetime] = Counter()
    past = [_Step(deal.created_at, None, first, ChangeSource.UNKNOWN), *steps]
    old: str | None = None
    for step in past:
        at = max(step.at, deal.created_at)
        if step.new == old:
            continue
        yield Change(deal.deal_id, field, old, step.new, at, step.source, ordinals[at])
        ordinals[at] += 1
        old = step.new


def _present(deal: Deal, field: Field) -> str | None:
    match field:
        case Field.STAGE:
            return deal.stage_id
        case Field.STATUS:
            return deal.status.value
        case Field.PIPELINE:
            return deal.pipeline_id
        case Field.OWNER:
            return deal.owner_id
        case Field.AMOUNT:
            return None if deal.amount is None else values.plain(deal.amount)
        case _:
            return None if deal.close_date is None else values.iso(deal.close_date)
