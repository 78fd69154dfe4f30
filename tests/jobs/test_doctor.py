"""The doctor names what differs and why, and puts it right."""

import json
from decimal import Decimal

import pytest
from sqlalchemy import delete, update

from sync.errors import SafetyStop
from sync.jobs.doctor import examine
from sync.mirror import schema
from sync.mirror.engine import writing
from sync.mirror.reconcile import Why
from sync.report.doctor import doctor_report
from sync.report.table import as_json
from tests.crm.conftest import deal
from tests.jobs.conftest import Build, House


@pytest.fixture
def house(house_of: Build) -> House:
    euros = (deal(f"eur {n}", values={"currency": "EUR", "amount": "10.10"}) for n in range(3))
    house = house_of([*(deal(str(n)) for n in range(12)), *euros])
    house.pull()
    house.clock.advance(minutes=5)
    return house


def spoil(house: House) -> dict[str, Why]:
    """One deal of each kind of difference."""
    crm, d = house.crm, schema.deal
    missing, other, older, archived = (crm.id_of(key) for key in "1234")
    with writing(house.app.engine) as transaction:
        transaction.execute(delete(d).where(d.c.deal_id == missing))
        transaction.execute(update(d).where(d.c.deal_id == other).values(amount=Decimal(7)))
    crm.edit(older, {"dealstage": "offer"})
    crm.archive(archived)
    return {missing: Why.MISSING, other: Why.DIFFERENT, older: Why.OLDER, archived: Why.GONE}


def test_a_whole_mirror_agrees_by_pipeline_stage_and_currency(house: House) -> None:
    found = examine(house.ctx, cure=False, most=50)
    assert (found.remaining, list(found.named), found.listed) == (0, [], 15)
    sums = {(t.stage_id, t.currency): (t.crm_deals, t.crm_amount) for t in found.totals}
    assert sums == {
        ("new", "NOK"): (12, Decimal(12_000)),
        ("new", "EUR"): (3, Decimal("30.30")),
    }
    assert all(total.agrees for total in found.totals)


def test_each_difference_is_named_with_its_reason_and_nothing_is_changed(house: House) -> None:
    expected = spoil(house)
    before = house.deals()
    found = examine(house.ctx, cure=False, most=50)
    assert {d.deal_id: d.why for d in found.named} == expected
    assert (found.remaining, found.cured) == (4, None)
    assert house.deals() == before
    totals, deals = doctor_report(house.app.engine, found)
    assert {row["agrees"] for row in totals.rows} == {"yes", "no"}
    told = {row["deal_id"]: (row["why"], row["differs"]) for row in deals.rows}
    assert told[house.crm.id_of("2")][1] == "amount: 1000, 7"
    assert told[house.crm.id_of("3")][1] == "stage: offer, new; stage_probability: 0.6, 0.2"
    assert told[house.crm.id_of("4")][0] == "archived in the CRM"


def test_what_differs_is_named_field_by_field(house: House) -> None:
    """Two changes within one millisecond, of which a pull saw the first."""
    crm, deal_id = house.crm, house.crm.id_of("5")
    crm.edit(deal_id, {"amount": "5"})
    house.pull()
    crm.edit(
        deal_id,
        {
            "dealname": "Renamed",
            "hubspot_owner_id": crm.owner_id("102"),
            "closedate": "2027-05-31T12:00:00Z",
        },
    )
    house.clock.advance(minutes=1)
    before = house.living()[deal_id]
    [named] = examine(house.ctx, cure=False, most=50).named
    assert (named.deal_id, named.why, named.name) == (deal_id, Why.DIFFERENT, "Renamed")
    assert named.fields == (
        ("close_date", "2027-05-31T12:00:00+00:00", before.close_date.isoformat()),
        ("owner_id", crm.owner_id("102"), before.owner_id),
        ("name", "Renamed", before.name),
    )
    assert examine(house.ctx, cure=True, most=50).remaining == 0


def test_healing_leaves_no_difference(house: House) -> None:
    spoil(house)
    found = examine(house.ctx, cure=True, most=50)
    assert found.remaining == 0
    assert sorted(house.living()) == house.crm.deal_ids()
    again = examine(house.ctx, cure=False, most=50)
    assert (again.remaining, all(total.agrees for total in again.totals)) == (0, True)


def test_healing_refuses_to_remove_far_more_than_usual(house_of: Build) -> None:
    house = house_of(deal(str(n)) for n in range(60))
    house.pull()
    house.clock.advance(minutes=5)
    for deal_id in house.crm.deal_ids()[:30]:
        house.crm.purge(deal_id)
    assert examine(house.ctx, cure=False, most=5).found == {Why.GONE: 30}
    with pytest.raises(SafetyStop, match="30 of the mirror's 60"):
        examine(house.ctx, cure=True, most=5)
    assert len(house.living()) == 60


def test_only_so_many_deals_are_named(house: House) -> None:
    spoil(house)
    found = examine(house.ctx, cure=False, most=1)
    assert (len(found.named), found.remaining) == (1, 4)
    assert "3 more not shown" in as_json(doctor_report(house.app.engine, found))


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_the_command_ends_with_8_while_deals_differ(house: House) -> None:
    spoil(house)
    asked = house.installation.run("doctor", "--format", "json")
    assert asked.returncode == 8, asked.stderr
    assert "doctor --heal" in asked.stderr
    totals, deals = json.loads(asked.stdout)
    assert (totals["remaining"], len(deals["rows"])) == (4, 4)
    healed = house.installation.run("doctor", "--heal")
    assert healed.returncode == 0, healed.stderr
    assert "now 0 do" in healed.stdout
    assert house.installation.run("doctor").returncode == 0
