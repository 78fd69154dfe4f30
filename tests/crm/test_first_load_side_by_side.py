"""Many deals are loaded by ranges of ids, else by searches, else page by page: none is missed."""

from collections import Counter
from itertools import islice

import pytest

from sync.crm.base import DealPage
from sync.crm.hubspot.deal_calls import LIST_LIMIT, SEARCH_LIMIT, DealCalls
from sync.crm.hubspot.readers import LIST_THREADS, SEARCH_THREADS, BySearch
from sync.crm.hubspot.selection import Selection
from sync.crm.hubspot.side_by_side import most_in_hand
from sync.errors import TransientError
from tests.crm.conftest import Mirror, Open, Portal, deal

DEALS = 2_300
"""More than are read by one cursor."""


@pytest.fixture
def api_version() -> str:
    return "2026-09"


@pytest.fixture
def portal(portal_of: Open) -> Portal:
    return loaded(portal_of)


def loaded(portal_of: Open, count: int = DEALS, **behaviour: object) -> Portal:
    """No rate limit: with a clock that only tests move, waiting would be a matter of luck."""
    return portal_of((deal(str(n)) for n in range(count)), rate_limit=None, **behaviour)


def asked(portal: Portal) -> Counter[str]:
    """Requests for deals since the last time, by what they are."""
    return Counter(
        "list" if r.method == "GET" and r.path.endswith("/deals") else r.path.rsplit("/", 1)[-1]
        for r in portal.sandbox.requests
        if "/deals" in r.path and "pipelines" not in r.path
    )


def ids(pages: list[DealPage]) -> list[str]:
    return [found.deal_id for page in pages for found in page.deals]


def test_ranges_of_ids_bring_every_deal_once(portal: Portal) -> None:
    pages = list(portal.pages())
    assert Counter(ids(pages)) == Counter(portal.crm.deal_ids())
    assert portal.mirror.cursor is not None
    assert set(portal.mirror.cursor) == {"since"}
    assert {note for page in pages for note in page.notes} == {
        "Deals were loaded from several ids on at a time."
    }
    requests = asked(portal)
    assert requests["list"] <= DEALS / 100 + 2 + 12, "each split costs part of a page"
    assert requests["search"] == 3


def test_an_opaque_cursor_is_noticed_and_searches_take_over(portal_of: Open) -> None:
    portal = loaded(portal_of, list_after="opaque")
    pages = list(portal.pages())
    assert Counter(ids(pages)) == Counter(portal.crm.deal_ids())
    (note,) = {note for page in pages for note in page.notes}
    assert note.startswith("Deals were loaded by several searches at a time, because HubSpot ref")
    assert asked(portal)["search"] >= DEALS / 200
    assert {found.contact_count for found in portal.mirror.deals.values()} == {0}


def test_searches_are_not_ended_by_the_most_they_show(portal_of: Open) -> None:
    portal = loaded(portal_of, list_after="opaque", search_results=400)
    assert Counter(ids(list(portal.pages()))) == Counter(portal.crm.deal_ids())


@pytest.mark.parametrize(
    ("refused", "behind", "why"),
    [
        ("both ways from the start", 2, "because HubSpot refused the search for all deals"),
        ("searches half-way", 5, "because HubSpot refused the search for all deals"),
        ("even counting", 0, "because HubSpot refused the number of deals"),
    ],
)
def test_where_searches_are_refused_too_one_cursor_brings_all(
    portal_of: Open, refused: str, behind: int, why: str
) -> None:
    """`behind` searches still work: two are for the outermost ids, the others bring deals."""
    portal = loaded(portal_of, list_after="opaque", count=1_100)
    portal.sandbox.faults.add("html_414", -1, "/search", after=behind)
    pages = list(portal.pages())
    assert portal.source.deal_count() is None
    assert set(ids(pages)) == set(portal.crm.deal_ids()), refused
    note = pages[-1].notes[-1]
    assert note.startswith("Deals were loaded page by page, because")
    assert why in note
    assert portal.mirror.cursor == {"since": portal.mirror.cursor["since"]}  # type: ignore[index]
    by_cursor = [page for page in pages if page.notes[-1].startswith("Deals were loaded page by")]
    assert Counter(ids(by_cursor)) == Counter(portal.crm.deal_ids())
    assert {found.contact_count for found in portal.mirror.deals.values()} == {0}


def test_a_search_that_cannot_be_asked_for_all_properties_is_no_way(portal_of: Open) -> None:
    """The counts are short; a page names every property."""
    portal = loaded(portal_of, list_after="opaque", count=1_100, search_body_limit=300)
    pages = list(portal.pages())
    assert Counter(ids(pages)) == Counter(portal.crm.deal_ids())
    assert {note.split(",")[0] for page in pages for note in page.notes} == {
        "Deals were loaded page by page"
    }


@pytest.mark.parametrize("list_after", ["id", "opaque"])
def test_a_load_stopped_anywhere_goes_on_and_asks_little_again(
    portal_of: Open, list_after: str
) -> None:
    portal = loaded(portal_of, list_after=list_after)
    whole = len(list(portal.pages()))
    for committed in (1, whole // 3, whole - 1):
        portal.mirror = Mirror()
        first = list(islice(portal.pages(), committed))
        resumed = portal.source_of(portal.connect())
        rest = list(portal.pages(resumed))
        assert Counter(ids([*first, *rest])) == Counter(portal.crm.deal_ids())
        resumed.close()


@pytest.mark.parametrize(("total", "least"), [(400, 100), (40_000, 400), (1_000_000, 1_000)])
def test_a_lot_is_a_hundredth_of_the_deals_and_a_thousand_at_most(
    portal: Portal, total: int, least: int
) -> None:
    """As if this were the last part of a load of `total`. A page may come on top, no more."""
    first, *_, last = portal.crm.deal_ids()
    portal.mirror.cursor = {
        "since": "2026-03-16T09:00:00Z",
        "way": "ranges",
        "ranges": "0-",
        "known": f"{total},{first},{last}",
        "read": str(total - DEALS),
        "why": "",
    }
    *lots, rest = (len(page.deals) for page in portal.pages())
    assert sum(lots) + rest == DEALS
    assert lots
    assert all(least <= lot < least + 100 for lot in lots), lots


@pytest.mark.parametrize(
    ("list_after", "way", "page", "threads"),
    [("id", "list", LIST_LIMIT, LIST_THREADS), ("opaque", "search", SEARCH_LIMIT, SEARCH_THREADS)],
)
def test_no_more_is_read_than_a_few_pages_ahead_of_what_is_committed(
    portal_of: Open, list_after: str, way: str, page: int, threads: int
) -> None:
    """However many deals there are, so many are in memory: the readers wait for the writer."""
    portal = loaded(portal_of, list_after=list_after)
    reading = portal.pages()
    committed = len(next(reading).deals)
    for _ in range(DEALS // 100):  # while the writer is busy, the readers could read everything
        portal.source.pipelines()
    under_way = asked(portal)[way] - 2 - committed // page  # two were asked before the load
    assert under_way <= most_in_hand(lot=100, page=page, threads=threads) // page
    rest = ids(list(reading))
    assert len(rest) == DEALS - committed
    assert len(rest) > under_way * page, "there was more to read"


def test_a_search_for_a_part_is_not_shown_what_others_read(portal: Portal) -> None:
    """`end` itself may come, no more."""
    every = [int(deal_id) for deal_id in portal.crm.deal_ids()]
    reader = BySearch(DealCalls(portal.client, lambda: Selection(("dealname",), {})))
    records, following = reader.page(str(every[100]), every[230])
    assert [int(record["id"]) for record in records] == every[100:231]
    assert following is None
    records, following = reader.page(str(every[100]), every[400])
    assert [int(record["id"]) for record in records] == every[100:300]
    assert following == str(every[299] + 1)


def test_a_list_that_ends_too_early_is_noticed_by_the_count(portal_of: Open) -> None:
    portal = portal_of((deal(str(n)) for n in range(220)), rate_limit=None)
    portal.sandbox.faults.add("no_paging", after=2, path_contains="/objects")  # behind the counts
    pages = list(portal.pages())
    assert set(portal.mirror.deals) == set(portal.crm.deal_ids())
    assert any("only 100 of 220 deals came" in note for page in pages for note in page.notes)


def test_a_reader_that_fails_ends_the_load_with_its_error(portal: Portal) -> None:
    reading = portal.pages()
    first = next(reading)
    portal.sandbox.faults.add("server_500", times=1_000, path_contains="/objects")
    with pytest.raises(TransientError, match="fault of its own"):
        list(reading)
    portal.sandbox.faults.clear()
    rest = list(portal.pages(portal.source_of(portal.connect())))
    assert {first.deals[0].deal_id} <= set(portal.mirror.deals)
    assert set(portal.mirror.deals) == set(portal.crm.deal_ids())
    assert rest[-1].cursor == portal.mirror.cursor


def test_a_load_that_is_given_up_sends_nothing_more(portal: Portal) -> None:
    reading = portal.pages()
    next(reading)
    reading.close()  # type: ignore[attr-defined]
    sent = len(portal.sandbox.requests)
    portal.source.deal_count()
    assert len(portal.sandbox.requests) == sent + 1
