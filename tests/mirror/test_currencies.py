"""Amounts in several currencies: which rate, frozen when, and never two currencies added."""

from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from itertools import count
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from sync.crm.base import Deal, DealStatus, ExchangeRate
from sync.mirror import rates, schema
from sync.mirror.frames import deal_frame
from tests.mirror.records import T0, deal, minutes, rows, save

NAMES = (f"account-{number}" for number in count())
HUNDRED = Decimal(100)


def rate(value: str, since: datetime, currency: str = "EUR", into: str = "NOK") -> ExchangeRate:
    return ExchangeRate(currency, into, Decimal(value), since)


def told(
    engine: Engine,
    *versions: ExchangeRate,
    at: datetime = T0,
    last_read: datetime | None = None,
    connection: str = "acme",
) -> int:
    return rates.save_rates(engine, connection, versions, last_read=last_read, at=at)


def frame(engine: Engine, connection: str = "acme", **given: Any) -> pl.DataFrame:
    asked = {"zone": "Europe/Oslo", "home_currency": "NOK", "rates": {}} | given
    return deal_frame(engine, connection, **asked)


def amounts(engine: Engine, **given: Any) -> dict[str, float | None]:
    return dict(frame(engine, **given).select("deal_id", "amount").iter_rows())


def euros(deal_id: str, closed_at: datetime | None = None, **values: Any) -> Deal:
    status = DealStatus.OPEN if closed_at is None else DealStatus.WON
    values = {"amount": HUNDRED, "currency": "EUR", "status": status} | values
    return deal(deal_id, closed_at=closed_at, **values)


def versions(engine: Engine) -> list[tuple[datetime, Decimal]]:
    return [(row["valid_from"], row["rate"]) for row in rows(engine, schema.exchange_rate)]


def test_open_deals_are_worth_what_the_currency_is_now_closed_ones_what_it_was(
    engine: Engine,
) -> None:
    told(engine, rate("10", minutes(-900)), rate("12", minutes(0)), at=minutes(1))
    save(engine, euros("open"), euros("early", minutes(-500)), euros("late", minutes(0)))
    assert amounts(engine) == {"open": 1200.0, "early": 1000.0, "late": 1200.0}
    told(engine, rate("13", minutes(60)), at=minutes(70), last_read=minutes(1))
    assert amounts(engine) == {"open": 1300.0, "early": 1000.0, "late": 1200.0}


def test_a_closed_deal_stays_worth_what_it_was_though_the_crm_reckons_anew(engine: Engine) -> None:
    told(engine, rate("10", minutes(-900)))
    won = euros("1", minutes(-10), amount_home=Decimal(1000))
    save(engine, won)
    save(engine, euros("1", minutes(-10), amount_home=Decimal(9999), modified_at=minutes(90)))
    assert amounts(engine) == {"1": 1000.0}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, 100 * 11.5),
        ({"currency": "USD", "amount_home": Decimal(950)}, 950.0),
        ({"currency": "USD"}, 900.0),
        ({"currency": "GBP"}, None),
        ({"currency": "NOK"}, 100.0),
        ({"currency": None}, 100.0),
        ({"amount_home": Decimal(7)}, 100 * 11.5),
        ({"closed_at": minutes(-9_999), "amount_home": Decimal(7)}, 7.0),
        ({"closed_at": minutes(-9_999)}, 100 * 20.0),
        ({"closed_at": minutes(-9_999), "currency": "GBP"}, None),
    ],
)
def test_the_accounts_rate_goes_before_its_conversion_and_that_before_the_configured_one(
    engine: Engine, values: dict[str, Any], expected: float | None
) -> None:
    told(engine, rate("11.5", minutes(-10)), rate("99", minutes(-10), into="SEK"))
    save(engine, euros("1", **values))
    configured = {"USD": Decimal(9), "EUR": Decimal(20)}
    row = frame(engine, rates=configured).row(0, named=True)
    assert row["amount"] == expected
    assert row["amount_problem"] == (None if expected is not None else "no_rate")


def test_configured_rates_win_where_that_is_configured(engine: Engine) -> None:
    told(engine, rate("11.5", minutes(-10)))
    save(
        engine,
        euros("1", amount_home=Decimal(7), rep_amount=Decimal(10)),
        euros("2", currency="NOK"),
        euros("3", currency="USD", amount_home=Decimal(950)),
    )
    given: dict[str, Any] = {
        "rates": {"EUR": Decimal(20), "NOK": Decimal(3)},
        "rates_win": True,
    }
    assert amounts(engine, **given) == {"1": 2000.0, "2": 100.0, "3": 950.0}
    assert frame(engine, **given).row(0, named=True)["rep_amount"] == 200.0


def test_a_rate_that_was_edited_counts_from_when_it_was_seen(engine: Engine) -> None:
    """Under its old date, or under an even older one."""
    told(engine, rate("10", minutes(-900)), at=minutes(0))
    assert told(engine, rate("12", minutes(-900)), at=minutes(90), last_read=minutes(0)) == 1
    assert versions(engine) == [(minutes(-900), Decimal(10)), (minutes(0), Decimal(12))]
    assert told(engine, rate("12", minutes(-900)), at=minutes(180), last_read=minutes(90)) == 0
    backdated = rate("8", minutes(-950)), rate("13", minutes(-800))
    assert told(engine, *backdated, at=minutes(270), last_read=minutes(180)) == 1
    assert versions(engine)[-1] == (minutes(180), Decimal(13))
    save(engine, euros("then", minutes(-850)), euros("now"))
    assert amounts(engine) == {"then": 1000.0, "now": 1300.0}


def test_a_rate_of_tomorrow_waits_until_then(engine: Engine) -> None:
    told(engine, rate("10", minutes(-900)), rate("12", minutes(900)), at=minutes(0))
    save(engine, euros("1"))
    assert amounts(engine) == {"1": 1000.0}


def test_reading_the_same_again_writes_nothing(engine: Engine) -> None:
    same = rate("10", minutes(-900)), rate("0.0012", minutes(-900), "IDR")
    assert told(engine, *same) == 2
    assert told(engine, *same, at=minutes(10), last_read=T0) == 0


CURRENCIES = ("NOK", "EUR", "SEK", "USD", "XXX")
instants = st.integers(-1_000, 1_000).map(minutes)
version = st.tuples(st.sampled_from(CURRENCIES[1:4]), instants, st.decimals("0.01", "20", places=4))
one_deal = st.tuples(
    st.sampled_from(CURRENCIES),
    st.none() | st.decimals(-100, 10**7, places=2),
    st.none() | instants,
    st.none() | st.decimals(0, 10**8, places=2),
)


def expected_sum(
    deals: list[Any], known: dict[str, dict[datetime, Decimal]], configured: dict[str, Decimal]
) -> tuple[Fraction, int]:
    """Deal by deal, in fractions: the sum, and how many deals have no rate."""
    total, unpriced = Fraction(0), 0
    for currency, amount, closed_at, home in deals:
        until = minutes(10_000) if closed_at is None else closed_at
        in_force = [r for since, r in sorted(known.get(currency, {}).items()) if since <= until]
        if currency == "NOK":
            total += Fraction(home if home is not None else amount or 0)
        elif amount is not None and in_force:
            total += Fraction(amount) * Fraction(in_force[-1])
        elif home is not None:
            total += Fraction(home)
        elif amount is not None and currency in configured:
            total += Fraction(amount) * Fraction(configured[currency])
        elif amount is not None:
            unpriced += 1
    return total, unpriced


@settings(
    max_examples=15,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    deals=st.lists(one_deal, max_size=12),
    listed=st.lists(version, max_size=8, unique_by=lambda v: v[:2]),
    configured=st.dictionaries(
        st.sampled_from(CURRENCIES[1:4]), st.decimals("0.01", "20", places=4), max_size=2
    ),
)
def test_sums_by_currency_and_conversion_equal_an_independent_computation(
    engine: Engine,
    deals: list[Any],
    listed: list[tuple[str, datetime, Decimal]],
    configured: dict[str, Decimal],
) -> None:
    connection = next(NAMES)
    known: dict[str, dict[datetime, Decimal]] = {}
    for currency, since, value in listed:
        known.setdefault(currency, {})[since] = value
    stated = [ExchangeRate(c, "NOK", value, since) for c, since, value in listed]
    told(engine, *stated, at=minutes(2_000), connection=connection)
    records = [
        euros(str(n), closed_at, currency=currency, amount=amount, amount_home=home)
        for n, (currency, amount, closed_at, home) in enumerate(deals)
    ]
    save(engine, *records, connection=connection)
    found = frame(engine, connection, rates=configured)
    by_currency = found.group_by("currency").agg(
        pl.col("amount").sum(), (pl.col("amount_problem") == "no_rate").sum().alias("unpriced")
    )
    for currency, total, unpriced in by_currency.iter_rows():
        own = [each for each in deals if each[0] == currency]
        exact, without = expected_sum(own, known, configured)
        assert total == pytest.approx(float(exact), rel=1e-9, abs=1e-6)
        assert unpriced == without
    exact, without = expected_sum(deals, known, configured)
    assert found["amount"].sum() == pytest.approx(float(exact), rel=1e-9, abs=1e-6)
    assert (found["amount_problem"] == "no_rate").sum() == without
