"""What was tested differently is another record: parameters, rates, zone and currency."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sync.config.model import Config
from sync.jobs.inputs import Inputs, definition_of, methods_of
from tests.forecasting.frames import AS_OF, NO_CHANGES, OWNERS, STAGES, TODAY, ZONE, deals

INPUTS = Inputs(deals({}), NO_CHANGES, STAGES, OWNERS, AS_OF, TODAY, ZONE, "NOK")


def definition(inputs: Inputs = INPUTS, **settings: Any) -> str:
    connection = {"name": "main", "kind": "hubspot"}
    config = Config.model_validate({"connections": [connection], **settings})
    return definition_of(methods_of(config), inputs, config)


def test_the_same_settings_are_the_same_record_whatever_the_deals() -> None:
    later = replace(INPUTS, deals=deals({}, {}), today=TODAY.replace(year=2027))
    assert definition() == definition(later)
    rates = {"SEK": "0.97", "EUR": "11.5"}
    turned = dict(reversed(rates.items()))
    assert definition(exchange_rates=rates) == definition(exchange_rates=turned)


def test_other_settings_begin_another_record() -> None:
    changes: list[Mapping[str, Any]] = [
        {},
        {"forecast": {"prior_deals": 20}},
        {"exchange_rates": {"EUR": "11.5"}},
        {"exchange_rates": {"EUR": "11.6"}},
        {"exchange_rates": {"EUR": "11.5"}, "exchange_rates_win": True},
    ]
    assert len({definition(**settings) for settings in changes}) == len(changes)


def test_another_zone_or_currency_begins_another_record() -> None:
    others = [replace(INPUTS, zone="UTC"), replace(INPUTS, currency="SEK")]
    assert len({definition(), *map(definition, others)}) == 3
