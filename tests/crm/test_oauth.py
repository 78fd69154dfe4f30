"""OAuth: when tokens are renewed and by whom, how they are kept, and what is said when it ends."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import Engine, select

from sync.crm.hubspot.client import HubSpotClient
from sync.crm.hubspot.paths import Paths
from sync.crm.limiter import Limiter
from sync.crm.oauth import Authorizer, OAuthTokens
from sync.errors import AuthError, ConfigError, TransientError
from sync.mirror import schema
from sync.mirror.tokens import CLAIM_TTL, SealedTokens
from sync.sandbox.server import Behaviour, Sandbox, serve
from tests.crm.conftest import company, deal
from tests.crm.scripted import Say, scripted
from tests.fake_clock import FakeClock, StillClock

KEY, OLDER_KEY = Fernet.generate_key().decode(), Fernet.generate_key().decode()


class App:
    """An OAuth app installed in the sandbox, its tokens in a real mirror."""

    def __init__(self, sandbox: Sandbox, engine: Engine, clock: FakeClock) -> None:
        self.sandbox, self.engine, self.clock = sandbox, engine, clock
        self.granted = sandbox.crm.tokens.refresh_token()
        self.secret = sandbox.crm.tokens.client_secret

    def store(self, *keys: str) -> SealedTokens:
        given = keys or (KEY,)
        return SealedTokens(
            self.engine, "main", given, self.clock, key_name="THE_KEY", holder="test"
        )

    def tokens(
        self, *, store: Any = None, refresh_token: str | None = "granted", url: str | None = None
    ) -> OAuthTokens:
        """As another process, or the same after a restart, has them."""
        authorizer = Authorizer(
            vendor="HubSpot",
            connection="main",
            authorize_url=f"{self.sandbox.url}/oauth/authorize",
            token_url=url or self.sandbox.url + Paths("2026-09").oauth_token,
            client_id=self.sandbox.crm.tokens.client_id,
            client_secret=self.secret,
        )
        given = self.granted if refresh_token == "granted" else refresh_token
        return OAuthTokens(authorizer, store or self.store(), self.clock, refresh_token=given)

    def client(self, tokens: OAuthTokens) -> HubSpotClient:
        return HubSpotClient(
            tokens,
            base_url=self.sandbox.url,
            api_version="2026-09",
            timeout_s=5,
            deadline_s=600,
            limiter=Limiter(share=1.0, clock=self.clock),
            clock=self.clock,
        )

    def renewals(self) -> int:
        return sum(entry.path.startswith("/oauth/") for entry in self.sandbox.requests)

    def statuses(self) -> list[int]:
        return [entry.status for entry in self.sandbox.requests]


Open = Callable[..., App]


@pytest.fixture
def app_of(engine: Engine, clock: FakeClock) -> Iterator[Open]:
    with ExitStack() as stack:

        def open_app(**behaviour: Any) -> App:
            portal = serve(company([deal("a")]), clock=clock, behaviour=Behaviour(**behaviour))
            return App(stack.enter_context(portal), engine, clock)

        yield open_app


@pytest.fixture
def app(app_of: Open) -> App:
    return app_of()


@pytest.fixture
def database_kind() -> str:
    return "sqlite"


def account(client: HubSpotClient) -> None:
    client.get(client.paths.account, what="the account", expect="portalId")


def test_a_token_is_renewed_at_80_percent_of_its_life(app: App) -> None:
    tokens = app.tokens()
    first = tokens.secret()
    app.clock.advance(seconds=0.8 * 1800 - 1)
    assert tokens.secret() == first
    app.clock.advance(seconds=2)
    assert tokens.secret() != first
    assert app.renewals() == 2


def test_a_sync_of_hours_never_sees_a_401(app: App) -> None:
    client = app.client(app.tokens())
    for _ in range(50):
        account(client)
        app.clock.advance(minutes=5)
    client.close()
    assert set(app.statuses()) == {200}


def test_an_expired_token_is_renewed_once_and_the_call_repeated(app: App) -> None:
    tokens = app.tokens()
    client = app.client(tokens)
    account(client)
    app.sandbox.crm.expire_token(tokens.secret())
    account(client)
    client.close()
    assert app.statuses() == [200, 200, 401, 200, 200]


def test_sub_requests_renew_too(app: App) -> None:
    tokens = app.tokens()
    client = app.client(tokens)
    app.sandbox.crm.expire_token(tokens.secret())
    body = {"inputs": [{"id": app.sandbox.crm.id_of("a")}]}
    path = client.paths.associations("contacts")
    assert "results" in client.post(path, body, what="the contacts", idempotent=True)
    client.close()


def test_a_401_that_stays_is_tried_once_more_and_then_said(app: App) -> None:
    with scripted(lambda _: Say(401, {"category": "INVALID_AUTHENTICATION"})) as server:
        client = app.client(app.tokens())
        client._host = client._transport.configuration.host = server.url
        with pytest.raises(AuthError, match="refused the access token"):
            account(client)
        client.close()
        assert len(server.asked) == 2
    assert app.renewals() == 2


@pytest.mark.parametrize("separate", [False, True], ids=["threads", "processes"])
def test_of_many_that_need_a_new_token_one_renews(app: App, separate: bool) -> None:
    app.clock = StillClock()
    shared = app.tokens()
    all_tokens = [app.tokens() if separate else shared for _ in range(8)]
    seen: list[str] = []
    threads = [
        threading.Thread(target=lambda t=tokens: seen.append(t.secret())) for tokens in all_tokens
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 8
    assert len(set(seen)) == 1
    assert app.renewals() == 1


def test_all_threads_get_over_an_expired_token_with_one_renewal(app: App) -> None:
    tokens = app.tokens()
    client = app.client(tokens)
    app.sandbox.crm.expire_token(tokens.secret())
    threads = [threading.Thread(target=account, args=(client,)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    client.close()
    assert app.renewals() == 2
    assert app.statuses().count(200) == 2 + 6


def test_a_process_that_died_while_it_renewed_holds_nobody_up_for_long(app: App) -> None:
    assert app.store().claim()
    assert app.tokens().secret()
    assert app.clock.monotonic() <= CLAIM_TTL.total_seconds() + 1


@pytest.mark.parametrize("fault", ["rate_limited_429", "html_502", "html_200", "empty_body"])
def test_a_log_in_that_is_busy_or_ill_is_asked_again(app: App, fault: str) -> None:
    app.sandbox.faults.add(fault, times=2, path_contains="/oauth/")  # type: ignore[arg-type]
    client = app.client(app.tokens())
    account(client)
    client.close()
    assert app.renewals() == 3


def test_while_the_old_token_lives_a_failed_renewal_hurts_nobody(app: App) -> None:
    tokens = app.tokens()
    first = tokens.secret()
    app.sandbox.faults.add("html_502", times=-1, path_contains="/oauth/")
    app.clock.advance(seconds=0.9 * 1800)
    assert [tokens.secret() for _ in range(20)] == [first] * 20
    assert app.renewals() == 2, "not tried with every request"
    app.sandbox.faults.clear()
    app.clock.advance(seconds=70)
    assert tokens.secret() != first


def test_an_outage_of_the_log_in_is_a_passing_matter(app: App) -> None:
    app.sandbox.faults.add("html_502", times=-1, path_contains="/oauth/")
    client = app.client(app.tokens())
    with pytest.raises(TransientError, match="log-in has a fault"):
        account(client)
    client.close()


def test_a_rotated_refresh_token_is_kept_across_restarts(app_of: Open) -> None:
    app = app_of(rotates_refresh_token=True)
    for _ in range(4):
        assert app.tokens().secret()
        app.clock.advance(minutes=40)
    assert set(app.statuses()) == {200}


def test_a_token_that_could_not_be_stored_is_not_used(app_of: Open) -> None:
    app = app_of(rotates_refresh_token=True)

    class Full(SealedTokens):
        def save(self, values: Any) -> None:
            raise TransientError("the disk is full")

    store = Full(app.engine, "main", [KEY], app.clock, key_name="THE_KEY", holder="test")
    client = app.client(app.tokens(store=store))
    with pytest.raises(TransientError, match="disk is full"):
        account(client)
    client.close()
    assert [entry.path for entry in app.sandbox.requests] == ["/oauth/2026-09/token"]


@pytest.mark.parametrize("how", ["uninstalled", "wrong secret", "never connected"])
def test_what_a_person_has_to_put_right_says_how(app: App, how: str) -> None:
    if how == "uninstalled":
        app.sandbox.crm.tokens.revoke_refresh_token(app.granted)
    if how == "wrong secret":
        app.secret = "another"
    client = app.client(app.tokens(refresh_token=None if how == "never connected" else "granted"))
    with pytest.raises(AuthError) as error:
        account(client)
    client.close()
    remedy = "client secret" if how == "wrong secret" else "`dealpulse connect main`"
    assert remedy in str(error.value)
    assert app.renewals() <= 1, "asking again would only lock the app"
    assert app.granted not in str(error.value)


def test_another_refresh_token_in_the_environment_wins_over_what_is_stored(app: App) -> None:
    app.tokens().secret()
    app.sandbox.crm.tokens.revoke_refresh_token(app.granted)
    anew = app.sandbox.crm.tokens.refresh_token()
    app.clock.advance(minutes=29)
    assert app.tokens(refresh_token=anew).secret()


def test_what_is_stored_shows_nothing(app: App) -> None:
    secret = app.tokens().secret()
    with app.engine.connect() as connection:
        row = connection.execute(select(schema.oauth_token)).one()
    for hidden in (secret, app.granted, KEY):
        assert hidden not in str(row)
    assert secret == app.store().load()["access_token"]


def test_a_key_can_be_replaced(app: App) -> None:
    first = app.tokens(store=app.store(OLDER_KEY)).secret()
    both = app.store(KEY, OLDER_KEY)
    assert app.tokens(store=both).secret() == first
    app.clock.advance(minutes=25)
    app.tokens(store=both).secret()  # renewed, hence stored with the new key
    assert app.store(KEY).load()


def test_a_wrong_key_says_what_to_do(app: App) -> None:
    app.tokens(store=app.store(OLDER_KEY)).secret()
    with pytest.raises(ConfigError, match=r"THE_KEY.*`dealpulse connect main`") as error:
        app.tokens().secret()
    assert KEY not in str(error.value)


@pytest.mark.parametrize("key", ["", "short", "æ" * 44])
def test_what_is_no_key_is_refused_without_showing_it(app: App, key: str) -> None:
    with pytest.raises(ConfigError, match="--new-key") as error:
        app.store(key)
    assert not key or key not in str(error.value)


class TestOnBothDatabases:
    @pytest.fixture(params=["sqlite", "postgres"])
    def database_kind(self, request: pytest.FixtureRequest) -> str:
        kind: str = request.param
        return kind

    def test_one_claims_and_tokens_are_kept(self, app: App) -> None:
        one, other = app.store(), app.store()
        assert one.claim()
        assert not other.claim()
        one.save({"access_token": "x"})
        other.release()  # not its own
        assert not other.claim()
        one.release()
        assert other.claim()
        assert other.load() == {"access_token": "x"}
