"""The account's selling days: its country's, where that is certain."""

from collections.abc import Iterable

from babel.core import get_global
from babel.numbers import get_territory_currencies

from forecasting.selling_days import SellingDays, selling_days
from sync.config.model import Config


def country_of(config: Config, *, time_zone: str, home_currency: str) -> str | None:
    """The configured country; else the one of the time zone, where its currency is the account's.

    None: weekends only. A zone alone does not say where a company works: many accounts are left
    in the zone of whoever set them up.
    """
    chosen = config.staleness.country
    if chosen is not None:
        return None if chosen == "NONE" else chosen
    country = get_global("zone_territories").get(time_zone)
    if country is None or home_currency not in get_territory_currencies(country):
        return None
    try:
        selling_days(country, ())
    except ValueError:
        return None
    return str(country)


def calendar_of(
    config: Config, *, time_zone: str, home_currency: str, years: Iterable[int]
) -> SellingDays:
    """The selling days of these years."""
    country = country_of(config, time_zone=time_zone, home_currency=home_currency)
    return selling_days(country, years)
