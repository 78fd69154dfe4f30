"""Lists of the simulated Pipedrive: filters, cursors, what deals and settings look like."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sync.sandbox.company import Event
from tests.sandbox.conftest import CREATED, StartPipedrive, deal

DEALS = "/api/v2/deals"
MARCH = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def ids(rows: list[dict[str, Any]]) -> list[int]:
    return [row["id"] for row in rows]


def test_an_open_deal(pipedrive: StartPipedrive) -> None:
    client = pipedrive(deal("a", contacts=1))
    (shown,) = client.data(DEALS)
    owner = client.crm.user_id("101")
    assert shown == {
        "id": 1, "title": "Deal a", "creator_user_id": owner, "owner_id": owner,
        "value": 1000, "currency": "NOK", "person_id": shown["person_id"], "org_id": None,
        "pipeline_id": 1, "stage_id": 1, "status": "open", "probability": None,
        "lost_reason": None, "visible_to": 3, "label_ids": [],
        "add_time": "2026-01-05T08:00:00Z", "update_time": "2026-01-05T08:00:00Z",
        "stage_change_time": None, "close_time": None, "won_time": None, "lost_time": None,
        "local_won_date": None, "local_lost_date": None, "local_close_date": None,
        "expected_close_date": "2026-04-30", "is_deleted": False, "is_archived": False,
        "archive_time": None, "origin": "ManuallyCreated", "origin_id": None, "channel": None,
        "channel_id": None, "acv": None, "arr": None, "mrr": None, "custom_fields": {},
    }  # fmt: skip
    assert shown["person_id"] is not None


def test_won_and_lost_are_statuses_and_the_stage_stays(pipedrive: StartPipedrive) -> None:
    late = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)  # already the next day in Oslo
    client = pipedrive(
        deal("a", Event(MARCH, "stage", "propose"), Event(late, "stage", "closedwon")),
        deal("b", Event(MARCH, "stage", "closedlost"), Event(MARCH, "loss_reason", "Price")),
        deal(
            "c", Event(MARCH, "stage", "closedwon"), Event(MARCH + timedelta(1), "stage", "propose")
        ),
    )
    won, lost, again = client.data(DEALS)
    assert (won["status"], won["stage_id"], won["won_time"]) == ("won", 2, "2026-03-01T23:30:00Z")
    assert (won["local_won_date"], won["local_close_date"]) == ("2026-03-02", "2026-03-02")
    assert (lost["status"], lost["lost_reason"], lost["stage_id"]) == ("lost", "Price", 1)
    assert (again["status"], again["won_time"], again["close_time"]) == ("open", None, None)
    assert again["stage_change_time"] == "2026-03-03T09:00:00Z"
    assert ids(client.data(DEALS, status="won,lost")) == [won["id"], lost["id"]]


def test_closing_does_not_touch_the_expected_close_date(pipedrive: StartPipedrive) -> None:
    closed = (
        Event(MARCH, "stage", "closedwon"),
        Event(MARCH, "close_date", MARCH.isoformat(), "automation"),
    )
    client = pipedrive(deal("a", *closed))
    assert client.data(DEALS)[0]["expected_close_date"] == "2026-04-30"


@pytest.mark.parametrize("direction", ["asc", "desc"])
@pytest.mark.parametrize("sort", ["id", "update_time", "add_time"])
def test_pages_hold_every_deal_once(pipedrive: StartPipedrive, sort: str, direction: str) -> None:
    client = pipedrive(*(deal(str(n)) for n in range(7)))
    client.clock.advance(minutes=1)
    client.crm.win("3")
    rows = client.walk(DEALS, limit=3, sort_by=sort, sort_direction=direction)
    assert sorted(ids(rows)) == [1, 2, 3, 4, 5, 6, 7]
    expected = sorted(rows, key=lambda r: (r[sort], r["id"]), reverse=direction == "desc")
    assert rows == expected


def test_the_cursor_is_a_keyset_and_null_at_the_end(pipedrive: StartPipedrive) -> None:
    client = pipedrive()
    body = client.get(DEALS, limit=2).json()
    cursor = body["additional_data"]["next_cursor"]
    content = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    assert content == {"field": "id", "fieldValue": 2, "sortDirection": "asc", "id": 2}
    last = client.get(DEALS, limit=2, cursor=cursor).json()
    assert ids(last["data"]) == [3]
    assert last["additional_data"] == {"next_cursor": None}
    assert client.get(DEALS, cursor="nonsense").status_code == 400
    assert client.get(DEALS, cursor=cursor, sort_by="add_time").status_code == 400


def test_a_deal_edited_during_a_walk_by_update_time_is_shown_again(
    pipedrive: StartPipedrive,
) -> None:
    client = pipedrive()
    first = client.get(DEALS, limit=1, sort_by="update_time").json()
    client.crm.edit("1", {"value": 5})
    rest = client.get(
        DEALS, sort_by="update_time", cursor=first["additional_data"]["next_cursor"]
    ).json()["data"]
    assert ids(first["data"]) == [1]
    assert ids(rest) == [2, 3, 1]


def test_since_is_inclusive_and_until_exclusive(pipedrive: StartPipedrive) -> None:
    client = pipedrive()
    client.crm.edit("2", {"value": 5})
    at = client.crm.deal("2")["update_time"]
    after = f"{client.clock.now() + timedelta(seconds=1):%Y-%m-%dT%H:%M:%SZ}"
    assert ids(client.data(DEALS, updated_since=at)) == [2]
    assert ids(client.data(DEALS, updated_until=at)) == [1, 3]
    assert ids(client.data(DEALS, updated_since=at, updated_until=after)) == [2]
    assert client.data(DEALS, updated_since=after) == []


@pytest.mark.parametrize(
    "query",
    [
        {"updated_since": "2026-03-16T09:00:00.000Z"},
        {"updated_since": "2026-03-16T09:00:00+00:00"},
        {"updated_until": "2026-03-16"},
        {"updated_since": "2026-02-30T09:00:00Z"},
        {"status": "closed"},
        {"sort_by": "value"},
        {"limit": "0"},
        {"limit": "many"},
        {"ids": ",".join(str(n) for n in range(101))},
        {"custom_fields": ",".join(f"{n:040x}" for n in range(16))},
        {"include_fields": "rotten_time"},
    ],
)
def test_a_parameter_that_cannot_be_right(pipedrive: StartPipedrive, query: dict[str, str]) -> None:
    response = pipedrive().get(DEALS, **query)
    assert response.status_code == 400
    assert response.json()["code"] == "ERR_SCHEMA_VALIDATION_FAILED"
    assert next(iter(query)) in response.json()["error"]


def test_a_misspelt_parameter_is_ignored_or_refused(pipedrive: StartPipedrive) -> None:
    assert len(pipedrive().data(DEALS, update_since="2030-01-01T00:00:00Z")) == 3
    strict = pipedrive(unknown_query="error")
    assert strict.get(DEALS, update_since="2030-01-01T00:00:00Z").status_code == 400


def test_limit_is_100_by_default_and_500_at_most(pipedrive: StartPipedrive) -> None:
    client = pipedrive(*(deal(str(n)) for n in range(501)))
    assert len(client.data(DEALS)) == 100
    assert len(client.data(DEALS, limit=9999)) == 500
    strict = pipedrive(over_limit="error")
    assert strict.get(DEALS, limit=501).status_code == 400


def test_exact_filters(pipedrive: StartPipedrive) -> None:
    client = pipedrive(deal("a"), deal("b", values={"owner": "102"}), deal("c", stage="propose"))
    assert ids(client.data(DEALS, owner_id=client.crm.user_id("102"))) == [2]
    assert ids(client.data(DEALS, stage_id=client.crm.stage_id("propose"))) == [3]
    assert ids(client.data(DEALS, pipeline_id=1, ids="2,3,99")) == [2, 3]


def test_a_filter_silences_every_other_one(pipedrive: StartPipedrive) -> None:
    client = pipedrive()
    number = client.crm.add_filter(["1", "3"])
    assert ids(client.data(DEALS, filter_id=number, ids="2", status="won")) == [1, 3]
    assert client.get(DEALS, filter_id=number + 1).status_code == 404


def test_three_lists_share_the_deals_among_them(pipedrive: StartPipedrive) -> None:
    client = pipedrive()
    client.crm.archive("2")
    client.crm.delete("3")
    assert ids(client.data(DEALS)) == [1]
    assert ids(client.data(f"{DEALS}/archived")) == [2]
    (deleted,) = client.data(DEALS, status="deleted")
    assert (deleted["id"], deleted["is_deleted"], deleted["status"]) == (3, True, "deleted")
    assert ids(client.data(DEALS, status="open,deleted")) == [1, 3]
    client.crm.unarchive("2")
    client.crm.restore("3")
    assert ids(client.data(DEALS)) == [1, 2, 3]
    assert client.data(DEALS, status="deleted") == []


def test_a_deleted_deal_is_seen_for_30_days(pipedrive: StartPipedrive) -> None:
    client = pipedrive(deleted_status="last")
    client.crm.delete("3")
    client.clock.advance(days=30)
    assert [row["status"] for row in client.data(DEALS, status="deleted")] == ["open"]
    assert client.get(f"{DEALS}/3").json()["data"]["is_deleted"] is True
    client.clock.advance(seconds=1)
    assert client.data(DEALS, status="deleted") == []
    missing = client.get(f"{DEALS}/3")
    assert (missing.status_code, missing.json()["error"]) == (404, "Entity was not found")


def test_every_custom_field_is_there_and_null_where_empty(pipedrive: StartPipedrive) -> None:
    begun = Event(CREATED, "lead_source", "Fair"), Event(CREATED, "next_step", "Call")
    client = pipedrive(deal("a", *begun), deal("b"))
    source, step = client.crm.fields.named("Lead source"), client.crm.fields.named("Next step")
    assert source.options is not None
    (option,) = source.options
    first, second = client.data(DEALS)
    assert first["custom_fields"] == {source.code: option.id, step.code: "Call"}
    assert second["custom_fields"] == {source.code: None, step.code: None}
    (chosen, _) = client.data(DEALS, custom_fields=step.code)
    assert chosen["custom_fields"] == {step.code: "Call"}
    labelled = client.data(DEALS, include_option_labels="true")[0]
    assert labelled["custom_fields"][source.code] == {"id": option.id, "label": "Fair"}


def test_optional_fields_come_when_asked_for(pipedrive: StartPipedrive) -> None:
    client = pipedrive(deal("a", activities=[MARCH], contacts=2))
    planned = client.crm.schedule_activity("1", client.clock.now() + timedelta(days=2))
    (shown,) = client.data(
        DEALS, include_fields="next_activity_id,last_activity_id,done_activities_count"
    )
    assert "activities_count" not in shown
    assert (shown["next_activity_id"], shown["last_activity_id"]) == (int(planned), 1)
    assert shown["done_activities_count"] == 1


def test_pipelines_and_stages(pipedrive: StartPipedrive) -> None:
    client = pipedrive()
    (pipeline,) = client.data("/api/v2/pipelines")
    assert (pipeline["name"], pipeline["is_deal_probability_enabled"]) == ("Sales", True)
    stages = client.data("/api/v2/stages", pipeline_id=1, sort_by="order_nr")
    assert [(s["name"], s["deal_probability"]) for s in stages] == [
        ("Qualify", 20),
        ("Propose", 60),
    ]
    assert stages[0]["update_time"] is None
    client.crm.rename_stage("propose", "Offer")
    client.crm.delete_stage("qualify")
    assert [s["name"] for s in client.data("/api/v2/stages")] == ["Offer"]
    assert client.data("/api/v2/stages/1")["is_deleted"] is True
    assert client.data(f"{DEALS}/1")["stage_id"] == 1
    assert client.get("/api/v2/stages/9").status_code == 404


def test_a_stage_that_the_company_no_longer_names_was_deleted(pipedrive: StartPipedrive) -> None:
    client = pipedrive(deal("a", Event(MARCH, "stage", "old_stage")), lists_deleted_stages=True)
    gone = client.data("/api/v2/stages")[-1]
    assert (gone["name"], gone["is_deleted"]) == ("old_stage", True)
    assert client.data(DEALS)[0]["stage_id"] == gone["id"]


def test_users_come_all_at_once(pipedrive: StartPipedrive) -> None:
    client = pipedrive()
    users = client.data("/api/v1/users", start=2, limit=1)
    assert [u["name"] for u in users] == ["CRM Admin", "Kari Nordmann", "Ola Nordmann", "Per Gone"]
    assert [u["active_flag"] for u in users] == [True, True, True, False]
    client.crm.deactivate_user("101")
    assert client.data("/v1/users")[1]["active_flag"] is False


def test_me_names_the_company(pipedrive: StartPipedrive) -> None:
    me = pipedrive().data("/api/v1/users/me")
    assert me["company_domain"] == "fjord-as"
    assert (me["default_currency"], me["timezone_name"]) == ("NOK", "Europe/Oslo")
    assert (me["timezone_offset"], me["is_you"]) == ("+01:00", True)


def test_search_finds_words_in_titles(pipedrive: StartPipedrive) -> None:
    client = pipedrive()
    found = client.data(f"{DEALS}/search", term="deal b")["items"]
    assert [hit["item"]["id"] for hit in found] == [2]
    assert client.get(f"{DEALS}/search", term="d").status_code == 400


def test_a_path_that_does_not_exist(pipedrive: StartPipedrive) -> None:
    response = pipedrive().get("/api/v1/deals")
    assert response.status_code == 404
    assert response.headers["Content-Type"].startswith("application/json")
