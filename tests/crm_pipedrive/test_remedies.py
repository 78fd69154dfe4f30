"""What goes wrong between us and Pipedrive, and what is done about each."""

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest

from sync.crm.calls import AmbiguousError
from sync.crm.limiter import Limiter
from sync.crm.pipedrive import client as transport
from sync.crm.pipedrive.answers import Refused
from sync.crm.pipedrive.client import PipedriveClient
from sync.crm.pipedrive.credentials import ApiToken
from sync.crm.pipedrive.ledger import Ledger
from sync.crm.pipedrive.listing import every
from sync.crm.pipedrive.state import ProcessState
from sync.errors import AuthError, ConfigError, PermanentError, TransientError
from sync.sandbox.pipedrive.behaviour import PipedriveBehaviour
from tests.crm.scripted import Say, Script, Server, in_turn, scripted
from tests.crm_pipedrive.conftest import Account, Open, deal, oauth
from tests.fake_clock import FakeClock

TOKEN = "7e57" * 10
OK = Say(200, {"success": True, "data": []})


@pytest.mark.parametrize(
    "fault",
    [
        "html_502",
        "server_500",
        "timeout_524",
        "maintenance_503",
        "html_200",
        "truncated_json",
        "empty_body",
        "null_200",
        "not_json_content_type",
        "reset_before",
        "reset_after_commit",
        "rate_limited_429",
    ],
)
@pytest.mark.parametrize("path", ["v2/deals", "users/me", "changelog", "activities"])
def test_reading_gets_over_every_passing_fault(account: Account, fault: str, path: str) -> None:
    account.pull()
    account.clock.advance(minutes=15)
    account.crm.edit(account.crm.id_of("a"), {"value": 7})
    account.crm.move(account.crm.id_of("a"), "offer")
    account.crm.log_activity(account.crm.id_of("a"))
    account.sandbox.faults.add(fault, times=2, path_contains=path)  # type: ignore[arg-type]
    account.pull()
    assert account.sandbox.faults.pending() == []
    assert account.deal("a").amount == 7
    assert len(account.history("a", "stage")) == 2


def test_an_outage_is_given_up_in_the_end(account: Account) -> None:
    account.sandbox.faults.add("html_502", times=-1)
    with pytest.raises(TransientError, match=r"Given up after \d+ attempts"):
        account.source.account()
    assert 3 <= account.client.requests < 20


def test_a_burst_is_waited_out(account: Account) -> None:
    account.sandbox.faults.add("rate_limited_429")
    account.source.account()
    assert 2 <= sum(account.clock.slept) <= 6


def test_bursts_that_do_not_end_are_not_hammered(account: Account) -> None:
    account.sandbox.faults.add("rate_limited_429", times=-1)
    with pytest.raises(TransientError, match="token of its own"):
        account.source.account()
    assert account.client.requests == 3


def test_the_real_burst_limit_is_kept(account_of: Open) -> None:
    account = account_of([deal("a")])
    for _ in range(60):
        account.source.account()
    assert {entry.status for entry in account.sandbox.requests} == {200}
    assert 4 < sum(account.clock.slept) < 12


def test_a_used_up_day_stops_every_call_for_an_hour(account: Account) -> None:
    account.pull()
    account.sandbox.ledger.use_up()
    account.clock.advance(minutes=15)
    with pytest.raises(TransientError, match="tokens of the day are used up") as error:
        account.pull()
    assert error.value.retry_after == timedelta(hours=1)
    sent = len(list(account.sandbox.requests))
    account.clock.advance(minutes=30)
    with pytest.raises(TransientError, match="tokens of the day are used up"):
        account.pull()  # another connection, the same memory
    assert len(list(account.sandbox.requests)) == sent
    account.clock.advance(days=1)
    account.pull()


def test_what_others_leave_of_the_day_is_not_taken(account: Account) -> None:
    account.sandbox.ledger.use_up(leave=1000)
    account.source.account()
    with pytest.raises(TransientError, match="stays with your other apps"):
        account.source.account()


def test_a_page_of_cloudflares_is_left_alone_for_hours(account: Account) -> None:
    account.sandbox.faults.add("cloudflare_403", times=-1)
    with pytest.raises(TransientError, match="Cloudflare") as error:
        account.pull()
    assert error.value.retry_after == timedelta(hours=6)
    assert account.client.requests == 1
    account.clock.advance(minutes=5 * 60)
    with pytest.raises(TransientError, match="Cloudflare"):
        account.pull()
    assert len(list(account.sandbox.requests)) == 1


def test_an_account_that_was_not_paid_is_paused(account: Account) -> None:
    account.sandbox.faults.add("payment_402")
    with pytest.raises(TransientError, match="402"):
        account.pull()
    with pytest.raises(TransientError, match="402"):
        account.pull()
    assert len(list(account.sandbox.requests)) == 1
    account.clock.advance(minutes=61)
    account.pull()


def test_a_regenerated_token_stops_at_once(account: Account) -> None:
    account.crm.tokens.revoke(account.sandbox.token)
    with pytest.raises(AuthError, match="401") as error:
        account.source.account()
    assert error.value.missing_scopes == ()
    assert account.client.requests == 1
    assert account.sandbox.token not in str(error.value)


def test_the_token_goes_in_a_header_only(
    account: Account, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        account.pull()
    assert account.sandbox.token not in caplog.text
    assert not [e for e in account.sandbox.requests if account.sandbox.token in e.query]


def test_a_missing_scope_is_named(account: Account) -> None:
    account.reconnect(oauth(account, scopes=("base",)))
    with pytest.raises(AuthError) as error:
        account.source.owners()
    assert error.value.missing_scopes == ("users:read",)


def test_an_access_token_is_renewed_before_it_ends(account: Account) -> None:
    account.reconnect(oauth(account))
    account.source.account()
    account.clock.advance(minutes=59.5)
    account.source.account()
    assert {entry.status for entry in account.sandbox.requests} == {200}
    assert [e.path for e in account.sandbox.requests].count("/oauth/token") == 2


def test_a_renewed_refresh_token_is_kept(account_of: Open) -> None:
    account = account_of([deal("a")], behaviour=PipedriveBehaviour(rotates_refresh_token=True))
    credentials = oauth(account)
    for _ in range(3):
        account.reconnect(credentials)
        account.source.account()
        account.clock.advance(minutes=61)
    assert {entry.status for entry in account.sandbox.requests} == {200}


def test_an_access_token_that_was_taken_away_is_renewed_once(account: Account) -> None:
    credentials = oauth(account)
    account.reconnect(credentials)
    account.source.account()
    account.crm.tokens.revoke(credentials.secret())
    account.source.account()
    assert [e.status for e in account.sandbox.requests][-3:] == [401, 200, 200]


def test_an_uninstalled_app_is_no_passing_matter(account: Account) -> None:
    account.reconnect(oauth(account, refresh_token="gone"))
    with pytest.raises(AuthError, match="dealpulse connect main"):
        account.source.account()


@pytest.mark.parametrize("token", ["", "  ", "two words", "line\nbreak", "æøå"])
def test_what_cannot_be_a_token_is_refused_without_showing_it(token: str) -> None:
    with pytest.raises(ConfigError) as error:
        ApiToken(token)
    assert not token.strip() or token.strip() not in str(error.value)


Answering = Callable[[Script], tuple[PipedriveClient, Server]]


@pytest.fixture
def answering(clock: FakeClock) -> Iterator[Answering]:
    """A client before a server that answers as told."""
    with ExitStack() as stack:

        def connect(script: Script) -> tuple[PipedriveClient, Server]:
            server = stack.enter_context(scripted(script))
            client = PipedriveClient(
                ApiToken(TOKEN),
                base_url=server.url,
                timeout_s=5,
                deadline_s=600,
                limiter=Limiter(share=0.75, clock=clock),
                ledger=Ledger(share=0.4, clock=clock, state=ProcessState()),
                clock=clock,
            )
            stack.callback(client.close)
            return client, server

        yield connect


def ask(client: PipedriveClient) -> Any:
    return client.get("/api/v2/deals", what="the deals")["data"]


def test_one_connection_serves_all_requests(answering: Answering) -> None:
    client, server = answering(lambda _: OK)
    ports: set[int] = set()
    handle = server.process_request

    def counted(request: Any, address: Any) -> None:
        ports.add(address[1])
        handle(request, address)

    server.process_request = counted  # type: ignore[method-assign]
    for _ in range(5):
        ask(client)
    assert len(ports) == 1


@pytest.mark.parametrize(
    ("headers", "daily"),
    [
        ((("x-daily-ratelimit-token-remaining", "0"),), True),
        ((("x-ratelimit-remaining", "12"),), True),
        ((("x-ratelimit-remaining", "0"),), False),
        ((), False),
    ],
)
def test_a_used_up_day_is_told_from_a_burst(
    answering: Answering, headers: tuple[tuple[str, str], ...], daily: bool
) -> None:
    refused = Say(429, {"success": False, "error": "Request over limit"}, headers)
    client, server = answering(in_turn(refused, OK))
    if daily:
        with pytest.raises(TransientError, match="of the day"):
            ask(client)
    else:
        assert ask(client) == []
    assert len(server.asked) == (1 if daily else 2)


def test_amounts_are_exact(answering: Answering) -> None:
    body = b'{"success":true,"data":[{"id":1,"value":12345678901234.57}]}'
    client, _ = answering(lambda _: Say(200, body, (("Content-Type", "application/json"),)))
    assert str(ask(client)[0]["value"]) == "12345678901234.57"


def test_null_is_an_empty_list(answering: Answering) -> None:
    client, _ = answering(lambda _: Say(200, {"success": True, "data": None}))
    assert every(client, "/api/v2/deals", {}, what="the deals") == []


def test_a_page_that_comes_again_ends_the_pull(answering: Answering) -> None:
    same = {"success": True, "data": [{"id": 1}], "additional_data": {"next_cursor": "x"}}
    client, _ = answering(lambda _: Say(200, same))
    with pytest.raises(PermanentError, match="twice"):
        every(client, "/api/v2/deals", {}, what="the deals")


def test_what_may_have_been_carried_out_is_not_sent_again(answering: Answering) -> None:
    client, server = answering(lambda _: Say(502, b"<html>", (("Content-Type", "text/html"),)))
    with pytest.raises(AmbiguousError):
        client.post("/api/v2/dealFields", {"field_name": "x"}, what="a field")
    assert len(server.asked) == 1


def test_a_refusal_is_quoted_without_the_token(answering: Answering) -> None:
    body = {"success": False, "error": f"no such thing for {TOKEN}", "code": "ERR_X"}
    client, _ = answering(lambda _: Say(400, body))
    with pytest.raises(Refused, match=r"\[token\]") as error:
        ask(client)
    assert (error.value.status, error.value.code) == (400, "ERR_X")
    assert TOKEN not in str(error.value)


def test_another_address_is_hinted_at(answering: Answering) -> None:
    page = Say(404, b"<html>", (("Content-Type", "text/html"),))
    client, _ = answering(lambda _: page)
    with pytest.raises(Refused, match="check base_url"):
        ask(client)


def test_an_answer_that_does_not_come_is_not_waited_for_for_ever(account: Account) -> None:
    account.sandbox.faults.add("slow", seconds=1.0)
    impatient = account.connect(timeout_s=0.2)
    ask(impatient)
    assert impatient.requests == 2


def test_an_answer_may_take_longer_than_a_connection(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "CONNECT_TIMEOUT_S", 0.1)
    account.sandbox.faults.add("slow", seconds=0.4)
    patient = account.connect(timeout_s=5)
    ask(patient)
    assert patient.requests == 1


def test_a_server_that_is_not_there_is_not_reached(clock: FakeClock) -> None:
    client = PipedriveClient(
        ApiToken(TOKEN),
        base_url="http://127.0.0.1:1",
        timeout_s=1,
        deadline_s=60,
        limiter=Limiter(share=0.75, clock=clock),
        ledger=Ledger(share=0.4, clock=clock, state=ProcessState()),
        clock=clock,
    )
    with pytest.raises(TransientError, match="could not be reached"):
        ask(client)
