"""Writing to HubSpot: our properties' definitions, and their values on deals."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from sync.clock import Clock
from sync.crm.base import (
    DealWrite,
    PropertySpec,
    PropertyState,
    PropertyStatus,
    WriteOutcome,
)
from sync.crm.calls import AmbiguousError
from sync.crm.hubspot import properties
from sync.crm.hubspot.answers import Json, Refused
from sync.crm.hubspot.batch_update import BatchUpdate
from sync.crm.hubspot.client import HubSpotClient
from sync.errors import PermanentError

BATCH_LIMIT: Final = 100


class HubSpotSink:
    """One HubSpot account, written. `write` touches nothing but our properties. objects: what is
    written to; deals, contacts."""

    def __init__(
        self, connection: str, client: HubSpotClient, clock: Clock, objects: str = "deals"
    ) -> None:
        self._connection = connection
        self._client = client
        self._objects = objects
        self._paths = client.paths.writing(objects)

    @property
    def connection(self) -> str:
        return self._connection

    @property
    def batch_size(self) -> int:
        return BATCH_LIMIT

    def property_states(self, specs: Sequence[PropertySpec]) -> Sequence[PropertyState]:
        there = self._listed()
        return [properties.state(spec, there.get(spec.name)) for spec in specs]

    def ensure_properties(self, specs: Sequence[PropertySpec]) -> Sequence[PropertyState]:
        """A conflict is found before anything is created."""
        there = self._listed()
        states = [properties.state(spec, there.get(spec.name)) for spec in specs]
        _refuse_conflicts(states)
        if any(state.status is PropertyStatus.MISSING for state in states):
            self._ensure_group()
        for position, (spec, state) in enumerate(zip(specs, states, strict=True)):
            if state.status is PropertyStatus.MISSING:
                self._create(spec, position)
            elif state.status is PropertyStatus.DIFFERS:
                self._put_right(spec, there[spec.name])
        return states

    def write(self, batch: Sequence[DealWrite]) -> Sequence[WriteOutcome]:
        """Raises AuthError, and TransientError where nothing at all of the batch was written.

        Raises ValueError for more than `batch_size` records, or one deal or trace id twice.
        """
        trace_ids = {record.trace_id for record in batch}
        deal_ids = {record.deal_id for record in batch}
        if len(batch) > BATCH_LIMIT or not len(trace_ids) == len(deal_ids) == len(batch):
            raise ValueError("a batch has at most 100 records, each deal and trace id once")
        return BatchUpdate(self._client, self._objects).run(batch)

    def move(self, batch: Sequence[DealWrite]) -> Sequence[WriteOutcome]:
        """The status follows from the stage. HubSpot dates a closing by itself, so the close date
        goes along, or it would be the moment of the request.
        """
        return self.write([replace(record, values=_moved(record.values)) for record in batch])

    def _listed(self) -> dict[str, Json]:
        answer = self._client.get(
            self._paths.property_list,
            what=f"the {self._objects.removesuffix('s')} properties",
            expect="results",
        )
        return {str(entry.get("name")): entry for entry in answer["results"]}

    def _ensure_group(self) -> None:
        if self._found(self._paths.group(properties.GROUP)) is None:
            self._post_once(
                self._paths.groups,
                properties.group(),
                self._paths.group(properties.GROUP),
                what=f"the property group {properties.GROUP}",
            )

    def _create(self, spec: PropertySpec, position: int) -> None:
        there = self._post_once(
            self._paths.property_list,
            properties.definition(spec, position),
            self._paths.property_named(spec.name),
            what=f"the property {spec.name}",
        )
        if there is not None:
            state = properties.state(spec, there)
            _refuse_conflicts([state])
            if state.status is PropertyStatus.DIFFERS:
                self._put_right(spec, there)

    def _post_once(self, path: str, body: Json, where: str, *, what: str) -> Json | None:
        """Create, without ever creating twice: gives what was there already, None where created.

        After a conflict, or an answer that never came, what HubSpot holds now decides.
        """
        try:
            self._client.post(path, body, what=f"creating {what}", expect="name", idempotent=False)
        except AmbiguousError:
            there = self._found(where)
            if there is None:
                raise
            return there
        except Refused as refusal:
            if refusal.status != 409:
                raise
            there = self._found(where)
            if there is None:
                raise PermanentError(
                    f"HubSpot says that {what} exists, but does not show it: it was deleted "
                    "lately. Restore it, or delete it for good, in HubSpot under Settings > "
                    "Properties > Archived properties."
                ) from refusal
            return there
        return None

    def _put_right(self, spec: PropertySpec, there: Json) -> None:
        self._client.patch(
            self._paths.property_named(spec.name),
            properties.correction(spec, there),
            what=f"putting the property {spec.name} right",
        )

    def _found(self, path: str) -> Json | None:
        try:
            return self._client.get(path, what="one of our properties", expect="name")
        except Refused as refusal:
            if refusal.status != 404:
                raise
            return None


_MOVED: Final[Mapping[str, str]] = {
    "stage": "dealstage",
    "close_date": "closedate",
    "loss_reason": "closed_lost_reason",
}


def _moved(values: Mapping[str, str | None]) -> dict[str, str | None]:
    return {_MOVED[name]: text for name, text in values.items() if name in _MOVED}


def _refuse_conflicts(states: Sequence[PropertyState]) -> None:
    conflicts = [s for s in states if s.status is PropertyStatus.CONFLICT]
    if conflicts:
        named = "; ".join(f"{state.name}: {state.detail}" for state in conflicts)
        raise PermanentError(
            f"HubSpot has properties under our names that are not ours ({named}). Rename or "
            "delete them in HubSpot under Settings > Properties, then run again."
        )
