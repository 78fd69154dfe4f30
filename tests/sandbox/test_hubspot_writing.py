"""Writes through the API: creation, updates one by one, and every value that fails."""

from datetime import timedelta
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


def test_create_answers_201_with_a_location(start: Start) -> None:
    client = start()
    response = client.post(DEALS, {"properties": NEW})
    assert response.status_code == 201
    deal_id = response.json()["id"]
    assert response.headers["Location"].endswith(f"/deals/{deal_id}")
    assert client.crm.deal_ids()[-1] == deal_id
    assert client.crm.deal(deal_id)["closedate"] is None  # only people get the month's end
    assert client.crm.deal(deal_id)["hs_object_source_label"] == "INTEGRATION"


@pytest.mark.parametrize("left_out", sorted(NEW))
def test_create_needs_name_stage_and_pipeline(start: Start, left_out: str) -> None:
    client = start()
    properties = {name: value for name, value in NEW.items() if name != left_out}
    assert codes(client.post(DEALS, {"properties": properties})) == ["REQUIRED_FIELD"]


def test_create_with_associations(start: Start) -> None:
    client = start()
    links = [
        {"to": {"id": "55"}, "types": [{"associationTypeId": 3}]},
        {"to": {"id": "66"}, "types": [{"associationTypeId": 341}]},
    ]
    deal_id = client.post(DEALS, {"properties": NEW, "associations": links}).json()["id"]
    shown = client.get(f"{DEALS}/{deal_id}", associations="contacts,companies").json()
    assert shown["associations"]["contacts"]["results"][0]["id"] == "55"
    assert shown["associations"]["companies"]["results"][0]["id"] == "66"
    wrong = [{"to": {"id": "55"}, "types": [{"associationTypeId": 9999}]}]
    assert client.post(DEALS, {"properties": NEW, "associations": wrong}).status_code == 400


def test_an_update_is_an_integrations_and_moves_the_modification_instant(start: Start) -> None:
    client = start()
    deal_id = client.crm.id_of("a")
    response = client.patch(f"{DEALS}/{deal_id}", {"properties": {"amount": 12.5}})
    assert response.status_code == 200
    assert response.json()["properties"]["amount"] == "12.5"
    assert response.json()["updatedAt"] == "2026-03-16T09:00:00Z"
    newest = client.crm.history(deal_id, "amount")[-1]
    assert newest["sourceType"] == "INTEGRATION"
    assert str(newest["sourceId"]).isdigit()


def test_writing_what_is_there_already_moves_the_instant_but_not_the_history(start: Start) -> None:
    client = start()
    deal_id = client.crm.id_of("a")
    client.patch(f"{DEALS}/{deal_id}", {"properties": {"amount": "1000"}})
    assert client.crm.deal(deal_id)["hs_lastmodifieddate"] == "2026-03-16T09:00:00Z"
    assert len(client.crm.history(deal_id, "amount")) == 1


def test_an_empty_text_clears(start: Start) -> None:
    client = start()
    deal_id = client.crm.id_of("a")
    client.patch(f"{DEALS}/{deal_id}", {"properties": {"amount": ""}})
    assert client.crm.deal(deal_id)["amount"] is None
    assert client.crm.history(deal_id, "amount")[-1]["value"] == ""


@pytest.fixture
def typed(start: Start) -> Client:
    """A deal with one property of each type."""
    client = start(deal("a"))
    kinds = {
        "a_number": ("number", "number"),
        "a_day": ("date", "date"),
        "a_moment": ("datetime", "date"),
        "a_flag": ("bool", "booleancheckbox"),
        "a_choice": ("enumeration", "select"),
        "choices": ("enumeration", "checkbox"),
        "a_text": ("string", "text"),
    }
    for name, (value_type, field_type) in kinds.items():
        spec: dict[str, Any] = {
            "name": name,
            "label": name,
            "type": value_type,
            "fieldType": field_type,
            "groupName": "dealinformation",
        }
        if value_type == "enumeration":
            spec["options"] = [{"label": o.upper(), "value": o} for o in ("x", "y", "z")]
        assert client.post("/crm/v3/properties/deals", spec).status_code == 201
    return client


@pytest.mark.parametrize(
    ("name", "written", "kept"),
    [
        ("a_number", 1500, "1500"),
        ("a_number", "-0.25", "-0.25"),
        ("a_day", "2026-05-31", "2026-05-31"),
        ("a_day", "1780185600000", "2026-05-31"),
        ("a_day", 1780185600000, "2026-05-31"),
        ("a_moment", "2026-05-31T10:20:30.400Z", "2026-05-31T10:20:30.400Z"),
        ("a_moment", "2026-05-31T12:20:30+02:00", "2026-05-31T10:20:30Z"),
        ("a_moment", 1780185600000, "2026-05-31T00:00:00Z"),
        ("a_flag", True, "true"),
        ("a_flag", "FALSE", "false"),
        ("a_choice", "y", "y"),
        ("choices", "z;x", "z;x"),
        ("a_text", "Ærlig æøå", "Ærlig æøå"),
        ("a_text", None, None),
    ],
)
def test_a_value_is_kept_in_its_types_form(
    typed: Client, name: str, written: object, kept: str | None
) -> None:
    path = f"{DEALS}/{typed.crm.id_of('a')}"
    answer = typed.patch(path, {"properties": {name: written}}).json()
    assert answer["properties"][name] == kept


@pytest.mark.parametrize(
    ("name", "written", "code"),
    [
        ("a_number", "1,000", "INVALID_INTEGER"),
        ("a_number", "NaN", "INVALID_INTEGER"),
        ("a_day", "tomorrow", "INVALID_DATE"),
        ("a_day", "1635535865000", "INVALID_DATE"),
        ("a_moment", "31.12.2026", "INVALID_DATE"),
        ("a_flag", "yes", "INVALID_BOOLEAN"),
        ("a_choice", "w", "INVALID_OPTION"),
        ("a_choice", "X", "INVALID_OPTION"),
        ("choices", "x;w", "INVALID_OPTION"),
        ("a_text", "x" * 65_537, "PROPERTY_VALUE_TOO_LONG"),
        ("a_text", ["x"], "INVALID_FORMAT"),
        ("nope", "1", "PROPERTY_DOESNT_EXIST"),
        ("hs_lastmodifieddate", "2026-01-01", "READ_ONLY_VALUE"),
        ("hs_projected_amount", "1", "READ_ONLY_VALUE"),
        ("hubspot_owner_id", "999", "INVALID_OWNER_ID"),
        ("dealstage", "nope", "INVALID_OPTION"),
        ("pipeline", "nope", "INVALID_OPTION"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_whole(
    typed: Client, name: str, written: object, code: str
) -> None:
    deal_id = typed.crm.id_of("a")
    before = typed.crm.deal(deal_id)
    response = typed.patch(f"{DEALS}/{deal_id}", {"properties": {"amount": "1", name: written}})
    assert codes(response) == [code]
    assert response.json()["message"].startswith("Property values were not valid: [{")
    assert response.json()["errors"][0]["context"]["propertyName"] == [name]
    assert typed.crm.deal(deal_id) == before


def test_a_day_off_midnight_is_named(typed: Client) -> None:
    path = f"{DEALS}/{typed.crm.id_of('a')}"
    response = typed.patch(path, {"properties": {"a_day": "1635535865000"}})
    assert "is at 19:31:05 UTC, not midnight!" in response.json()["errors"][0]["message"]


def test_a_leading_semicolon_appends(typed: Client) -> None:
    deal_id = typed.crm.id_of("a")
    for written in ("x;y", ";z"):
        typed.patch(f"{DEALS}/{deal_id}", {"properties": {"choices": written}})
    assert typed.crm.deal(deal_id)["choices"] == "x;y;z"


def test_writes_of_read_only_values_can_be_ignored_instead(start: Start) -> None:
    client = start(read_only_writes="ignored")
    deal_id = client.crm.id_of("a")
    body = {"properties": {"hs_is_closed": "true", "amount": "3"}}
    assert client.patch(f"{DEALS}/{deal_id}", body).status_code == 200
    assert client.crm.deal(deal_id)["amount"] == "3"
    assert client.crm.deal(deal_id)["hs_is_closed"] == "false"


def test_closing_overwrites_the_close_date_also_through_the_api(start: Start) -> None:
    client = start()
    deal_id = client.crm.id_of("a")
    close = {"dealstage": "closedwon", "closedate": "2026-02-01T00:00:00Z"}
    client.patch(f"{DEALS}/{deal_id}", {"properties": close})
    assert client.crm.deal(deal_id)["closedate"] == "2026-03-16T09:00:00Z"
    client.patch(f"{DEALS}/{deal_id}", {"properties": {"closedate": "2026-02-01T00:00:00Z"}})
    assert client.crm.deal(deal_id)["closedate"] == "2026-02-01T00:00:00Z"


def test_an_archived_deal_cannot_be_written(start: Start) -> None:
    client = start()
    deal_id = client.crm.id_of("a")
    assert client.send("DELETE", f"{DEALS}/{deal_id}").status_code == 204
    assert client.send("DELETE", f"{DEALS}/{deal_id}").status_code == 204
    assert client.patch(f"{DEALS}/{deal_id}", {"properties": {"amount": "1"}}).status_code == 404
    inputs = [{"id": deal_id, "properties": {"amount": "1"}}]
    assert client.post(f"{DEALS}/batch/update", {"inputs": inputs}).json()["results"] == []


def test_every_write_moves_the_modification_instant_except_archiving(start: Start) -> None:

    client = start()
    a = client.crm.id_of("a")
    stamps = []
    for write in (
        lambda: client.crm.edit(a, {"amount": "2"}),
        lambda: client.crm.log_activity(a),
        lambda: client.crm.schedule_activity(a, client.clock.now() + timedelta(days=3)),
        lambda: client.patch(f"{DEALS}/{a}", {"properties": {"amount": "3"}}),
    ):
        client.clock.advance(minutes=1)
        write()
        stamps.append(client.crm.deal(a)["hs_lastmodifieddate"])
    assert len(set(stamps)) == 4
    client.clock.advance(minutes=1)
    client.crm.archive(a)
    assert client.crm.deal(a)["hs_lastmodifieddate"] == stamps[-1]
