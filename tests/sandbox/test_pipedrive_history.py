"""Changelog, flow, recents, summary, notes, goals and activities of the simulated Pipedrive."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sync.sandbox.company import Event
from tests.sandbox.conftest import PipedriveClient, StartPipedrive, deal

MARCH = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ACTIVITIES = "/api/v2/activities"


def test_the_changelog_is_newest_first_and_text(pipedrive: StartPipedrive) -> None:
    client = pipedrive(deal("a", Event(MARCH, "stage", "propose")))
    client.patch("1", value=1250.5, owner_id=client.crm.user_id("102"))
    rows = client.data("/api/v1/deals/1/changelog")
    assert [(r["field_key"], r["old_value"], r["new_value"], r["time"]) for r in rows] == [
        ("value", "1000", "1250.5", "2026-03-16 09:00:00"),
        ("user_id", "18000002", "18000003", "2026-03-16 09:00:00"),
        ("stage_id", "1", "2", "2026-03-02 09:00:00"),
        ("add_time", None, "2026-01-05 08:00:00", "2026-01-05 08:00:00"),
    ]
    assert [r["change_source"] for r in rows] == ["api", "api", "app", "app"]
    assert rows[0]["actor_user_id"] == client.crm.users.admin.id


def test_the_changelog_goes_on_with_a_cursor(pipedrive: StartPipedrive) -> None:
    client = pipedrive()
    for value in range(5):
        client.crm.edit("1", {"value": value})
    rows = client.walk("/api/v1/deals/1/changelog", limit=2)
    assert [r["new_value"] for r in rows[:5]] == ["4", "3", "2", "1", "0"]
    assert client.get("/api/v1/deals/1/changelog", cursor="x").status_code == 400


def test_the_changelog_names_custom_fields_by_code(pipedrive: StartPipedrive) -> None:
    client = pipedrive()
    code = client.crm.fields.add("Chance", "double").code
    client.crm.edit("1", {"custom_fields": {code: 65}})
    row = client.data("/api/v1/deals/1/changelog", limit=1)[0]
    assert (row["field_key"], row["old_value"], row["new_value"]) == (code, None, "65")
    plain = client.data("/api/v1/deals/1/flow", items="dealChange")
    everything = client.data("/api/v1/deals/1/flow", items="dealChange", all_changes=1)
    assert [r["data"]["field_key"] for r in plain] == ["add_time"]
    assert [r["data"]["field_key"] for r in everything] == [code, "add_time"]


def test_the_changelog_may_not_reach_back_for_ever(pipedrive: StartPipedrive) -> None:
    client = pipedrive(deal("a", Event(MARCH, "stage", "propose")), changelog_days=30)
    assert [r["field_key"] for r in client.data("/api/v1/deals/1/changelog")] == ["stage_id"]


def test_a_new_deals_first_values_are_no_changes(pipedrive: StartPipedrive) -> None:
    client = pipedrive()
    made = client.crm.create({"title": "New", "value": 7, "stage_id": 2})
    assert [r["field_key"] for r in client.crm.history(made)] == ["add_time"]
    assert client.crm.deal(made)["stage_change_time"] is None


def test_recents_reach_back_one_month_and_drop_the_data_of_deleted_deals(
    pipedrive: StartPipedrive,
) -> None:
    client = pipedrive()
    client.crm.edit("1", {"value": 5})
    client.crm.delete("2")
    rows = client.data("/api/v1/recents", since_timestamp="2020-01-01 00:00:00")
    assert [(row["id"], row["data"] is None) for row in rows] == [(1, False), (2, True)]
    assert rows[0]["data"]["lost_time"] == ""
    assert rows[0]["data"]["first_won_time"] == "0000-00-00 00:00:00"


def test_the_summary_converts_and_weighs(pipedrive: StartPipedrive) -> None:
    client = pipedrive(
        deal("a"),
        deal("b", stage="propose", values={"amount": "200", "currency": "EUR"}),
        deal("c", values={"amount": "500", "rep_probability": "0.9"}),
        deal("d", Event(MARCH, "stage", "closedwon")),
    )
    client.crm.archive(client.crm.create({"title": "archived", "value": 1}))
    total = client.data("/api/v1/deals/summary", status="open")
    assert total["values_total"]["EUR"]["value_converted"] == 2300
    assert total["values_total"]["NOK"]["value"] == 1500
    assert total["weighted_values_total"]["EUR"]["value"] == 120
    assert total["weighted_values_total"]["NOK"]["value"] == 1000 * 0.2 + 500 * 0.9
    assert total["total_count"] == 3
    assert total["total_currency_converted_value"] == 3800
    assert client.data("/api/v1/deals/summary", status="won")["total_count"] == 1


def test_a_pipeline_can_ignore_the_deals_own_probability(pipedrive: StartPipedrive) -> None:
    client = pipedrive(deal("a", values={"rep_probability": "0.9"}), deal_probability=False)
    assert client.data("/api/v2/pipelines")[0]["is_deal_probability_enabled"] is False
    assert client.data("/api/v2/deals/1")["probability"] == 90
    weighted = client.data("/api/v1/deals/summary")["total_weighted_currency_converted_value"]
    assert weighted == 1000 * 0.2


def test_empty_lists_of_v1_are_null(pipedrive: StartPipedrive) -> None:
    client = pipedrive()
    assert client.data("/api/v1/notes") is None
    client.crm.add_note("1", "<p>Hei</p>")
    (note,) = client.data("/api/v1/notes", deal_id=1)
    assert (note["content"], note["add_time"]) == ("<p>Hei</p>", "2026-03-16 09:00:00")
    made = client.send("POST", "/api/v1/notes", json={"content": "x", "deal_id": 1}).json()["data"]
    assert client.data(f"/api/v1/notes/{made['id']}")["user"]["is_you"] is True
    page = client.get("/api/v1/notes", limit=1).json()["additional_data"]["pagination"]
    assert (page["more_items_in_collection"], page["next_start"]) == (True, 1)


def goal(client: PipedriveClient, **changes: Any) -> dict[str, Any]:
    return {
        "title": "Won this year",
        "type": {"name": "deals_won", "params": {"pipeline_id": [1]}},
        "assignee": {"type": "company", "id": client.crm.company_id},
        "interval": "monthly",
        "duration": {"start": "2026-01-01", "end": None},
        "expected_outcome": {"target": 5000, "tracking_metric": "sum", "currency_id": 1},
        "is_active": True,
        "report_ids": [],
    } | changes


def test_goals_and_how_far_they_are(pipedrive: StartPipedrive) -> None:
    client = pipedrive(deal("a", Event(MARCH, "stage", "closedwon")), deal("b"))
    number = client.crm.add_goal(goal(client))
    client.crm.add_goal(goal(client, is_active=False))
    found = client.get("/api/v1/goals/find", **{"type.name": "deals_won", "is_active": "true"})
    assert found.json()["statusCode"] == 20000
    assert [g["id"] for g in found.json()["data"]["goals"]] == [number]
    period = {"period.start": "2026-01-01", "period.end": "2026-03-31"}
    assert client.data(f"/api/v1/goals/{number}/results", **period)["progress"] == 1000
    assert client.get(f"/api/v1/goals/{number}/results").status_code == 400


def test_activities_of_the_past_and_the_future(pipedrive: StartPipedrive) -> None:
    planned = datetime(2026, 3, 20, 9, 30, tzinfo=UTC)
    client = pipedrive(deal("a", activities=[MARCH], next_activity_at=planned))
    done, undone = client.data(ACTIVITIES)
    assert (done["done"], done["marked_as_done_time"]) == (True, "2026-03-02T09:00:00Z")
    assert (undone["done"], undone["due_date"], undone["due_time"]) == (
        False,
        "2026-03-20",
        "09:30",
    )
    assert client.data(ACTIVITIES, deal_id=1, done="false") == [undone]
    assert client.data("/api/v2/deals/1")["update_time"] == "2026-03-02T09:00:00Z"


def follow_up(client: PipedriveClient, **changes: Any) -> dict[str, Any]:
    return {
        "subject": "Follow up: no contact for 21 days",
        "type": "task",
        "owner_id": client.crm.user_id("101"),
        "deal_id": 1,
        "due_date": "2026-03-20",
        "participants": [{"person_id": 7, "primary": True}],
        "note": "<p>why</p>",
        "done": False,
    } | changes


def test_a_follow_up_is_created_and_done(pipedrive: StartPipedrive) -> None:
    client = pipedrive()
    made = client.send("POST", ACTIVITIES, json=follow_up(client)).json()["data"]
    assert (made["person_id"], made["done"], made["deal_id"]) == (7, False, 1)
    assert client.crm.deal("1")["update_time"] == "2026-03-16T09:00:00Z"
    done = client.send("PATCH", f"{ACTIVITIES}/{made['id']}", json={"done": True}).json()["data"]
    assert done["marked_as_done_time"] == "2026-03-16T09:00:00Z"
    assert client.data(ACTIVITIES, deal_id=1, done="false") == []
    assert client.send("DELETE", f"{ACTIVITIES}/{made['id']}").status_code == 200
    assert client.data(ACTIVITIES) == []
    assert client.get(f"{ACTIVITIES}/{made['id']}").status_code == 404


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "follow_up"},
        {"deal_id": 99},
        {"person_id": 7},
        {"owner_id": 5},
        {"done": 1},
        {"due_date": "20.03.2026"},
        {"nonsense": 1},
    ],
)
def test_an_activity_that_cannot_be(pipedrive: StartPipedrive, changes: dict[str, Any]) -> None:
    client = pipedrive()
    response = client.send("POST", ACTIVITIES, json=follow_up(client, **changes))
    assert response.status_code == 400
    assert next(iter(changes)) in response.json()["error"]
    assert client.data(ACTIVITIES) == []


def test_whether_an_activity_moves_its_deal_is_not_known(pipedrive: StartPipedrive) -> None:
    client = pipedrive(activity_moves_deal=False)
    client.crm.log_activity("1", client.clock.now() - timedelta(days=1))
    assert client.crm.deal("1")["update_time"] == "2026-01-05T08:00:00Z"
    assert [
        a["deal_id"] for a in client.data(ACTIVITIES, updated_since="2026-03-16T09:00:00Z")
    ] == [1]


def test_types_and_currencies(pipedrive: StartPipedrive) -> None:
    client = pipedrive()
    types = client.data("/api/v1/activityTypes")
    assert {"call", "meeting", "task"} <= {each["key_string"] for each in types}
    assert [c["code"] for c in client.data("/api/v1/currencies")] == ["EUR", "NOK"]
    assert [c["code"] for c in client.data("/api/v1/currencies", term="nok")] == ["NOK"]
