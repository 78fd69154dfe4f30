"""Writing to Pipedrive: our custom fields, and their values on deals, one PATCH each."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sync.crm.base import (
    DealStatus,
    DealWrite,
    PropertySpec,
    PropertyState,
    PropertyStatus,
    WriteOutcome,
    WriteResult,
)
from sync.crm.calls import AmbiguousError
from sync.crm.pipedrive import fields, paths
from sync.crm.pipedrive.answers import Json, Refused
from sync.crm.pipedrive.client import PipedriveClient
from sync.crm.pipedrive.field_map import FieldMap
from sync.crm.pipedrive.ledger import Purpose
from sync.crm.pipedrive.listing import MAX_IDS
from sync.crm.pipedrive.mapping import OwnField
from sync.crm.pipedrive.reader import Reader
from sync.errors import AuthError, PermanentError, TransientError

BATCH_LIMIT: Final = MAX_IDS
_FORBIDDEN: Final = 403
_GONE: Final = (404, 410)


class PipedriveSink:
    """One Pipedrive company, written. Touches nothing but custom fields of ours.

    Where fields may not be created it writes those that exist, and refuses each deal with an
    instruction where none does: reading, forecasts and alerts go on.
    """

    def __init__(
        self, connection: str, client: PipedriveClient, field_map: FieldMap, reader: Reader
    ) -> None:
        self._connection = connection
        self._client = client
        self._field_map = field_map
        self._reader = reader
        self._own: Mapping[str, OwnField] | None = None
        self._instruction = ""

    @property
    def connection(self) -> str:
        return self._connection

    @property
    def batch_size(self) -> int:
        return BATCH_LIMIT

    def property_states(self, specs: Sequence[PropertySpec]) -> Sequence[PropertyState]:
        self._read_own()
        return [fields.state(spec, self._field_map.found.get(spec.name)) for spec in specs]

    def ensure_properties(self, specs: Sequence[PropertySpec]) -> Sequence[PropertyState]:
        """Where the token may not create fields nothing is raised: see the class."""
        states = self.property_states(specs)
        _refuse_conflicts(states)
        changed = False
        by_name = {spec.name: spec for spec in specs}
        try:
            for state in states:
                spec, there = by_name[state.name], self._field_map.found.get(state.name)
                if there is None:
                    self._create(spec)
                elif state.status is PropertyStatus.DIFFERS:
                    self._put_right(spec, there)
                changed = changed or state.status is not PropertyStatus.PRESENT
        except (AuthError, Refused) as error:
            self._instruction = _instruction(error, specs)
            changed = True
        if changed:
            self._read_own()
        return states

    def write(self, batch: Sequence[DealWrite]) -> Sequence[WriteOutcome]:
        """Raises TransientError before anything is sent where the tokens of the day do not last
        for the whole batch. Raises ValueError for more than `batch_size` records, or one twice.
        """
        ids = [record.deal_id for record in batch]
        if len(batch) > BATCH_LIMIT or len(set(ids)) != len(batch):
            raise ValueError("a batch has at most 100 records, each deal once")
        if not batch:
            return []
        own = self._own if self._own is not None else self._read_own()
        if not own:
            return [_outcome(record, WriteResult.REJECTED, self._why_none()) for record in batch]
        self._client.ledger.admit(_cost_of(batch), Purpose.WRITE)
        present = {str(record["id"]): record for record in self._reader.by_id(ids)}
        outcomes = [self._write(record, present.get(record.deal_id), own) for record in batch]
        self._client.ledger.save()
        return outcomes

    def _read_own(self) -> Mapping[str, OwnField]:
        """Fields are read before each run of writing; reading deals profits from it."""
        self._own = self._field_map.read()
        self._reader.learn_own(self._own)
        return self._own

    def move(self, batch: Sequence[DealWrite]) -> Sequence[WriteOutcome]:
        """Pipedrive dates the closing itself, and forgets date and reason on reopening. Raises
        TransientError before anything is sent where the tokens of the day do not last.
        """
        self._client.ledger.admit(_cost_of(batch), Purpose.WRITE)
        outcomes = [self._patched(record, _moved(record.values)) for record in batch]
        self._client.ledger.save()
        return outcomes

    def _write(
        self, record: DealWrite, there: Json | None, own: Mapping[str, OwnField]
    ) -> WriteOutcome:
        if there is None:
            return self._look_up(record)
        changed = self._changed(record, there, own)
        if not changed:
            return _outcome(record, WriteResult.WRITTEN)
        return self._patched(record, {"custom_fields": changed})

    def _patched(self, record: DealWrite, body: dict[str, Any]) -> WriteOutcome:
        try:
            self._client.patch(
                paths.deal(record.deal_id),
                body,
                what=f"writing deal {record.deal_id}",
            )
        except AmbiguousError as error:
            return _outcome(record, WriteResult.UNKNOWN, str(error))
        except TransientError as error:
            return _outcome(record, WriteResult.UNKNOWN, f"not sent: {error}")
        except Refused as refusal:
            if refusal.status in _GONE:
                return _outcome(record, WriteResult.MISSING, "no such deal any more")
            return _outcome(record, WriteResult.REJECTED, refusal.message or str(refusal))
        return _outcome(record, WriteResult.WRITTEN)

    def _changed(
        self, record: DealWrite, there: Json, own: Mapping[str, OwnField]
    ) -> dict[str, Any]:
        """Only fields that exist, and hold something else: one unknown key fails a whole PATCH."""
        currency = self._reader.surroundings().account.home_currency
        held: Any = there.get("custom_fields") or {}
        changed: dict[str, Any] = {}
        for name, text in record.values.items():
            field = own.get(name)
            if field is None:
                continue
            wanted = fields.encode(field.kind, text, currency=currency, choices=field.choices)
            now = held.get(field.key)
            as_text = fields.decode(field.kind, wanted, choices=field.choices)
            if as_text != fields.decode(field.kind, now, choices=field.choices):
                changed[field.key] = wanted
        return changed

    def _look_up(self, record: DealWrite) -> WriteOutcome:
        """Why a deal is not on the normal list; archived and deleted ones cannot be edited."""
        try:
            found = self._client.get(paths.deal(record.deal_id), what=f"deal {record.deal_id}")
        except TransientError as error:
            return _outcome(record, WriteResult.UNKNOWN, f"not sent: {error}")
        except Refused as refusal:
            if refusal.status not in _GONE:
                raise
            return _outcome(record, WriteResult.MISSING, "no such deal any more")
        if (found.get("data") or {}).get("is_archived"):
            return _outcome(record, WriteResult.REJECTED, "archived; Pipedrive lets nobody edit it")
        return _outcome(record, WriteResult.MISSING, "deleted, or no longer visible to our user")

    def _create(self, spec: PropertySpec) -> None:
        """Never twice: after an answer that never came, what Pipedrive holds now decides."""
        what = f"creating the field {fields.name(spec)!r}"
        try:
            made = self._client.post(paths.FIELDS, fields.definition(spec), what=what)["data"]
        except AmbiguousError:
            if spec.name not in self._field_map.read():
                raise
        else:
            self._field_map.keep(spec.name, str(made["field_code"]))

    def _put_right(self, spec: PropertySpec, there: Json) -> None:
        code = str(there["field_code"])
        body = {"field_name": fields.name(spec), "description": fields.description(spec)}
        what = f"putting the field {fields.name(spec)!r} right"
        if any((there.get(key) or "") != value for key, value in body.items()):
            self._client.patch(paths.field(code), body, what=what)
        renamed, new = self._field_map.option_changes(spec, there)
        if renamed:
            self._client.patch(paths.options(code), renamed, what=what)
        if new:
            self._client.post(paths.options(code), new, what=what)

    def _why_none(self) -> str:
        return self._instruction or (
            "None of dealpulse's fields exists in Pipedrive any more; the next write-back creates "
            "them."
        )


def _moved(values: Mapping[str, str | None]) -> dict[str, Any]:
    """A reason may be given to a lost deal only."""
    if values.get("status") != DealStatus.LOST:
        return {"status": DealStatus.OPEN.value}
    return {"status": DealStatus.LOST.value, "lost_reason": values.get("loss_reason") or ""}


def _cost_of(batch: Sequence[DealWrite]) -> int:
    """Reading before and after, and a PATCH each."""
    return 2 * paths.cost("GET", paths.DEALS) + len(batch) * paths.cost("PATCH", paths.deal("1"))


def _outcome(record: DealWrite, result: WriteResult, detail: str = "") -> WriteOutcome:
    return WriteOutcome(record.deal_id, record.trace_id, result, detail)


def _instruction(error: AuthError | Refused, specs: Iterable[PropertySpec]) -> str:
    """What a person has to do where we may not. Raises what is no matter of permission."""
    if isinstance(error, Refused) and error.status != _FORBIDDEN:
        raise error
    if isinstance(error, AuthError) and not error.missing_scopes:
        raise error
    wanted = "; ".join(
        f"{fields.name(spec)} (type {fields.definition(spec)['field_type']}, description ending "
        f"in [{spec.name}])"
        for spec in specs
    )
    return (
        f"dealpulse may not create its fields in Pipedrive: {error} Let an administrator's token "
        f"do it once, make room where the plan's limit of custom fields is reached, or create them "
        f"by hand under Company settings > Data fields > Deal: {wanted}. Until then dealpulse only "
        "reads."
    )


def _refuse_conflicts(states: Sequence[PropertyState]) -> None:
    conflicts = [s for s in states if s.status is PropertyStatus.CONFLICT]
    if conflicts:
        named = "; ".join(f"{state.name}: {state.detail}" for state in conflicts)
        raise PermanentError(
            f"Pipedrive has fields that bear our mark but are not ours ({named}). Delete them in "
            "Pipedrive under Company settings > Data fields, or take the mark out of their "
            "description, then run again."
        )
