"""Writes in batches, with every way to fail in part; merges; rules that the newest API enforces."""

from typing import Any

import pytest
import requests

from tests.sandbox.conftest import Client, Start, deal

DEALS = "/crm/v3/objects/deals"
NEW = {"dealname": "New", "pipeline": "default", "dealstage": "qualify"}


def codes(response: requests.Response) -> list[str]:
    assert response.status_code == 400, response.text
    body = response.json()
    assert body["category"] == "VALIDATION_ERROR"
    return [error["code"] for error in body["errors"]]


def update(deal_id: str, trace: str | None = None, **properties: Any) -> dict[str, Any]:
    traced = {"objectWriteTraceId": trace} if trace else {}
    return {"id": deal_id, "properties": properties, **traced}


def batch(client: Client, *inputs: dict[str, Any], version: str = "v3") -> requests.Response:
    path = DEALS if version == "v3" else f"/crm/objects/{version}/deals"
    return client.post(f"{path}/batch/update", {"inputs": list(inputs)})


def test_batch_archive(start: Start) -> None:
    client = start()
    ids = client.crm.deal_ids()
    body = {"inputs": [{"id": ids[0]}, {"id": "77"}, {"id": ids[2]}]}
    assert client.post(f"{DEALS}/batch/archive", body).status_code == 204
    assert client.crm.deal_ids() == [ids[1]]


def test_batch_create_answers_in_another_order_with_the_trace_ids(start: Start) -> None:
    client = start()
    inputs = [
        {"properties": NEW | {"dealname": name}, "objectWriteTraceId": name} for name in "pqr"
    ]
    response = client.post(f"{DEALS}/batch/create", {"inputs": inputs})
    assert response.status_code == 201
    results = response.json()["results"]
    assert [r["objectWriteTraceId"] for r in results] != list("pqr")
    assert {r["objectWriteTraceId"]: r["properties"]["dealname"] for r in results} == dict(
        zip("pqr", "pqr", strict=True)
    )


def test_batch_update_of_a_missing_deal_writes_the_others(start: Start) -> None:
    client = start()
    a, b, c = client.crm.deal_ids()
    client.crm.archive(c)
    response = batch(
        client,
        update(a, "t1", amount="7"),
        update("77", "t2", amount="7"),
        update(c, "t3", amount="7"),
        update(b, "t4", amount="7"),
    )
    assert response.status_code == 207
    body = response.json()
    assert {r["id"]: r["objectWriteTraceId"] for r in body["results"]} == {a: "t1", b: "t4"}
    assert body["numErrors"] == 2
    assert [error["context"] for error in body["errors"]] == [
        {"ids": ["77"], "objectWriteTraceId": ["t2"]},
        {"ids": [c], "objectWriteTraceId": ["t3"]},
    ]
    assert {error["category"] for error in body["errors"]} == {"OBJECT_NOT_FOUND"}


def test_batch_update_can_be_atomic_instead(start: Start) -> None:
    client = start(batch_errors="atomic")
    a = client.crm.id_of("a")
    response = batch(client, update(a, "t1", amount="7"), update("77", "t2", amount="7"))
    assert response.status_code == 207
    assert response.json()["results"] == []
    assert client.crm.deal(a)["amount"] == "1000"


def test_a_bad_value_fails_its_record_where_all_are_traced_else_the_batch(start: Start) -> None:
    client = start()
    a, b, _ = client.crm.deal_ids()
    mixed = batch(client, update(a, "t1", amount="7"), update(b, "t2", amount="much"))
    assert mixed.status_code == 207
    (error,) = mixed.json()["errors"]
    assert error["category"] == "VALIDATION_ERROR"
    assert error["context"] == {"ids": [b], "objectWriteTraceId": ["t2"]}
    assert error["errors"][0]["code"] == "INVALID_INTEGER"
    assert client.crm.deal(a)["amount"] == "7"
    untraced = batch(client, update(a, amount="8"), update(b, amount="much"))
    assert codes(untraced) == ["INVALID_INTEGER"]
    shared = batch(client, update(a, "t", amount="8"), update(b, "t", amount="much"))
    assert codes(shared) == ["INVALID_INTEGER"]
    assert client.crm.deal(a)["amount"] == "7"


def test_batch_update_refuses_repeated_ids_too_many_and_other_keys(start: Start) -> None:
    client = start(*(deal(str(n)) for n in range(101)))
    ids = client.crm.deal_ids()
    assert batch(client, update(ids[0], amount="1"), update(ids[0], amount="2")).status_code == 400
    assert batch(client, *(update(i, amount="1") for i in ids)).status_code == 400
    keyed = update(ids[0], amount="1") | {"idProperty": "hs_object_id"}
    response = batch(client, keyed)
    assert response.status_code == 400
    assert "non-unique 0-3 property" in response.json()["message"]
    assert {client.crm.deal(i)["amount"] for i in ids} == {"1000"}


@pytest.mark.parametrize(
    ("mode", "status", "written"), [("omitted", 200, 1), ("missing", 207, 1), ("written", 200, 2)]
)
def test_a_merged_away_id_in_a_batch_update(
    start: Start, mode: str, status: int, written: int
) -> None:
    client = start(merged_in_batch_update=mode)
    a, b, c = client.crm.deal_ids()
    client.crm.merge(a, b)
    response = batch(client, update(a, "t1", amount="7"), update(c, "t2", amount="7"))
    assert response.status_code == status
    body = response.json()
    assert len(body["results"]) == written
    assert ("errors" in body) == (status == 207)


@pytest.mark.parametrize(
    ("mode", "status", "count"), [("survivor", 200, 1), ("missing", 207, 0), ("omitted", 200, 0)]
)
def test_a_merged_away_id_in_a_batch_read(start: Start, mode: str, status: int, count: int) -> None:
    client = start(merged_in_batch_read=mode)
    a, b, _ = client.crm.deal_ids()
    survivor = client.crm.merge(a, b)
    response = client.post(f"{DEALS}/batch/read", {"inputs": [{"id": a}, {"id": b}]})
    assert response.status_code == status
    assert [r["id"] for r in response.json()["results"]] == [survivor] * count


def test_merge_makes_a_third_deal_to_which_the_old_ids_lead(start: Start) -> None:
    client = start(
        deal("a", values={"next_step": None}, contacts=1, companies=1),
        deal("b", values={"amount": "5", "next_step": "call"}, contacts=2),
        deal("c"),
    )
    a, b, c = client.crm.deal_ids()
    client.clock.advance(minutes=1)
    response = client.post(f"{DEALS}/merge", {"primaryObjectId": a, "objectIdToMerge": b})
    assert response.status_code == 200
    survivor = response.json()["id"]
    assert survivor not in (a, b, c)
    assert client.crm.deal_ids() == [c, survivor]
    for old in (a, b):
        shown = client.get(
            f"{DEALS}/{old}", properties="amount,hs_next_step,hs_merged_object_ids"
        ).json()
        assert shown["id"] == survivor
        assert shown["updatedAt"] == "2026-03-16T09:01:00Z"
        assert shown["properties"]["amount"] == "1000"
        assert shown["properties"]["hs_next_step"] == "call"
        assert shown["properties"]["hs_merged_object_ids"] == f"{a};{b}"
    for old in (a, b):
        client.patch(f"{DEALS}/{old}", {"properties": {"amount": old}})
        assert client.crm.deal(survivor)["amount"] == old
    assert client.crm.deal(survivor)["num_associated_contacts"] == "3"
    assert client.get(DEALS, archived="true").json()["results"] == []


def test_merges_accumulate(start: Start) -> None:
    client = start()
    a, b, c = client.crm.deal_ids()
    first = client.crm.merge(a, b)
    second = client.crm.merge(c, first)
    merged = str(client.crm.deal(second)["hs_merged_object_ids"]).split(";")
    assert sorted(merged) == sorted([a, b, c, first])
    assert client.get(f"{DEALS}/{a}").json()["id"] == second


def test_a_merge_can_keep_the_winners_id(start: Start) -> None:
    client = start(merge_makes_new_record=False)
    a, b, c = client.crm.deal_ids()
    assert client.crm.merge(a, b) == a
    assert client.crm.deal_ids() == [a, c]
    assert client.get(f"{DEALS}/{b}").json()["id"] == a


def test_a_merge_that_cannot_be(start: Start) -> None:
    client = start()
    a = client.crm.id_of("a")
    for winner, loser, status in ((a, a, 400), (a, "77", 404), ("77", a, 404)):
        body = {"primaryObjectId": winner, "objectIdToMerge": loser}
        assert client.post(f"{DEALS}/merge", body).status_code == status


def test_the_newest_version_enforces_what_a_stage_requires(start: Start) -> None:
    client = start(required_by_stage={"qualify": ("hs_next_step",)})
    a, b, _ = client.crm.deal_ids()
    client.crm.edit(b, {"hs_next_step": "call"})
    for version in ("v3", "2026-03"):
        assert batch(client, update(a, "t1", amount="7"), version=version).status_code == 200
    response = batch(
        client, update(a, "t1", amount="8"), update(b, "t2", amount="8"), version="2026-09"
    )
    assert response.status_code == 207
    (error,) = response.json()["errors"]
    assert error["category"] == "VALIDATION_ERROR"
    assert error["context"]["ids"] == [a]
    assert [r["id"] for r in response.json()["results"]] == [b]
    alone = client.patch(f"/crm/objects/2026-09/deals/{a}", {"properties": {"amount": "8"}})
    assert codes(alone) == ["REQUIRED_FIELD"]
