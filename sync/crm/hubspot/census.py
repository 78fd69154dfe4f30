"""Every deal with the little that tells whether the mirror holds the same, and the recycle bin."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from sync.crm.base import BinPage, Listed, ListPage, Removal
from sync.crm.hubspot import mapping, values
from sync.crm.hubspot.answers import Json
from sync.crm.hubspot.associations import Associations, Counts
from sync.crm.hubspot.client import HubSpotClient, Query
from sync.crm.hubspot.deal_calls import LIST_LIMIT, modified_at
from sync.crm.hubspot.listing import pages
from sync.crm.hubspot.values import Doubts
from sync.errors import AuthError

_LISTED: Final = (
    "hs_lastmodifieddate",
    "pipeline",
    "dealstage",
    "amount",
    "deal_currency_code",
    "hs_merged_object_ids",
)
_NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
_BIN: Final = "the list of archived deals"


def listing(client: HubSpotClient, home_currency: str) -> Iterator[ListPage]:
    """All living deals by ascending id. Associations come along: they move no modification date,
    so that only a list finds what changed of them."""
    associations = Associations(client)
    after: str | None = None
    while True:
        query: Query = [
            ("limit", str(LIST_LIMIT)),
            ("properties", ",".join(_LISTED)),
            *([("associations", associations.asked)] if associations.asked else []),
        ]
        try:
            for page, following in pages(
                client, client.paths.deals, query, what="the list of all deals", after=after
            ):
                counts = associations.listed(page)
                yield ListPage(
                    [_listed(record, home_currency, counts) for record in page],
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


def _listed(record: Json, home_currency: str, counts: Counts) -> Listed:
    deal_id = str(record["id"])
    props = record.get("properties") or {}
    return Listed(
        deal_id=deal_id,
        modified_at=_at(record),
        pipeline_id=values.text(props.get("pipeline")),
        stage_id=values.text(props.get("dealstage")),
        amount=Doubts(deal_id).parse("amount", values.number, props.get("amount")),
        currency=(values.text(props.get("deal_currency_code")) or home_currency).upper(),
        contact_count=_count(counts, "contacts", deal_id),
        company_count=_count(counts, "companies", deal_id),
    )


def _at(record: Json) -> datetime:
    return modified_at(record) or _NEVER


def _count(counts: Counts, kind: str, deal_id: str) -> int | None:
    return counts[kind].get(deal_id, 0) if kind in counts else None
