"""Secrets come from the environment when they are needed, and never get out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.config.model import EmailChannel, HubSpotConnection, WebhookChannel
from sync.config.secrets import Secrets, looks_secret, redact
from sync.config.values import without_password
from sync.errors import ConfigError

TOKEN = "pat-na1-0f9d3c4e-1111-2222-3333-444455556666"
HUBSPOT = HubSpotConnection(kind="hubspot", name="main")
WEBHOOK = WebhookChannel(kind="webhook")
EMAIL = EmailChannel(kind="email", host="smtp.example.com", sender="a@example.com")


def secrets(**environ: str) -> Secrets:
    return Secrets(environ, "sqlite:///x.db")


class TestToken:
    @pytest.mark.parametrize("around", ["{}", " {} ", "{}\n", "\t{}\r\n", "\ufeff{}", "{}\u200b"])
    def test_white_space_around_it_is_what_copying_leaves(self, around: str) -> None:
        found = secrets(HUBSPOT_TOKEN=around.format(TOKEN)).token(HUBSPOT)
        assert found.get_secret_value() == TOKEN

    @pytest.mark.parametrize(
        ("value", "said"),
        [
            ("", "is empty"),
            (" \n", "is empty"),
            (f'"{TOKEN}"', "stands in quotes"),
            (f"Bearer {TOKEN}", "leave out the word 'Bearer'"),
            (TOKEN.replace("-", " "), "in one piece"),
            (TOKEN.replace("-", "\n"), "in one piece"),
            (TOKEN.replace("-", "–"), "in one piece"),
        ],
    )
    def test_what_cannot_be_a_token_is_refused_unseen(self, value: str, said: str) -> None:
        with pytest.raises(ConfigError) as caught:
            secrets(HUBSPOT_TOKEN=value).token(HUBSPOT)
        assert str(caught.value).startswith("HUBSPOT_TOKEN")
        assert said in str(caught.value)
        assert "0f9d3c4e" not in str(caught.value)

    def test_an_unset_variable_is_named_with_what_belongs_there(self) -> None:
        connection = HubSpotConnection(kind="hubspot", name="norway", token_env="NORWAY_TOKEN")
        with pytest.raises(ConfigError, match="NORWAY_TOKEN is not set: put the access token of"):
            secrets(HUBSPOT_TOKEN=TOKEN).token(connection)

    def test_each_connection_has_its_own(self) -> None:
        other = HubSpotConnection(kind="hubspot", name="other", token_env="OTHER")
        both = secrets(HUBSPOT_TOKEN="one", OTHER="two")
        assert both.token(HUBSPOT).get_secret_value() == "one"
        assert both.token(other).get_secret_value() == "two"


class TestChannels:
    def test_webhook(self) -> None:
        url = "https://hooks.slack.com/services/T0/B0/x"
        assert secrets(DEALPULSE_WEBHOOK_URL=url).webhook_url(WEBHOOK).get_secret_value() == url

    def test_a_webhook_that_is_no_address(self) -> None:
        with pytest.raises(ConfigError, match="has to start with https://") as caught:
            secrets(DEALPULSE_WEBHOOK_URL="T0/B0/xyz").webhook_url(WEBHOOK)
        assert "xyz" not in str(caught.value)

    def test_an_app_password_keeps_its_inner_spaces(self) -> None:
        found = secrets(DEALPULSE_SMTP_PASSWORD="abcd efgh ijkl\n").smtp_password(EMAIL)
        assert found.get_secret_value() == "abcd efgh ijkl"


def test_nothing_shows_a_secret() -> None:
    held = Secrets({"HUBSPOT_TOKEN": TOKEN, "DEALPULSE_DATABASE_URL": "postgresql://u:pw9@h/d"}, "")
    for value in (held, held.token(HUBSPOT), held.database_url()):
        for shown in (repr(value), str(value), f"{value}"):
            assert TOKEN not in shown
            assert "pw9" not in shown


class TestRedaction:
    @pytest.mark.parametrize(
        ("text", "clean"),
        [
            (f"GET /deals with {TOKEN}", "GET /deals with ***"),
            ("Authorization: Bearer abc123def456", "Authorization: Bearer ***"),
            ("Authorization: Basic dXNlcjpwYXNz", "Authorization: Basic ***"),
            ("postgresql://dp:hunter2@db:5432/x failed", "postgresql://***@db:5432/x failed"),
            ("postgresql://dp@db/x failed", "postgresql://dp@db/x failed"),
            ("connect host=db password=hunter2 user=dp", "connect host=db password=*** user=dp"),
            ('{"api_key": "abc", "n": 1}', '{"api_key": ***, "n": 1}'),
            ("?api_token=abcdef&limit=3", "?api_token=***&limit=3"),
            ("POST https://hooks.slack.com/services/T0/B0/xyz: 404", "POST *** 404"),
            ("https://chat.example.com/hooks/abc123 gone", "*** gone"),
            ("HUBSPOT_TOKEN is not set: put it there", "HUBSPOT_TOKEN is not set: put it there"),
            ("HUBSPOT_TOKEN: the token has a space", "HUBSPOT_TOKEN: the token has a space"),
            ("a bearer token is needed", "a bearer token is needed"),
            ("3 tokens left, 12.5 s", "3 tokens left, 12.5 s"),
        ],
    )
    def test_what_goes_and_what_stays(self, text: str, clean: str) -> None:
        assert redact(text) == clean

    @given(text=st.text(max_size=80))
    def test_twice_is_as_once(self, text: str) -> None:
        assert redact(redact(text)) == redact(text)

    @given(password=st.from_regex(r"[A-Za-z0-9!$%_.~-]{6,20}", fullmatch=True))
    def test_no_password_in_an_address_survives(self, password: str) -> None:
        url = f"postgresql://user:{password}Q@host:5432/deals"
        assert looks_secret(url)
        assert f"{password}Q" not in redact(f"connecting to {url} now")
        assert f"{password}Q" not in without_password(url)
