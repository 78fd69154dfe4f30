"""Incidents in which deals were missed, doubled or never came to an end."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from functools import partial

import pytest

from sync.mirror import frames, schema
from tests.crm.conftest import deal
from tests.incidents.conftest import Build, House


def loaded(house: House) -> House:
    house.pull()
    house.clock.advance(minutes=60)
    house.asked()
    return house


def before_the_fourth(house: House, path: str, action: Callable[[], None]) -> None:
    """Do `action` right before the fourth request to such a path."""
    for _ in range(3):
        action = partial(house.sandbox.meanwhile, path, action)
    house.sandbox.meanwhile(path, action)


def test_incident_01_records_missing_at_cursor_boundary(house_of: Build) -> None:
    """The search's index shows changes up to a minute late, and not in their order."""
    house = loaded(house_of([deal(str(n)) for n in range(40)], index_lag_s=60.0))
    for n in range(40):  # some before the pull, some behind it, none of them settled
        house.crm.edit(house.crm.id_of(str(n)), {"amount": str(7_000 + n)})
        house.clock.advance(seconds=2)
        if n == 20:
            house.pull()
    house.pull()
    house.clock.advance(minutes=5)
    house.pull()
    assert house.difference() == {}


def test_incident_02_search_hit_newer_than_the_asked_upper_bound(house_of: Build) -> None:
    """A hit shows what the deal is when it is answered, not when the search looked for it."""
    house = loaded(house_of([deal("a"), deal("b")], index_lag_s=60.0, search_hits="stored"))
    a, b = house.crm.id_of("a"), house.crm.id_of("b")
    house.crm.edit(a, {"amount": "2"})
    house.crm.edit(b, {"amount": "2"})
    house.clock.advance(seconds=61)

    def somebody_works() -> None:
        house.clock.advance(minutes=2)
        house.crm.edit(b, {"amount": "3"})

    house.sandbox.meanwhile("/search", somebody_works)
    house.pull()
    assert house.held()[b].amount == Decimal(1000)  # as it was: the next window has it whole
    cursor = {row.stream: row.state for row in house.rows(schema.sync_cursor)}["deals"]
    assert datetime.fromisoformat(cursor["since"]) < datetime.fromisoformat(
        house.crm.deal(b)["hs_lastmodifieddate"] or ""
    )
    house.clock.advance(minutes=15)
    house.pull()
    assert house.difference() == {}


def test_incident_03_paging_beyond_ten_thousand_results(house_of: Build) -> None:
    """The cap is 200 here: what changed is three times as much."""
    house = loaded(house_of([deal(str(n)) for n in range(650)], search_results=200))
    for n in reversed(range(650)):  # the order of ids is not that of dates
        house.crm.edit(house.crm.id_of(str(n)), {"amount": str(n)})
        house.clock.advance(seconds=0.01)
    house.pull()
    assert house.difference() == {}
    assert {r.status for r in house.sandbox.requests} == {200}


def test_incident_04_endless_loop_over_one_modified_timestamp(house_of: Build) -> None:
    """A bulk job gives more deals one instant than a search can be paged through."""
    house = loaded(house_of([deal(str(n)) for n in range(450)], search_results=200))
    for n in range(450):
        house.crm.edit(house.crm.id_of(str(n)), {"amount": "5"})
    house.pull()
    assert house.difference() == {}
    assert len(house.asked("/search")) <= 4  # 200 a page


def test_incident_05_rows_at_a_shared_millisecond_are_skipped(house: House) -> None:
    a, b, c = (house.crm.id_of(key) for key in "abc")
    house.crm.edit(a, {"amount": "2"})
    house.pull()
    house.crm.edit(b, {"amount": "2"})  # in the very instant at which the pull was
    house.crm.edit(a, {"amount": "3"})  # and once more, under the date that is known
    house.clock.advance(minutes=15)
    house.pull()
    house.crm.edit(c, {"amount": "2"})
    house.pull()
    assert house.difference() == {}


def test_incident_05_a_window_begins_with_its_first_millisecond(house_of: Build) -> None:
    """Changes that the index shows up to a quarter of an hour late; the window that is due to find
    them begins at that very instant."""
    house = loaded(house_of([deal(str(n)) for n in range(20)], index_lag_s=900.0))
    house.pull()  # reaches far back, as once an hour: the next ones do not
    house.clock.advance(seconds=1 - house.clock.now().microsecond / 1_000_000)
    for deal_id in house.crm.deal_ids():
        house.crm.edit(deal_id, {"amount": "2"})
    lookback = house.app.config.connections[0].lookback_minutes
    house.clock.advance(minutes=lookback)
    house.pull()
    assert house.difference() != {}
    house.clock.advance(minutes=15)
    house.pull()
    assert house.difference() == {}


def test_incident_06_uri_too_long_after_many_properties_were_added(house_of: Build) -> None:
    house = house_of(
        [deal(str(n)) for n in range(120)],
        connection={"extra_properties": ["*"]},
        url_limit=8_000,
    )
    house.crm.add_property("region")
    loaded(house)
    for n in range(900):  # overnight
        house.crm.add_property(f"a_property_that_somebody_called_{n:04}")
    a = house.crm.id_of("0")
    house.crm.edit(a, {"a_property_that_somebody_called_0899": "yes", "amount": "2"})
    house.clock.advance(minutes=24 * 60)
    house.pull()
    assert house.difference() == {}
    assert house.held()[a].extra["a_property_that_somebody_called_0899"] == "yes"
    assert 414 not in {r.status for r in house.sandbox.requests}
    # and so does a first load with all of them
    again = house_of(
        [deal(str(n)) for n in range(120)], connection={"extra_properties": ["*"]}, url_limit=8_000
    )
    for n in range(900):
        again.crm.add_property(f"a_property_that_somebody_called_{n:04}")
    again.crm.edit(again.crm.id_of("7"), {"a_property_that_somebody_called_0007": "no"})
    again.pull()
    assert again.difference() == {}
    held = again.held()[again.crm.id_of("7")]
    assert held.extra["a_property_that_somebody_called_0007"] == "no"
    assert 414 not in {r.status for r in again.sandbox.requests}


def test_incident_07_stage_dates_all_null(house_of: Build) -> None:
    """`hs_date_entered_*` was sunset: stage times come from the history, on every tier."""
    house = house_of([deal("a")], lists_stage_properties=False)
    a = house.crm.id_of("a")
    house.clock.advance(minutes=60)
    house.crm.edit(a, {"dealstage": "offer"})
    moved_at = house.clock.now()
    house.clock.advance(minutes=60)
    house.pull()
    frame = frames.deal_frame(house.app.engine, "portal", zone="UTC", home_currency="NOK", rates={})
    assert frame["stage_entered_at"].to_list() == [moved_at]
    assert house.asked("hs_date_entered") == []


def test_incident_08_deleted_deals_stay_in_the_forecast(house: House) -> None:
    a, b = house.crm.id_of("a"), house.crm.id_of("b")
    modified = house.crm.deal(a)["hs_lastmodifieddate"]
    house.crm.archive(a)
    assert house.crm.deal(a)["hs_lastmodifieddate"] == modified  # nothing that a search finds
    house.pull()
    assert set(house.held()) == {b, house.crm.id_of("c")}
    house.crm.restore(a)
    house.clock.advance(minutes=15)
    house.pull()
    assert house.difference() == {}


def test_incident_09_merged_deals_double_count(house: House) -> None:
    """Three deals become one: two merges, each with a new id."""
    a, b, c = (house.crm.id_of(key) for key in "abc")
    first = house.crm.merge(a, b)
    house.clock.advance(minutes=1)
    last = house.crm.merge(first, c)
    house.clock.advance(minutes=14)
    house.pull()
    assert set(house.held()) == {last}
    assert sum(row.amount for row in house.held().values()) == Decimal(1000)
    survivors = {r.deal_id: r.survivor_id for r in house.rows(schema.deal) if r.removed_at}
    assert set(survivors) >= {a, b, c}
    assert survivors[c] == last


def test_incident_21_bookmark_of_the_newest_seen_loses_what_changed_meanwhile(
    house_of: Build,
) -> None:
    """Deals that were read early in a long run, and are changed before its end; a first load and
    a later one."""
    house = house_of([deal(str(n)) for n in range(150)])
    early, late = house.crm.id_of("3"), house.crm.id_of("149")

    def somebody_is_quick() -> None:
        """All has been listed; the load is not at its end."""
        house.crm.create({"dealname": "x", "pipeline": "default", "dealstage": "new"})
        house.clock.advance(minutes=30)

    def somebody_works() -> None:
        house.clock.advance(minutes=3)
        house.crm.edit(early, {"amount": "7"})
        house.clock.advance(minutes=30)
        house.crm.edit(late, {"amount": "8"})  # the newest date that is seen

    before_the_fourth(house, "/search", somebody_is_quick)  # which counts what came
    house.sandbox.meanwhile("/batch/read", somebody_works)
    house.pull()
    assert len(house.held()) == 150
    house.clock.advance(minutes=15)
    house.pull()
    assert house.difference() == {}

    def somebody_works_on() -> None:
        """The changed deals have been read; the recycle bin has not."""
        house.clock.advance(minutes=3)
        house.crm.edit(early, {"amount": "9"})
        house.clock.advance(minutes=30)

    house.clock.advance(minutes=60)
    house.pull()  # reaches far back, as once an hour: the next ones do not
    house.crm.edit(early, {"amount": "10"})
    house.crm.edit(late, {"amount": "10"})
    behind = ("/associations/", lambda: house.sandbox.meanwhile("/objects/", somebody_works_on))
    house.sandbox.meanwhile(*behind)
    house.pull()
    assert set(house.difference()) == {early}
    house.clock.advance(minutes=15)
    house.pull()
    assert house.difference() == {}


def test_incident_22_history_with_too_many_records_a_page(house_of: Build) -> None:
    """HubSpot refuses history for more than 50 records at once; the sandbox does so too."""
    house = loaded(house_of([deal(str(n)) for n in range(130)], batch_history_limit=50))
    for n in range(130):
        house.crm.edit(house.crm.id_of(str(n)), {"dealstage": "offer"})
    house.clock.advance(minutes=15)
    house.pull()
    assert {r.status for r in house.sandbox.requests} == {200}
    moved = {r.deal_id for r in house.rows(schema.deal_change) if r.new == "offer"}
    assert moved == set(house.crm.deal_ids())


@pytest.mark.parametrize("contacts", [100, 101, 1_203])
def test_incident_23_associations_cut_at_a_hundred(house_of: Build, contacts: int) -> None:
    house = loaded(house_of([deal("a", contacts=contacts, companies=1), deal("b")]))
    a, b = house.crm.id_of("a"), house.crm.id_of("b")
    assert [house.held()[i].contact_count for i in (a, b)] == [contacts, 0]
    house.crm.edit(a, {"amount": "2"})
    house.clock.advance(minutes=15)
    house.pull()
    assert house.held()[a].contact_count == contacts


def test_incident_24_associations_empty_after_switching_to_search(house_of: Build) -> None:
    house = loaded(house_of([deal("a", contacts=2, companies=1)]))
    a = house.crm.id_of("a")
    house.crm.edit(a, {"amount": "2"})
    house.clock.advance(minutes=15)
    assert house.pull()["updated"] == 1
    row = house.held()[a]
    assert (row.amount, row.contact_count, row.company_count) == (Decimal(2), 2, 1)


def test_incident_25_owner_missing(house_of: Build) -> None:
    """Who left is on another list, and later on none."""
    house = house_of([deal("a", values={"owner": "102"}), deal("b", values={"owner": "101"})])
    per, kari = house.crm.owner_id("102"), house.crm.owner_id("101")
    house.pull()
    house.crm.deactivate_owner("101")
    house.clock.advance(minutes=24 * 60)
    house.pull()
    owners = {row.owner_id: row for row in house.rows(schema.owner)}
    assert {row.owner_id for row in house.held().values()} == {per, kari} <= set(owners)
    assert (owners[per].name, owners[per].active) == ("Per Gone", False)
    assert (owners[kari].name, owners[kari].active) == ("Kari Nordmann", False)


@pytest.mark.parametrize("after", range(5))
def test_incident_30_a_load_that_stopped_at_page_one(house_of: Build, after: int) -> None:
    """A full page without `paging` is not the last one: the count of the CRM says so."""
    house = house_of([deal(str(n)) for n in range(260)])
    house.sandbox.faults.add("no_paging", path_contains="/deals", method="GET", after=after)
    result = house.try_to_pull()
    assert house.sandbox.faults.pending() == []
    if result.error is not None:  # said, and mended by the next pull
        house.clock.advance(minutes=15)
        house.pull()
    assert house.difference() == {}


def test_a_difference_would_be_seen(house: House) -> None:
    a, b = house.crm.id_of("a"), house.crm.id_of("b")
    house.crm.edit(a, {"amount": "2"})
    house.crm.archive(b)
    new = house.crm.create({"dealname": "x", "pipeline": "default", "dealstage": "new"})
    assert house.difference() == {
        a: {"amount": ("2", Decimal(1000))},
        b: "only in the mirror",
        new: "not in the mirror",
    }
