"""The simulated HubSpot's answers against HubSpot's own published API description."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from sync.crm.hubspot.goals import PROPERTIES
from sync.sandbox.company import CompanyGoal
from sync.sandbox.server import Behaviour, serve
from tests.fake_clock import FakeClock
from tests.sandbox.conftest import CREATED, Client, company, deal
from tests.wire.openapi import Description, Difference

FOLDER = Path(__file__).parents[3] / "shared/reference/specs/hubspot/v3-2025-05-openapi-yaml"

pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason=f"HubSpot's API description is not at {FOLDER}"
)

SEEN = "seen on real accounts"
KNOWN_DIFFERENCES = {
    "SimplePublicObject": Difference(SEEN, extra=frozenset({"url"})),
    "SimplePublicObjectWithAssociations": Difference(SEEN, extra=frozenset({"url"})),
    "Error": Difference(
        "429 bodies name a policy instead of a category; every body has a status",
        extra=frozenset({"status", "errorType", "policyName", "groupName"}),
        optional=frozenset({"category"}),
    ),
    "StandardError": Difference(
        "errors within a batch are shorter in practice",
        optional=frozenset({"errors", "links"}),
        types={"subCategory": ["string", "object"]},
    ),
    "PublicOwner": Difference("null once deactivated", types={"userId": ["integer", "null"]}),
    "Property": Difference(
        "newer than the description", extra=frozenset({"dataSensitivity", "numberDisplayHint"})
    ),
    "MultiAssociatedObjectWithLabel": Difference(SEEN, types={"toObjectId": ["integer"]}),
    "AssociationSpecWithLabel": Difference(SEEN, types={"label": ["string", "null"]}),
}


class Exchange(NamedTuple):
    """`{a}`, `{b}` in `asked` and `body` are ids of deals; `described` is the path there."""

    file: str
    method: str
    described: str
    asked: str
    status: int
    body: Any = None


GOALS, ASKED = "/crm/v3/objects/goal_targets", ",".join(PROPERTIES)
OBJECT, PROPERTY = "/crm/v3/objects/deals", "/crm/v3/properties/{objectType}"
SPEC = {
    "name": "dealpulse_score",
    "label": "Score",
    "type": "enumeration",
    "fieldType": "checkbox",
    "groupName": "dealinformation",
    "options": [{"label": "A", "value": "a", "description": "first"}],
}
FILLED = {"properties": {"dealname": "N", "dealstage": "qualify", "pipeline": "default"}}
TASK = {
    "properties": {"hs_timestamp": "2026-05-01T09:00:00Z"},
    "associations": [{"to": {"id": "{a}"}, "types": [{"associationTypeId": 216}]}],
}
WRITES = {
    "inputs": [
        {"id": "{a}", "properties": {"amount": "1"}, "objectWriteTraceId": "t1"},
        {"id": "77", "properties": {"amount": "1"}, "objectWriteTraceId": "t2"},
        {"id": "{b}", "properties": {"amount": "x"}, "objectWriteTraceId": "t3"},
    ]
}
HISTORY = "propertiesWithHistory=dealstage,closedate&associations=companies,contacts"
READS = {"inputs": [{"id": "{a}"}], "properties": ["amount"], "propertiesWithHistory": ["amount"]}
MISSING = {"inputs": [{"id": "{a}"}, {"id": "77"}]}
PAIR = {"inputs": [{"from": {"id": "{a}"}, "to": {"id": "91"}}]}
PIPELINE = "/crm/v3/pipelines/{objectType}"
V4 = "/crm/v4/associations/{fromObjectType}/{toObjectType}/batch"
OF_ONE = "/crm/v4/objects/{objectType}/{objectId}/associations/{toObjectType}"
DEFAULT = (
    "/crm/v4/objects/{fromObjectType}/{fromObjectId}/associations/default"
    "/{toObjectType}/{toObjectId}"
)

EXCHANGES = [
    Exchange("v3-deals", "GET", OBJECT, f"{OBJECT}?limit=2&{HISTORY}", 200),
    Exchange("v3-deals", "GET", OBJECT, f"{OBJECT}?archived=true", 200),
    Exchange("v3-deals", "GET", OBJECT, f"{OBJECT}?limit=101", 400),
    Exchange("v3-deals", "POST", OBJECT, OBJECT, 201, FILLED),
    Exchange("v3-deals", "POST", OBJECT, OBJECT, 400, {"properties": {}}),
    Exchange("v3-deals", "GET", OBJECT + "/{dealId}", OBJECT + "/{a}?" + HISTORY, 200),
    Exchange("v3-deals", "GET", OBJECT + "/{dealId}", OBJECT + "/77", 404),
    Exchange(
        "v3-deals",
        "PATCH",
        OBJECT + "/{dealId}",
        OBJECT + "/{a}",
        200,
        {"properties": {"amount": "5"}},
    ),
    Exchange(
        "v3-deals",
        "PATCH",
        OBJECT + "/{dealId}",
        OBJECT + "/{a}",
        400,
        {"properties": {"nope": "5"}},
    ),
    Exchange("v3-deals", "POST", OBJECT + "/search", OBJECT + "/search", 200, {"limit": 2}),
    Exchange("v3-deals", "POST", OBJECT + "/search", OBJECT + "/search", 400, {"limit": 999}),
    Exchange("v3-deals", "POST", OBJECT + "/batch/read", OBJECT + "/batch/read", 200, READS),
    Exchange("v3-deals", "POST", OBJECT + "/batch/read", OBJECT + "/batch/read", 207, MISSING),
    Exchange("v3-deals", "POST", OBJECT + "/batch/update", OBJECT + "/batch/update", 207, WRITES),
    Exchange(
        "v3-deals",
        "POST",
        OBJECT + "/batch/update",
        OBJECT + "/batch/update",
        200,
        {"inputs": WRITES["inputs"][:1]},
    ),
    Exchange(
        "v3-deals",
        "POST",
        OBJECT + "/batch/create",
        OBJECT + "/batch/create",
        201,
        {"inputs": [FILLED]},
    ),
    Exchange(
        "v3-deals",
        "POST",
        OBJECT + "/merge",
        OBJECT + "/merge",
        200,
        {"primaryObjectId": "{a}", "objectIdToMerge": "{b}"},
    ),
    Exchange("v3-tasks", "POST", "/crm/v3/objects/tasks", "/crm/v3/objects/tasks", 201, TASK),
    Exchange("v3-tasks", "GET", "/crm/v3/objects/tasks", "/crm/v3/objects/tasks", 200),
    Exchange("v3-pipelines", "GET", PIPELINE, "/crm/v3/pipelines/deals", 200),
    Exchange(
        "v3-pipelines",
        "GET",
        PIPELINE + "/{pipelineId}",
        "/crm/v3/pipelines/deals/default",
        200,
    ),
    Exchange(
        "v3-pipelines",
        "GET",
        PIPELINE + "/{pipelineId}/stages",
        "/crm/v3/pipelines/deals/default/stages",
        200,
    ),
    Exchange("v3-crm_owners", "GET", "/crm/v3/owners/", "/crm/v3/owners/?limit=1", 200),
    Exchange("v3-crm_owners", "GET", "/crm/v3/owners/", "/crm/v3/owners/?archived=true", 200),
    Exchange("v3-crm_owners", "GET", "/crm/v3/owners/{ownerId}", "/crm/v3/owners/101", 200),
    Exchange("v3-properties", "GET", PROPERTY, "/crm/v3/properties/deals", 200),
    Exchange("v3-properties", "POST", PROPERTY, "/crm/v3/properties/deals", 201, SPEC),
    Exchange("v3-properties", "POST", PROPERTY, "/crm/v3/properties/deals", 400, {}),
    Exchange(
        "v3-properties",
        "POST",
        PROPERTY,
        "/crm/v3/properties/deals",
        409,
        SPEC | {"name": "amount"},
    ),
    Exchange(
        "v3-properties",
        "GET",
        PROPERTY + "/{propertyName}",
        "/crm/v3/properties/deals/dealstage",
        200,
    ),
    Exchange(
        "v3-properties",
        "POST",
        PROPERTY + "/batch/create",
        "/crm/v3/properties/deals/batch/create",
        201,
        {"inputs": [SPEC]},
    ),
    Exchange("v3-properties", "GET", PROPERTY + "/groups", "/crm/v3/properties/deals/groups", 200),
    Exchange(
        "v3-properties",
        "POST",
        PROPERTY + "/groups",
        "/crm/v3/properties/deals/groups",
        201,
        {"name": "dealpulse", "label": "Forecast"},
    ),
    Exchange(
        "v4-associations",
        "POST",
        V4 + "/read",
        "/crm/v4/associations/deals/companies/batch/read",
        200,
        READS,
    ),
    Exchange(
        "v4-associations",
        "POST",
        V4 + "/read",
        "/crm/v4/associations/deals/companies/batch/read",
        207,
        MISSING,
    ),
    Exchange(
        "v4-associations",
        "POST",
        V4 + "/associate/default",
        "/crm/v4/associations/deals/contacts/batch/associate/default",
        200,
        PAIR,
    ),
    Exchange(
        "v4-associations",
        "GET",
        OF_ONE,
        "/crm/v4/objects/deals/{a}/associations/companies?limit=1",
        200,
    ),
    Exchange(
        "v4-associations",
        "PUT",
        DEFAULT,
        "/crm/v4/objects/deals/{a}/associations/default/contacts/91",
        200,
    ),
    Exchange("v3-goal_targets", "GET", GOALS, f"{GOALS}?limit=1&properties={ASKED}", 200),
    Exchange("v3-goal_targets", "GET", GOALS, f"{GOALS}?limit=101", 400),
    Exchange("v3-account_info", "GET", "/account-info/v3/details", "/account-info/v3/details", 200),
    Exchange(
        "v3-account_info",
        "GET",
        "/account-info/v3/api-usage/daily/private-apps",
        "/account-info/v3/api-usage/daily/private-apps",
        200,
    ),
    Exchange(
        "v3-multicurrency",
        "GET",
        "/settings/v3/currencies/exchange-rates/current",
        "/settings/v3/currencies/exchange-rates/current",
        200,
    ),
    Exchange(
        "v3-multicurrency",
        "GET",
        "/settings/v3/currencies/exchange-rates",
        "/settings/v3/currencies/exchange-rates?limit=100",
        200,
    ),
    Exchange(
        "v3-multicurrency",
        "GET",
        "/settings/v3/currencies/company-currency",
        "/settings/v3/currencies/company-currency",
        200,
    ),
]


@pytest.fixture
def client() -> Iterator[Client]:
    clock = FakeClock()
    filled = company(
        deal("a", contacts=2, companies=2), deal("b", companies=1), deal("c", archived_at=CREATED)
    )
    year = CompanyGoal(date(2026, 1, 1), date(2027, 1, 1), Decimal(9), owner="101")
    filled.goals += [year, replace(year, team="North", owner=None, in_deals=True)]
    with serve(filled, clock=clock, behaviour=Behaviour(rate_limit=20)) as sandbox:
        client = Client(sandbox, clock)
        yield client
        client.session.close()


def fill(template: Any, client: Client) -> Any:
    """The template with the ids of deals in it."""
    if isinstance(template, dict):
        return {key: fill(value, client) for key, value in template.items()}
    if isinstance(template, list):
        return [fill(item, client) for item in template]
    if isinstance(template, str):
        return template.replace("{a}", client.crm.id_of("a")).replace("{b}", client.crm.id_of("b"))
    return template


@cache
def description(file: str) -> Description:
    return Description(FOLDER / f"{file}.yaml", KNOWN_DIFFERENCES)


def faults(exchange: Exchange, status: int, answer: Any) -> list[str]:
    """What in an answer is not as described."""
    validator = description(exchange.file).validator(exchange.method, exchange.described, status)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(answer)]


@pytest.mark.parametrize(
    "exchange", EXCHANGES, ids=[f"{e.method} {e.asked} {e.status}" for e in EXCHANGES]
)
def test_the_answer_is_as_described(exchange: Exchange, client: Client) -> None:
    asked, body = fill(exchange.asked, client), fill(exchange.body, client)
    response = client.send(exchange.method, asked, json=body)
    assert response.status_code == exchange.status, response.text
    assert faults(exchange, exchange.status, response.json()) == []


def test_refusals_are_as_described(client: Client) -> None:
    listing = EXCHANGES[0]
    client.crm.set_scopes(client.sandbox.token, set())
    assert faults(listing, 403, client.get(OBJECT).json()) == []
    while (response := client.get(OBJECT)).status_code != 429:
        assert response.status_code == 403
    assert faults(listing, 429, response.json()) == []
    client.crm.expire_token(client.sandbox.token)
    assert faults(listing, 401, client.get(OBJECT).json()) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"id": 5}, "5 is not of type 'string'"),
        ({"createdAt": None}, "None is not of type 'string'"),
        ({"createdAt": "yesterday"}, "'yesterday' is not a 'date-time'"),
        ({"lastModified": "x"}, "'lastModified' was unexpected"),
        ({"properties": {"amount": 5}}, "5 is not of type 'string', 'null'"),
    ],
)
def test_a_wrong_answer_would_be_noticed(
    client: Client, change: dict[str, Any], fault: str
) -> None:
    answer = client.get(OBJECT).json()
    answer["results"][0] |= change
    (found,) = faults(EXCHANGES[0], 200, answer)
    assert fault in found
