"""Exchange rates as each connection needs them. Pure."""

from collections.abc import Mapping
from decimal import Decimal

from sync.config.model import Config


def rates_for(config: Config, home: str | None) -> Mapping[str, Decimal]:
    """Currency -> what one unit is worth in `home`, the home currency of one connection.

    The configured rates are into the reporting currency where there is one, else into every
    connection's home currency. Empty where `home` is not known yet or has no rate itself: a missing
    rate is reported with the deals that want it, never taken as 1.
    """
    reporting = config.reporting_currency
    if reporting is None or reporting == home:
        return config.exchange_rates
    worth = config.exchange_rates.get(home or "")
    if worth is None:
        return {}
    others = {
        currency: rate / worth
        for currency, rate in config.exchange_rates.items()
        if currency != home
    }
    return others | {reporting: 1 / worth}


def rate_to_report(config: Config, currency: str) -> Decimal | None:
    """What one unit of `currency` is worth in the reporting currency; None where nobody said."""
    if currency == config.reporting_currency:
        return Decimal(1)
    return config.exchange_rates.get(currency)
