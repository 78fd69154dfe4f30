"""Faults on demand, and what is left of a write when its answer is lost."""

import pytest
import requests

from tests.sandbox.conftest import Start

DEALS = "/crm/v3/objects/deals"


@pytest.mark.parametrize(
    ("kind", "status", "content"),
    [
        ("html_502", 502, "text/html"),
        ("html_414", 414, "text/html"),
        ("locked_423", 423, "application/json"),
        ("migration_477", 477, "application/json"),
        ("rate_limited_429", 429, "application/json"),
        ("server_500", 500, "application/json"),
    ],
)
def test_an_answer_instead_of_the_work(start: Start, kind: str, status: int, content: str) -> None:
    client = start()
    deal_id = client.crm.id_of("a")
    client.sandbox.faults.add(kind)
    response = client.patch(f"{DEALS}/{deal_id}", {"properties": {"amount": "7"}})
    assert response.status_code == status
    assert response.headers["Content-Type"].startswith(content)
    assert client.crm.deal(deal_id)["amount"] == "1000"
    assert client.get(DEALS).status_code == 200


@pytest.mark.parametrize("kind", ["html_200", "truncated_json", "empty_body"])
def test_the_work_is_done_and_the_answer_is_unreadable(start: Start, kind: str) -> None:
    client = start()
    deal_id = client.crm.id_of("a")
    client.sandbox.faults.add(kind)
    response = client.patch(f"{DEALS}/{deal_id}", {"properties": {"amount": "7"}})
    assert response.status_code == 200
    with pytest.raises(requests.JSONDecodeError):
        response.json()
    assert client.crm.deal(deal_id)["amount"] == "7"


def test_json_under_another_name(start: Start) -> None:
    client = start()
    client.sandbox.faults.add("not_json_content_type")
    response = client.get(DEALS)
    assert response.headers["Content-Type"] == "text/plain"
    assert len(response.json()["results"]) == 3


@pytest.mark.parametrize(
    ("kind", "kept"),
    [
        ("reset_before", "1000"),
        ("reset_after_commit", "7"),
        ("hang_before", "1000"),
        ("hang_after_commit", "7"),
    ],
)
def test_a_broken_connection(start: Start, kind: str, kept: str) -> None:
    client = start()
    deal_id = client.crm.id_of("a")
    client.sandbox.faults.add(kind, seconds=0.01)
    with pytest.raises(requests.ConnectionError):
        client.patch(f"{DEALS}/{deal_id}", {"properties": {"amount": "7"}})
    assert client.crm.deal(deal_id)["amount"] == kept
    assert client.get(DEALS).status_code == 200
    assert [r.status for r in client.sandbox.requests] == [0, 200]


def test_a_slow_answer(start: Start) -> None:
    client = start()
    client.sandbox.faults.add("slow", seconds=5.0)
    with pytest.raises(requests.ReadTimeout):
        client.session.get(client.sandbox.url + DEALS, timeout=(5, 0.05))
    client.sandbox.faults.add("slow", seconds=0.01)
    assert client.get(DEALS).status_code == 200


def test_what_a_fault_strikes(start: Start) -> None:
    client = start()
    client.sandbox.faults.add("server_500", times=2, path_contains="/owners", method="GET", after=1)
    asked = ("/crm/v3/owners/", DEALS, "/crm/v3/owners/", "/crm/v3/owners/101", "/crm/v3/owners/")
    assert [client.get(path).status_code for path in asked] == [200, 200, 500, 500, 200]
    assert client.sandbox.faults.pending() == []


def test_a_fault_for_ever_until_cleared(start: Start) -> None:
    client = start()
    client.sandbox.faults.add("html_502", times=-1)
    assert [client.get(DEALS).status_code for _ in range(4)] == [502] * 4
    client.sandbox.faults.clear()
    assert client.get(DEALS).status_code == 200


def test_retry_after_is_said_as_asked(start: Start) -> None:
    client = start()
    client.sandbox.faults.add("migration_477", retry_after_s=86_400)
    client.sandbox.faults.add("rate_limited_429")
    assert client.get(DEALS).headers["Retry-After"] == "86400"
    assert "Retry-After" not in client.get(DEALS).headers


def test_an_unknown_fault_is_an_error(start: Start) -> None:
    with pytest.raises(ValueError, match="there are html_502"):
        start().sandbox.faults.add("meteor")


def test_a_url_beyond_sixteen_kilobytes_is_an_html_414(start: Start) -> None:
    client = start()
    fits = "a" * (16_384 - len(DEALS) - len("?properties="))
    assert client.get(f"{DEALS}?properties={fits}").status_code == 200
    response = client.get(f"{DEALS}?properties={fits}a")
    assert response.status_code == 414
    assert response.text.startswith("<html>")
