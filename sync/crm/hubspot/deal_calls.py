"""The calls that ask for deals: search, batch reads, one by one."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import chain
from typing import Final

from sync.crm.hubspot import values
from sync.crm.hubspot.answers import Json, Refused
from sync.crm.hubspot.client import HubSpotClient
from sync.crm.hubspot.history import HISTORY_PROPERTIES
from sync.crm.hubspot.in_flight import in_flight
from sync.crm.hubspot.limits import SEARCH
from sync.crm.hubspot.listing import chunks
from sync.crm.hubspot.selection import Selection, completed, read_by_id

LIST_LIMIT: Final = 100
HISTORY_LIMIT: Final = 50
"""HubSpot gives at most so many records together with history."""
SEARCH_LIMIT: Final = 200
BATCH_LIMIT: Final = 100
MODIFIED: Final = "hs_lastmodifieddate"


class DealCalls:
    """`selection`: what is asked of each deal that is read, as of now."""

    records = "deals"
    modified = MODIFIED

    def __init__(self, client: HubSpotClient, selection: Callable[[], Selection]) -> None:
        self.client = client
        self.selection = selection

    def search(self, body: Json, *, what: str) -> Json:
        path = self.client.paths.deals_search
        return self.client.post(
            path, body, what=what, expect="total", bucket=SEARCH, idempotent=True
        )

    def read(self, ids: Sequence[str], *, history: bool, singly: bool = True) -> list[Json]:
        """Those that exist. singly: ask alone for what a batch leaves out; a merged deal gives its
        survivor then."""
        parts = chunks(ids, HISTORY_LIMIT if history else BATCH_LIMIT)
        found: list[Json] = []
        for part, batch in in_flight(lambda part: self.batch_read(part, history=history), parts):
            got = {str(record["id"]) for record in batch}
            missing = [deal_id for deal_id in part if deal_id not in got] if singly else []
            alone = (self.read_one(deal_id, history=history) for deal_id in missing)
            found += chain(batch, (record for record in alone if record is not None))
        return found

    def batch_read(
        self, deal_ids: Sequence[str], *, history: bool, besides: Sequence[str] = ()
    ) -> list[Json]:
        """Those that exist, in any order, with the properties `besides` too."""
        selection = self.selection()
        selection = replace(selection, plain=(*selection.plain, *besides))
        return read_by_id(self.client, deal_ids, selection, HISTORY_PROPERTIES if history else ())

    def read_one(self, deal_id: str, *, history: bool) -> Json | None:
        """A merged deal gives its survivor; None where there is none."""
        selection = self.selection()
        query = [("properties", ",".join(selection.listed))]
        if history:
            query.append(("propertiesWithHistory", ",".join(HISTORY_PROPERTIES)))
        try:
            found = self.client.get(
                self.client.paths.deal(deal_id), query, what=f"deal {deal_id}", expect="id"
            )
        except Refused as refusal:
            if refusal.status != 404:
                raise
            return None
        return completed(self.client, [found], selection)[0]


def modified_at(record: Json, name: str = MODIFIED) -> datetime | None:
    """Of a record of which little was asked; None where HubSpot does not say, or not clearly."""
    raw = (record.get("properties") or {}).get(name) or record.get("updatedAt")
    return values.Doubts(str(record["id"])).parse("", values.instant, raw)
