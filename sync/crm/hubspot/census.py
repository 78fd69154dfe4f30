"""Every deal with the little that tells whether the mirror holds the same, and the recycle bin."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from sync.crm.base import BinPage, Listed, ListPage, Removal
from sync.crm.hubspot import mapping, values
from sync.crm.hubspot.answers import Json
from sync.crm.hubspot.associations import BATCH, Associated, Associations, Counts
from sync.crm.hubspot.client import HubSpotClient, Query
from sync.crm.hubspot.deal_calls import LIST_LIMIT, modified_at
from sync.crm.hubspot.listing import pages
from sync.crm.hubspot.values import Doubts
from sync.errors import AuthError

STATE: Final = (
    "hs_lastmodifieddate",
    "dealname",
    "pipeline",
    "dealstage",
    "hubspot_owner_id",
    "amount",
    "deal_currency_code",
    "closedate",
)
"""What `state` is made of."""

_LISTED: Final = (*STATE, "hs_merged_object_ids")
_NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
_BIN: Final = "the list of archived deals"


def listing(
    client: HubSpotClient, home_currency: str, *, roles: bool = False
) -> Iterator[ListPage]:
    """All living deals by ascending id. Associations come along: they move no modification date,
    so that only a list finds what changed of them. roles: those of contacts, too."""
    associations = Associations(client, roles=roles)
    after: str | None = None
    while True:
        query: Query = [
            ("limit", str(LIST_LIMIT)),
            ("properties", ",".join(_LISTED)),
            *([("associations", associations.asked)] if associations.asked else []),
        ]
        try:
            listed = pages(
                client, client.paths.deals, query, what="the list of all deals", after=after
            )
            for page, following in _lots(listed) if roles else listed:
                found = associations.listed(page)
                yield ListPage(
                    [_listed(record, home_currency, found) for record in page],
                    [gone for record in page for gone in mapping.merged_away(record, _at(record))],
                )
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


def state(record: Json, home_currency: str) -> Listed:
    """What a list or a search shows of a deal, read as `mapping` reads it."""
    deal_id, doubts = str(record["id"]), Doubts(str(record["id"]))
    props = record.get("properties") or {}
    return Listed(
        deal_id=deal_id,
        modified_at=_at(record),
        name=values.text(props.get("dealname")) or "",
        pipeline_id=values.text(props.get("pipeline")),
        stage_id=values.text(props.get("dealstage")),
        owner_id=values.text(props.get("hubspot_owner_id")),
        amount=doubts.parse("amount", values.number, props.get("amount")),
        currency=(values.text(props.get("deal_currency_code")) or home_currency).upper(),
        close_date=doubts.parse("close_date", values.instant, props.get("closedate")),
    )


def _listed(record: Json, home_currency: str, found: Associated) -> Listed:
    seen = state(record, home_currency)
    return replace(
        seen,
        contact_count=_count(found.counts, "contacts", seen.deal_id),
        company_count=_count(found.counts, "companies", seen.deal_id),
        contact_roles=None if found.roles is None else found.roles.get(seen.deal_id, ""),
    )


def _at(record: Json) -> datetime:
    return modified_at(record) or _NEVER


def _count(counts: Counts, kind: str, deal_id: str) -> int | None:
    return counts[kind].get(deal_id, 0) if kind in counts else None
