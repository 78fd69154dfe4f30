"""The account's exchange rates with their dates. HubSpot states what one unit of a currency is
worth in another; what is wanted is its worth in the company's currency. Pure but for `read`.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from sync.crm.base import ExchangeRate
from sync.crm.hubspot import values
from sync.crm.hubspot.answers import Json
from sync.crm.hubspot.client import HubSpotClient
from sync.crm.hubspot.listing import pages
from sync.crm.hubspot.values import Doubts

_LIMIT: Final = "100"


def read(client: HubSpotClient, home: str) -> list[ExchangeRate]:
    """Present and past ones. Raises AuthError where the scope for them is missing."""
    listed: list[Json] = []
    what = "the exchange rates"
    for page, _ in pages(client, client.paths.exchange_rates, [("limit", _LIMIT)], what=what):
        listed += page
    return rates(listed, home)


def rates(listed: Iterable[Json], home: str) -> list[ExchangeRate]:
    """Those into `home`, by currency and date; entries that cannot be understood, and rates that
    nothing can be worth, are left out: a missing rate is reported with the deals that want it."""
    found: dict[tuple[str, object], ExchangeRate] = {}
    for record in listed:
        doubts = Doubts("")
        currency = (values.text(record.get("fromCurrencyCode")) or "").upper()
        into = (values.text(record.get("toCurrencyCode")) or home).upper()
        rate = doubts.parse("", values.number, _as_text(record.get("conversionRate")))
        valid_from = doubts.parse("", values.instant, record.get("effectiveAt"))
        valid_from = valid_from or doubts.parse("", values.instant, record.get("createdAt"))
        if into != home or not currency or currency == home or valid_from is None:
            continue
        if rate is not None and rate > 0:
            found[currency, valid_from] = ExchangeRate(currency, into, rate, valid_from)
    return sorted(found.values(), key=lambda each: (each.currency, each.valid_from))


def _as_text(rate: object) -> object:
    """JSON gives a float; its shortest text is the number that a person entered."""
    return f"{Decimal(repr(rate)):f}" if isinstance(rate, float) else rate
