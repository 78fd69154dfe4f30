"""List, read and batch read: paging, encodings, history, associations, the recycle bin."""

from datetime import timedelta
from typing import Any

import pytest

from sync.sandbox.company import Event
from tests.sandbox.conftest import CREATED, Client, Start, deal

DEALS = "/crm/v3/objects/deals"
LATER = CREATED + timedelta(days=20)


def walk(client: Client, **params: Any) -> list[list[str]]:
    """The ids of every page."""
    pages, after = [], None
    while True:
        body = client.get(DEALS, **params, **({"after": after} if after else {})).json()
        pages.append([record["id"] for record in body["results"]])
        if "paging" not in body:
            return pages
        after = body["paging"]["next"]["after"]


def listed(client: Client) -> list[str]:
    return [deal_id for page in walk(client) for deal_id in page]


def test_the_list_is_walked_by_ascending_id(start: Start) -> None:
    client = start(*(deal(str(n)) for n in range(7)))
    pages = walk(client, limit=3)
    assert [len(page) for page in pages] == [3, 3, 1]
    ids = [deal_id for page in pages for deal_id in page]
    assert ids == client.crm.deal_ids() == sorted(ids)
    assert all(len(deal_id) == 12 for deal_id in client.crm.deal_ids())


def test_the_list_gives_ten_unless_asked(start: Start) -> None:
    client = start(*(deal(str(n)) for n in range(12)))
    assert [len(page) for page in walk(client)] == [10, 2]


def test_deals_made_and_archived_on_the_way_neither_repeat_nor_shift_the_list(start: Start) -> None:
    client = start(*(deal(str(n)) for n in range(6)))
    first = client.get(DEALS, limit=3).json()
    client.crm.archive(client.crm.id_of("0"))
    client.crm.archive(client.crm.id_of("4"))
    new = client.crm.create({"dealname": "late"})
    rest = client.get(DEALS, limit=10, after=first["paging"]["next"]["after"]).json()["results"]
    assert [r["id"] for r in rest] == [client.crm.id_of("3"), client.crm.id_of("5"), new]


@pytest.mark.parametrize(
    "params",
    [
        {"limit": 101},
        {"limit": 0},
        {"limit": 51, "propertiesWithHistory": "dealstage"},
        {"limit": "many"},
        {"after": "abc"},
        {"associations": "llamas"},
    ],
)
def test_a_list_request_beyond_the_limits_is_refused(start: Start, params: dict[str, Any]) -> None:
    response = start().get(DEALS, **params)
    assert response.status_code == 400
    assert response.json()["category"] == "VALIDATION_ERROR"


def test_without_properties_the_default_ones_are_shown(start: Start) -> None:
    (record,) = start(deal("a")).get(DEALS).json()["results"]
    assert set(record["properties"]) == {
        "amount",
        "closedate",
        "createdate",
        "dealname",
        "dealstage",
        "hs_lastmodifieddate",
        "hs_object_id",
        "pipeline",
    }


def test_values_are_text_what_is_empty_is_null_and_unknown_names_are_dropped(start: Start) -> None:
    client = start(deal("a", values={"amount": "1500.00"}))
    for params in (
        {"properties": "amount,hs_next_step,nope,hs_is_closed"},
        {"properties": ["amount", "hs_next_step", "nope", "hs_is_closed"]},
    ):
        record = client.get(f"{DEALS}/{client.crm.id_of('a')}", **params).json()
        assert record["properties"] == {
            "amount": "1500.00",
            "hs_next_step": None,
            "hs_is_closed": "false",
            "createdate": "2026-01-05T08:00:00Z",
            "hs_lastmodifieddate": "2026-01-05T08:00:00Z",
            "hs_object_id": record["id"],
        }


def test_history_is_exact_with_its_source_and_newest_first(start: Start) -> None:
    client = start(
        deal(
            "a",
            Event(LATER, "stage", "propose", "automation"),
            Event(LATER, "close_date", "2026-03-31T22:30:00+00:00", "human"),
            Event(LATER + timedelta(milliseconds=5), "close_date", None, "import"),
        )
    )
    (record,) = client.get(DEALS, propertiesWithHistory="dealstage,closedate,nope").json()[
        "results"
    ]
    history = record["propertiesWithHistory"]
    assert set(history) == {"dealstage", "closedate"}
    assert [(v["value"], v["timestamp"], v["sourceType"]) for v in history["dealstage"]] == [
        ("propose", "2026-01-25T08:00:00Z", "AUTOMATION_PLATFORM"),
        ("qualify", "2026-01-05T08:00:00Z", "CRM_UI"),
    ]
    assert [(v["value"], v["timestamp"], v["sourceType"]) for v in history["closedate"]] == [
        ("", "2026-01-25T08:00:00.005Z", "IMPORT"),
        ("2026-03-31T22:30:00Z", "2026-01-25T08:00:00Z", "CRM_UI"),
        ("2026-04-30T10:00:00Z", "2026-01-05T08:00:00Z", "CRM_UI"),
    ]
    assert history["closedate"][1]["sourceId"].startswith("userId:")
    assert record["updatedAt"] == "2026-01-25T08:00:00.005Z"


def test_history_can_come_in_no_order(start: Start) -> None:
    moves = [Event(LATER + timedelta(days=n), "amount", str(n)) for n in range(4)]
    ordered, shuffled = (
        start(deal("a", *moves), **behaviour)
        .get(DEALS, propertiesWithHistory="amount")
        .json()["results"][0]["propertiesWithHistory"]["amount"]
        for behaviour in ({}, {"history_order": "shuffled"})
    )
    times = [version["timestamp"] for version in shuffled]
    assert times not in (sorted(times), sorted(times, reverse=True))
    assert sorted(times, reverse=True) == [version["timestamp"] for version in ordered]


def test_associations_repeat_the_primary_company(start: Start) -> None:
    client = start(deal("a", contacts=2, companies=2), deal("b"))
    first, second = client.get(DEALS, associations="contacts,companies").json()["results"]
    contacts = first["associations"]["contacts"]["results"]
    companies = first["associations"]["companies"]["results"]
    assert [c["type"] for c in contacts] == ["deal_to_contact"] * 2
    assert [c["type"] for c in companies] == [
        "deal_to_company",
        "deal_to_company_unlabeled",
        "deal_to_company_unlabeled",
    ]
    assert companies[0]["id"] == companies[1]["id"] != companies[2]["id"]
    assert "associations" not in second


def test_more_than_a_hundred_associations_are_cut_off(start: Start) -> None:
    client = start(deal("a", contacts=101))
    deal_id = client.crm.id_of("a")
    (record,) = client.get(DEALS, associations="contacts").json()["results"]
    contacts = record["associations"]["contacts"]
    assert len(contacts["results"]) == 100
    after = contacts["paging"]["next"]["after"]
    rest = client.get(f"/crm/v4/objects/deals/{deal_id}/associations/contacts", after=after).json()
    assert [str(link["toObjectId"]) for link in rest["results"]] == [after]


def test_the_archived_list_holds_the_bin_only_and_for_ninety_days(start: Start) -> None:
    client = start()
    deal_id = client.crm.id_of("b")
    path = f"{DEALS}/{deal_id}"
    before = client.get(path).json()["updatedAt"]
    client.clock.advance(days=1)
    client.crm.archive(deal_id)
    assert deal_id not in listed(client)
    (gone,) = client.get(DEALS, archived="true").json()["results"]
    assert (gone["id"], gone["archived"], gone["archivedAt"]) == (
        deal_id,
        True,
        "2026-03-17T09:00:00Z",
    )
    assert gone["updatedAt"] == before
    assert client.get(path).status_code == 404
    assert client.get(path, archived="true").status_code == 200
    client.clock.advance(days=91)
    assert client.get(DEALS, archived="true").json()["results"] == []
    assert client.get(path, archived="true").status_code == 404


def test_a_restored_deal_is_back_under_its_id(start: Start) -> None:
    client = start()
    deal_id = client.crm.id_of("b")
    client.crm.archive(deal_id)
    client.crm.restore(deal_id)
    assert deal_id in listed(client)
    assert client.get(DEALS, archived="true").json()["results"] == []


def test_a_purged_deal_is_nowhere(start: Start) -> None:
    client = start()
    deal_id = client.crm.id_of("b")
    client.crm.purge(deal_id)
    assert client.get(f"{DEALS}/{deal_id}").json()["category"] == "OBJECT_NOT_FOUND"
    assert client.get(DEALS, archived="true").json()["results"] == []


def test_a_deal_archived_in_the_source_is_loaded_into_the_bin(start: Start) -> None:
    client = start(deal("a", archived_at=LATER + timedelta(days=40)), deal("b"))
    assert client.crm.deal_ids() == [client.crm.id_of("b")]
    (gone,) = client.get(DEALS, archived="true").json()["results"]
    assert gone["archivedAt"] == "2026-03-06T08:00:00Z"


def test_batch_read_gives_what_there_is_and_names_the_rest(start: Start) -> None:
    client = start()
    ids = client.crm.deal_ids()
    asked = {
        "inputs": [{"id": i} for i in (ids[2], "77", ids[0], ids[0])],
        "properties": ["amount"],
    }
    response = client.post(f"{DEALS}/batch/read", asked)
    assert response.status_code == 207
    body = response.json()
    assert {record["id"] for record in body["results"]} == {ids[0], ids[2]}
    assert body["numErrors"] == 1
    assert body["errors"][0]["category"] == "OBJECT_NOT_FOUND"
    assert body["errors"][0]["context"] == {"ids": ["77"]}
    complete = client.post(f"{DEALS}/batch/read", {"inputs": [{"id": ids[0]}]})
    assert complete.status_code == 200
    assert "errors" not in complete.json()


@pytest.mark.parametrize(("history", "most"), [([], 100), (["dealstage"], 50)])
def test_batch_read_takes_so_many(start: Start, history: list[str], most: int) -> None:
    client = start(*(deal(str(n)) for n in range(101)))
    for size, status in ((most, 200), (most + 1, 400)):
        inputs = [{"id": i} for i in client.crm.deal_ids()[:size]]
        body = {"inputs": inputs, "propertiesWithHistory": history}
        assert client.post(f"{DEALS}/batch/read", body).status_code == status


def test_batch_read_of_the_bin(start: Start) -> None:
    client = start()
    a, b = client.crm.id_of("a"), client.crm.id_of("b")
    client.crm.archive(a)
    body = {"inputs": [{"id": a}, {"id": b}]}
    for archived, found, missing in (("true", a, b), ("false", b, a)):
        response = client.post(f"{DEALS}/batch/read?archived={archived}", body).json()
        assert [record["id"] for record in response["results"]] == [found]
        assert response["errors"][0]["context"]["ids"] == [missing]


def test_a_property_removed_on_the_way_is_dropped_without_a_word(start: Start) -> None:
    client = start(deal("a", values={"next_step": "call"}))
    path = f"{DEALS}/{client.crm.id_of('a')}"
    assert (
        client.get(path, properties="hs_next_step").json()["properties"]["hs_next_step"] == "call"
    )
    client.crm.remove_property("hs_next_step")
    assert "hs_next_step" not in client.get(path, properties="hs_next_step").json()["properties"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"inputs": 3}', b'{"inputs": [3]}', b"{}"])
def test_a_malformed_body_is_refused(start: Start, body: bytes) -> None:
    response = start().send("POST", f"{DEALS}/batch/read", data=body)
    assert response.status_code == 400
    assert response.json()["category"] == "VALIDATION_ERROR"
