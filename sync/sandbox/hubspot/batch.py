"""Deals and tasks a hundred at a time, with HubSpot's ways to fail in part."""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from sync.sandbox.hubspot.calls import Call, Reply
from sync.sandbox.hubspot.errors import invalid, refused
from sync.sandbox.hubspot.objects import enforce, kind_of, properties_of, purge, to_create
from sync.sandbox.hubspot.shape import Shape
from sync.sandbox.store.instants import iso
from sync.sandbox.store.kinds import Kind
from sync.sandbox.store.records import Record
from sync.sandbox.store.refusals import Missing, Refused

BATCH_LIMIT = 100

T = TypeVar("T")
Error = dict[str, object]
Input = dict[str, Any]


def batch_read(call: Call) -> Reply:
    """No associations; ids that do not exist make it a 207 with the others still in it."""
    kind, body = kind_of(call), call.body()
    purge(call, kind)
    history = body.get("propertiesWithHistory") or []
    inputs = call.inputs(call.behaviour.batch_history_limit if history else BATCH_LIMIT)
    _refuse_id_property(inputs, body, kind)
    archived = call.flag("archived")
    found: dict[int, Record] = {}
    missing = []
    for text in dict.fromkeys(str(spec.get("id", "")) for spec in inputs):
        record = _read_one(call, kind, text, archived=archived)
        if record is not None:
            found[record.id] = record
        elif not (kind.table.is_merged(text) and call.behaviour.merged_in_batch_read == "omitted"):
            missing.append(text)
    shape = Shape(call, kind, body.get("properties") or [], history)
    results = [shape.show(found[record_id]) for record_id in sorted(found)]
    return answer(call, 200, results, [_missing(kind, missing)] if missing else [])


def batch_create(call: Call) -> Reply:
    """Answers in another order than it was asked."""
    kind = kind_of(call)
    ready, errors = _sort_out(call, kind, call.inputs(BATCH_LIMIT), partial(to_create, call, kind))
    results = []
    for spec, new in reversed(ready):
        record = call.crm.add(kind, new.properties, call.token, new.links)
        results.append(_shown(call, kind, spec, record))
    return answer(call, 201, results, errors)


def batch_update(call: Call) -> Reply:
    """Answers in another order than it was asked."""
    kind, body = kind_of(call), call.body()
    inputs = call.inputs(BATCH_LIMIT)
    _refuse_id_property(inputs, body, kind)
    ids = [str(spec.get("id", "")) for spec in inputs]
    repeated = sorted(object_id for object_id, times in Counter(ids).items() if times > 1)
    if repeated:
        raise invalid("Duplicate IDs found in batch input", ids=repeated)
    if call.behaviour.merged_in_batch_update == "omitted":
        inputs = [s for s, i in zip(inputs, ids, strict=True) if not kind.table.is_merged(i)]
    ready, errors = _sort_out(call, kind, inputs, partial(_to_update, call, kind))
    results = []
    for spec, record in ready:
        call.crm.write(kind, record, properties_of(spec), call.token)
        results.append(_shown(call, kind, spec, record))
    return answer(call, 200, results[::-1], errors)


def batch_archive(call: Call) -> Reply:
    kind = kind_of(call)
    for spec in call.inputs(BATCH_LIMIT):
        record = kind.table.find(str(spec.get("id", "")))
        if record is not None:
            kind.table.archive(record, call.crm.now())
    return Reply(204)


def answer(call: Call, status: int, results: Sequence[object], errors: Sequence[Error]) -> Reply:
    now = iso(call.crm.now())
    body: dict[str, object] = {
        "status": "COMPLETE",
        "results": list(results),
        "startedAt": now,
        "completedAt": now,
    }
    if errors:
        body |= {"numErrors": len(errors), "errors": list(errors)}
    return Reply(207 if errors else status, body)


def _sort_out(
    call: Call, kind: Kind, inputs: Sequence[Input], prepare: Callable[[Input], T]
) -> tuple[list[tuple[Input, T]], list[Error]]:
    """Inputs that can be written, and what is wrong with the others.

    A value that is not valid fails the whole batch unless every input has its own trace id.
    """
    traces = {spec.get("objectWriteTraceId") for spec in inputs} - {None, ""}
    ready: list[tuple[Input, T]] = []
    errors: list[Error] = []
    for spec in inputs:
        try:
            ready.append((spec, prepare(spec)))
        except Missing:
            errors.append(_missing(kind, [str(spec.get("id", ""))], spec))
        except Refused as refusal:
            if len(traces) < len(inputs):
                raise
            errors.append(_invalid(spec, refusal, call.crm.portal_id))
    if errors and call.behaviour.batch_errors == "atomic":
        return [], errors
    return ready, errors


def _to_update(call: Call, kind: Kind, spec: Input) -> Record:
    object_id = str(spec.get("id", ""))
    if call.behaviour.merged_in_batch_update == "written":
        record = kind.table.get(object_id)
    else:
        found = kind.table.find(object_id)
        if found is None:
            raise Missing(object_id)
        record = found
    properties = properties_of(spec)
    call.crm.check(kind, record, properties)
    enforce(call, kind, record, properties)
    return record


def _read_one(call: Call, kind: Kind, object_id: str, *, archived: bool) -> Record | None:
    if call.behaviour.merged_in_batch_read != "survivor":
        return kind.table.find(object_id, archived=archived)
    try:
        return kind.table.get(object_id, archived=archived)
    except Missing:
        return None


def _shown(call: Call, kind: Kind, spec: Input, record: Record) -> dict[str, object]:
    shown = Shape(call, kind, list(properties_of(spec))).show(record)
    trace = spec.get("objectWriteTraceId")
    return shown | ({"objectWriteTraceId": str(trace)} if trace else {})


def _missing(kind: Kind, ids: Sequence[str], spec: Input | None = None) -> Error:
    return {
        "status": "error",
        "category": "OBJECT_NOT_FOUND",
        "message": f"Could not get some {kind.singular.upper()} objects, they may be deleted or "
        "not exist. Check that ids are valid.",
        "context": {"ids": list(ids)} | _trace(spec),
    }


def _invalid(spec: Input, refusal: Refused, portal_id: int) -> Error:
    body = dict(refused(refusal.problems, portal_id).reply.body or {})
    del body["correlationId"]
    ids = {"ids": [str(spec["id"])]} if "id" in spec else {}
    return body | {"context": ids | _trace(spec)}


def _trace(spec: Input | None) -> dict[str, list[str]]:
    trace = (spec or {}).get("objectWriteTraceId")
    return {"objectWriteTraceId": [str(trace)]} if trace else {}


def _refuse_id_property(inputs: Sequence[Input], body: Input, kind: Kind) -> None:
    named = {str(spec["idProperty"]) for spec in (*inputs, body) if spec.get("idProperty")}
    if named:
        raise invalid(
            f"Unable to perform read/update by non-unique {kind.type_id} property {sorted(named)}"
        )
