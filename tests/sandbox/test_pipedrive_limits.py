"""Tokens, limits, access and OAuth of the simulated Pipedrive."""

import base64
from datetime import timedelta

import pytest
import requests

from sync.sandbox.server import PipedriveBehaviour
from tests.sandbox.conftest import PipedriveClient, StartPipedrive, deal

DEALS, ME = "/api/v2/deals", "/api/v1/users/me"


@pytest.mark.parametrize(
    ("method", "path", "body", "cost"),
    [
        ("GET", DEALS, None, 10),
        ("GET", f"{DEALS}/archived", None, 20),
        ("GET", f"{DEALS}/1", None, 1),
        ("PATCH", f"{DEALS}/1", {"value": 5}, 5),
        ("DELETE", f"{DEALS}/1", None, 3),
        ("GET", "/api/v2/stages", None, 5),
        ("GET", "/api/v2/dealFields", None, 10),
        ("GET", "/v1/users", None, 20),
        ("GET", ME, None, 2),
        ("GET", "/api/v1/deals/1/changelog", None, 20),
        ("GET", "/api/v1/deals/1/flow", None, 40),
        ("GET", "/api/v1/deals/summary", None, 40),
    ],
)
def test_what_a_call_costs(
    pipedrive: StartPipedrive, method: str, path: str, body: object, cost: int
) -> None:
    client = pipedrive()
    response = client.send(method, path, json=body)
    assert response.status_code == 200
    ledger = client.sandbox.ledger
    assert (ledger.used_today, ledger.total) == (cost, cost)
    assert response.headers["x-daily-ratelimit-token-limit"] == "30000"
    assert response.headers["x-daily-ratelimit-token-remaining"] == str(30_000 - cost)


def test_a_page_costs_the_same_whatever_its_size(pipedrive: StartPipedrive) -> None:
    client = pipedrive()
    client.get(DEALS, limit=1)
    client.get(DEALS, limit=500)
    assert client.sandbox.ledger.by_operation() == {"GET /api/v2/deals": 20}


def test_10000_deals_are_20_pages_and_200_tokens(pipedrive: StartPipedrive) -> None:
    client = pipedrive(*(deal(str(n)) for n in range(10_000)))
    assert len(client.walk(DEALS, limit=500)) == 10_000
    assert client.sandbox.ledger.total == 200


@pytest.mark.parametrize(
    ("plan", "seats", "budget"),
    [
        ("lite", 1, 30_000),
        ("growth", 3, 180_000),
        ("premium", 1, 150_000),
        ("ultimate", 1, 210_000),
    ],
)
def test_the_budget_follows_from_plan_and_seats(plan: str, seats: int, budget: int) -> None:
    assert PipedriveBehaviour(plan=plan, seats=seats).budget == budget  # type: ignore[arg-type]


def test_a_used_up_budget_stops_everything_until_midnight(pipedrive: StartPipedrive) -> None:
    client = pipedrive(daily_budget=15)
    assert client.get(DEALS).status_code == 200
    assert client.get(DEALS).status_code == 200, "the last call may overdraw"
    refused = client.get(ME)
    assert refused.status_code == 429
    assert refused.json()["errorCode"] == 429
    assert refused.headers["x-daily-ratelimit-token-remaining"] == "0"
    assert int(refused.headers["x-ratelimit-remaining"]) > 0
    assert client.sandbox.ledger.total == 20, "a refused call costs nothing"
    client.clock.advance(seconds=client.sandbox.ledger.resets_in().total_seconds() - 1)
    assert client.get(ME).status_code == 429
    client.clock.advance(seconds=1)
    assert client.get(ME).status_code == 200
    assert client.sandbox.ledger.used_today == 2
    assert client.sandbox.ledger.by_day() == {"2026-03-16": 20, "2026-03-17": 2}


def test_other_integrations_use_the_budget_too(pipedrive: StartPipedrive) -> None:
    client = pipedrive()
    client.sandbox.ledger.use_up(leave=5)
    assert client.get(ME).headers["x-daily-ratelimit-token-remaining"] == "3"
    assert client.sandbox.ledger.total == 2


def test_twenty_calls_in_two_seconds(pipedrive: StartPipedrive) -> None:
    client = pipedrive()
    left = [client.get(ME).headers["x-ratelimit-remaining"] for _ in range(20)]
    assert left == [str(n) for n in range(19, -1, -1)]
    refused = client.get(ME)
    assert refused.status_code == 429
    assert refused.headers["x-ratelimit-remaining"] == "0"
    assert refused.headers["x-ratelimit-reset"] == "2"
    assert int(refused.headers["x-daily-ratelimit-token-remaining"]) > 0
    assert "retry-after" not in refused.headers
    client.clock.advance(seconds=2)
    assert client.get(ME).status_code == 200


def test_search_has_a_smaller_window(pipedrive: StartPipedrive) -> None:
    client = pipedrive()
    statuses = [client.get(f"{DEALS}/search", term="deal").status_code for _ in range(11)]
    assert statuses == [200] * 10 + [429]
    assert client.get(ME).status_code == 200


def test_who_ignores_refusals_is_shut_out_with_a_page(pipedrive: StartPipedrive) -> None:
    client = pipedrive(burst_limit=1, cloudflare_after=3, cloudflare_s=60.0)
    assert [client.get(ME).status_code for _ in range(5)] == [200, 429, 429, 429, 403]
    page = client.get(ME)
    assert page.headers["Content-Type"].startswith("text/html")
    assert "This error is produced by Cloudflare" in page.text
    client.clock.advance(seconds=30)
    assert client.get(ME).status_code == 403
    client.clock.advance(seconds=30)
    assert client.get(ME).status_code == 200


def test_who_waits_is_not_shut_out(pipedrive: StartPipedrive) -> None:
    client = pipedrive(burst_limit=1, cloudflare_after=2)
    for _ in range(5):
        assert client.get(ME).status_code == 200
        assert client.get(ME).status_code == 429
        client.clock.advance(seconds=2)


def test_headers_can_be_missing(pipedrive: StartPipedrive) -> None:
    silent = pipedrive(limit_headers=False, daily_headers=False).get(ME)
    assert not [name for name in silent.headers if name.lower().startswith("x-")]
    chatty = pipedrive().send("POST", DEALS, json={"title": "x"})
    assert "x-daily-requests-left" in chatty.headers


def test_failed_calls_cost_or_not(pipedrive: StartPipedrive) -> None:
    paying, free = pipedrive(), pipedrive(failed_calls_cost=False)
    for client in (paying, free):
        assert client.get(f"{DEALS}/99").status_code == 404
    assert (paying.sandbox.ledger.total, free.sandbox.ledger.total) == (1, 0)


def test_without_a_good_token(pipedrive: StartPipedrive) -> None:
    client = pipedrive()
    for headers in ({}, {"x-api-token": "0" * 40}):
        refused = requests.get(client.sandbox.url + ME, headers=headers, timeout=10)
        assert refused.status_code == 401
        assert refused.json() == {
            "success": False,
            "error": "unauthorized access",
            "error_info": "Please check developers.pipedrive.com",
            "errorCode": 401,
        }
        assert refused.headers["x-401-by-gw"] == "true"
    assert client.sandbox.ledger.total == 0
    client.crm.tokens.revoke(client.sandbox.token)
    assert client.get(ME).status_code == 401


def test_the_token_in_the_address_is_off_unless_asked_for(pipedrive: StartPipedrive) -> None:
    for accepted in (False, True):
        client = pipedrive(query_token=accepted)
        address = f"{client.sandbox.url}{ME}?api_token={client.sandbox.token}"
        assert requests.get(address, timeout=10).ok is accepted


def test_another_companys_host(pipedrive: StartPipedrive) -> None:
    client = pipedrive()
    for host, status in (
        ("fjord-as.pipedrive.com", 200),
        ("api.pipedrive.com", 200),
        ("other.pipedrive.com", 401),
    ):
        assert client.send("GET", ME, headers={"Host": host}).status_code == status


def basic(client: PipedriveClient, secret: str | None = None) -> dict[str, str]:
    tokens = client.crm.tokens
    pair = f"{tokens.client_id}:{secret or tokens.client_secret}"
    return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


def exchange(client: PipedriveClient, secret: str | None = None, **form: str) -> requests.Response:
    return requests.post(
        client.sandbox.url + "/oauth/token", data=form, headers=basic(client, secret), timeout=10
    )


def bearer(client: PipedriveClient, token: str, path: str = ME) -> requests.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return requests.get(client.sandbox.url + path, headers=headers, timeout=10)


def test_a_code_becomes_tokens_once(pipedrive: StartPipedrive) -> None:
    client = pipedrive()
    code = client.crm.tokens.code()
    given = exchange(client, grant_type="authorization_code", code=code).json()
    assert (given["token_type"], given["expires_in"]) == ("Bearer", 3600)
    assert given["api_domain"] == client.sandbox.url
    answer = bearer(client, given["access_token"])
    assert (answer.status_code, answer.headers["x-ratelimit-limit"]) == (200, "80")
    again = exchange(client, grant_type="authorization_code", code=code)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")


def test_an_access_token_lives_an_hour(pipedrive: StartPipedrive) -> None:
    client = pipedrive()
    refresh = client.crm.tokens.refresh_token()
    given = exchange(client, grant_type="refresh_token", refresh_token=refresh).json()
    assert given["refresh_token"] == refresh
    client.clock.advance(minutes=60)
    expired = bearer(client, given["access_token"])
    assert expired.status_code == 401
    assert expired.json()["error"] == "Invalid token: access_token is invalid"


def test_a_refresh_token_dies_60_days_after_its_last_use(pipedrive: StartPipedrive) -> None:
    client = pipedrive()
    refresh = client.crm.tokens.refresh_token()
    for _ in range(3):
        client.clock.advance(days=59)
        assert exchange(client, grant_type="refresh_token", refresh_token=refresh).ok
    client.clock.advance(days=60)
    dead = exchange(client, grant_type="refresh_token", refresh_token=refresh)
    assert dead.json()["message"] == "Invalid grant: refresh_token is invalid"


def test_rotation_ends_the_old_refresh_token(pipedrive: StartPipedrive) -> None:
    client = pipedrive(rotates_refresh_token=True)
    first = client.crm.tokens.refresh_token()
    second = exchange(client, grant_type="refresh_token", refresh_token=first).json()
    assert second["refresh_token"] != first
    assert exchange(client, grant_type="refresh_token", refresh_token=first).status_code == 400
    new = second["refresh_token"]
    assert exchange(client, grant_type="refresh_token", refresh_token=new).ok


def test_a_wrong_client_and_a_missing_scope(pipedrive: StartPipedrive) -> None:
    client = pipedrive()
    refresh = client.crm.tokens.refresh_token(["base"])
    wrong = exchange(client, "guessed", grant_type="refresh_token", refresh_token=refresh)
    assert wrong.json()["error"] == "invalid_client"
    given = exchange(client, grant_type="refresh_token", refresh_token=refresh).json()
    assert given["scope"] == "base"
    refused = bearer(client, given["access_token"], DEALS)
    assert refused.status_code == 403
    assert refused.json()["error"] == "Scope and URL mismatch"


def test_days_pass_with_the_budgets_zone(pipedrive: StartPipedrive) -> None:
    client = pipedrive(budget_zone="America/New_York")
    assert client.sandbox.ledger.resets_in() == timedelta(hours=19)
