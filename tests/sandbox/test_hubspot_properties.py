"""Property definitions and groups: reading, creation, conflicts, archiving."""

from typing import Any

import pytest

from tests.sandbox.conftest import Client, Start, deal

PROPERTIES = "/crm/v3/properties/deals"
SPEC = {
    "name": "dealpulse_score",
    "label": "Score",
    "type": "number",
    "fieldType": "number",
    "groupName": "dealinformation",
    "description": "0 to 100",
    "numberDisplayHint": "unformatted",
}


def create(client: Client, **changes: Any) -> int:
    return client.post(PROPERTIES, SPEC | changes).status_code


def test_the_list_names_type_nature_and_options(start: Start) -> None:
    client = start()
    by_name = {p["name"]: p for p in client.get(PROPERTIES).json()["results"]}
    assert by_name["amount"]["type"] == "number"
    assert by_name["amount"]["modificationMetadata"]["readOnlyValue"] is False
    assert by_name["hs_projected_amount"]["calculated"] is True
    assert by_name["hs_projected_amount"]["modificationMetadata"]["readOnlyValue"] is True
    assert [o["value"] for o in by_name["dealstage"]["options"]] == [
        "qualify",
        "propose",
        "closedwon",
        "closedlost",
    ]
    assert "OMIT" in [o["value"] for o in by_name["hs_manual_forecast_category"]["options"]]
    assert by_name["hs_v2_date_entered_propose"]["type"] == "datetime"
    assert client.get(f"{PROPERTIES}/amount").json() == by_name["amount"]
    hidden = start(lists_stage_properties=False)
    names = {p["name"] for p in hidden.get(PROPERTIES).json()["results"]}
    assert not any(name.startswith("hs_v2_date_entered_p") for name in names)


def test_a_property_is_created_written_and_read(start: Start) -> None:
    client = start(deal("a"))
    response = client.post(PROPERTIES, SPEC)
    assert response.status_code == 201
    assert response.json()["description"] == "0 to 100"
    assert response.json()["numberDisplayHint"] == "unformatted"
    assert client.get(f"{PROPERTIES}/dealpulse_score").json() == response.json()
    path = f"/crm/v3/objects/deals/{client.crm.id_of('a')}"
    assert (
        client.get(path, properties="dealpulse_score").json()["properties"]["dealpulse_score"]
        is None
    )
    client.patch(path, {"properties": {"dealpulse_score": 71}})
    assert client.crm.deal(client.crm.id_of("a"))["dealpulse_score"] == "71"


def test_a_name_in_use_is_a_conflict_also_in_the_bin(start: Start) -> None:
    client = start()
    assert create(client) == 201
    assert create(client) == 409
    assert client.send("DELETE", f"{PROPERTIES}/dealpulse_score").status_code == 204
    assert client.get(f"{PROPERTIES}/dealpulse_score").status_code == 404
    assert client.get(f"{PROPERTIES}/dealpulse_score", archived="true").status_code == 200
    assert [p["name"] for p in client.get(PROPERTIES, archived="true").json()["results"]] == [
        "dealpulse_score"
    ]
    assert create(client) == 409


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "Score"},
        {"name": "1score"},
        {"name": "x" * 101},
        {"name": "hs_score"},
        {"name": ""},
        {"label": ""},
        {"groupName": "nope"},
        {"type": "number", "fieldType": "text"},
        {"type": "money"},
        {"type": "enumeration", "fieldType": "select"},
        {"type": "enumeration", "fieldType": "select", "options": [{"label": "X"}]},
    ],
)
def test_a_definition_that_cannot_be_is_refused(start: Start, changes: dict[str, Any]) -> None:
    client = start()
    assert create(client, **changes) == 400
    assert create(client) == 201


def test_a_definition_is_put_right(start: Start) -> None:
    client = start()
    create(client)
    changed = client.patch(
        f"{PROPERTIES}/dealpulse_score", {"label": "Quality", "description": "new"}
    )
    assert changed.status_code == 200
    assert (changed.json()["label"], changed.json()["description"]) == ("Quality", "new")
    assert client.patch(f"{PROPERTIES}/nope", {"label": "x"}).status_code == 404


def test_hubspots_own_definitions_are_not_for_change(start: Start) -> None:
    client = start()
    assert client.patch(f"{PROPERTIES}/amount", {"label": "Money"}).status_code == 400
    assert client.send("DELETE", f"{PROPERTIES}/amount").status_code == 400


def test_batches_of_definitions(start: Start) -> None:
    client = start()
    create(client)
    inputs = [SPEC, SPEC | {"name": "dealpulse_age"}, SPEC | {"name": "Bad"}]
    made = client.post(f"{PROPERTIES}/batch/create", {"inputs": inputs})
    assert made.status_code == 207
    assert [p["name"] for p in made.json()["results"]] == ["dealpulse_age"]
    assert [e["category"] for e in made.json()["errors"]] == [
        "OBJECT_ALREADY_EXISTS",
        "VALIDATION_ERROR",
    ]
    names = {"inputs": [{"name": "dealpulse_age"}, {"name": "nope"}]}
    read = client.post(f"{PROPERTIES}/batch/read", names)
    assert read.status_code == 207
    assert [p["name"] for p in read.json()["results"]] == ["dealpulse_age"]
    assert client.post(f"{PROPERTIES}/batch/archive", names).status_code == 204
    assert client.get(f"{PROPERTIES}/dealpulse_age").status_code == 404


def test_groups(start: Start) -> None:
    client = start()
    groups = f"{PROPERTIES}/groups"
    spec = {"name": "dealpulse", "label": "Forecast (computed)", "displayOrder": 3}
    made = client.post(groups, spec)
    assert made.status_code == 201
    assert made.json() == spec | {"archived": False}
    assert client.post(groups, spec).status_code == 409
    assert client.post(groups, {"name": "x"}).status_code == 400
    assert client.patch(f"{groups}/dealpulse", {"label": "Forecast"}).json()["label"] == "Forecast"
    assert client.get(f"{groups}/dealpulse").json()["label"] == "Forecast"
    assert "dealpulse" in [g["name"] for g in client.get(groups).json()["results"]]
    assert client.get(f"{groups}/nope").status_code == 404
    assert create(client, groupName="dealpulse") == 201
