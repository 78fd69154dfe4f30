"""Search: what the index knows, within HubSpot's caps."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from sync.sandbox.hubspot.calls import Call, Reply, objects_in
from sync.sandbox.hubspot.errors import invalid
from sync.sandbox.hubspot.objects import kind_of
from sync.sandbox.hubspot.shape import Shape
from sync.sandbox.store.instants import parse_ms
from sync.sandbox.store.kinds import Kind
from sync.sandbox.store.links import OBJECT_NAMES
from sync.sandbox.store.records import Record

PAGE_LIMIT = 200
MOST_GROUPS, MOST_FILTERS, MOST_FILTERS_IN_ALL = 5, 6, 18

Comparable = int | Decimal | str
Reading = Callable[[Record], Comparable | None]
Test = Callable[[Record], bool]


@dataclass(frozen=True, slots=True)
class Property:
    """How a property is compared: `read` from a record, `parse` from a filter."""

    read: Reading
    parse: Callable[[str], Comparable | None]


def search(call: Call) -> Reply:
    kind, body = kind_of(call), call.body()
    _check_length(call)
    limit, offset = _page(body, call.behaviour.search_results)
    tests = _groups(call, kind, body)
    query = str(body.get("query") or "").lower()
    records = [
        (seen, record)
        for seen, record in _indexed(call, kind)
        if any(all(test(seen) for test in group) for group in tests) and _mentions(seen, query)
    ]
    records = _sorted(kind, records, body)
    shown = 1 if call.behaviour.search_hits == "stored" else 0
    shape = Shape(call, kind, body.get("properties") or [])
    results = [shape.show(hit[shown]) for hit in records[offset : offset + limit]]
    answer: dict[str, object] = {"total": len(records), "results": results}
    if offset + limit < len(records):
        answer["paging"] = {"next": {"after": str(offset + limit)}}
    return Reply(200, answer)


def _indexed(call: Call, kind: Kind) -> Iterable[tuple[Record, Record]]:
    """Every live record as the index sees it, and as it is."""
    if not call.behaviour.index_lag_s:
        for record in kind.table.records():
            yield record, record
        return
    now = call.crm.now()
    for record in kind.table.records():
        waiting = [state for until, state in record.unindexed or () if until > now]
        seen = waiting[0] if waiting else record
        if seen is not None:
            yield seen, record


def _page(body: Mapping[str, Any], most: int) -> tuple[int, int]:
    try:
        limit, offset = int(body.get("limit") or 10), int(body.get("after") or 0)
    except (TypeError, ValueError) as error:
        raise invalid("limit and after must be whole numbers") from error
    if not 1 <= limit <= PAGE_LIMIT:
        raise invalid(f"limit must be between 1 and {PAGE_LIMIT}, but was {limit}")
    if not 0 <= offset < most:
        raise invalid(f"paging beyond {most} results is not supported: after={offset}")
    return limit, offset


def _check_length(call: Call) -> None:
    most = call.behaviour.search_body_limit
    if most is not None and len(call.raw.decode()) > most:
        raise invalid(f"A query can contain a maximum of {most} characters")


def _groups(call: Call, kind: Kind, body: Mapping[str, Any]) -> list[list[Test]]:
    """One list of tests per group; a record has to pass all tests of any one group."""
    groups = [objects_in(group, "filters") for group in objects_in(body, "filterGroups")]
    if body.get("filters"):
        groups.append(objects_in(body, "filters"))
    if len(groups) > MOST_GROUPS:
        raise invalid(f"A search takes at most {MOST_GROUPS} filter groups")
    if any(len(filters) > MOST_FILTERS for filters in groups):
        raise invalid(f"A filter group takes at most {MOST_FILTERS} filters")
    if sum(len(filters) for filters in groups) > MOST_FILTERS_IN_ALL:
        raise invalid(f"A search takes at most {MOST_FILTERS_IN_ALL} filters in all")
    return [[_test(call, kind, spec) for spec in filters] for filters in groups] or [[]]


def _test(call: Call, kind: Kind, spec: Mapping[str, Any]) -> Test:
    name, operator = str(spec.get("propertyName")), str(spec.get("operator"))
    if name.startswith("associations."):
        return _association_test(call, kind, name, operator, spec)
    found = _property(kind, name)
    if found is None:
        if call.behaviour.unknown_filter == "empty":
            return lambda _: False
        raise invalid(f"There was a problem with the request: property {name} does not exist")
    make = _OPERATORS.get(operator)
    if make is None:
        raise invalid(f"Unknown operator {operator}")
    return make(found, _values(spec, operator, found))


def _values(spec: Mapping[str, Any], operator: str, found: Property) -> list[Comparable]:
    if operator in ("HAS_PROPERTY", "NOT_HAS_PROPERTY"):
        return []
    keys = {"IN": ("values",), "NOT_IN": ("values",), "BETWEEN": ("value", "highValue")}
    raw: list[Any] = []
    for key in keys.get(operator, ("value",)):
        given = spec.get(key)
        if given is None:
            raise invalid(f"Filter on {spec.get('propertyName')} needs {key}")
        raw += given if isinstance(given, list) else [given]
    values = [found.parse(str(value)) for value in raw]
    if any(value is None for value in values):
        raise invalid(f"Filter on {spec.get('propertyName')} has a value of another type: {raw}")
    return [value for value in values if value is not None]


def _association_test(
    call: Call, kind: Kind, name: str, operator: str, spec: Mapping[str, Any]
) -> Test:
    target = OBJECT_NAMES.get(name.removeprefix("associations."))
    if target is None or operator not in ("EQ", "IN"):
        raise invalid(f"Unsupported filter {name} {operator}")
    wanted = {str(v) for v in (spec.get("values") or [spec.get("value")])}
    links = call.crm.links
    return lambda r: any(str(link.to) in wanted for link in links.of(kind.name, r.id, target))


def _property(kind: Kind, name: str) -> Property | None:
    """None where there is no such property; the frequent ones are compared without text."""
    definition, getter = kind.definitions.get(name), kind.reader.getter(name)
    if definition is None or getter is None:
        return None
    if name == "hs_object_id":
        return Property(lambda r: r.id, _number)
    if name == "hs_lastmodifieddate":
        return Property(lambda r: r.modified, parse_ms)
    parse = {"number": _number, "date": parse_ms, "datetime": parse_ms, "string": str.lower}.get(
        definition.type, str
    )
    return Property(lambda r: None if (text := getter(r)) is None else parse(text), parse)


def _number(text: str) -> Comparable | None:
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def _mentions(record: Record, query: str) -> bool:
    names = ("dealname", "hs_task_subject", "hs_task_body")
    return not query or any(query in record.values.get(name, "").lower() for name in names)


def _sorted(
    kind: Kind, records: list[tuple[Record, Record]], body: Mapping[str, Any]
) -> list[tuple[Record, Record]]:
    """Oldest first where nothing else is asked; what is empty comes last."""
    sorts = body.get("sorts") or []
    if len(sorts) > 1:
        raise invalid("A search takes one sort rule only")
    if not sorts:
        return sorted(records, key=lambda hit: (hit[0].created, hit[0].id))
    rule = sorts[0] if isinstance(sorts[0], dict) else {"propertyName": sorts[0]}
    found = _property(kind, str(rule.get("propertyName")))
    if found is None:
        raise invalid(f"Property {rule.get('propertyName')} does not exist")
    read = found.read
    filled = [(value, hit) for hit in records if (value := read(hit[0])) is not None]
    empty = [hit for hit in records if read(hit[0]) is None]
    descending = str(rule.get("direction", "ASCENDING")).upper().startswith("DESC")
    filled.sort(key=lambda pair: pair[0], reverse=descending)
    return [hit for _, hit in filled] + empty


def _compare(verdict: Callable[[Any, list[Any]], bool]) -> Callable[[Property, list[Any]], Test]:
    """An empty property passes no comparison."""

    def make(found: Property, values: list[Any]) -> Test:
        read = found.read
        return lambda r: (value := read(r)) is not None and verdict(value, values)

    return make


def _negate(
    make: Callable[[Property, list[Any]], Test],
) -> Callable[[Property, list[Any]], Test]:
    """An empty property is not equal to anything, so it passes."""

    def negated(found: Property, values: list[Any]) -> Test:
        test = make(found, values)
        return lambda r: not test(r)

    return negated


_equal = _compare(lambda value, given: bool(value == given[0]))
_within = _compare(lambda value, given: value in given)
_token = _compare(lambda value, given: str(given[0]).strip("*").lower() in str(value).lower())


def _filled(found: Property, _: list[Any]) -> Test:
    read = found.read
    return lambda r: read(r) is not None


_OPERATORS: dict[str, Callable[[Property, list[Any]], Test]] = {
    "EQ": _equal,
    "NEQ": _negate(_equal),
    "LT": _compare(lambda value, given: bool(value < given[0])),
    "LTE": _compare(lambda value, given: bool(value <= given[0])),
    "GT": _compare(lambda value, given: bool(value > given[0])),
    "GTE": _compare(lambda value, given: bool(value >= given[0])),
    "BETWEEN": _compare(lambda value, given: bool(given[0] <= value <= given[1])),
    "IN": _within,
    "NOT_IN": _negate(_within),
    "HAS_PROPERTY": _filled,
    "NOT_HAS_PROPERTY": _negate(_filled),
    "CONTAINS_TOKEN": _token,
    "NOT_CONTAINS_TOKEN": _negate(_token),
}
