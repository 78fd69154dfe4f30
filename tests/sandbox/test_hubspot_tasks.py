"""Tasks, and associations in the v4 form."""

from typing import Any

import pytest

from tests.sandbox.conftest import Client, Start, deal

TASKS = "/crm/v3/objects/tasks"
DUE = "2026-03-20T09:00:00Z"


def task(deal_id: str | None, **properties: Any) -> dict[str, Any]:
    body: dict[str, Any] = {
        "properties": {
            "hs_timestamp": DUE,
            "hs_task_subject": "Follow up",
            "hs_task_status": "NOT_STARTED",
            "hs_task_priority": "HIGH",
            "hs_task_type": "TODO",
            **properties,
        }
    }
    if deal_id:
        kind = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 216}
        body["associations"] = [{"to": {"id": deal_id}, "types": [kind]}]
    return body


def linked(client: Client, deal_id: str) -> list[str]:
    """Ids of the deal's tasks."""
    body = client.get(f"/crm/v4/objects/deals/{deal_id}/associations/tasks").json()
    return [str(link["toObjectId"]) for link in body["results"]]


def test_a_task_given_to_a_deal_is_found_from_it_and_counts_as_activity(start: Start) -> None:
    client = start()
    deal_id = client.crm.id_of("a")
    response = client.post(TASKS, task(deal_id, hs_task_body="stale"))
    assert response.status_code == 201
    made = response.json()
    assert made["properties"]["hs_task_body"] == "stale"
    assert linked(client, deal_id) == [made["id"]]
    shown = client.crm.deal(deal_id)
    assert shown["notes_last_updated"] == "2026-03-16T09:00:00Z"
    assert shown["notes_last_contacted"] is None
    assert shown["notes_next_activity_date"] == DUE
    assert shown["hs_lastmodifieddate"] == "2026-03-16T09:00:00Z"


def test_a_task_needs_a_due_instant_and_known_options(start: Start) -> None:
    client = start()
    for change in ({"hs_timestamp": ""}, {"hs_task_status": "LATER"}, {"nope": "1"}):
        assert client.post(TASKS, task(None, **change)).status_code == 400
    assert client.post(TASKS, task(None)).status_code == 201


def test_tasks_in_a_batch_and_by_search(start: Start) -> None:
    client = start()
    a, b, _ = client.crm.deal_ids()
    inputs = [task(a, hs_task_body="mark-1"), task(b, hs_task_body="mark-2")]
    made = client.post("/crm/objects/2026-09/tasks/batch/create", {"inputs": inputs})
    assert made.status_code == 201
    ids = sorted(r["id"] for r in made.json()["results"])
    read = client.post(f"{TASKS}/batch/read", {"inputs": [{"id": i} for i in ids]}).json()
    assert sorted(r["id"] for r in read["results"]) == ids
    assert [r["id"] for r in client.get(TASKS).json()["results"]] == ids
    by_mark = {
        "filters": [{"propertyName": "hs_task_body", "operator": "EQ", "value": "mark-2"}],
        "properties": ["hs_task_body"],
    }
    (hit,) = client.post(f"{TASKS}/search", by_mark).json()["results"]
    assert hit["properties"]["hs_task_body"] == "mark-2"
    assert linked(client, b) == [hit["id"]]
    by_deal = {"filters": [{"propertyName": "associations.deal", "operator": "EQ", "value": a}]}
    assert [h["id"] for h in client.post(f"{TASKS}/search", by_deal).json()["results"]] == linked(
        client, a
    )


def test_a_deleted_task_is_gone(start: Start) -> None:
    client = start()
    task_id = client.post(TASKS, task(None)).json()["id"]
    done = client.patch(f"{TASKS}/{task_id}", {"properties": {"hs_task_status": "COMPLETED"}})
    assert done.json()["properties"]["hs_task_status"] == "COMPLETED"
    assert client.send("DELETE", f"{TASKS}/{task_id}").status_code == 204
    assert client.get(f"{TASKS}/{task_id}").status_code == 404


def test_the_older_scopes_do_for_tasks(start: Start) -> None:
    client = start()
    token = client.sandbox.token
    for scopes in ({"crm.objects.contacts.write"}, {"crm.objects.tasks.write"}):
        client.crm.set_scopes(token, scopes)
        assert client.post(TASKS, task(None)).status_code == 201
    client.crm.set_scopes(token, {"crm.objects.deals.write"})
    assert client.post(TASKS, task(None)).status_code == 403


@pytest.mark.parametrize("base", ["/crm/v4/objects/tasks", "/crm/objects/2026-09/task"])
def test_a_task_is_linked_to_a_deal_afterwards(start: Start, base: str) -> None:
    client = start()
    deal_id = client.crm.id_of("a")
    task_id = client.post(TASKS, task(None)).json()["id"]
    for _ in range(2):
        response = client.send("PUT", f"{base}/{task_id}/associations/default/deal/{deal_id}")
        assert response.status_code == 200
    assert {r["associationSpec"]["associationTypeId"] for r in response.json()["results"]} == {
        215,
        216,
    }
    assert linked(client, deal_id) == [task_id]
    assert client.crm.deal(deal_id)["num_notes"] == "1"
    missing = client.send("PUT", f"{base}/{task_id}/associations/default/deal/77")
    assert missing.status_code == 404


def test_links_in_a_batch(start: Start) -> None:
    client = start()
    deal_id = client.crm.id_of("a")
    task_id = client.post(TASKS, task(None)).json()["id"]
    inputs = [
        {"from": {"id": task_id}, "to": {"id": deal_id}},
        {"from": {"id": task_id}, "to": {"id": "77"}},
    ]
    path = "/crm/v4/associations/tasks/deals/batch/associate/default"
    response = client.post(path, {"inputs": inputs})
    assert response.status_code == 207
    assert len(response.json()["results"]) == 2
    assert linked(client, deal_id) == [task_id]


@pytest.mark.parametrize("base", ["/crm/v4/associations", "/crm/associations/2026-03"])
def test_associations_of_many_deals_at_once(start: Start, base: str) -> None:
    client = start(deal("a", contacts=2, companies=2), deal("b"))
    a, b = client.crm.deal_ids()
    inputs = {"inputs": [{"id": a}, {"id": b}, {"id": "77"}]}
    response = client.post(f"{base}/deals/companies/batch/read", inputs)
    assert response.status_code == 207
    (links,) = response.json()["results"]
    assert links["from"] == {"id": a}
    assert all(isinstance(to["toObjectId"], int) for to in links["to"])
    assert [[t["typeId"] for t in to["associationTypes"]] for to in links["to"]] == [
        [5, 341],
        [341],
    ]
    assert response.json()["errors"][0]["context"] == {"fromObjectId": ["77"]}
    contacts = client.post(f"{base}/0-3/0-1/batch/read", {"inputs": [{"id": a}]})
    assert contacts.status_code == 200
    assert len(contacts.json()["results"][0]["to"]) == 2


def test_a_deal_without_associations_can_be_an_error_instead(start: Start) -> None:
    client = start(unassociated="error")
    body = {"inputs": [{"id": client.crm.id_of("a")}]}
    response = client.post("/crm/v4/associations/deals/companies/batch/read", body)
    assert response.status_code == 207


def test_association_batches_take_a_thousand(start: Start) -> None:
    client = start()
    inputs = [{"id": client.crm.id_of("a")}] * 1001
    path = "/crm/v4/associations/deals/companies/batch/read"
    assert client.post(path, {"inputs": inputs[:1000]}).status_code == 200
    assert client.post(path, {"inputs": inputs}).status_code == 400


def test_association_pages_and_the_way_back(start: Start) -> None:
    client = start(deal("a", contacts=3))
    deal_id = client.crm.id_of("a")
    path = f"/crm/objects/2026-09/deals/{deal_id}/associations/contacts"
    first = client.get(path, limit=2).json()
    assert len(first["results"]) == 2
    last = client.get(path, limit=2, after=first["paging"]["next"]["after"]).json()
    assert len(last["results"]) == 1
    assert "paging" not in last
    contact = last["results"][0]["toObjectId"]
    back = client.get(f"/crm/v4/objects/contacts/{contact}/associations/deals").json()
    assert [link["toObjectId"] for link in back["results"]] == [int(deal_id)]
