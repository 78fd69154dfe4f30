"""What has to be written: desired minus actual, and a brake on the absurd. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Final

from sync.crm.base import ValueKind
from sync.errors import SafetyStop
from sync.writeback.fields import (
    CALL,
    COMPUTED_AT,
    EXPECTED_AMOUNT,
    EXPLANATION,
    KINDS,
    PREDICTED_CLOSE,
    PROPERTY_NAMES,
    QUALITY_SCORE,
    STALE_DAYS,
    WIN_BY_MONTH,
    WIN_BY_QUARTER,
    WIN_PROBABILITY,
    Values,
)
from sync.writeback.lead_fields import (
    LEAD_COMPUTED_AT,
    LEAD_KINDS,
    LEAD_PROBABILITY,
    LEAD_REASONS,
    LEAD_SCORE,
)

TOLERANCE: Final[Mapping[str, Decimal]] = {
    WIN_PROBABILITY: Decimal("0.01"),
    WIN_BY_MONTH: Decimal("0.05"),
    WIN_BY_QUARTER: Decimal("0.05"),
    PREDICTED_CLOSE: Decimal(7),
    QUALITY_SCORE: Decimal(1),
    STALE_DAYS: Decimal(7),
    LEAD_SCORE: Decimal(5),
    LEAD_PROBABILITY: Decimal("0.02"),
}
"""A number, or a day, that moved by no more than this is left as it is."""

RELATIVE_TOLERANCE: Final[Mapping[str, Decimal]] = {EXPECTED_AMOUNT: Decimal("0.1")}
"""The same as a share of the value that the CRM holds."""

RIDERS: Final = frozenset({EXPLANATION, COMPUTED_AT, LEAD_REASONS, LEAD_COMPUTED_AT})
"""Written only where empty, or together with another change."""

_KINDS: Final = {**KINDS, **LEAD_KINDS}

AGEING: Final = frozenset({STALE_DAYS, WIN_BY_MONTH, WIN_BY_QUARTER, CALL, PREDICTED_CLOSE})
"""Change for every deal by the mere passing of time, so they say nothing about a mistake."""


@dataclass(frozen=True, slots=True)
class PlannedWrite:
    """One deal's change, or one lead's, whose id then is the `deal_id`. `before` and `after` have
    the same properties, None = empty.

    moved: the properties whose change makes the write necessary; the others in `after` go along,
    so that what a deal holds is always of one moment. first: the deal carried no value of ours.
    """

    deal_id: str
    before: Values
    after: Values
    moved: frozenset[str] = frozenset()
    first: bool = False

    @property
    def weighs(self) -> bool:
        """Counts against the brake: changes what a deal already carries, and not by age alone."""
        return not self.first and not self.moved <= AGEING | RIDERS


@dataclass(frozen=True, slots=True)
class WritePlan:
    """writes: in order of deal id. unchanged: deals that hold what they should. cleared: writes
    that empty all our properties of a deal that closed.
    """

    writes: tuple[PlannedWrite, ...]
    unchanged: int
    cleared: int


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One line of a plan as a person reads it; texts as stored, None = empty."""

    deal_id: str
    deal: str
    property: str
    before: str | None
    after: str | None


def plan(
    desired: Mapping[str, Values],
    actual: Mapping[str, Values],
    *,
    closed: Collection[str],
    names: Sequence[str] = PROPERTY_NAMES,
) -> WritePlan:
    """The least that makes `actual` hold `desired`.

    closed: deals to be cleared where they carry a value of ours; it wins over `desired`. Deals in
    neither are left alone, as is every property outside `names`.
    """
    writes: list[PlannedWrite] = []
    unchanged = cleared = 0
    closed_ids = frozenset(closed)
    for deal_id in sorted(closed_ids.intersection(actual)):
        if clearing := _clear(deal_id, actual[deal_id], names):
            writes.append(clearing)
            cleared += 1
    for deal_id in sorted(desired.keys() - closed_ids):
        if change := _change(deal_id, desired[deal_id], actual.get(deal_id, {}), names):
            writes.append(change)
        else:
            unchanged += 1
    writes.sort(key=lambda write: write.deal_id)
    return WritePlan(tuple(writes), unchanged, cleared)


def carrying(actual: Mapping[str, Values], names: Sequence[str] = PROPERTY_NAMES) -> int:
    """How many deals hold at least one value of ours."""
    return sum(_carries(held, names) for held in actual.values())


def brake(
    plan: WritePlan,
    *,
    carrying: int,
    share: float,
    expected: int = 0,
    minimum: int = 50,
    allow: bool = False,
    records: str = "deals",
) -> None:
    """Raise SafetyStop where `plan` changes more than `share` of the deals that already carry our
    values, and at least `minimum` of them. First writes do not count, nor does ageing alone, nor as
    many as are `expected`, because that many deals had their past read since.
    """
    changes = sum(write.weighs for write in plan.writes) - expected
    if allow or changes < minimum or changes <= share * carrying:
        return
    raise SafetyStop(
        f"Nothing was written: the plan would change {changes} of the {carrying} {records} that "
        f"carry dealpulse values (limit {share:.0%}). That is far more than a usual day. Look at "
        "it with `dealpulse writeback plan`; if it is right, run `dealpulse writeback apply "
        "--allow-mass-change` once."
    )


def writeback_plan_rows(
    plan: WritePlan,
    names: Mapping[str, str],
    labels: Mapping[str, str] | None = None,
    properties: Sequence[str] = PROPERTY_NAMES,
) -> Sequence[PlanRow]:
    """The plan for display. names: deal id -> title; labels: property -> what people see;
    properties: in their order."""
    shown = labels or {}
    return [
        PlanRow(
            write.deal_id,
            names.get(write.deal_id, write.deal_id),
            shown.get(name, name),
            write.before[name],
            write.after[name],
        )
        for write in plan.writes
        for name in properties
        if name in write.after
    ]


def same_value(name: str, left: str | None, right: str | None) -> bool:
    """Whether two texts of a property mean the same: "0.40" is "0.4", "b;a" is "a;b"."""
    return _meaning(name, left) == _meaning(name, right)


def _clear(deal_id: str, held: Values, names: Sequence[str]) -> PlannedWrite | None:
    before = {name: held[name] for name in names if not _empty(held.get(name))}
    if not before:
        return None
    return PlannedWrite(
        deal_id, before, dict.fromkeys(before), moved=frozenset(before), first=False
    )


def _change(
    deal_id: str, wanted: Values, held: Values, names: Sequence[str]
) -> PlannedWrite | None:
    differing = [
        name
        for name in names
        if name in wanted and not same_value(name, wanted[name], held.get(name))
    ]
    moved = frozenset(name for name in differing if _moved(name, wanted[name], held.get(name)))
    if not moved:
        return None
    return PlannedWrite(
        deal_id,
        before={name: held.get(name) for name in differing},
        after={name: wanted[name] for name in differing},
        moved=moved,
        first=not _carries(held, names),
    )


def _moved(name: str, wanted: str | None, held: str | None) -> bool:
    """Whether a differing value is reason enough to write."""
    if name in RIDERS:
        return _empty(held)
    new, old = _meaning(name, wanted), _meaning(name, held)
    if isinstance(new, Decimal) and isinstance(old, Decimal):
        return abs(new - old) > _tolerance(name, old)
    return True


def _tolerance(name: str, held: Decimal) -> Decimal:
    return TOLERANCE.get(name, Decimal(0)) + RELATIVE_TOLERANCE.get(name, Decimal(0)) * abs(held)


def _carries(held: Values, names: Sequence[str]) -> bool:
    return any(not _empty(held.get(name)) for name in names)


def _empty(text: str | None) -> bool:
    return text is None or not text.strip()


def _meaning(name: str, text: str | None) -> object:
    """A value that compares by what it says; the bare text where it is not of its kind."""
    if text is None or not text.strip():
        return None
    text = text.strip()
    match _KINDS[name]:
        case ValueKind.CHOICES:
            return frozenset(part.strip() for part in text.split(";")) - {""} or None
        case ValueKind.DATETIME:
            return _instant(text)
        case ValueKind.DATE:
            return _day(text)
        case ValueKind.PROBABILITY | ValueKind.AMOUNT | ValueKind.INTEGER:
            return _number(text)
        case _:
            return text


def _number(text: str) -> Decimal | str:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return text
    return number if number.is_finite() else text


def _day(text: str) -> Decimal | str:
    """A day as a number, so that days compare by how far they are apart."""
    try:
        return Decimal(date.fromisoformat(text).toordinal())
    except ValueError:
        return text


def _instant(text: str) -> datetime | str:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return text
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant
