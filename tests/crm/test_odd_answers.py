"""Answers that would make a pull endless, incomplete or wrong if they were believed."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from sync.crm.base import Deal, DealPage, Known
from sync.crm.hubspot.associations import Associations, Linked, linked
from sync.crm.hubspot.client import HubSpotClient
from sync.crm.hubspot.source import HubSpotSource
from sync.crm.limiter import Limiter
from sync.errors import AuthError, PermanentError, TransientError
from tests.crm.conftest import LOOKBACK
from tests.crm.scripted import Asked, Say, Script, Server, scripted
from tests.fake_clock import FakeClock

SINCE = {"since": "2026-03-16T08:00:00Z"}
LINK = "http://elsewhere.invalid/crm/v3/objects/deals?after=2"


def shown(deal_id: str, **more: Any) -> dict[str, Any]:
    properties = {
        "dealname": "Acme",
        "createdate": "2026-01-05T09:00:00Z",
        "hs_lastmodifieddate": "2026-03-16T08:30:00Z",
    }
    return {"id": deal_id, "properties": properties, **more}


def answering(**by_end_of_path: Script) -> Script:
    """The account and its pipelines, and for other paths what is given by their last part."""

    def script(asked: Asked) -> Say:
        last = asked.path.split("?")[0].rsplit("/", 1)[1]
        if last == "details":
            details = {"portalId": 1, "timeZone": "Europe/Oslo", "companyCurrency": "NOK"}
            return Say(200, details)
        if "/pipelines/" in asked.path:
            return Say(200, {"results": []})
        for part, answer in by_end_of_path.items():
            if f"/{part}/batch/read" in asked.path:
                return answer(asked)
        if last == "search" and last not in by_end_of_path:  # the count before a first load
            return Say(200, {"total": 0, "results": []})
        return by_end_of_path[last](asked)

    return script


@contextmanager
def client_of(script: Script) -> Iterator[tuple[HubSpotClient, Server]]:
    clock = FakeClock()
    with scripted(script) as server:
        client = HubSpotClient(
            "token",
            base_url=server.url,
            api_version="v3",
            timeout_s=5,
            deadline_s=60,
            limiter=Limiter(share=1.0, clock=clock),
            clock=clock,
        )
        yield client, server
        client.close()


@contextmanager
def source_of(script: Script) -> Iterator[tuple[HubSpotSource, Server]]:
    with client_of(script) as (client, server):
        source = HubSpotSource(
            "x", client, lookback=LOOKBACK, own_properties=(), clock=FakeClock(), contact_roles=True
        )
        yield source, server


def nothing_known(deal_ids: Sequence[str]) -> Mapping[str, Known]:
    return {}


def load(source: HubSpotSource) -> Iterator[DealPage]:
    return source.deals(None, started_at=FakeClock().now(), known=nothing_known)


def changes(source: HubSpotSource) -> Iterator[DealPage]:
    return source.deals(SINCE, started_at=FakeClock().now(), known=nothing_known)


def test_a_page_that_comes_again_ends_the_pull() -> None:
    again = {"results": [shown("1")], "paging": {"next": {"after": "2", "link": LINK}}}
    with source_of(answering(deals=lambda _: Say(200, again))) as (source, server):
        with pytest.raises(PermanentError, match="twice"):
            list(load(source))
        listed = [asked for asked in server.asked if "/objects/deals?" in asked.path]
        assert len(listed) == 2
        assert "after=2" in listed[1].path  # and the link was not followed


def test_a_search_that_does_not_get_on_ends_the_pull() -> None:
    hits = {"total": 5, "results": [shown("1")]}
    script = answering(
        search=lambda _: Say(200, hits),
        read=lambda _: Say(200, {"results": []}),
    )
    with source_of(script) as (source, _), pytest.raises(PermanentError, match="twice"):
        list(changes(source))


def test_a_search_goes_on_though_it_shows_no_further_page() -> None:
    """`paging` was seen to be missing on a full page; `total` says that there is more."""
    seen: list[str] = []

    def search(asked: Asked) -> Say:
        beyond = asked.body["filterGroups"][0]["filters"][1]["value"]
        assert asked.body["sorts"] == [{"propertyName": "hs_object_id", "direction": "ASCENDING"}]
        assert "after" not in asked.body
        seen.append(beyond)
        left = [deal_id for deal_id in ("7", "8", "10") if int(deal_id) > int(beyond)]
        return Say(200, {"total": len(left), "results": [shown(left[0])]})

    def read(asked: Asked) -> Say:
        if "objects" not in asked.path:
            return Say(200, {"results": []})
        return Say(200, {"results": [shown(one["id"]) for one in asked.body["inputs"]]})

    script = answering(search=search, read=read)
    with source_of(script) as (source, _):
        assert [deal.deal_id for page in changes(source) for deal in page.deals] == ["7", "8", "10"]
    assert seen == ["0", "7", "8"]


def test_deals_that_hubspot_could_not_give_are_not_taken_for_gone() -> None:
    trouble = [{"category": "INTERNAL_ERROR", "message": "x", "context": {"ids": ["2"]}}]

    def read(asked: Asked) -> Say:
        if "objects" in asked.path:
            return Say(207, {"results": [shown("1")], "errors": trouble})
        return Say(200, {"results": []})

    hits = {"total": 2, "results": [shown("1"), shown("2")]}
    script = answering(search=lambda _: Say(200, hits), read=read)
    with source_of(script) as (source, _), pytest.raises(TransientError, match="in part"):
        list(changes(source))


def test_an_id_that_is_no_number_is_not_guessed_at() -> None:
    script = answering(
        search=lambda _: Say(200, {"total": 2, "results": [shown("abc")]}),
        read=lambda _: Say(200, {"results": []}),
    )
    with source_of(script) as (source, _), pytest.raises(PermanentError, match="no number"):
        list(changes(source))


def without(*scopes: str) -> Say:
    error = {"context": {"requiredGranularScopes": list(scopes)}}
    return Say(403, {"category": "MISSING_SCOPES", "errors": [error]})


def test_a_first_load_does_without_associations_that_it_may_not_see() -> None:
    def deals(asked: Asked) -> Say:
        if "contacts" in asked.path:
            return without("crm.objects.contacts.read")
        companies = {"companies": {"results": [{"id": "5", "type": "a"}, {"id": "5", "type": "b"}]}}
        return Say(200, {"results": [shown("1", associations=companies)]})

    with source_of(answering(deals=deals)) as (source, _):
        [page] = load(source)
    assert [(d.contact_count, d.company_count) for d in page.deals] == [(None, 1)]
    assert [deal.contact_roles for deal in page.deals] == [None]
    [left_out] = page.left_out
    assert left_out.startswith("contacts of deals: ")
    assert "crm.objects.contacts.read" in left_out


def test_so_does_a_pull_of_changes() -> None:
    def read(asked: Asked) -> Say:
        if "objects" in asked.path:
            return Say(200, {"results": [shown("1")]})
        return without(
            f"crm.objects.{'contacts' if 'contacts' in asked.path else 'companies'}.read"
        )

    script = answering(search=lambda _: Say(200, {"total": 1, "results": [shown("1")]}), read=read)
    with source_of(script) as (source, _):
        [page] = changes(source)
    assert [(d.contact_count, d.company_count) for d in page.deals] == [(None, None)]
    assert [deal.contact_roles for deal in page.deals] == [None]
    assert [text.split(" ")[0] for text in page.left_out] == ["contacts", "companies"]


def test_without_the_deals_themselves_there_is_no_pull() -> None:
    script = answering(deals=lambda _: without("crm.objects.deals.read"))
    with source_of(script) as (source, server):
        with pytest.raises(AuthError) as error:
            list(load(source))
        assert error.value.missing_scopes == ("crm.objects.deals.read",)
        assert len([asked for asked in server.asked if asked.method == "GET"]) == 1


def test_associations_are_read_to_their_end_and_no_further() -> None:
    def contacts(asked: Asked) -> Say:
        [one] = asked.body["inputs"]
        first = int(one.get("after", 0))
        to = [{"toObjectId": n} for n in range(first, first + 500)]
        following = {"next": {"after": str(first + 500)}} if first < 1000 else {}
        return Say(200, {"results": [{"from": {"id": "1"}, "to": to, "paging": following}]})

    def read(asked: Asked) -> Say:
        return Say(200, {"results": [shown("1")] if "objects" in asked.path else []})

    hits = {"total": 1, "results": [shown("1")]}
    script = answering(search=lambda _: Say(200, hits), contacts=contacts, read=read)
    with source_of(script) as (source, _):
        assert [deal.contact_count for page in changes(source) for deal in page.deals] == [1500]


def test_pages_that_are_committed_together_are_told_of_together() -> None:
    """Those that the list shows only in part are read to the end, of all pages at once."""

    def contacts(asked: Asked) -> Say:
        ids = [one["id"] for one in asked.body["inputs"]]
        to = [{"toObjectId": n} for n in range(150)]
        return Say(200, {"results": [{"from": {"id": deal_id}, "to": to} for deal_id in ids]})

    def page(some: str, cut: str) -> Linked:
        two = {"results": [{"id": "7"}, {"id": "8"}]}
        more = {**two, "paging": {"next": {"after": "8"}}}
        found = {some: two, cut: more}
        return linked([shown(i, associations={"contacts": found[i]}) for i in found])

    with client_of(answering(contacts=contacts)) as (client, server):
        told = Associations(client).listed([page("1", "2"), page("3", "4")])
    assert told.counts["contacts"] == {"1": 2, "2": 150, "3": 2, "4": 150}
    assert [[one["id"] for one in asked.body["inputs"]] for asked in server.asked] == [["2", "4"]]


def test_associations_that_come_again_end_the_pull() -> None:
    def contacts(_: Asked) -> Say:
        paging = {"next": {"after": "500"}}
        to = [{"toObjectId": 5}]
        return Say(200, {"results": [{"from": {"id": "1"}, "to": to, "paging": paging}]})

    hits = {"total": 1, "results": [shown("1")]}
    script = answering(
        search=lambda _: Say(200, hits),
        contacts=contacts,
        read=lambda _: Say(200, {"results": [shown("1")]}),
    )
    with source_of(script) as (source, _), pytest.raises(PermanentError, match="twice"):
        list(changes(source))


def test_an_owner_in_both_lists_is_active_and_lists_are_read_to_the_end() -> None:
    def owners(asked: Asked) -> Say:
        if "archived=true" in asked.path:
            return Say(
                200, {"results": [{"id": "1", "archived": True}, {"id": "3", "archived": True}]}
            )
        if "after=2" in asked.path:
            return Say(200, {"results": [{"id": "2", "archived": False}]})
        first = {"id": "1", "archived": False}
        return Say(200, {"results": [first], "paging": {"next": {"after": "2", "link": LINK}}})

    script = answering(**{"": owners, "owners": owners})
    with source_of(script) as (source, _):
        found = {owner.owner_id: owner.active for owner in source.owners()}
    assert found == {"1": True, "2": True, "3": False}


def test_a_deal_found_without_its_date_is_read() -> None:
    undated: list[Deal] = []
    hit = {"id": "1", "properties": {}}
    script = answering(
        search=lambda _: Say(200, {"total": 1, "results": [hit]}),
        read=lambda a: Say(200, {"results": [shown("1")] if "objects" in a.path else []}),
    )
    with source_of(script) as (source, _):
        for page in changes(source):
            undated += page.deals
    assert [deal.deal_id for deal in undated] == ["1"]
