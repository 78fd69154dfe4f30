"""Every deal with the little that tells whether the mirror holds the same, and the recycle bin."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from sync.crm.base import BinPage, KnownStates, ListPage, Removal
from sync.crm.hubspot import mapping
from sync.crm.hubspot.answers import Json
from sync.crm.hubspot.associations import BATCH, Associations, linked
from sync.crm.hubspot.client import HubSpotClient, Query
from sync.crm.hubspot.deal_calls import LIST_LIMIT, DealCalls, modified_at
from sync.crm.hubspot.listing import pages
from sync.crm.hubspot.mapping import Surroundings
from sync.errors import AuthError

_BIN: Final = "the list of archived deals"


def listing(calls: DealCalls, around: Surroundings, *, roles: bool = False) -> Iterator[ListPage]:
    """All living deals by ascending id. Associations come along: they move no modification date,
    so that only a list finds what changed of them. roles: those of contacts, too."""
    client = calls.client
    associations = Associations(client, roles=roles)
    after: str | None = None
    while True:
        query: Query = [
            ("limit", str(LIST_LIMIT)),
            ("properties", ",".join(calls.selection().shown)),
            *([("associations", associations.asked)] if associations.asked else []),
        ]
        try:
            listed = pages(
                client, client.paths.deals, query, what="the list of all deals", after=after
            )
            for page, following in _lots(listed) if roles else listed:
                found = mapping.deals(page, around, *associations.listed([linked(page)]))
                yield ListPage(found.deals, found.removals)
                after = following
        except AuthError as error:
            associations.give_up(error)
        else:
            return


def bin_page(client: HubSpotClient, after: str | None, seen_at: datetime) -> BinPage:
    """One page of the recycle bin, by ascending id; `after`: where it starts, None = at the top."""
    walk = _bin(client, after)
    page, following = next(walk)
    return BinPage([mapping.archived(record, seen_at) for record in page], following)


def whole_bin(client: HubSpotClient, seen_at: datetime) -> Iterator[list[Removal]]:
    for page, _ in _bin(client, None):
        yield [mapping.archived(record, seen_at) for record in page]


def _bin(client: HubSpotClient, after: str | None) -> Iterator[tuple[list[Json], str | None]]:
    query = [
        ("limit", str(LIST_LIMIT)),
        ("archived", "true"),
        ("properties", "hs_object_id"),
    ]
    return pages(client, client.paths.deals, query, what=_BIN, after=after)


def _lots(
    listed: Iterator[tuple[list[Json], str | None]],
) -> Iterator[tuple[list[Json], str | None]]:
    """Pages together, so that a batch of associations is full."""
    lot: list[Json] = []
    for page, following in listed:
        lot += page
        if following is None or len(lot) + LIST_LIMIT > BATCH:
            yield lot, following
            lot = []


def unknown(hits: Sequence[Json], known: KnownStates, around: Surroundings) -> list[str]:
    """Of the deals that a search shows those that the mirror does not hold so, or without a
    date."""
    dated = {str(hit["id"]) for hit in hits if modified_at(hit)}
    shown = mapping.deals(hits, around, {}).deals
    held = known([deal.deal_id for deal in shown])
    return [
        deal.deal_id
        for deal in shown
        if not (
            deal.deal_id in dated and deal.deal_id in held and held[deal.deal_id].is_shown_by(deal)
        )
    ]
