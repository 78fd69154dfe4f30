"""Search: operators, caps, offsets, and an index that comes after."""

from datetime import timedelta
from typing import Any

import pytest

from sync.sandbox.company import Event
from tests.sandbox.conftest import CREATED, Client, Start, deal

SEARCH = "/crm/v3/objects/deals/search"


def where(*filters: tuple[Any, ...], **rest: Any) -> dict[str, Any]:
    """(property, operator, value[, high value]) joined by AND."""
    made = []
    for name, operator, *given in filters:
        spec: dict[str, Any] = {"propertyName": name, "operator": operator}
        if given:
            spec["values" if isinstance(given[0], list) else "value"] = given[0]
        if len(given) > 1:
            spec["highValue"] = given[1]
        made.append(spec)
    return {"filterGroups": [{"filters": made}], **rest}


def found(client: Client, body: dict[str, Any]) -> list[str]:
    response = client.post(SEARCH, body)
    assert response.status_code == 200, response.text
    names = {client.crm.id_of(d.key): d.key for d in client.crm.company.deals}
    return [names.get(record["id"], record["id"]) for record in response.json()["results"]]


def four(start: Start, **behaviour: Any) -> Client:
    return start(
        deal("small", values={"amount": "9"}),
        deal("big", Event(CREATED + timedelta(days=2), "amount", "1000"), stage="propose"),
        deal("none", values={"amount": None, "owner": None, "name": "Ås Bygg"}),
        deal("won", Event(CREATED + timedelta(days=9), "stage", "closedwon")),
        **behaviour,
    )


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (("amount", "EQ", "9.0"), ["small"]),
        (("amount", "NEQ", "9"), ["big", "none", "won"]),
        (("amount", "LT", "1000"), ["small"]),
        (("amount", "LTE", "1000"), ["small", "big", "won"]),
        (("amount", "GT", "9"), ["big", "won"]),
        (("amount", "GTE", "9"), ["small", "big", "won"]),
        (("amount", "BETWEEN", "9", "999"), ["small"]),
        (("amount", "HAS_PROPERTY"), ["small", "big", "won"]),
        (("hubspot_owner_id", "NOT_HAS_PROPERTY"), ["none"]),
        (("dealstage", "IN", ["propose", "closedwon"]), ["big", "won"]),
        (("dealstage", "IN", ["Propose"]), []),
        (("dealstage", "NOT_IN", ["propose", "closedwon"]), ["small", "none"]),
        (("dealname", "EQ", "ås bygg"), ["none"]),
        (("dealname", "CONTAINS_TOKEN", "*bygg"), ["none"]),
        (("dealname", "NOT_CONTAINS_TOKEN", "deal"), ["none"]),
        (("hs_is_closed", "EQ", "true"), ["won"]),
        (("hs_lastmodifieddate", "GTE", "2026-01-07T08:00:00Z"), ["big", "won"]),
        (("hs_lastmodifieddate", "GT", "1767772800000"), ["won"]),
        (("createdate", "LTE", "1767600000000"), ["small", "big", "none", "won"]),
    ],
)
def test_operators(start: Start, condition: tuple[Any, ...], expected: list[str]) -> None:
    assert found(four(start), where(condition)) == expected


def test_groups_are_alternatives_and_filters_conditions(start: Start) -> None:
    client = four(start)
    both = where(("amount", "GTE", "9"), ("dealstage", "EQ", "qualify"))
    assert found(client, both) == ["small"]
    either = {
        "filterGroups": [
            {"filters": [{"propertyName": "amount", "operator": "EQ", "value": "9"}]},
            {"filters": [{"propertyName": "dealstage", "operator": "EQ", "value": "propose"}]},
        ]
    }
    assert found(client, either) == ["small", "big"]
    bare = {"filters": [{"propertyName": "amount", "operator": "EQ", "value": "9"}]}
    assert found(client, bare) == ["small"]
    assert found(client, {"query": "BYGG"}) == ["none"]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ([], ["small", "big", "none", "won"]),
        ([{"propertyName": "amount", "direction": "DESCENDING"}], ["big", "won", "small", "none"]),
        ([{"propertyName": "amount", "direction": "ASCENDING"}], ["small", "big", "won", "none"]),
        (
            [{"propertyName": "hs_object_id", "direction": "DESCENDING"}],
            ["won", "none", "big", "small"],
        ),
    ],
)
def test_one_sort_rule_with_the_empty_last(
    start: Start, rule: list[Any], expected: list[str]
) -> None:
    assert found(four(start), {"sorts": rule}) == expected


def test_pages_by_offset_with_a_total(start: Start) -> None:
    client = start(*(deal(str(n)) for n in range(5)))
    first = client.post(SEARCH, {"limit": 2}).json()
    assert (first["total"], len(first["results"])) == (5, 2)
    assert first["paging"] == {"next": {"after": "2"}}
    last = client.post(SEARCH, {"limit": 2, "after": "4"}).json()
    assert (last["total"], len(last["results"])) == (5, 1)
    assert "paging" not in last


def filters(count: int) -> list[dict[str, str]]:
    return [{"propertyName": "amount", "operator": "HAS_PROPERTY"}] * count


@pytest.mark.parametrize(
    "body",
    [
        {"limit": 201},
        {"limit": "x"},
        {"after": "10000"},
        {"after": "-1"},
        {"filterGroups": [{"filters": filters(1)}] * 6},
        {"filterGroups": [{"filters": filters(7)}]},
        {"filterGroups": [{"filters": filters(5)}] * 4},
        {"sorts": [{"propertyName": "amount"}, {"propertyName": "createdate"}]},
        where(("nope", "EQ", "1")),
        where(("amount", "ROUGHLY", "1")),
        where(("amount", "GT", "much")),
        where(("amount", "BETWEEN", "1")),
        {"filterGroups": [3]},
    ],
)
def test_what_goes_beyond_the_caps_is_refused(start: Start, body: dict[str, Any]) -> None:
    response = start().post(SEARCH, body)
    assert response.status_code == 400
    assert response.json()["category"] == "VALIDATION_ERROR"


@pytest.mark.parametrize(
    "body",
    [
        {"limit": 200},
        {"after": "9999"},
        {"filterGroups": [{"filters": filters(1)}] * 5},
        {"filterGroups": [{"filters": filters(6)}] * 3},
    ],
)
def test_what_just_fits_is_answered(start: Start, body: dict[str, Any]) -> None:
    assert start().post(SEARCH, body).status_code == 200


def test_the_ten_thousandth_result_is_the_last_that_can_be_reached(start: Start) -> None:
    client = start(*(deal(str(n)) for n in range(10_001)))
    page = client.post(SEARCH, {"limit": 200, "after": "9800"}).json()
    assert page["total"] == 10_001
    assert len(page["results"]) == 200
    assert page["paging"]["next"]["after"] == "10000"
    assert client.post(SEARCH, {"limit": 1, "after": "10000"}).status_code == 400
    last = page["results"][-1]["id"]
    rest = where(("hs_object_id", "GT", last), sorts=[{"propertyName": "hs_object_id"}])
    assert client.post(SEARCH, rest).json()["total"] == 1


def test_hits_carry_no_history_no_associations_and_nothing_archived(start: Start) -> None:
    client = start(deal("a", companies=1), deal("b"))
    client.crm.archive(client.crm.id_of("b"))
    body = {"propertiesWithHistory": ["dealstage"], "associations": ["companies"]}
    answer = client.post(SEARCH, body).json()
    assert answer["total"] == 1
    assert not {"associations", "propertiesWithHistory"} & set(answer["results"][0])


def test_deals_of_one_company_or_contact(start: Start) -> None:
    client = start(deal("a", companies=1, contacts=2), deal("b", companies=1))
    record = client.get("/crm/v3/objects/deals", associations="companies").json()["results"][1]
    company_id = record["associations"]["companies"]["results"][0]["id"]
    assert found(client, where(("associations.company", "EQ", company_id))) == ["b"]


def test_the_index_sees_each_write_after_a_while_of_its_own(start: Start) -> None:
    client = start(*(deal(str(n)) for n in range(20)), index_lag_s=60, rate_limit=None)
    for deal_id in client.crm.deal_ids():
        client.crm.edit(deal_id, {"amount": "7"})
    changed = where(("amount", "EQ", "7"), limit=100)
    seen = []
    for _ in range(7):
        seen.append(len(found(client, changed)))
        client.clock.advance(seconds=10)
    assert seen == sorted(seen)
    assert seen[0] == 0
    assert 0 < seen[3] < 20
    assert seen[-1] == 20


def test_a_hit_found_in_the_old_index_shows_the_present_record(start: Start) -> None:
    for shown, expected in (("stored", "7"), ("indexed", "1000")):
        client = start(deal("a"), index_lag_s=60, search_hits=shown)
        client.clock.advance(seconds=1)
        client.crm.edit(client.crm.id_of("a"), {"amount": "7"})
        old = where(("amount", "EQ", "1000"), properties=["amount", "hs_lastmodifieddate"])
        (hit,) = client.post(SEARCH, old).json()["results"]
        assert hit["properties"]["amount"] == expected


def test_a_new_deal_is_not_in_the_index_at_once(start: Start) -> None:
    client = start(deal("a"), index_lag_s=60)
    client.clock.advance(seconds=1)
    client.crm.create({"dealname": "new"})
    assert client.post(SEARCH, {}).json()["total"] == 1
    client.clock.advance(seconds=60)
    assert client.post(SEARCH, {}).json()["total"] == 2


def test_switches_for_what_the_sources_disagree_on(start: Start) -> None:
    client = start(unknown_filter="empty", search_body_limit=300)
    assert found(client, where(("nope", "EQ", "1"))) == []
    assert client.post(SEARCH, {"properties": ["dealname"] * 40}).status_code == 400
