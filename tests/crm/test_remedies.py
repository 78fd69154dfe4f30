"""What goes wrong between us and HubSpot, and what is done about each."""

import gzip
import json
import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta

import pytest

from sync.crm.calls import AmbiguousError
from sync.crm.hubspot import client as transport
from sync.crm.hubspot.answers import Refused
from sync.crm.hubspot.client import HubSpotClient
from sync.crm.limiter import Limiter
from sync.errors import AuthError, ConfigError, PermanentError, TransientError
from tests.crm.conftest import Open, Portal, deal
from tests.crm.scripted import Say, Script, Server, in_turn, scripted
from tests.fake_clock import FakeClock

TOKEN = "pat-eu1-7e57-secret"
OK = Say(200, {"results": []})


@pytest.mark.parametrize(
    "fault",
    [
        "html_502",
        "server_500",
        "html_200",
        "truncated_json",
        "empty_body",
        "not_json_content_type",
        "reset_before",
        "reset_after_commit",
        "rate_limited_429",
        "locked_423",
        "migration_477",
    ],
)
@pytest.mark.parametrize("path", ["deals", "search", "batch/read", "details"])
def test_reading_gets_over_every_passing_fault(portal: Portal, fault: str, path: str) -> None:
    portal.source.account()
    portal.pull()
    portal.crm.edit(portal.crm.id_of("a"), {"amount": "7"})
    portal.clock.advance(seconds=1)
    portal.sandbox.faults.add(fault, times=2, path_contains=path)  # type: ignore[arg-type]
    portal.source.account()
    portal.mirror.cursor = None if path == "deals" else portal.mirror.cursor
    portal.pull()
    assert portal.sandbox.faults.pending() == []
    assert str(portal.mirror.deals[portal.crm.id_of("a")].amount) == "7"


@pytest.mark.parametrize(
    ("fault", "least"), [("locked_423", 2), ("rate_limited_429", 1), ("migration_477", 60)]
)
def test_told_to_wait_it_waits(portal: Portal, fault: str, least: float) -> None:
    portal.sandbox.faults.add(fault)  # type: ignore[arg-type]
    portal.source.account()
    assert portal.clock.slept[0] >= least
    assert sum(portal.clock.slept) < least + 2


def test_a_long_move_of_the_account_is_handed_on(portal: Portal) -> None:
    portal.sandbox.faults.add("migration_477", retry_after_s=7200)
    with pytest.raises(TransientError, match="data centre") as error:
        portal.source.account()
    assert error.value.retry_after == timedelta(hours=2)
    assert portal.clock.slept == []


def test_an_outage_is_given_up_in_the_end(portal: Portal) -> None:
    portal.sandbox.faults.add("html_502", times=-1)
    with pytest.raises(TransientError, match=r"Given up after \d+ attempts"):
        portal.source.account()
    assert portal.client.requests == len(portal.sent())
    assert 3 <= portal.client.requests < 20


def test_an_answer_that_does_not_come_is_not_waited_for_for_ever(portal: Portal) -> None:
    portal.sandbox.faults.add("slow", seconds=1.0)
    impatient = portal.connect(timeout_s=0.2)
    assert impatient.get(portal.client.paths.account, what="x", expect="portalId")
    assert impatient.requests == 2
    impatient.close()


def test_an_answer_may_take_longer_than_a_connection(
    portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As fifty long histories do."""
    monkeypatch.setattr(transport, "CONNECT_TIMEOUT_S", 0.1)
    portal.sandbox.faults.add("slow", seconds=0.4)
    patient = portal.connect(timeout_s=5)
    assert patient.get(portal.client.paths.account, what="x", expect="portalId")
    assert patient.requests == 1
    patient.close()


def test_a_url_that_is_too_long_is_no_passing_matter(portal: Portal) -> None:
    portal.sandbox.faults.add("html_414")
    with pytest.raises(PermanentError, match="414"):
        portal.source.account()
    assert len(portal.sent()) == 1


def test_the_real_rate_limits_are_kept(portal_of: Open) -> None:
    portal = portal_of([deal("a")], rate_limit=40, search_limit=4)
    for _ in range(60):
        portal.source.account()
    for _ in range(10):
        portal.source.deal_count()
    statuses = {entry.status for entry in portal.sandbox.requests}
    assert statuses == {200}


def test_other_apps_may_have_used_up_the_limit(portal_of: Open) -> None:
    portal = portal_of([deal("a")], rate_limit=20, search_limit=4)
    greedy = portal.connect()
    for _ in range(12):
        greedy.get(greedy.paths.account, what="x")
    for _ in range(12):
        portal.source.account()
    assert 429 in {entry.status for entry in portal.sandbox.requests}
    greedy.close()


def test_an_expired_token_stops_at_once(portal: Portal) -> None:
    portal.crm.expire_token(portal.sandbox.token)
    with pytest.raises(AuthError, match="expired") as error:
        portal.source.account()
    assert "put it into the connection's environment variable" in str(error.value)
    assert len(portal.sent()) == 1


def test_a_missing_scope_is_named(portal: Portal) -> None:
    portal.crm.set_scopes(portal.sandbox.token, ["oauth", "crm.objects.deals.read"])
    with pytest.raises(
        AuthError, match=r"the owners needs the scope crm\.objects\.owners\.read"
    ) as e:
        portal.source.owners()
    assert e.value.missing_scopes == ("crm.objects.owners.read",)
    portal.pull()
    assert len(portal.mirror.deals) == 3


# answers that only a script gives


Client = Callable[..., tuple[HubSpotClient, Server]]


@pytest.fixture
def client_of(clock: FakeClock) -> Iterator[Client]:
    with ExitStack() as stack:

        def make(script: Script, *, token: str = TOKEN) -> tuple[HubSpotClient, Server]:
            server = stack.enter_context(scripted(script))
            made = connect(server.url, clock, token)
            stack.callback(made.close)
            return made, server

        yield make


def connect(url: str, clock: FakeClock, token: str = TOKEN) -> HubSpotClient:
    return HubSpotClient(
        token,
        base_url=url,
        api_version="2026-09",
        timeout_s=5,
        deadline_s=600,
        limiter=Limiter(share=1.0, clock=clock),
        clock=clock,
    )


def limited(policy: str, *headers: tuple[str, str]) -> Say:
    body = {"status": "error", "errorType": "RATE_LIMIT", "policyName": policy}
    return Say(429, body, headers)


@pytest.mark.parametrize(
    ("answer", "wait"),
    [
        (limited("SECONDLY"), 1),
        (limited("TEN_SECONDLY_ROLLING"), 10),
        (limited("TEN_SECONDLY_ROLLING", ("Retry-After", "3")), 10),
        (limited("SECONDLY", ("Retry-After", "3")), 3),
        (limited("SECONDLY", ("Retry-After", "3000")), 60),
        (limited("SECONDLY", ("Retry-After", "soon")), 1),
        (limited(""), 1),
        (Say(429, b"<html>", ()), 1),
    ],
)
def test_each_rate_limit_has_its_own_pause(
    client_of: Client, clock: FakeClock, answer: Say, wait: float
) -> None:
    client, _ = client_of(in_turn(answer, OK))
    client.get("/x", what="x", expect="results")
    assert clock.slept == [wait]


def test_the_daily_limit_lasts_until_the_accounts_midnight(
    portal: Portal, client_of: Client, clock: FakeClock
) -> None:
    client, server = client_of(in_turn(limited("DAILY")))
    portal.source.account()
    client.zone = portal.client.zone
    with pytest.raises(TransientError, match="midnight in the account's time zone") as error:
        client.get("/x", what="x")
    assert error.value.retry_after == timedelta(hours=14)  # it is ten in the morning in Oslo
    assert len(server.asked) == 1
    assert not isinstance(error.value, AmbiguousError)


@pytest.mark.parametrize(
    "answer",
    [
        Say(500, b"\xff\xfe\x00", (("Content-Type", "text/html"),)),
        Say(502, gzip.compress(b"<html>", mtime=0), (("Content-Encoding", "gzip"),)),
        Say(500, b"x", (("Content-Encoding", "gzip"),)),
        Say(524, b""),
        Say(522, b""),
        Say(408, b""),
        Say(200, {}),
        Say(200, {"results": None}),
        Say(200, {"results": {"id": 1}}),
        Say(200, ["not an object"]),
        Say(200, b'{"results": []}', (("Content-Type", "text/html"),)),
        Say(200, b"{", (("Content-Type", "application/json"),)),
    ],
)
def test_answers_that_are_none_are_asked_for_again(client_of: Client, answer: Say) -> None:
    client, server = client_of(in_turn(answer, OK))
    assert client.get("/x", what="x", expect="results") == {"results": []}
    assert len(server.asked) == 2


def test_compressed_answers_are_read(client_of: Client) -> None:
    body = gzip.compress(json.dumps({"results": [1]}).encode(), mtime=0)
    headers = (("Content-Type", "application/json"), ("Content-Encoding", "gzip"))
    client, server = client_of(in_turn(Say(200, body, headers)))
    assert client.get("/x", what="x") == {"results": [1]}
    assert server.asked[0].headers["Accept-Encoding"] == "gzip"


def test_one_connection_serves_all_requests(client_of: Client) -> None:
    ports = set()

    def script(asked: object) -> Say:
        return OK

    client, server = client_of(script)
    original = server.get_request

    def counted():  # type: ignore[no-untyped-def]
        request, address = original()
        ports.add(address[1])
        return request, address

    server.get_request = counted  # type: ignore[method-assign]
    for _ in range(5):
        client.get("/x", what="x")
    client.post("/x", {"a": 1}, what="x", idempotent=True)
    client.patch("/x", {"a": 1}, what="x")
    assert len(ports) == 1
    assert server.asked[0].headers["Authorization"] == f"Bearer {TOKEN}"
    assert server.asked[-1].body == {"a": 1}


def test_a_page_of_cloudflares_is_no_word_on_the_token(portal: Portal) -> None:
    """Or a proxy that hiccups would take the connection off the schedule until somebody comes."""
    portal.sandbox.faults.add("cloudflare_403", times=2)
    portal.pull()
    assert len(portal.mirror.deals) == 3
    portal.sandbox.faults.add("cloudflare_403", times=-1)
    with pytest.raises(TransientError, match=r"Cloudflare.*page of its own.*firewall"):
        portal.pull()


def test_a_token_of_a_wrong_format_is_hinted_at(client_of: Client) -> None:
    client, server = client_of(in_turn(Say(530, b"<html>error 1016</html>")))
    with pytest.raises(AuthError, match="wrong format"):
        client.get("/x", what="x")
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("body", "scopes"),
    [
        (
            {"errors": [{"context": {"requiredGranularScopes": ["a.read", "b.read"]}}]},
            ("a.read", "b.read"),
        ),
        ({"errors": [{"context": {"requiredScopes": ["a.read"]}}]}, ("a.read",)),
        ({"context": {"requiredGranularScopes": ["a.read"]}}, ("a.read",)),
        ({"errors": "odd", "context": []}, ()),
        ({}, ()),
    ],
)
def test_scopes_are_found_wherever_they_stand(
    client_of: Client, body: dict[str, object], scopes: tuple[str, ...]
) -> None:
    client, _ = client_of(in_turn(Say(403, body)))
    with pytest.raises(AuthError) as error:
        client.get("/x", what="the list of x")
    assert error.value.missing_scopes == scopes
    assert all(scope in str(error.value) for scope in scopes)


def test_a_refusal_quotes_hubspot_shortly_and_without_the_token(client_of: Client) -> None:
    message = f"Property values\n were not valid: {TOKEN} " + "x" * 1000
    client, server = client_of(
        in_turn(Say(400, {"category": "VALIDATION_ERROR", "message": message}))
    )
    with pytest.raises(Refused) as error:
        client.post("/x", {"secret": "value"}, what="writing x", idempotent=True)
    assert "writing x (400, VALIDATION_ERROR): Property values were not valid: [token] x" in str(
        error.value
    )
    assert TOKEN not in str(error.value)
    assert len(str(error.value)) < 400
    assert len(server.asked) == 1


def test_nothing_secret_is_logged(client_of: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    client, _ = client_of(in_turn(Say(500, b"oops"), Say(401, {"message": f"bad {TOKEN}"})))
    with pytest.raises(AuthError) as error:
        client.post("/x", {"dealname": "Hemmelig AS"}, what="x", idempotent=True)
    told = caplog.text + str(error.value) + repr(error.value)
    assert TOKEN not in told
    assert "Hemmelig" not in told


def test_an_unknown_address_asks_to_check_the_settings(portal: Portal) -> None:
    with pytest.raises(Refused, match="check base_url and api_version"):
        portal.client.get("/crm/v9/objects/deals", what="the list of deals")


def test_a_redirect_is_not_followed(client_of: Client) -> None:
    client, server = client_of(in_turn(Say(302, b"", (("Location", "/elsewhere"),))))
    with pytest.raises(Refused, match="sends us elsewhere"):
        client.get("/x", what="x")
    assert [asked.path for asked in server.asked] == ["/x"]


def test_a_creation_in_doubt_is_not_repeated(client_of: Client) -> None:
    client, server = client_of(in_turn(Say(502, b"<html>"), Say(201, {"name": "x"})))
    with pytest.raises(AmbiguousError):
        client.post("/x", {"name": "x"}, what="creating x", idempotent=False)
    assert len(server.asked) == 1
    client, server = client_of(in_turn(limited("SECONDLY"), Say(201, {"name": "x"})))
    assert client.post("/x", {"name": "x"}, what="creating x", idempotent=False) == {"name": "x"}


def test_nobody_there(clock: FakeClock) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: refuses connections
        client = connect(f"http://127.0.0.1:{taken.getsockname()[1]}", clock)
        with pytest.raises(TransientError, match="check the network") as error:
            client.post("/x", {}, what="x", idempotent=False)
        assert not isinstance(error.value, AmbiguousError)
        assert client.requests >= 3
        client.close()


@pytest.mark.parametrize("token", ["", "   ", "two words", "line\nbreak", "smør", "nul\x00"])
def test_what_cannot_be_a_token_is_refused_without_showing_it(clock: FakeClock, token: str) -> None:
    with pytest.raises(ConfigError, match="access token") as error:
        connect("http://127.0.0.1:1", clock, token)
    assert not token.strip() or token not in str(error.value)


def test_blanks_around_a_token_do_not_matter(client_of: Client) -> None:
    client, server = client_of(in_turn(OK), token=f"  {TOKEN}\n")
    client.get("/x", what="x")
    assert server.asked[0].headers["Authorization"] == f"Bearer {TOKEN}"


def test_an_address_that_is_none(clock: FakeClock) -> None:
    client = connect("http://[half", clock)
    with pytest.raises(ConfigError, match="base_url"):
        client.get("/x", what="x")
    client.close()


def test_certificates_are_checked(client_of: Client, clock: FakeClock) -> None:
    _, server = client_of(in_turn(OK))
    client = connect(server.url.replace("http:", "https:"), clock)
    with pytest.raises(TransientError, match="TLS"):
        client.get("/x", what="x")
    client.close()
