"""Windows of changes: where they begin and end, whose clock they go by, and what they cost."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import pytest

from sync.crm.base import DealPage, Known
from sync.crm.hubspot import values
from sync.crm.hubspot.changes import CLOCK_GRAIN, INDEX_LAG, SETTLE_EVERY, Window
from tests.crm.conftest import CREATED, LOOKBACK, Open, Portal, deal
from tests.fake_clock import START, FakeClock


@pytest.fixture
def api_version() -> str:
    return "2026-09"


def loaded(portal: Portal) -> Portal:
    portal.source.account()
    portal.source.pipelines()
    portal.pull()
    into_second = portal.clock.now().microsecond / 1_000_000  # pacing sleeps parts of seconds
    portal.clock.advance(minutes=60, seconds=-into_second)
    portal.sent()
    return portal


def read_ids(pages: list[DealPage]) -> list[str]:
    return [found.deal_id for page in pages for found in page.deals]


def test_12_000_deals_changed_in_one_millisecond_are_all_found_once(portal_of: Open) -> None:
    """More than a search ever shows. The mirror knows of all but the last of them."""
    portal = portal_of((deal(str(n)) for n in range(12_000)), rate_limit=None)
    ids = portal.crm.deal_ids()
    portal.pull()
    portal.sent()
    portal.mirror.cursor = {"since": values.iso(CREATED)}
    asked: list[str] = []

    def known(deal_ids: Sequence[str]) -> Mapping[str, Known]:
        asked.extend(deal_ids)
        return portal.mirror.known([i for i in deal_ids if i != ids[-1]])

    started = portal.clock.now()
    pages = list(portal.source.deals(portal.mirror.cursor, started_at=started, known=known))
    assert asked == ids
    assert read_ids(pages) == [ids[-1]]
    searches = [request for request in portal.sent() if request.endswith("/search")]
    assert len(searches) == 60


def test_an_index_lag_of_a_minute_with_edits_at_the_windows_edge_loses_nothing(
    portal_of: Open,
) -> None:
    portal = loaded(portal_of((deal(str(n)) for n in range(20)), index_lag_s=60.0))
    ids = portal.crm.deal_ids()
    expected: dict[str, str] = {}
    for number, deal_id in enumerate(ids):
        portal.crm.edit(deal_id, {"amount": str(number)})
        expected[deal_id] = str(number)
        portal.pull()  # at the very instant of the edit
        portal.clock.advance(seconds=3)
    portal.clock.advance(minutes=2)
    portal.pull()
    found = {deal_id: str(row.amount) for deal_id, row in portal.mirror.deals.items()}
    assert found == expected


def test_what_the_index_shows_an_hour_late_is_found_by_reaching_behind(portal_of: Open) -> None:
    """Far beyond the lookback: it is read with the window that reaches behind the index's lag."""
    portal = loaded(portal_of([deal("a"), deal("b")], index_lag_s=3_000.0))
    for key in "ab":
        portal.crm.edit(portal.crm.id_of(key), {"amount": "7"})
    for _ in range(9):
        portal.pull()
        portal.clock.advance(minutes=14)
    assert {str(row.amount) for row in portal.mirror.deals.values()} == {"7"}


def test_a_hit_that_changed_beyond_the_window_is_left_to_the_next(portal_of: Open) -> None:
    """The index finds a deal by an earlier change, and shows it with a later one."""
    portal = loaded(portal_of([deal("a"), deal("b")], index_lag_s=60.0, search_hits="stored"))
    a = portal.crm.id_of("a")
    portal.crm.edit(a, {"amount": "6"})
    portal.clock.advance(seconds=61)
    cursor = {
        "since": values.iso(portal.clock.now()),
        "floor": values.iso(portal.clock.now() - LOOKBACK),
        "until": values.iso(portal.clock.now()),
    }
    portal.clock.advance(seconds=5)
    portal.crm.edit(a, {"amount": "7"})
    portal.mirror.cursor = cursor
    assert read_ids(portal.pull()) == []
    portal.clock.advance(seconds=61)
    assert read_ids(portal.pull()) == [a]


@pytest.mark.parametrize("ahead_minutes", [-45, 45])
def test_windows_go_by_hubspots_clock(portal_of: Open, ahead_minutes: float) -> None:
    """A machine that is ahead would ask from an instant that HubSpot has not reached yet."""
    portal = portal_of([deal("a"), deal("b")])
    machine = FakeClock(START + timedelta(minutes=ahead_minutes))
    portal.clock, there = machine, portal.clock
    source = portal.source_of(portal.connect())

    def pull() -> list[str]:
        source.account()
        return read_ids(list(portal.pages(source)))

    pull()
    for number in range(5):
        for clock in (machine, there):
            clock.advance(minutes=15)
        edited = portal.crm.id_of("ab"[number % 2])
        portal.crm.edit(edited, {"amount": str(number)})
        assert pull() == [edited]
    assert portal.mirror.cursor is not None
    since = datetime.fromisoformat(portal.mirror.cursor["since"])
    assert abs(since - there.now()) <= timedelta(seconds=5)


def test_a_window_of_a_clock_that_was_ahead_begins_at_hubspots_present() -> None:
    now = START
    ahead = {"since": values.iso(now + timedelta(hours=3))}
    assert Window.of(ahead, now=now, lookback=LOOKBACK).floor == now - LOOKBACK


def test_once_an_hour_a_window_reaches_behind_the_lag_of_the_index() -> None:
    floors = []
    cursor = {"since": values.iso(START)}
    for minutes in range(15, 151, 15):
        window = Window.of(cursor, now=START + timedelta(minutes=minutes), lookback=LOOKBACK)
        floors.append(window.floor)
        cursor = dict(window.behind())
    reach = [START + timedelta(minutes=15 * n) - floor for n, floor in enumerate(floors)]
    assert [n for n, back in enumerate(reach) if back > LOOKBACK] == [3, 7]
    assert floors[3] == START - INDEX_LAG
    assert floors[7] == START + SETTLE_EVERY - INDEX_LAG


def test_an_interrupted_window_is_the_same_when_it_goes_on() -> None:
    window = Window.of(
        {"since": values.iso(START)}, now=START + timedelta(hours=2), lookback=LOOKBACK
    )
    later = Window.of(window.cursor(), now=START + timedelta(days=1), lookback=LOOKBACK)
    assert later == window
    assert later.behind() == window.behind()


def test_300_changed_deals_cost_eight_searches_and_reads_and_two_for_associations(
    portal_of: Open,
) -> None:
    portal = loaded(portal_of(deal(str(n)) for n in range(1000)))
    for deal_id in portal.crm.deal_ids()[:300]:
        portal.crm.edit(deal_id, {"amount": "7"})
    assert len(read_ids(portal.pull())) == 300
    kinds = [request.rsplit("/", 2) for request in portal.sent()]
    assert len([k for k in kinds if k[-1] == "search"]) == 2
    assert len(kinds) == 2 + 6 + 2


def test_the_clock_grain_is_no_gap(portal: Portal) -> None:
    """HubSpot cuts its time off to the second: what happened within it is not beyond the window."""
    loaded(portal)
    a = portal.crm.id_of("a")
    portal.clock.advance(seconds=CLOCK_GRAIN.total_seconds() / 2)
    portal.crm.edit(a, {"amount": "7"})
    assert read_ids(portal.pull()) == [a]
    assert isinstance(portal.mirror.deals[a].modified_at, datetime)
