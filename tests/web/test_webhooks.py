"""The webhook endpoint over real HTTP: what is taken, what is refused, what a pull makes of it."""

import base64
import hashlib
import hmac
import json
import random
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from sync.crm.hubspot.webhook import HubSpotReceiver
from sync.crm.pipedrive.webhook import PipedriveReceiver
from sync.crm.webhooks import Notification, Untrusted
from sync.mirror import hints
from sync.telemetry import JobMetrics
from sync.web.app import create_app
from sync.web.hints import MAX_BODY, Endpoint, Inbox
from sync.web.server import serve_in_thread
from tests.fake_clock import START, FakeClock

SECRET = "app-secret-7e57"
PUBLIC = "https://hooks.example.com/webhooks/main"
PORTAL = 140_000_001


def sign(body: bytes, at: datetime, *, secret: str = SECRET, url: str = PUBLIC) -> dict[str, str]:
    sent = str(int(at.timestamp() * 1000))
    message = b"POST" + url.encode() + body + sent.encode()
    digest = hmac.new(secret.encode(), message, hashlib.sha256).digest()
    return {
        "X-HubSpot-Signature-v3": base64.b64encode(digest).decode(),
        "X-HubSpot-Request-Timestamp": sent,
    }


def event(deal_id: int = 42, *, at: datetime = START, **more: Any) -> dict[str, Any]:
    return {
        "eventId": 100,
        "portalId": PORTAL,
        "subscriptionType": "deal.propertyChange",
        "propertyName": "dealstage",
        "objectId": deal_id,
        "occurredAt": int(at.timestamp() * 1000),
        **more,
    }


class Hooks:
    """The daemon's web server with two connections that take webhooks."""

    def __init__(self, engine: Engine, clock: FakeClock, stack: ExitStack) -> None:
        self.engine, self.clock = engine, clock
        self.told: list[str] = []
        self._inbox = Inbox(
            lambda name, named: hints.remember(engine, name, named),
            tell=self.told.append,
            owner=lambda _: str(PORTAL),
        )
        receivers = {
            "main": HubSpotReceiver(PUBLIC, SECRET),
            "pipe": PipedriveReceiver("dealpulse", "hemmelig"),
        }
        endpoint = Endpoint(receivers, stack.enter_context(self._inbox), clock)
        app = create_app(pytest.fail, JobMetrics(), endpoint)
        self.url = stack.enter_context(serve_in_thread(app, "127.0.0.1", 0)).url

    def post(self, body: object, headers: dict[str, str] | None = None, to: str = "main") -> int:
        """The status."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        shown = sign(raw, self.clock.now()) if headers is None else headers
        answer = requests.post(f"{self.url}/webhooks/{to}", data=raw, headers=shown, timeout=60)
        assert answer.content == b"", "no detail for whoever asks"
        return answer.status_code

    def remembered(self, connection: str = "main") -> dict[str, datetime]:
        """After everything that was taken has been written down."""
        self._inbox.flush()
        return hints.pending(self.engine, connection, 1_000)


@pytest.fixture
def hooks(engine: Engine, clock: FakeClock) -> Iterator[Hooks]:
    with ExitStack() as stack:
        yield Hooks(engine, clock, stack)


def test_a_signed_event_is_remembered_and_the_next_pull_comes_soon(hooks: Hooks) -> None:
    assert hooks.post([event(42)]) == 204
    assert hooks.remembered() == {"42": START}
    assert hooks.told == ["main"]


def test_the_published_example_of_a_signature() -> None:
    """HubSpot's own: secret, method, address, body and timestamp give this signature."""
    receiver = HubSpotReceiver("https://x.test/hook", "secret")
    shown = {
        "x-hubspot-request-timestamp": "1700000000000",
        "x-hubspot-signature-v3": "tQWwt12aKIm/2wL8zPV7NmXcBftlPWsR7Axg42U62Dw=",
    }
    now = datetime.fromtimestamp(1_700_000_000, START.tzinfo)
    assert receiver.hints(Notification("POST", shown, b'[{"a":1}]'), now=now) == []
    with pytest.raises(Untrusted):
        receiver.hints(Notification("PUT", shown, b'[{"a":1}]'), now=now)


def test_escapes_in_the_configured_address_are_decoded_as_hubspot_does() -> None:
    receiver = HubSpotReceiver("https://x.test/a%2Fb%20c%3A", SECRET)
    shown = {k.lower(): v for k, v in sign(b"[]", START, url="https://x.test/a/b%20c:").items()}
    assert receiver.hints(Notification("POST", shown, b"[]"), now=START) == []


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-HubSpot-Signature-v3": "", "X-HubSpot-Request-Timestamp": ""},
        sign(b'[{"objectId": 1}]', START),
        sign(b"[]", START, secret="another"),
        sign(b"[]", START, url="http://127.0.0.1/webhooks/main"),
        sign(b"[]", START - timedelta(seconds=301)),
        sign(b"[]", START + timedelta(seconds=301)),
        sign(b"[]", START) | {"X-HubSpot-Request-Timestamp": "²³"},
        sign(b"[]", START) | {"X-HubSpot-Request-Timestamp": "9" * 400},
    ],
    ids=["none", "empty", "body", "secret", "address", "old", "future", "no-number", "long"],
)
def test_a_wrong_signature_is_401_without_detail(hooks: Hooks, headers: dict[str, str]) -> None:
    latin = {name: value.encode("utf-8") for name, value in headers.items()}
    assert hooks.post(b"[]", latin) == 401  # type: ignore[arg-type]
    assert hooks.remembered() == {}


def test_a_signature_is_good_for_five_minutes(hooks: Hooks) -> None:
    body = json.dumps([event(1)]).encode()
    shown = sign(body, START)
    hooks.clock.advance(seconds=299)
    assert hooks.post(body, shown) == 204
    hooks.clock.advance(seconds=2)
    assert hooks.post(body, shown) == 401


def test_a_connection_that_takes_none_looks_like_a_wrong_signature(hooks: Hooks) -> None:
    assert hooks.post([event(42)], to="another") == 401


def test_without_any_receiver_everything_is_401(clock: FakeClock) -> None:
    app = create_app(pytest.fail, JobMetrics())
    with serve_in_thread(app, "127.0.0.1", 0) as server:
        answer = requests.post(f"{server.url}/webhooks/main", data=b"[]", timeout=5)
        assert (answer.status_code, answer.content) == (401, b"")


@pytest.mark.parametrize("body", [b"{", b"null", b'{"objectId": 1}', b"[1]", b"\xff"])
def test_signed_nonsense_is_400(hooks: Hooks, body: bytes) -> None:
    assert hooks.post(body) == 400
    assert hooks.remembered() == {}


def test_a_body_that_is_too_long_is_413_and_not_kept(hooks: Hooks) -> None:
    assert hooks.post(b"[" + b" " * MAX_BODY + b"]") == 413


def test_other_objects_other_accounts_and_our_own_properties_are_passed_over(
    hooks: Hooks,
) -> None:
    events = [
        event(1, subscriptionType="contact.propertyChange"),
        event(2, portalId=PORTAL + 1),
        event(3, propertyName="dealpulse_win_probability"),
        event(4, objectId="DROP TABLE"),
        event(5, objectId=True),
        event(6, subscriptionType="object.propertyChange", objectTypeId="0-1"),
        event(7, subscriptionType="object.propertyChange", objectTypeId="0-3"),
        event(8, subscriptionType=None, eventType="deal.creation"),
        event(9, subscriptionType="deal.merge", primaryObjectId=10, mergedObjectIds=[11]),
    ]
    assert hooks.post(events) == 204
    assert set(hooks.remembered()) == {"7", "8", "9", "10", "11"}


def test_an_instant_in_the_future_counts_as_now(hooks: Hooks) -> None:
    hooks.post([event(1, at=START + timedelta(days=9_000))])
    assert hooks.remembered() == {"1": START}


@settings(
    max_examples=20,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 100)), max_size=30), st.randoms())
def test_duplicates_and_disorder_are_harmless(
    engine: Engine, events: list[tuple[int, int]], shuffle: random.Random
) -> None:
    hints.clear(engine, "main", {str(i): START for i in range(1, 6)})
    latest: dict[str, datetime] = {}
    for deal_id, seconds in events:
        at = START - timedelta(seconds=seconds)
        latest[str(deal_id)] = max(latest.get(str(deal_id), at), at)
    twice = [*events, *events]
    shuffle.shuffle(twice)
    for deal_id, seconds in twice:
        hints.remember(engine, "main", {str(deal_id): START - timedelta(seconds=seconds)})
    assert hints.pending(engine, "main", 100) == latest


def test_a_newer_event_outlives_the_reading_of_an_older_one(engine: Engine) -> None:
    hints.remember(engine, "main", {"1": START, "2": START})
    read = hints.pending(engine, "main", 10)
    hints.remember(engine, "main", {"1": START + timedelta(seconds=1)})
    hints.clear(engine, "main", read)
    assert hints.pending(engine, "main", 10) == {"1": START + timedelta(seconds=1)}


class TestWhileTheDatabaseIsBusy:
    @pytest.fixture
    def database_kind(self) -> str:
        return "sqlite"

    def test_no_answer_waits_for_it(self, hooks: Hooks, tmp_path: Path) -> None:
        """So it comes within the second that senders give."""
        writer = sqlite3.connect(tmp_path / "mirror.db", isolation_level=None)
        writer.execute("BEGIN IMMEDIATE")
        assert [hooks.post([event(i)]) for i in range(20)] == [204] * 20
        assert hints.pending(hooks.engine, "main", 1_000) == {}, "all were given before it was free"
        writer.execute("COMMIT")
        writer.close()
        assert len(hooks.remembered()) == 20


LOGIN = {"Authorization": "Basic " + base64.b64encode(b"dealpulse:hemmelig").decode()}


class TestPipedrive:
    def test_a_known_user_is_believed(self, hooks: Hooks) -> None:
        body = {
            "meta": {
                "action": "change",
                "entity": "deal",
                "entity_id": "42",
                "company_id": str(PORTAL),
                "merged_from_id": "43",
            },
            "data": {},
        }
        assert hooks.post(body, LOGIN, to="pipe") == 204
        assert set(hooks.remembered("pipe")) == {"42", "43"}

    def test_the_older_form_is_understood(self, hooks: Hooks) -> None:
        body = {"v": 1, "event": "updated.deal", "meta": {"object": "deal", "id": 7}}
        assert hooks.post(body, LOGIN, to="pipe") == 204
        assert set(hooks.remembered("pipe")) == {"7"}

    def test_other_objects_are_passed_over(self, hooks: Hooks) -> None:
        body = {"meta": {"entity": "person", "entity_id": "42"}}
        assert hooks.post(body, LOGIN, to="pipe") == 204
        assert hooks.remembered("pipe") == {}

    @pytest.mark.parametrize("login", ["", "Basic eDp5", "Bearer x", "Basic æøå"])
    def test_anybody_else_is_401(self, hooks: Hooks, login: str) -> None:
        shown = {"Authorization": login.encode()}
        assert hooks.post({}, shown, to="pipe") == 401  # type: ignore[arg-type]

    @pytest.mark.parametrize("body", [b"[]", b"{}", b'{"meta": 1}'])
    def test_nonsense_is_400(self, hooks: Hooks, body: bytes) -> None:
        assert hooks.post(body, LOGIN, to="pipe") == 400
