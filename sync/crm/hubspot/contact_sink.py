"""Writing the lead score to HubSpot's contacts."""

from collections.abc import Mapping, Sequence

from sync.clock import Clock
from sync.crm.hubspot.client import HubSpotClient
from sync.crm.hubspot.listing import records, refuse_half_answers
from sync.crm.hubspot.mapping import own
from sync.crm.hubspot.sink import HubSpotSink


class HubSpotContactSink(HubSpotSink):
    """A `LeadSink`."""

    def __init__(
        self, connection: str, client: HubSpotClient, clock: Clock, own_properties: Sequence[str]
    ) -> None:
        super().__init__(connection, client, clock, "contacts")
        self._own = tuple(own_properties)

    def own_values(self, lead_ids: Sequence[str]) -> Mapping[str, Mapping[str, str | None]]:
        """At most 100."""
        what = "contacts by id"
        body = {"inputs": [{"id": each} for each in lead_ids], "properties": list(self._own)}
        answer = self._client.post(
            self._paths.batch_read, body, what=what, expect="results", idempotent=True
        )
        refuse_half_answers(answer, what)
        return {
            str(record["id"]): own(record.get("properties") or {}, self._own)
            for record in records(answer)
        }
