"""Rate limits: the rolling window, the day, searches apart, and what the headers say."""

from tests.sandbox.conftest import Client, Start

DEALS = "/crm/v3/objects/deals"
PREFIX = "X-HubSpot-RateLimit-"


def statuses(client: Client, count: int, path: str = DEALS) -> list[int]:
    return [client.get(path).status_code for _ in range(count)]


def test_the_window_rolls(start: Start) -> None:
    client = start(rate_limit=3)
    assert statuses(client, 2) == [200, 200]
    client.clock.advance(seconds=6)
    assert statuses(client, 2) == [200, 429]
    client.clock.advance(seconds=3.9)
    assert statuses(client, 1) == [429]
    client.clock.advance(seconds=0.1)
    assert statuses(client, 3) == [200, 200, 429]


def test_a_refusal_says_which_limit(start: Start) -> None:
    client = start(rate_limit=1)
    client.get(DEALS)
    response = client.get(DEALS)
    body = response.json()
    assert body["message"] == "You have reached your ten_secondly_rolling limit."
    assert (body["errorType"], body["policyName"]) == ("RATE_LIMIT", "TEN_SECONDLY_ROLLING")
    assert str(client.crm.portal_id) in body["groupName"]
    assert "category" not in body
    assert "Retry-After" not in response.headers


def test_retry_after_can_be_switched_on(start: Start) -> None:
    client = start(rate_limit=1, retry_after_on_429=True)
    client.get(DEALS)
    client.clock.advance(seconds=4)
    assert client.get(DEALS).headers["Retry-After"] == "6"


def test_headers_count_down(start: Start) -> None:
    client = start(rate_limit=100, daily_limit=250_000)
    client.get(DEALS)
    headers = client.get(DEALS).headers
    assert {k: headers[PREFIX + k] for k in ("Max", "Remaining", "Interval-Milliseconds")} == {
        "Max": "100",
        "Remaining": "98",
        "Interval-Milliseconds": "10000",
    }
    assert (headers[PREFIX + "Daily"], headers[PREFIX + "Daily-Remaining"]) == ("250000", "249998")
    assert headers[PREFIX + "Secondly"] == "10"


def test_searches_have_their_own_budget_and_no_headers(start: Start) -> None:
    client = start(rate_limit=1)
    responses = [client.post(f"{DEALS}/search", {}) for _ in range(6)]
    assert [r.status_code for r in responses] == [200] * 5 + [429]
    assert not any(name.startswith(PREFIX) for r in responses for name in r.headers)
    assert responses[-1].json()["policyName"] == "SECONDLY"
    assert responses[-1].json()["groupName"].startswith("publicapi:crm:search:oauth:")
    assert client.get(DEALS).status_code == 200
    client.clock.advance(seconds=1)
    assert client.post(f"{DEALS}/search", {}).status_code == 200


def test_searches_are_counted_for_the_account_and_calls_for_the_token(start: Start) -> None:
    client = start(rate_limit=1, search_limit=1)
    other = client.crm.add_token({"crm.objects.deals.read"})
    client.get(DEALS)
    client.post(f"{DEALS}/search", {})
    header = {"Authorization": f"Bearer {other}"}
    assert client.send("GET", DEALS, headers=header).status_code == 200
    assert client.send("POST", f"{DEALS}/search", json={}, headers=header).status_code == 429


def test_associations_have_their_own_budget(start: Start) -> None:
    client = start(rate_limit=1, association_limit=2)
    path = f"/crm/v4/objects/deals/{client.crm.id_of('a')}/associations/contacts"
    assert statuses(client, 3, path) == [200, 200, 429]
    assert statuses(client, 1) == [200]


def test_the_day_ends_at_the_accounts_midnight(start: Start) -> None:
    client = start(daily_limit=2)
    assert statuses(client, 2) == [200, 200]
    refused = client.get(DEALS)
    assert refused.json()["policyName"] == "DAILY"
    client.clock.advance(minutes=13 * 60 + 59)  # 23:59 in Oslo
    assert statuses(client, 1) == [429]
    client.clock.advance(minutes=1)
    assert statuses(client, 1) == [200]


def test_usage_is_told(start: Start) -> None:
    client = start(daily_limit=500)
    client.get(DEALS)
    (usage,) = client.get("/account-info/v3/api-usage/daily/private-apps").json()["results"]
    assert (usage["currentUsage"], usage["usageLimit"]) == (2, 500)
    assert usage["resetsAt"] == "2026-03-16T23:00:00Z"


def test_rate_limits_can_be_switched_off(start: Start) -> None:
    client = start(rate_limit=None, search_limit=1, association_limit=1)
    for _ in range(3):
        assert client.post(f"{DEALS}/search", {}).status_code == 200
    path = f"/crm/v4/objects/deals/{client.crm.id_of('a')}/associations/contacts"
    assert statuses(client, 3, path) == [200, 200, 200]
    assert PREFIX + "Max" not in client.get(DEALS).headers
