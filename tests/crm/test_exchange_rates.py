"""The account's exchange rates, with their dates, however HubSpot words them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from sync.crm.base import ExchangeRate
from sync.crm.hubspot import currencies
from sync.errors import AuthError
from tests.crm.conftest import CREATED, Portal

SINCE = datetime(2026, 1, 1, tzinfo=UTC)
STATED: dict[str, Any] = {
    "id": "1",
    "fromCurrencyCode": "EUR",
    "toCurrencyCode": "NOK",
    "conversionRate": 11.5,
    "effectiveAt": "2026-01-01T00:00:00Z",
}


def test_present_and_past_rates_are_read_to_the_last_page(portal: Portal) -> None:
    for n in range(250):
        portal.crm.set_rate("EUR", Decimal(12) + n, CREATED + timedelta(minutes=1 + n))
    found = portal.source.exchange_rates()
    assert found[0] == ExchangeRate("EUR", "NOK", Decimal("11.5"), CREATED)
    assert [rate.rate for rate in found[1:]] == [Decimal(12) + n for n in range(250)]


def test_the_scope_is_named(portal: Portal) -> None:
    portal.crm.set_scopes(portal.sandbox.token, ["oauth", "crm.objects.deals.read"])
    with pytest.raises(AuthError) as error:
        portal.source.exchange_rates()
    assert error.value.missing_scopes == ("settings.currencies.read",)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"conversionRate": 11.5}, "11.5"),
        ({"conversionRate": 1e-05}, "0.00001"),
        ({"conversionRate": 0.1}, "0.1"),
        ({"conversionRate": 12}, "12"),
        ({"conversionRate": "11.25"}, "11.25"),
        ({"fromCurrencyCode": "eur"}, "11.5"),
        ({"toCurrencyCode": None}, "11.5"),
    ],
)
def test_a_rate_is_the_number_that_a_person_entered(said: dict[str, Any], expected: str) -> None:
    [rate] = currencies.rates([STATED | said], "NOK")
    assert rate == ExchangeRate("EUR", "NOK", Decimal(expected), SINCE)


@pytest.mark.parametrize(
    "said",
    [
        {"conversionRate": 0},
        {"conversionRate": -1.5},
        {"conversionRate": None},
        {"conversionRate": "much"},
        {"toCurrencyCode": "USD"},
        {"fromCurrencyCode": "NOK"},
        {"fromCurrencyCode": None},
        {"effectiveAt": None},
        {"effectiveAt": "soon"},
    ],
)
def test_what_is_no_rate_into_the_home_currency_is_none(said: dict[str, Any]) -> None:
    assert currencies.rates([STATED | said], "NOK") == []


def test_without_a_date_it_holds_since_it_was_made() -> None:
    said = STATED | {"effectiveAt": None, "createdAt": "2026-01-01T00:00:00Z"}
    assert [rate.valid_from for rate in currencies.rates([said], "NOK")] == [SINCE]
