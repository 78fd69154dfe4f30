"""The customer's own properties and currencies, from the CRM into figures."""

from collections.abc import Iterator
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path

import pytest

from sync.jobs import inputs
from sync.mirror import schema
from sync.sandbox.server import Behaviour, serve
from tests.crm.conftest import CREATED, company, deal
from tests.end_to_end.conftest import Installation
from tests.fake_clock import FakeClock
from tests.incidents.conftest import House


class Home:
    """A portal of 120 deals with `region` and `seats`; `open` starts an installation on it, `open`
    again restarts it with other settings."""

    def __init__(self, folder: Path, clock: FakeClock, database_url: str, stack: ExitStack) -> None:
        self._stack = stack
        self._clock = clock
        portal = company(deal(str(n), values={"currency": "EUR"}) for n in range(120))
        self.sandbox = stack.enter_context(
            serve(portal, clock=clock, behaviour=Behaviour(rate_limit=None))
        )
        self.crm = self.sandbox.crm
        self.crm.add_property("region")
        self.crm.add_property("seats", "number", "number")
        for n, deal_id in enumerate(self.crm.deal_ids()):
            self.crm.edit(deal_id, {"region": f"R{n % 4}", "seats": str(n)})
        self._installation = Installation(
            folder, self.sandbox.url, self.sandbox.token, database_url
        )

    def open(self, *extra_properties: str, **settings: object) -> House:
        self._installation.connection = {"extra_properties": list(extra_properties)}
        self._installation.extra = settings
        app = self._stack.enter_context(self._installation.write().app(self._clock))
        return House(self.sandbox, app, self._clock)


@pytest.fixture(params=["sqlite"])
def database_kind(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


@pytest.fixture
def home(tmp_path: Path, clock: FakeClock, database_url: str) -> Iterator[Home]:
    with ExitStack() as stack:
        yield Home(tmp_path, clock, database_url, stack)


def extras(house: House) -> list[dict[str, object]]:
    held = house.held()
    return [dict(held[deal_id].extra) for deal_id in house.crm.deal_ids()]


def test_named_properties_come_with_the_first_load(home: Home) -> None:
    house = home.open("region", "sea*")
    house.pull()
    assert extras(house) == [{"region": f"R{n % 4}", "seats": n} for n in range(120)]
    kinds = {row.name: (row.label, row.kind) for row in house.rows(schema.property_definition)}
    assert kinds == {"region": ("Region", "text"), "seats": ("Seats", "number")}


def test_a_property_named_later_is_filled_in_once_also_after_a_kill(home: Home) -> None:
    house = home.open("region")
    house.pull()
    assert extras(house)[5] == {"region": "R1"}
    house.clock.advance(minutes=15)
    again = home.open("region", "seats")
    again.sandbox.faults.add("server_500", times=-1, path_contains="/batch/read", after=3)
    assert again.try_to_pull().error is not None
    again.sandbox.faults.clear()
    again.clock.advance(minutes=15)
    counts = again.pull()
    assert counts["filled"] == 120
    assert extras(again) == [{"region": f"R{n % 4}", "seats": n} for n in range(120)]
    assert again.rows(schema.deal_change) == house.rows(schema.deal_change)
    again.clock.advance(minutes=15)
    again.asked()
    assert "filled" not in again.pull()
    assert again.asked("/batch/read") == []


def test_an_unknown_name_is_said_and_the_others_are_read(home: Home) -> None:
    house = home.open("regoin", "seats", "x_*")
    said = " ".join(house.try_to_pull().notes)
    assert extras(house)[7] == {"seats": 7}
    assert "no deal property 'regoin'" in said
    assert "did you mean 'region'?" in said
    assert "begins with 'x_'" in said


def test_a_property_that_is_deleted_or_renamed_keeps_its_name_and_values(home: Home) -> None:
    house = home.open("region", "seats")
    house.pull()
    first = house.crm.deal_ids()[0]
    house.crm.remove_property("region")
    house.crm.rename_property("seats", "Plasser")
    house.crm.edit(first, {"seats": "99"})
    house.clock.advance(minutes=24 * 60)
    house.pull()
    assert dict(house.held()[first].extra) == {"region": "R0", "seats": 99}
    found = {row.name: row for row in house.rows(schema.property_definition)}
    assert (found["region"].label, found["region"].missing_since) == ("Region", house.clock.now())
    assert (found["seats"].label, found["seats"].missing_since) == ("Plasser", None)


def test_passing_trouble_with_definitions_makes_no_property_vanish(home: Home) -> None:
    house = home.open("region")
    house.pull()
    house.clock.advance(days=1)
    house.sandbox.faults.add("html_200", times=2, path_contains="/properties/")
    house.pull()
    assert house.sandbox.faults.pending() == []
    assert house.rows(schema.property_definition)[0].missing_since is None


def amount_of(house: House, key: str) -> object:
    deals = inputs.read_inputs(house.context).deals
    return deals.filter(deals["deal_id"] == house.crm.id_of(key))["amount"].item()


def test_rates_with_their_dates_are_frozen_at_close_and_current_for_open_deals(home: Home) -> None:
    house = home.open()
    house.crm.edit(house.crm.id_of("1"), {"dealstage": "won"})
    house.pull()
    assert amount_of(house, "1") == amount_of(house, "2") == 1000 * 11.5
    [version] = house.rows(schema.exchange_rate)
    assert (version.currency, version.into, version.rate) == ("EUR", "NOK", Decimal("11.5"))
    assert version.valid_from == CREATED

    house.clock.advance(days=2)
    house.crm.set_rate("EUR", Decimal("12.25"))
    house.crm.edit(house.crm.id_of("1"), {"dealname": "Read again, at what the CRM reckons now"})
    house.clock.advance(minutes=15)
    house.pull()
    assert amount_of(house, "1") == 1000 * 11.5
    assert amount_of(house, "2") == 1000 * 12.25

    house.clock.advance(days=2)
    house.crm.edit_rate("EUR", Decimal("13.5"))  # as if it had always been so
    house.clock.advance(minutes=15)
    house.pull()
    assert amount_of(house, "1") == 1000 * 11.5
    assert amount_of(house, "2") == 1000 * 13.5
    assert len(house.rows(schema.exchange_rate)) == 3


def test_rates_are_asked_for_once_a_day(home: Home) -> None:
    house = home.open()
    house.pull()
    house.clock.advance(minutes=15)
    house.pull()
    assert len(house.asked("/exchange-rates")) == 1
    house.clock.advance(days=1)
    house.pull()  # reads the directory too, so that rates wait for the next
    house.clock.advance(minutes=15)
    house.pull()
    assert len(house.asked("/exchange-rates")) == 1


def test_a_currency_without_a_rate_is_a_finding_that_names_it(home: Home) -> None:
    house = home.open()
    for n in range(3):
        house.crm.edit(house.crm.id_of(str(n)), {"deal_currency_code": "NOK"})
    house.crm.rates.now.clear()
    house.crm.rates.versions.clear()
    house.pull()
    deals = inputs.read_inputs(house.context).deals
    assert deals["amount"].sum() == 3 * 1000
    assert (deals["amount_problem"] == "no_rate").sum() == 117
    configured = home.open(exchange_rates={"EUR": 11})
    deals = inputs.read_inputs(configured.context).deals
    assert deals["amount"].sum() == 3 * 1000 + 117 * 11_000
