"""The sweep: whatever the pulls missed, the mirror equals the CRM after it."""

from datetime import timedelta

import pytest
from sqlalchemy import delete, select, update

from sync.errors import SafetyStop
from sync.jobs import chain
from sync.jobs.context import Stopped
from sync.mirror import schema
from sync.mirror.engine import reading, writing
from sync.sandbox.company import Event
from tests.crm.conftest import CREATED, deal
from tests.jobs.conftest import Build, House


@pytest.fixture
def house(house_of: Build) -> House:
    """Thirty pulled deals, then an hour."""
    house = house_of(deal(str(n)) for n in range(30))
    house.pull()
    house.clock.advance(minutes=60)
    house.sent()
    return house


def agrees(house: House) -> None:
    """Deal by deal, and no deal that the CRM does not list."""
    living = house.living()
    assert sorted(living) == house.crm.deal_ids()
    for deal_id, row in living.items():
        there = house.crm.deal(deal_id)
        assert row.stage_id == there["dealstage"]
        assert row.amount == (None if there["amount"] is None else int(there["amount"]))


def test_an_archive_a_restore_and_a_purge_that_no_pull_saw(house: House) -> None:
    archived, restored, purged = (house.crm.id_of(key) for key in "123")
    house.crm.archive(restored)
    house.pull()
    house.crm.restore(restored)
    house.crm.edit(restored, {"amount": "7"})
    house.crm.archive(archived)
    house.crm.purge(purged)
    counts = house.sweep()
    agrees(house)
    rows = house.deals()
    assert rows[archived].removed_reason == "archived"
    assert rows[purged].removed_reason == "purged"
    assert rows[restored].removed_at is None
    assert (counts["restored"], counts["purged"]) == (1, 1)
    again = house.sweep()
    assert not any(n for what, n in again.items() if what != "listed")


def test_three_ids_of_one_merge_count_once(house: House) -> None:
    """a and b become one, and that one and c another: all point at the end of the chain."""
    a, b, c = (house.crm.id_of(key) for key in "123")
    first = house.crm.merge(a, b)
    house.pull()
    last = house.crm.merge(first, c)
    house.sweep()
    agrees(house)
    rows = house.deals()
    assert {rows[i].survivor_id for i in (a, b, c, first)} == {last}
    assert {rows[i].removed_reason for i in (a, b, c, first)} == {"merged"}
    assert sum(row.amount for row in house.living().values()) == 28 * 1000


def test_a_change_that_the_search_never_showed_is_found(house: House) -> None:
    """As when its index is later than every look back: the mirror's cursor is past the change."""
    changed, lost = house.crm.id_of("4"), house.crm.id_of("5")
    house.crm.edit(changed, {"dealstage": "offer", "amount": "77"})
    with writing(house.app.engine) as transaction:
        for table in (schema.deal, schema.deal_change):
            transaction.execute(delete(table).where(table.c.deal_id == lost))
    counts = house.sweep()
    agrees(house)
    assert (counts["healed"], counts["created"]) == (2, 1)
    assert house.history(changed, "stage") == ["new", "offer"]
    assert house.history(lost, "stage") == ["new"]


@pytest.mark.parametrize(
    ("column", "there"),
    [
        ("name", {"dealname": "Renamed"}),
        ("owner_id", {"hubspot_owner_id": "102"}),
        ("close_date", {"closedate": "2027-05-31T12:00:00Z"}),
        ("amount", {"amount": "7"}),
        ("stage_id", {"dealstage": "offer"}),
        ("next_step", {"hs_next_step": "Call back"}),
        ("forecast_category", {"hs_manual_forecast_category": "COMMIT"}),
        ("extra", {"description": "second"}),
    ],
)
def test_a_second_change_of_one_millisecond_that_no_pull_saw(
    house_of: Build, column: str, there: dict[str, str]
) -> None:
    """The mirror holds the first one, and so the date that both have."""
    house = house_of([deal("4"), deal("5")], connection={"extra_properties": ["description"]})
    house.pull()
    house.clock.advance(minutes=5)
    deal_id = house.crm.id_of("4")
    if "hubspot_owner_id" in there:
        there = {"hubspot_owner_id": house.crm.owner_id("102")}
    house.crm.edit(deal_id, {"description": "first"})
    house.pull()
    before = getattr(house.living()[deal_id], column)
    house.crm.edit(deal_id, there)
    house.clock.advance(minutes=1)
    assert house.sweep()["healed"] == 1
    assert getattr(house.living()[deal_id], column) != before
    assert not house.sweep()["healed"]


def test_people_and_companies_come_and_go_without_a_date(house: House) -> None:
    deal_id = house.crm.id_of("6")
    before = house.crm.deal(deal_id)["hs_lastmodifieddate"]
    with house.crm.lock:
        house.crm.associate("deals", int(deal_id), "contacts", 1)
        house.crm.associate("deals", int(deal_id), "companies", 2)
    assert house.crm.deal(deal_id)["hs_lastmodifieddate"] == before
    assert house.sweep()["associations"] == 1
    row = house.living()[deal_id]
    assert (row.contact_count, row.company_count) == (1, 1)


def test_far_fewer_deals_remove_nothing_and_say_what_to_look_at(house_of: Build) -> None:
    house = house_of(deal(str(n)) for n in range(90))
    house.pull()
    house.clock.advance(minutes=5)
    for deal_id in house.crm.deal_ids()[:20]:  # as if the token's user saw them no longer
        house.crm.purge(deal_id)
    with pytest.raises(SafetyStop, match=r"20 of the mirror's 90 deals.*permissions.*scopes"):
        house.sweep()
    assert len(house.living()) == 90


def test_a_fifth_of_the_deals_may_go(house_of: Build) -> None:
    house = house_of(deal(str(n)) for n in range(100))
    house.pull()
    house.clock.advance(minutes=5)
    for deal_id in house.crm.deal_ids()[:20]:
        house.crm.purge(deal_id)
    assert house.sweep()["purged"] == 20
    agrees(house)


def test_many_archived_deals_are_no_reason_to_stop(house: House) -> None:
    for deal_id in house.crm.deal_ids()[:25]:
        house.crm.archive(deal_id)
    house.sweep()
    agrees(house)


def test_a_bin_that_ninety_days_have_emptied_leaves_tombstones(house: House) -> None:
    deal_id = house.crm.id_of("7")
    house.crm.archive(deal_id)
    house.sweep()
    house.clock.advance(days=91)
    house.sweep()
    assert house.deals()[deal_id].removed_reason == "purged"


def test_our_own_writes_are_not_read_again(house: House) -> None:
    for job in (chain.ASSESS, chain.WRITE_BACK):
        house.run(job)
    house.sent()
    counts = house.sweep()
    assert not counts.get("healed")
    assert [r for r in house.sent() if "batch/read" in r] == []


def test_what_a_pull_brings_meanwhile_is_newer_than_the_list(house: House) -> None:
    """A deal that is made, and one that is edited and gets a contact, after the list has passed
    them."""
    edited = house.crm.id_of("8")
    told: list[str] = []

    class Meanwhile:
        def step(self, what: str, done: int, total: int | None) -> None:
            if what == "listing" and not told:
                house.clock.advance(seconds=2)
                with house.crm.lock:
                    house.crm.associate("deals", int(edited), "contacts", 1)
                house.crm.edit(edited, {"dealstage": "won"})
                told.append(house.crm.create({"dealname": "New", "amount": "5"}))
                house.clock.advance(seconds=2)
                house.pull()

    house.run(chain.SWEEP, house.restarted(progress=Meanwhile()))
    agrees(house)
    row = house.living()[edited]
    assert (row.stage_id, row.contact_count) == ("won", 1)
    assert told[0] in house.living()


def test_it_stops_when_asked_and_leaves_nothing_half_done(house: House) -> None:
    house.crm.purge(house.crm.id_of("9"))
    context = house.restarted(should_stop=lambda: True)
    with pytest.raises(Stopped):
        chain.SWEEP.run(context, 0)
    assert len(house.living()) == 30
    house.sweep()
    agrees(house)


def test_nothing_is_swept_before_the_first_pull_is_through(house_of: Build) -> None:
    house = house_of([deal("a")])
    assert house.sweep().get("listed") is None
    assert [r for r in house.sent() if "/search" in r or "batch" in r] == []


def test_the_history_of_a_healed_deal_is_whole(house_of: Build) -> None:
    moved = Event(CREATED + timedelta(days=3), "stage", "offer")
    house = house_of([deal("a", moved), deal("b")])
    house.pull()
    deal_id = house.crm.id_of("a")
    with writing(house.app.engine) as transaction:
        transaction.execute(delete(schema.deal_change))
        transaction.execute(update(schema.deal).values(modified_at=CREATED - timedelta(days=1)))
    house.clock.advance(minutes=1)
    house.sweep()
    assert house.history(deal_id, "stage") == ["new", "offer"]


def test_old_runs_and_journal_entries_are_forgotten_but_the_last(house: House) -> None:
    for job in (chain.ASSESS, chain.WRITE_BACK):
        house.run(job)
    house.clock.advance(days=500)
    house.pull()
    counts = house.sweep()
    assert (counts["runs_forgotten"], counts["journal_forgotten"]) == (1, 0), "the first pull"
    house.clock.advance(days=700)
    for job in (chain.PULL, chain.ASSESS, chain.WRITE_BACK):
        house.run(job)
    journal = schema.write_journal
    with reading(house.app.engine) as snapshot:
        written = set(snapshot.execute(select(journal.c.deal_id)).scalars())
    assert house.sweep()["journal_forgotten"] >= 30
    with reading(house.app.engine) as snapshot:
        assert set(snapshot.execute(select(journal.c.deal_id)).scalars()) == written
        jobs = set(snapshot.execute(select(schema.job_run.c.job)).scalars())
    assert jobs == {"pull", "assess", "write_back", "sweep"}
