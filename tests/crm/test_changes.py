"""Later pulls: what changed, all of it, once, and at what cost."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import islice

import pytest

from sync.crm.base import DealStatus, Field, Known, RemovalReason
from sync.crm.hubspot import values
from sync.crm.hubspot.source import HubSpotSource
from tests.crm.conftest import CREATED, LOOKBACK, OWN, Open, Portal, deal
from tests.fake_clock import START


def loaded(portal: Portal) -> Portal:
    portal.source.account()
    portal.source.pipelines()
    portal.pull()
    into_second = portal.clock.now().microsecond / 1_000_000  # pacing sleeps parts of seconds
    portal.clock.advance(minutes=60, seconds=-into_second)
    portal.sent()
    return portal


def cycle(portal: Portal) -> list[str]:
    """What a cycle of the daemon reads, and the requests that it took."""
    portal.source.account()
    portal.source.pipelines()
    portal.source.owners()
    portal.pull()
    for removals in portal.source.removed(started_at=portal.clock.now()):
        for removal in removals:
            portal.mirror.removals.setdefault(removal.deal_id, removal)
    return portal.sent()


@pytest.mark.parametrize("deals", [3, 130])
def test_nothing_new_costs_six_requests_whatever_there_is(portal_of: Open, deals: int) -> None:
    portal = loaded(portal_of(deal(str(n)) for n in range(deals)))
    assert len(cycle(portal)) == 6
    assert len(cycle(portal)) == 6


def test_changed_deals_come_again_and_no_others(portal: Portal) -> None:
    loaded(portal)
    b = portal.crm.id_of("b")
    portal.crm.edit(b, {"dealstage": "won", "amount": "1250"})
    closed_at = portal.clock.now()
    new = portal.crm.create(
        {"dealname": "Fresh", "pipeline": "default", "dealstage": "offer"}, contacts=1
    )
    portal.clock.advance(minutes=1)
    [page] = portal.pull()
    assert [found.deal_id for found in page.deals] == [b, new]
    won = portal.mirror.deals[b]
    assert (won.status, won.amount, won.closed_at) == (DealStatus.WON, Decimal(1250), closed_at)
    assert (won.contact_count, portal.mirror.deals[new].contact_count) == (0, 1)
    assert [(c.old, c.new) for c in portal.mirror.changes[b] if c.field is Field.STATUS] == [
        (None, "open"),
        ("open", "won"),
    ]


def test_a_change_within_the_lookback_that_is_known_is_not_read_again(portal: Portal) -> None:
    loaded(portal)
    portal.crm.edit(portal.crm.id_of("a"), {"amount": "7"})
    portal.pull()
    portal.clock.advance(seconds=30)
    portal.sent()
    [page] = portal.pull()
    assert page.deals == []
    assert [path.rsplit("/", 1)[1] for path in portal.sent()] == ["search"]


def test_what_search_sees_late_is_found_by_reaching_back(portal_of: Open) -> None:
    portal = loaded(portal_of((deal(str(n)) for n in range(20)), index_lag_s=60.0))
    for deal_id in portal.crm.deal_ids():
        portal.crm.edit(deal_id, {"amount": "7"})
    portal.clock.advance(seconds=5)
    [page] = portal.pull()
    assert len(page.deals) < 20  # the index does not know all of them yet
    portal.clock.advance(minutes=2)
    portal.pull()
    assert {found.amount for found in portal.mirror.deals.values()} == {Decimal(7)}


def test_a_change_at_the_very_edge_of_the_window_is_in_it(portal: Portal) -> None:
    """A cursor that looked beyond it would lose what shares its millisecond."""
    portal.mirror.cursor = {"since": values.iso(CREATED + LOOKBACK)}
    [page] = portal.pull()
    assert [found.modified_at for found in page.deals] == [CREATED] * 3


def test_a_deal_changed_again_during_a_pull_is_right_in_the_end(portal_of: Open) -> None:
    portal = loaded(portal_of((deal(str(n)) for n in range(210)), search_hits="indexed"))
    for n in range(205):
        portal.crm.edit(portal.crm.id_of(str(n)), {"amount": "7"})
    pull = portal.pages()
    next(pull)
    portal.clock.advance(seconds=1)
    portal.crm.edit(portal.crm.id_of("0"), {"amount": "8"})
    list(pull)
    portal.pull()
    assert portal.mirror.deals[portal.crm.id_of("0")].amount == Decimal(8)


def test_two_changes_within_one_millisecond_are_two(portal: Portal) -> None:
    """The second has the date that the first one gave the deal, which is known by then."""
    loaded(portal)
    [a, b, c] = (portal.crm.id_of(key) for key in "abc")
    portal.crm.edit(a, {"amount": "7"})
    portal.crm.edit(b, {"amount": "7"})
    portal.pull()
    portal.crm.edit(a, {"dealname": "Renamed", "closedate": "2027-05-31T12:00:00Z"})
    portal.crm.edit(b, {"hubspot_owner_id": portal.crm.owner_id("102")})
    assert portal.crm.deal(a)["hs_lastmodifieddate"] == portal.crm.deal(b)["hs_lastmodifieddate"]
    portal.clock.advance(seconds=30)
    [page] = portal.pull()
    assert [found.deal_id for found in page.deals] == [a, b]
    assert portal.mirror.deals[a].name == "Renamed"
    assert portal.mirror.deals[b].owner_id == portal.crm.owner_id("102")
    [page] = portal.pull()
    assert page.deals == []
    assert c in portal.mirror.deals


@pytest.mark.parametrize(
    "there",
    [
        {"hs_next_step": "Call back"},
        {"hs_manual_forecast_category": "COMMIT"},
        {"dealtype": "newbusiness"},
        {"description": "second"},
    ],
    ids=str,
)
def test_whatever_the_second_of_them_changes(portal: Portal, there: dict[str, str]) -> None:
    portal.source = HubSpotSource(
        "main",
        portal.client,
        lookback=LOOKBACK,
        own_properties=OWN,
        extra_properties=["description"],
        clock=portal.clock,
    )
    loaded(portal)
    a = portal.crm.id_of("a")
    portal.crm.edit(a, {"description": "first"})
    portal.pull()
    before = portal.mirror.deals[a]
    portal.crm.edit(a, there)
    portal.clock.advance(seconds=30)
    [page] = portal.pull()
    assert [found.deal_id for found in page.deals] == [a]
    assert portal.mirror.deals[a].modified_at == before.modified_at
    assert portal.mirror.deals[a] != before
    [page] = portal.pull()
    assert page.deals == []


def test_a_bulk_job_of_one_instant_is_paged_by_id(portal_of: Open) -> None:
    portal = loaded(portal_of(deal(str(n)) for n in range(450)))
    for n in range(450):
        portal.crm.edit(portal.crm.id_of(str(n)), {"amount": "7"})  # the clock stands still
    pages = portal.pull()
    assert [len(page.deals) for page in pages] == [450]
    searches = [path for path in portal.sent() if path.endswith("/search")]
    assert len(searches) == 3
    assert {found.amount for found in portal.mirror.deals.values()} == {Decimal(7)}


def test_an_interrupted_pull_goes_on_and_forgets_nothing(portal_of: Open) -> None:
    portal = loaded(portal_of(deal(str(n)) for n in range(1050)))
    for n in range(1050):
        portal.crm.edit(portal.crm.id_of(str(n)), {"amount": "7"})
    started = portal.clock.now()
    list(islice(portal.pages(), 1))
    portal.clock.advance(minutes=45)  # longer than the lookback
    portal.crm.edit(portal.crm.id_of("3"), {"amount": "8"})
    portal.clock.advance(minutes=45)
    resumed = portal.source_of(portal.client)
    assert [len(page.deals) for page in portal.pages(resumed)] == [50]
    assert portal.mirror.cursor is not None
    since = datetime.fromisoformat(portal.mirror.cursor["since"])
    assert timedelta() <= started - since <= timedelta(seconds=1.001)
    portal.pull()
    assert portal.mirror.deals[portal.crm.id_of("3")].amount == Decimal(8)


def test_a_merge_comes_as_the_survivor_and_two_removals(portal: Portal) -> None:
    loaded(portal)
    a, b = portal.crm.id_of("a"), portal.crm.id_of("b")
    survivor = portal.crm.merge(a, b)
    cycle(portal)
    assert set(portal.mirror.deals) == {survivor, portal.crm.id_of("c")}
    for old in (a, b):
        removal = portal.mirror.removals[old]
        assert (removal.reason, removal.survivor_id) == (RemovalReason.MERGED, survivor)


def test_an_old_id_may_live_on_as_the_survivor(portal_of: Open) -> None:
    portal = loaded(portal_of([deal("a"), deal("b")], merge_makes_new_record=False))
    a, b = portal.crm.id_of("a"), portal.crm.id_of("b")
    assert portal.crm.merge(a, b) == a
    cycle(portal)
    assert set(portal.mirror.deals) == {a}
    assert set(portal.mirror.removals) == {b}


def test_archived_deals_are_listed_with_their_instant(portal: Portal) -> None:
    loaded(portal)
    a = portal.crm.id_of("a")
    portal.crm.archive(a)
    at = portal.clock.now()
    portal.clock.advance(minutes=5)
    cycle(portal)
    assert portal.mirror.removals[a].reason is RemovalReason.ARCHIVED
    assert portal.mirror.removals[a].removed_at == at
    portal.crm.restore(a)
    assert list(portal.source.removed(started_at=portal.clock.now())) == [[]]


def test_a_full_bin_is_read_page_by_page(portal_of: Open) -> None:
    portal = portal_of(deal(str(n), archived_at=START) for n in range(230))
    pages = list(portal.source.removed(started_at=portal.clock.now()))
    assert [len(page) for page in pages] == [100, 100, 30]
    assert portal.source.deal_count() == 0


def test_reading_some_deals_gives_their_present_state(portal: Portal) -> None:
    a, b, c = (portal.crm.id_of(key) for key in "abc")
    survivor = portal.crm.merge(a, b)
    gone = portal.crm.create({"dealname": "x", "pipeline": "default", "dealstage": "new"})
    portal.crm.archive(gone)
    page = portal.source.read([a, b, c, gone, "123"])
    assert {found.deal_id for found in page.deals} == {survivor, c}
    assert page.changes == []
    assert {removal.deal_id for removal in page.removals} == {a, b}


def test_a_deal_out_of_the_bin_is_read_with_its_history(portal: Portal) -> None:
    a = portal.crm.id_of("a")
    portal.crm.edit(a, {"dealstage": "offer"})
    portal.crm.archive(a)
    assert portal.source.read([a], history=True).deals == []
    portal.crm.restore(a)
    page = portal.source.read([a], history=True)
    assert [c.new for c in page.changes if c.field is Field.STAGE] == ["new", "offer"]


@pytest.mark.parametrize("merged", ["survivor", "missing", "omitted"])
def test_a_merged_id_is_found_however_the_batch_treats_it(portal_of: Open, merged: str) -> None:
    portal = portal_of([deal("a"), deal("b")], merged_in_batch_read=merged)
    a = portal.crm.id_of("a")
    survivor = portal.crm.merge(a, portal.crm.id_of("b"))
    assert [found.deal_id for found in portal.source.read([a]).deals] == [survivor]


def test_more_deals_than_a_batch_holds_can_be_read(portal_of: Open) -> None:
    portal = portal_of(deal(str(n)) for n in range(205))
    page = portal.source.read(portal.crm.deal_ids())
    assert sorted(found.deal_id for found in page.deals) == portal.crm.deal_ids()


def test_a_deal_that_vanishes_between_search_and_read_is_simply_absent(portal: Portal) -> None:
    loaded(portal)
    a, b = portal.crm.id_of("a"), portal.crm.id_of("b")
    for deal_id in (a, b):
        portal.crm.edit(deal_id, {"amount": "7"})

    def known(deal_ids: Sequence[str]) -> Mapping[str, Known]:
        portal.crm.archive(a)  # after the search, before the read
        return {}

    pages = portal.source.deals(portal.mirror.cursor, started_at=portal.clock.now(), known=known)
    [page] = pages
    assert [found.deal_id for found in page.deals] == [b]
    assert page.cursor["since"] <= values.iso(portal.clock.now())


def test_deals_without_associations_do_not_spoil_the_others(portal_of: Open) -> None:
    portal = loaded(portal_of([deal("a", contacts=2), deal("b")], unassociated="error"))
    for key in "ab":
        portal.crm.edit(portal.crm.id_of(key), {"amount": "7"})
    portal.pull()
    counts = [portal.mirror.deals[portal.crm.id_of(key)].contact_count for key in "ab"]
    assert counts == [2, 0]


def test_our_own_properties_come_back_with_the_deals(portal: Portal) -> None:
    portal.sandbox.crm.deals.definitions.create(
        {
            "name": "dealpulse_win_probability",
            "label": "x",
            "type": "number",
            "fieldType": "number",
            "groupName": "dealinformation",
        },
        portal.crm.now(),
    )
    a, b = portal.crm.id_of("a"), portal.crm.id_of("b")
    portal.crm.edit(a, {"dealpulse_win_probability": "0.42"})
    portal.pull()
    assert portal.mirror.deals[a].own == {"dealpulse_win_probability": "0.42"}
    assert portal.mirror.deals[b].own == {"dealpulse_win_probability": None}


def test_a_stage_that_is_no_more_does_not_change_what_happened(portal: Portal) -> None:
    loaded(portal)
    a = portal.crm.id_of("a")
    portal.crm.edit(a, {"dealstage": "offer"})
    portal.crm.delete_stage("default", "offer")
    cycle(portal)
    found = portal.mirror.deals[a]
    assert (found.stage_id, found.status) == ("offer", DealStatus.OPEN)
    stages = [s.stage_id for p in portal.source.pipelines() for s in p.stages if not s.archived]
    assert stages == ["new", "won", "lost"]


def test_definitions(portal: Portal) -> None:
    account = portal.source.account()
    assert (account.time_zone, account.home_currency) == ("Europe/Oslo", "NOK")
    assert account.account_id == str(portal.crm.portal_id)
    [pipeline] = portal.source.pipelines()
    assert [(s.stage_id, s.label, s.probability, s.is_won) for s in pipeline.stages] == [
        ("new", "New", Decimal("0.2"), False),
        ("offer", "Offer", Decimal("0.6"), False),
        ("won", "Signed", Decimal(1), True),
        ("lost", "Gone", Decimal(0), False),
    ]
    owners = {owner.owner_id: owner for owner in portal.source.owners()}
    kari, per = (owners[portal.crm.owner_id(key)] for key in ("101", "102"))
    assert (kari.name, kari.active, kari.teams) == ("Kari Nordmann", True, ("North",))
    assert not per.active
    assert portal.source.deal_count() == 3
