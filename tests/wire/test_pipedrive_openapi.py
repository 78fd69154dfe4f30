"""The simulated Pipedrive against Pipedrive's own published API descriptions."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest

from sync.sandbox.company import Event
from sync.sandbox.pipedrive import activities, deal_fields, editing
from sync.sandbox.pipedrive.app import ENDPOINTS_V1, ENDPOINTS_V2, Endpoint
from sync.sandbox.pipedrive.fields import CREATABLE
from sync.sandbox.server import PipedriveBehaviour, serve_pipedrive
from tests.fake_clock import FakeClock
from tests.sandbox.conftest import PipedriveClient, company, deal
from tests.wire.pipedrive_openapi import FOLDER, deviations, operation

pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason=f"Pipedrive's API descriptions are not at {FOLDER}"
)

MARCH = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


class Exchange(NamedTuple):
    """`described` is the path in the description, `asked` what is added to its base."""

    version: str
    method: str
    described: str
    asked: str
    body: Any = None


FOLLOW_UP = {"subject": "Call", "type": "call", "deal_id": 1, "due_date": "2026-03-20"}
FIELD = {"field_name": "Chance", "field_type": "enum", "options": [{"label": "High"}]}
EXTRAS = "include_fields=ui_visibility,important_fields,required_fields"

MAILS = "last_incoming_mail_time,last_outgoing_mail_time"
LEAD = "LEAD"
"""Stands for the id of the lead that is there; it is drawn."""

EXCHANGES = [
    Exchange("v2", "GET", "/deals", "/deals"),
    Exchange("v2", "GET", "/deals/archived", "/deals/archived"),
    Exchange("v2", "GET", "/deals/{id}", "/deals/1"),
    Exchange("v2", "POST", "/deals", "/deals", {"title": "New"}),
    Exchange("v2", "PATCH", "/deals/{id}", "/deals/1", {"value": 5}),
    Exchange("v2", "DELETE", "/deals/{id}", "/deals/1"),
    Exchange("v2", "GET", "/deals/search", "/deals/search?term=deal"),
    Exchange("v2", "GET", "/dealFields", f"/dealFields?{EXTRAS}"),
    Exchange("v2", "POST", "/dealFields", "/dealFields", FIELD),
    Exchange("v2", "GET", "/dealFields/{field_code}", "/dealFields/value"),
    Exchange("v2", "GET", "/activities", "/activities"),
    Exchange("v2", "POST", "/activities", "/activities", FOLLOW_UP),
    Exchange("v2", "PATCH", "/activities/{id}", "/activities/1", {"done": False}),
    Exchange("v2", "DELETE", "/activities/{id}", "/activities/1"),
    Exchange("v2", "GET", "/persons", f"/persons?include_fields={MAILS}"),
    Exchange("v2", "GET", "/persons/{id}", f"/persons/1001?include_fields={MAILS}"),
    Exchange("v2", "GET", "/pipelines", "/pipelines"),
    Exchange("v2", "GET", "/pipelines/{id}", "/pipelines/1"),
    Exchange("v2", "GET", "/stages", "/stages?limit=1"),
    Exchange("v2", "GET", "/stages/{id}", "/stages/1"),
    Exchange("v1", "GET", "/users", "/users"),
    Exchange("v1", "GET", "/users/me", "/users/me"),
    Exchange("v1", "GET", "/users/{id}", "/users/18000001"),
    Exchange("v1", "GET", "/currencies", "/currencies"),
    Exchange("v1", "GET", "/activityTypes", "/activityTypes"),
    Exchange("v1", "GET", "/deals/summary", "/deals/summary"),
    Exchange("v1", "GET", "/deals/{id}/changelog", "/deals/1/changelog"),
    Exchange("v1", "GET", "/deals/{id}/flow", "/deals/1/flow?items=dealChange"),
    Exchange("v1", "GET", "/leads", "/leads"),
    Exchange("v1", "GET", "/leads/archived", "/leads/archived"),
    Exchange("v1", "GET", "/leads/{id}", f"/leads/{LEAD}"),
    Exchange("v1", "GET", "/leadLabels", "/leadLabels"),
    Exchange("v1", "GET", "/leadSources", "/leadSources"),
    Exchange("v1", "GET", "/notes", "/notes?limit=1"),
    Exchange("v1", "GET", "/goals/find", "/goals/find?type.name=deals_won"),
    Exchange(
        "v1",
        "GET",
        "/goals/find",
        "/goals/find?expected_outcome.tracking_metric=quantity&is_active=true",
    ),
    Exchange(
        "v1",
        "GET",
        "/goals/{id}/results",
        f"/goals/{1:032x}/results?period.start=2026-01-01&period.end=2026-12-31",
    ),
]


class Difference(NamedTuple):
    """Where the description is wrong: `objects` are the path's first part, fields are
    `null NAME` (may be null though described as not) or `extra NAME` (is there, not described).
    """

    why: str
    objects: str
    fields: frozenset[str]


def nulls(names: str) -> frozenset[str]:
    return frozenset(f"null {name}" for name in names.split())


def extras(names: str) -> frozenset[str]:
    return frozenset(f"extra {name}" for name in names.split())


KNOWN_DIFFERENCES = [
    Difference("a v2 list ends with a null cursor", "v2", nulls("next_cursor")),
    Difference("so does the changelog", "v1/deals", nulls("next_cursor")),
    Difference(
        "null on ordinary deals of live accounts",
        "v2/deals",
        nulls("person_id org_id won_time lost_time stage_change_time expected_close_date"),
    ),
    Difference(
        "in the description's example, not in its schema",
        "v2/deals",
        extras("creator_user_id archive_time local_won_date local_lost_date local_close_date"),
    ),
    Difference("null until the stage is first edited", "v2/stages", nulls("update_time")),
    Difference(
        "v2 shows what is empty as null",
        "v2/activities",
        nulls(
            "conference_meeting_client conference_meeting_id conference_meeting_url due_time "
            "duration lead_id location marked_as_done_time note org_id person_id priority "
            "project_id public_description"
        ),
    ),
    Difference(
        "a note belongs to one thing, the others are null",
        "v1/notes",
        nulls("last_update_user_id lead_id org_id organization person project project_id icon_url"),
    ),
    Difference("in the example", "v1/notes", extras("pinned_to_lead_flag")),
    Difference("sums are keyed by the currencies there are", "v1/deals", extras("NOK")),
    Difference("v1 pages say where they are", "v1/deals", extras("pagination")),
    Difference("null on ordinary persons", "v2/persons", nulls("org_id picture_id")),
    Difference(
        "may be asked for and is then there",
        "v2/persons",
        extras("last_incoming_mail_time last_outgoing_mail_time"),
    ),
    Difference(
        "goals have an envelope of their own",
        "v1/goals",
        extras("statusCode statusText service"),
    ),
]


@pytest.fixture
def client() -> Iterator[PipedriveClient]:
    """Deals of every kind, each of them with what is null on an ordinary one."""
    clock = FakeClock()
    deals = (
        deal("a", activities=[MARCH], contacts=1),
        deal("b", Event(MARCH, "stage", "propose"), Event(MARCH, "stage", "closedwon")),
        deal("c", Event(MARCH, "stage", "closedlost")),
        deal("d", values={"close_date": None}),
    )
    plan = PipedriveBehaviour(zero_dates=False, bursts=False)
    with serve_pipedrive(company(*deals), clock=clock, behaviour=plan) as sandbox:
        client = PipedriveClient(sandbox, clock)
        crm = sandbox.crm
        crm.archive("4")
        crm.add_note("1", "one")
        crm.add_note("1", "two")
        person = crm.inbox.add_person("Sigrid Solberg", "sigrid@hemmelig.example")
        crm.inbox.label(crm.inbox.create("open", person_id=person), "Hot", "Cold")
        crm.inbox.archive(crm.inbox.create("old", person_id=person))
        crm.add_goal(
            {
                "title": "Won",
                "type": {"name": "deals_won", "params": {"pipeline_id": [1]}},
                "assignee": {"type": "company", "id": 1},
                "interval": "monthly",
                "duration": {"start": "2026-01-01", "end": "2026-12-31"},
                "expected_outcome": {"target": 5, "tracking_metric": "quantity"},
                "is_active": True,
                "report_ids": [],
            }
        )
        yield client
        client.session.close()


def named(exchange: Exchange) -> str:
    return f"{exchange.method} {exchange.version}{exchange.described}"


def deviating(client: PipedriveClient, exchange: Exchange) -> set[str]:
    """`null NAME` and `extra NAME` of one answer, whatever depth; others with their whole path."""
    asked = exchange.asked.replace(LEAD, client.crm.inbox.listed(archived=False)[0].id)
    response = client.send(exchange.method, f"/api/{exchange.version}{asked}", json=exchange.body)
    assert response.status_code == 200, response.text
    body = response.json()
    found = deviations(exchange.version, exchange.method, exchange.described, body)
    return {
        f"{kind} {where.rpartition('.')[2]}" if kind in ("null", "extra") else f"{kind} {where}"
        for kind, _, where in (each.partition(" ") for each in found)
    }


def concerning(exchange: Exchange) -> list[Difference]:
    address = exchange.version + exchange.described
    return [d for d in KNOWN_DIFFERENCES if address.startswith(d.objects)]


@pytest.mark.parametrize("exchange", EXCHANGES, ids=named)
def test_an_answer_is_as_described(client: PipedriveClient, exchange: Exchange) -> None:
    known = {field for each in concerning(exchange) for field in each.fields}
    assert deviating(client, exchange) - known == set()


def test_each_known_difference_is_there(client: PipedriveClient) -> None:
    unseen = {(d.objects, field) for d in KNOWN_DIFFERENCES for field in d.fields}
    for exchange in EXCHANGES:
        if exchange.method != "DELETE":
            found = deviating(client, exchange)
            unseen -= {(d.objects, field) for d in concerning(exchange) for field in found}
    assert unseen == set()


ENDPOINTS = [("v2", e) for e in ENDPOINTS_V2] + [("v1", e) for e in ENDPOINTS_V1]


@pytest.mark.parametrize(
    ("version", "endpoint"),
    ENDPOINTS,
    ids=lambda given: given if isinstance(given, str) else f"{given.method} {given.path}",
)
def test_a_call_costs_and_needs_what_is_described(version: str, endpoint: Endpoint) -> None:
    described = operation(version, endpoint.method, endpoint.path)
    assert described["x-token-cost"] == endpoint.cost
    scopes = {s for option in described["security"] for s in option.get("oauth2", ())}
    assert scopes == set(endpoint.scopes)


@pytest.mark.parametrize(
    ("method", "path", "taken"),
    [
        ("POST", "/deals", editing.KEYS),
        ("PATCH", "/deals/{id}", editing.KEYS),
        ("POST", "/activities", activities.KEYS),
        ("PATCH", "/activities/{id}", activities.KEYS),
        ("POST", "/dealFields", deal_fields.KEYS_OF_NEW),
        ("PATCH", "/dealFields/{field_code}", deal_fields.KEYS),
    ],
)
def test_bodies_may_hold_what_is_described_and_nothing_else(
    method: str, path: str, taken: frozenset[str]
) -> None:
    assert set(body_schema(method, path)["properties"]) == taken


def test_custom_fields_have_the_types_described() -> None:
    kinds = body_schema("POST", "/dealFields")["properties"]["field_type"]["enum"]
    assert set(kinds) == set(CREATABLE)


@pytest.mark.parametrize(
    ("version", "path"),
    [
        ("v2", "/deals"),
        ("v2", "/deals/archived"),
        ("v2", "/activities"),
        ("v2", "/stages"),
        ("v2", "/pipelines"),
        ("v2", "/dealFields"),
        ("v2", "/persons"),
        ("v1", "/leads"),
        ("v1", "/leads/archived"),
    ],
)
def test_lists_take_the_parameters_described(version: str, path: str) -> None:
    """With unknown ones refused, each described one has to be accepted or found ill-formed."""
    described = [parameter["name"] for parameter in operation(version, "GET", path)["parameters"]]
    strict = PipedriveBehaviour(unknown_query="error", bursts=False)
    with serve_pipedrive(company(deal("a")), clock=FakeClock(), behaviour=strict) as sandbox:
        client = PipedriveClient(sandbox, FakeClock())
        assert "not allowed for this request" in client.get(f"/api/{version}{path}", x="1").text
        for name in described:
            assert (
                "not allowed for this request"
                not in client.get(f"/api/{version}{path}", **{name: "1"}).text
            )
        client.session.close()


def body_schema(method: str, path: str) -> dict[str, Any]:
    content = operation("v2", method, path)["requestBody"]["content"]["application/json"]
    schema: dict[str, Any] = content["schema"]
    return schema
