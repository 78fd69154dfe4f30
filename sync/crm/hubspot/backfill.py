"""The past of deals whose present was loaded without it: property histories, side by side."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Final

from sync.crm.base import Change, DealPage, Field, HistoryPage
from sync.crm.hubspot import mapping, values
from sync.crm.hubspot.answers import Json
from sync.crm.hubspot.deal_calls import HISTORY_LIMIT, DealCalls
from sync.crm.hubspot.in_flight import in_flight
from sync.crm.hubspot.listing import chunks
from sync.crm.hubspot.mapping import Surroundings

PAGE: Final = 500
"""Deals that are committed together."""

ENTERED_STAGE: Final = "hs_v2_date_entered_current_stage"
"""HubSpot's own date, on the tiers that have it: a check of what follows from the history."""

TOLERANCE: Final = timedelta(minutes=1)


def histories(
    calls: DealCalls, deal_ids: Sequence[str], around: Surroundings
) -> Iterator[HistoryPage]:
    """State and history of those that exist, in pages, in the order of `deal_ids`."""

    def read(part: Sequence[str]) -> list[Json]:
        return calls.batch_read(part, history=True, besides=(ENTERED_STAGE,))

    asked: list[str] = []
    found: list[Json] = []
    for part, batch in in_flight(read, chunks(deal_ids, HISTORY_LIMIT)):
        asked += part
        found += batch
        if len(asked) >= PAGE:
            yield _page(asked, found, around)
            asked, found = [], []
    if asked:
        yield _page(asked, found, around)


def _page(asked: Sequence[str], found: Sequence[Json], around: Surroundings) -> HistoryPage:
    mapped = mapping.deals(found, around, {})
    page = DealPage(
        cursor={},
        deals=mapped.deals,
        changes=mapped.changes,
        removals=mapped.removals,
        unparsed=mapped.unparsed,
    )
    return HistoryPage(tuple(asked), page, stage_dates_differing(found, mapped.changes))


def stage_dates_differing(found: Sequence[Json], changes: Sequence[Change]) -> int:
    """Deals whose history puts their present stage's beginning elsewhere than HubSpot's own date
    does; those without that date are not counted."""
    entered = {c.deal_id: c.changed_at for c in changes if c.field is Field.STAGE}  # the last one
    differing = 0
    for record in found:
        deal_id = str(record["id"])
        raw = (record.get("properties") or {}).get(ENTERED_STAGE)
        said = values.Doubts(deal_id).parse("", values.instant, raw)
        if said is not None and deal_id in entered:
            differing += abs(said - entered[deal_id]) > TOLERANCE
    return differing
