"""Writes to the simulated Pipedrive: strict bodies, what follows from them, what is refused."""

from collections.abc import Iterator
from typing import Any

import pytest

from sync.sandbox.pipedrive.validation import Invalid
from sync.sandbox.store.refusals import Conflict, Missing
from tests.sandbox.conftest import PipedriveClient, StartPipedrive, deal

DEALS, FIELDS = "/api/v2/deals", "/api/v2/dealFields"


@pytest.fixture
def client(pipedrive: StartPipedrive) -> Iterator[PipedriveClient]:
    yield pipedrive()


def made(client: PipedriveClient, kind: str, **more: Any) -> dict[str, Any]:
    spec = {"field_name": f"A {kind}", "field_type": kind, **more}
    response = client.send("POST", FIELDS, json=spec)
    assert response.status_code == 200, response.text
    data: dict[str, Any] = response.json()["data"]
    return data


def test_a_patch_changes_what_it_names_and_answers_with_the_deal(client: PipedriveClient) -> None:
    client.clock.advance(minutes=5)
    before = client.crm.deal("1")
    response = client.patch("1", value=1250.5, probability=65, expected_close_date="2026-12-10")
    after = response.json()["data"]
    assert response.status_code == 200
    changed = {key for key, value in after.items() if value != before[key]}
    assert changed == {"value", "probability", "expected_close_date", "update_time"}
    assert (after["value"], after["update_time"]) == (1250.5, "2026-03-16T09:05:00Z")
    assert after == client.data(f"{DEALS}/1")


def test_a_patch_that_changes_nothing_moves_update_time_all_the_same(
    client: PipedriveClient,
) -> None:
    client.patch("1", value=1000)
    assert client.crm.deal("1")["update_time"] == "2026-03-16T09:00:00Z"
    assert [row["field_key"] for row in client.crm.history("1")] == ["add_time"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("nonsense", 1),
        ("0123456789abcdef0123456789abcdef01234567", 1),
        ("add_time", "2026-01-01T00:00:00Z"),
        ("stage_change_time", "2026-01-01T00:00:00Z"),
        ("value", "1000"),
        ("value", True),
        ("value", None),
        ("title", ""),
        ("probability", 101),
        ("probability", -1),
        ("probability", 50.5),
        ("status", "deleted"),
        ("is_archived", 1),
        ("owner_id", "18"),
        ("owner_id", 999),
        ("stage_id", 99),
        ("currency", "XXX"),
        ("expected_close_date", "2026-02-30"),
        ("expected_close_date", "2026-02-28T00:00:00Z"),
        ("label_ids", "1,2"),
        ("custom_fields", []),
        ("lost_reason", "Price"),
        ("won_time", "2026-03-01T00:00:00Z"),
        ("lost_time", "2026-03-01T00:00:00Z"),
        ("close_time", "2026-03-01T00:00:00Z"),
    ],
)
def test_a_body_that_breaks_the_rules_writes_nothing(
    client: PipedriveClient, key: str, value: Any
) -> None:
    before = client.crm.deal("1")
    response = client.patch("1", **{"expected_close_date": "2026-06-01", key: value})
    assert response.status_code == 400
    body = response.json()
    assert body["code"] == "ERR_SCHEMA_VALIDATION_FAILED"
    assert body["error"].startswith(f"Validation failed: {key}")
    assert client.crm.deal("1") == before


def test_a_deactivated_user_owns_nothing_new(client: PipedriveClient) -> None:
    assert client.patch("1", owner_id=client.crm.user_id("103")).status_code == 400
    assert client.patch("1", owner_id=client.crm.user_id("102")).status_code == 200


def test_winning_and_losing_and_opening_again(client: PipedriveClient) -> None:
    won = client.patch("1", status="won", won_time="2026-03-01T10:00:00Z").json()["data"]
    assert (won["won_time"], won["close_time"]) == ("2026-03-01T10:00:00Z",) * 2
    lost = client.patch("1", status="lost", lost_reason="Price").json()["data"]
    assert (lost["lost_reason"], lost["won_time"]) == ("Price", None)
    assert lost["lost_time"] == "2026-03-16T09:00:00Z"
    opened = client.patch("1", status="open").json()["data"]
    assert [opened[k] for k in ("lost_reason", "lost_time", "close_time")] == [None] * 3


def test_a_stage_takes_its_pipeline_along(client: PipedriveClient) -> None:
    other = client.crm.pipelines.add("Renewals", 0, deal_probability=False)
    due = client.crm.pipelines.add_stage(other.id, "Due", 0)
    moved = client.patch("1", stage_id=due.id).json()["data"]
    assert (moved["pipeline_id"], moved["stage_change_time"]) == (other.id, "2026-03-16T09:00:00Z")
    back = client.patch("1", pipeline_id=1).json()["data"]
    assert (back["pipeline_id"], back["stage_id"]) == (1, 1)
    assert client.patch("1", pipeline_id=1, stage_id=due.id).status_code == 400


def test_a_deleted_stage_takes_no_deal(client: PipedriveClient) -> None:
    client.crm.delete_stage("propose")
    assert client.patch("1", stage_id=2).status_code == 400


def test_an_archived_deal_cannot_be_edited_only_unarchived(client: PipedriveClient) -> None:
    client.crm.archive("1")
    refused = client.patch("1", value=5)
    assert (refused.status_code, refused.json()["success"]) == (400, False)
    assert client.patch("1", is_archived=False).status_code == 200
    assert client.patch("1", value=5).status_code == 200


def test_a_deleted_deal_cannot_be_edited_only_restored(client: PipedriveClient) -> None:
    assert client.send("DELETE", f"{DEALS}/1").json()["data"] == {"id": 1}
    assert client.send("DELETE", f"{DEALS}/1").status_code == 404
    assert client.patch("1", value=5).status_code == 400
    assert client.patch("1", is_deleted=False).json()["data"]["is_deleted"] is False
    client.clock.advance(days=31)
    client.crm.delete("2")
    client.clock.advance(days=31)
    assert client.patch("2", is_deleted=False).status_code == 404
    with pytest.raises(Missing):
        client.crm.restore("2")


def test_a_new_deal(client: PipedriveClient) -> None:
    assert client.send("POST", DEALS, json={"value": 5}).status_code == 400
    deal = client.send("POST", DEALS, json={"title": "New", "status": "won"}).json()["data"]
    assert (deal["id"], deal["stage_id"], deal["value"], deal["currency"]) == (4, 1, 0, "NOK")
    assert (deal["origin"], deal["won_time"]) == ("API", "2026-03-16T09:00:00Z")


def test_the_plan_caps_open_deals(pipedrive: StartPipedrive) -> None:
    client = pipedrive(open_deals_cap=3)
    response = client.send("POST", DEALS, json={"title": "One more"})
    assert response.status_code == 403
    assert response.json()["code"] == "feature_capping_deals_limit"


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("varchar", "x", 5),
        ("varchar", "y" * 255, "y" * 256),
        ("text", "z" * 300, 1),
        ("double", 1.5, "1.5"),
        ("monetary", {"value": 90000, "currency": "NOK"}, 90000),
        ("monetary", {"value": 0.5, "currency": "EUR"}, {"value": 5}),
        ("date", "2026-12-10", "10.12.2026"),
        ("daterange", {"value": "2026-01-01", "until": "2026-01-31"}, "2026-01-01"),
        ("time", {"value": "09:00:00", "timezone_name": "Europe/Oslo"}, "09:00"),
        ("user", 18, "18"),
        ("phone", "+47 99 99 99 99", 4799999999),
        ("address", {"value": "Storgata 1"}, "Storgata 1"),
    ],
)
def test_custom_values_have_the_form_of_their_type(
    client: PipedriveClient, kind: str, good: Any, bad: Any
) -> None:
    code = made(client, kind)["field_code"]
    refused = client.patch("1", custom_fields={code: bad})
    assert refused.status_code == 400
    assert f"custom_fields.{code}" in refused.json()["error"]
    written = client.patch("1", custom_fields={code: good}).json()["data"]
    assert written["custom_fields"][code] == good
    cleared = client.patch("1", custom_fields={code: None}).json()["data"]
    assert cleared["custom_fields"][code] is None


def test_options_are_numbers_that_exist(client: PipedriveClient) -> None:
    options = [{"label": "A"}, {"label": "B"}]
    one, several = made(client, "enum", options=options), made(client, "set", options=options)
    a, b = (option["id"] for option in one["options"])
    for bad in ("A", str(a), 999, [a]):
        assert client.patch("1", custom_fields={one["field_code"]: bad}).status_code == 400
    assert client.patch("1", custom_fields={one["field_code"]: b}).status_code == 200
    numbers = [option["id"] for option in several["options"]]
    assert client.patch("1", custom_fields={several["field_code"]: []}).status_code == 400
    assert client.patch("1", custom_fields={several["field_code"]: [a]}).status_code == 400
    assert client.patch("1", custom_fields={several["field_code"]: numbers}).status_code == 200
    assert client.patch("1", custom_fields={several["field_code"]: None}).status_code == 200


def test_one_deleted_field_fails_the_whole_write(client: PipedriveClient) -> None:
    kept, gone = made(client, "double")["field_code"], made(client, "date")["field_code"]
    assert client.patch("1", custom_fields={kept: 1, gone: "2026-01-01"}).status_code == 200
    assert client.send("DELETE", f"{FIELDS}/{gone}").status_code == 200
    assert client.data(f"{DEALS}/1")["custom_fields"] == {kept: 1}
    refused = client.patch("1", custom_fields={kept: 2, gone: "2026-01-02"})
    assert refused.status_code == 400
    assert f"Parameter '{gone}' is not allowed" in refused.json()["error"]
    assert client.data(f"{DEALS}/1")["custom_fields"] == {kept: 1}


def test_fields_are_created_changed_and_found_by_code(client: PipedriveClient) -> None:
    first = made(client, "double", description="[dealpulse]")
    second = made(client, "double")
    assert first["field_code"] != second["field_code"], "names need not be unique, codes are"
    assert len(first["field_code"]) == 40
    path = f"{FIELDS}/{first['field_code']}"
    renamed = client.send("PATCH", path, json={"field_name": "Chance"}).json()["data"]
    assert (renamed["field_name"], renamed["description"]) == ("Chance", "[dealpulse]")
    listed = {field["field_code"]: field for field in client.walk(FIELDS, limit=10)}
    assert listed[first["field_code"]] == renamed
    assert listed["title"]["is_custom_field"] is False
    visible = client.data(path, include_fields="ui_visibility")
    assert visible["ui_visibility"]["details_visible_flag"] is True


@pytest.mark.parametrize(
    "spec",
    [
        {"field_name": "x"},
        {"field_type": "double"},
        {"field_name": "x", "field_type": "boolean"},
        {"field_name": "x", "field_type": "enum"},
        {"field_name": "x", "field_type": "enum", "options": ["A"]},
        {"field_name": "x", "field_type": "double", "options": [{"label": "A"}]},
        {"field_name": "x", "field_type": "double", "key": "mine"},
    ],
)
def test_a_field_that_cannot_be(client: PipedriveClient, spec: dict[str, Any]) -> None:
    response = client.send("POST", FIELDS, json=spec)
    assert response.status_code == 400
    assert client.crm.fields.custom() == []


def test_options_are_added_renamed_and_deleted(client: PipedriveClient) -> None:
    field = made(client, "enum", options=[{"label": "A"}])
    path = f"{FIELDS}/{field['field_code']}/options"
    (added,) = client.send("POST", path, json=[{"label": "B"}]).json()["data"]
    renamed = client.send("PATCH", path, json=[{"id": added["id"], "label": "C"}])
    assert renamed.json()["data"][0]["label"] == "C"
    assert client.send("DELETE", path, json=[{"id": 999}]).status_code == 404
    assert client.send("DELETE", path, json=[{"id": field["options"][0]["id"]}]).status_code == 200
    left = client.data(f"{FIELDS}/{field['field_code']}")["options"]
    assert [option["label"] for option in left] == ["C"]


def test_fields_beyond_the_plan_and_without_the_right(pipedrive: StartPipedrive) -> None:
    spec = {"field_name": "x", "field_type": "double"}
    capped = pipedrive(field_cap=1)
    assert capped.send("POST", FIELDS, json=spec).status_code == 200
    refused = capped.send("POST", FIELDS, json=spec)
    assert (refused.status_code, len(capped.crm.fields.custom())) == (403, 1)
    powerless = pipedrive(may_manage_fields=False)
    assert powerless.send("POST", FIELDS, json=spec).status_code == 403
    assert powerless.get(FIELDS).status_code == 200


def test_merging_keeps_the_other_deal(pipedrive: StartPipedrive) -> None:
    client = pipedrive(deal("a", contacts=1), deal("b"), deal("c"))
    called = client.crm.log_activity("1")
    path = "/api/v1/deals/1/merge"
    assert client.send("PUT", path, json={"merge_with_id": 1}).status_code == 400
    assert client.send("PUT", path, json={"merge_with_id": 99}).status_code == 404
    merged = client.send("PUT", path, json={"merge_with_id": 2}).json()["data"]
    assert (merged["id"], merged["merge_what_id"]) == (2, 1)
    assert client.data(f"{DEALS}/1")["is_deleted"] is True
    assert client.data(f"{DEALS}/2")["person_id"] is not None
    assert client.data(f"/api/v2/activities/{called}")["deal_id"] == 2
    assert client.crm.deal_ids() == ["2", "3"]


def test_people_are_bound_by_the_same_rules(client: PipedriveClient) -> None:
    with pytest.raises(Invalid, match="nonsense"):
        client.crm.edit("1", {"nonsense": 1})
    client.crm.archive("1")
    with pytest.raises(Conflict):
        client.crm.move("1", "propose")
    with pytest.raises(Missing):
        client.crm.win("77")
    with pytest.raises(Conflict):
        client.crm.merge("2", "2")
