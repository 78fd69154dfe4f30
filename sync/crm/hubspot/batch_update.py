"""One batch of writes to deals or contacts, with one outcome for each whatever HubSpot makes of it.

HubSpot writes a batch in part (207), or not at all (400, or 207 without results), names the
record at fault by trace id, by deal id or not at all, and leaves merged deals out in silence.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from sync.crm.base import DealWrite, WriteOutcome, WriteResult
from sync.crm.calls import AmbiguousError
from sync.crm.hubspot.answers import Json, Refused, codes, quotable
from sync.crm.hubspot.client import HubSpotClient
from sync.crm.hubspot.listing import NOT_FOUND, records
from sync.errors import PermanentError, TransientError

_ONE_MAY_BE_TO_BLAME: Final = (400, 404, 409, 413)
_NO_SUCH_PROPERTY: Final = "PROPERTY_DOESNT_EXIST"
_MAY_PASS: Final = ("RATE_LIMIT", "INTERNAL", "TIMEOUT", "LOCK", "UNAVAILABLE")


class BatchUpdate:
    """Runs one batch; made anew for each."""

    def __init__(self, client: HubSpotClient, objects: str = "deals") -> None:
        self._client = client
        self._objects = objects
        self._object = objects.removesuffix("s")
        self._paths = client.paths.writing(objects)
        self._outcomes: dict[str, WriteOutcome] = {}

    def run(self, batch: Sequence[DealWrite]) -> list[WriteOutcome]:
        """Outcomes in the order of `batch`.

        Raises TransientError where HubSpot took nothing at all, PermanentError where one of the
        properties does not exist, AuthError.
        """
        if batch:
            self._send(batch)
        return [self._outcomes[record.trace_id] for record in batch]

    def _send(self, batch: Sequence[DealWrite]) -> None:
        inputs = [
            {
                "id": record.deal_id,
                "objectWriteTraceId": record.trace_id,
                "properties": {name: value or "" for name, value in record.values.items()},
            }
            for record in batch
        ]
        try:
            answer = self._client.post(
                self._paths.batch_update,
                {"inputs": inputs},
                what=f"writing {len(batch)} {self._objects}",
                expect="results",
                idempotent=True,
            )
        except Refused as refusal:
            self._refused(batch, refusal)
        except TransientError as error:
            if not isinstance(error, AmbiguousError) and not self._outcomes:
                raise
            for record in batch:
                self._settle(record, WriteResult.UNKNOWN, str(error))
        else:
            self._answered(batch, answer)

    def _refused(self, batch: Sequence[DealWrite], refusal: Refused) -> None:
        if refusal.status not in _ONE_MAY_BE_TO_BLAME:
            raise refusal
        if _NO_SUCH_PROPERTY in refusal.codes:
            raise _property_gone(refusal.message) from refusal
        if len(batch) > 1:
            self._halve(batch)
        elif refusal.status == 404:
            self._look_up(batch[0], refusal.message)
        else:
            self._settle(batch[0], WriteResult.REJECTED, refusal.message or str(refusal))

    def _answered(self, batch: Sequence[DealWrite], answer: Json) -> None:
        written = {str(entry.get("id")) for entry in records(answer)}
        for record in batch:
            if record.deal_id in written:
                self._settle(record, WriteResult.WRITTEN)
        errors = [entry for entry in answer.get("errors") or () if isinstance(entry, dict)]
        if not self._outcomes and errors and all(_NO_SUCH_PROPERTY in codes(e) for e in errors):
            raise _property_gone(quotable(errors[0].get("message")))
        for record, error in _blamed(batch, errors):
            if record.trace_id not in self._outcomes:
                self._blame(record, error)
        silent = [record for record in batch if record.trace_id not in self._outcomes]
        if not silent:
            return
        if not written and len(silent) < len(batch):
            self._send(silent)  # all or nothing: once more without those at fault
        elif not written and errors and len(silent) > 1:
            self._halve(silent)
        else:
            reason = quotable(errors[0].get("message")) if errors else ""
            for record in silent:
                self._look_up(record, reason)

    def _halve(self, batch: Sequence[DealWrite]) -> None:
        middle = len(batch) // 2
        self._send(batch[:middle])
        self._send(batch[middle:])

    def _blame(self, record: DealWrite, error: Json) -> None:
        category = str(error.get("category") or "")
        message = quotable(error.get("message")) or category
        if category == NOT_FOUND:
            self._look_up(record, message)
        elif _NO_SUCH_PROPERTY in codes(error) or any(word in category for word in _MAY_PASS):
            self._settle(record, WriteResult.UNKNOWN, message)
        else:
            self._settle(record, WriteResult.REJECTED, message)

    def _look_up(self, record: DealWrite, reason: str) -> None:
        """What became of a record that was not written; `reason`: HubSpot's, where it gave one."""
        try:
            found = self._client.get(
                self._paths.record(record.deal_id),
                [("properties", "hs_object_id")],
                what=f"{self._object} {record.deal_id}",
                expect="id",
            )
        except TransientError as error:
            self._settle(record, WriteResult.UNKNOWN, str(error))
        except Refused as refusal:
            if refusal.status != 404:
                raise
            self._settle(record, WriteResult.MISSING, f"no such {self._object} any more")
        else:
            if str(found["id"]) != record.deal_id:
                self._settle(record, WriteResult.MERGED, f"merged into {found['id']}")
            elif reason:
                self._settle(record, WriteResult.REJECTED, reason)
            else:
                self._settle(record, WriteResult.UNKNOWN, "HubSpot gave no reason")

    def _settle(self, record: DealWrite, result: WriteResult, detail: str = "") -> None:
        self._outcomes[record.trace_id] = WriteOutcome(
            record.deal_id, record.trace_id, result, detail
        )


def _property_gone(message: str) -> PermanentError:
    return PermanentError(
        "HubSpot no longer has one of the properties to be written. The next write-back creates "
        f"what is missing. HubSpot says: {message}"
    )


def _blamed(batch: Sequence[DealWrite], errors: Sequence[Json]) -> Iterator[tuple[DealWrite, Json]]:
    """Each record that an error names, by trace id or by deal id."""
    by_name = {record.trace_id: record for record in batch}
    by_name |= {record.deal_id: record for record in batch}
    for error in errors:
        context = error.get("context")
        named = [error.get("objectWriteTraceId")]
        for key in ("objectWriteTraceId", "ids", "id"):
            part = context.get(key) if isinstance(context, dict) else None
            named += part if isinstance(part, list) else [part]
        for name in named:
            record = by_name.get(str(name))
            if record is not None:
                yield record, error
