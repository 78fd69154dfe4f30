"""The webhook channel's own ways."""

import logging
from collections.abc import Iterator
from datetime import timedelta

import pytest
import urllib3

from sync.alerts.channels.webhook import WebhookChannel
from sync.errors import ConfigError, PermanentError, TransientError
from tests.alerts.digests import digest
from tests.alerts.http_server import Webhook, serve


@pytest.fixture
def server() -> Iterator[Webhook]:
    with serve(Webhook()) as webhook:
        yield webhook


def test_it_posts_slack_markup(server: Webhook) -> None:
    WebhookChannel("webhook", server.url).deliver(digest())
    (post,) = server.posts
    assert post.keys() == {"text"}
    headline, line, *_ = post["text"].splitlines()
    assert headline == "*1 avtale trenger Kari Nordmann*"
    assert line.startswith("• *<https://crm.example.com/deal/1|Blåbær &amp; sønn 1>* (")


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
def test_statuses_that_may_pass(server: Webhook, status: int) -> None:
    server.status = status
    with pytest.raises(TransientError, match=str(status)) as caught:
        WebhookChannel("webhook", server.url).deliver(digest())
    assert caught.value.retry_after is None


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 410])
def test_statuses_that_will_not_pass(server: Webhook, status: int) -> None:
    server.status = status
    server.headers = {"Location": server.url}
    with pytest.raises(PermanentError, match=str(status)):
        WebhookChannel("webhook", server.url).deliver(digest())
    assert server.hits == 1  # redirects are not followed: the address is a secret


@pytest.mark.parametrize(("header", "wait"), [("30", timedelta(seconds=30)), ("soon", None)])
def test_the_server_says_how_long_to_wait(
    server: Webhook, header: str, wait: timedelta | None
) -> None:
    server.status, server.headers = 429, {"Retry-After": header}
    with pytest.raises(TransientError) as caught:
        WebhookChannel("webhook", server.url).deliver(digest())
    assert caught.value.retry_after == wait


@pytest.mark.parametrize("url", ["", "hooks.example.com/T0", "ftp://x.test/secret", "https:///x"])
def test_an_address_that_is_none_is_told_at_once_and_not_shown(url: str) -> None:
    with pytest.raises(ConfigError, match="'webhook-2'") as caught:
        WebhookChannel("webhook-2", url)
    assert "secret" not in str(caught.value)
    assert "T0" not in str(caught.value)


def test_other_requests_are_still_logged(server: Webhook, caplog: pytest.LogCaptureFixture) -> None:
    WebhookChannel("webhook", server.url)
    caplog.set_level(logging.DEBUG)
    with caplog.at_level(logging.DEBUG, logger="urllib3"), urllib3.PoolManager() as pool:
        pool.request("POST", f"http://127.0.0.1:{server.port}/else", body=b"{}")
    assert "/else" in caplog.text
