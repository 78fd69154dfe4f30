"""One suite over every channel: what a delivery may and may not do, over real connections."""

import io
import logging
import socket
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pytest

from sync.alerts.channels.base import Channel, DeliveryUncertain
from sync.alerts.channels.console import ConsoleChannel
from sync.alerts.channels.email import EmailChannel
from sync.alerts.channels.webhook import WebhookChannel
from sync.config import model
from sync.errors import DealpulseError, PermanentError, TransientError
from tests.alerts import http_server, smtp_server
from tests.alerts.digests import digest

SECRET = "hemmelig-passord"


@dataclass
class Rig:
    """A channel and the other end of it. `fail` makes that end fail in a way, None heals it."""

    channel: Channel
    received: Callable[[], Sequence[str]]
    fail: Callable[[str | None], None]
    unreachable: Channel | None
    secret: str | None


@pytest.fixture
def console() -> Rig:
    stream = _Output()
    return Rig(
        channel=ConsoleChannel("console", stream),
        received=lambda: [stream.getvalue()] if stream.getvalue() else [],
        fail=stream.fail,
        unreachable=None,
        secret=None,
    )


@pytest.fixture
def webhook() -> Iterator[Rig]:
    with http_server.serve(http_server.Webhook()) as server:
        statuses = {"transient": 503, "permanent": 404, "no answer": None, None: 200}
        yield Rig(
            channel=WebhookChannel("webhook", server.url, timeout_s=10),
            received=lambda: [post["text"] for post in server.posts],
            fail=lambda way: setattr(server, "status", statuses[way]),
            unreachable=WebhookChannel("webhook", f"http://127.0.0.1:{closed_port()}{server.path}"),
            secret=server.path,
        )


@pytest.fixture
def email() -> Iterator[Rig]:
    def channel(port: int) -> EmailChannel:
        settings = model.EmailChannel(
            kind="email",
            host="127.0.0.1",
            port=port,
            security="none",
            username="dealpulse",
            sender="dealpulse <dealpulse@example.com>",
        )
        return EmailChannel("email", settings, SECRET, timeout_s=10)

    replies = {
        "transient": {"RCPT": "451 greylisted"},
        "permanent": {"RCPT": "550 no such user"},
        "no answer": {".": smtp_server.HANG_UP},
        None: {},
    }
    with smtp_server.serve(smtp_server.MailServer()) as server:
        yield Rig(
            channel=channel(server.port),
            received=lambda: [
                f"{mail['Subject']}\n{body.get_content()}"
                for mail in server.mails
                if (body := mail.get_body(("plain",)))
            ],
            fail=lambda way: setattr(server, "replies", replies[way]),
            unreachable=channel(closed_port()),
            secret=SECRET,
        )


class _Output(io.StringIO):
    encoding = "utf-8"

    def __init__(self) -> None:
        super().__init__()
        self._way: str | None = None

    def fail(self, way: str | None) -> None:
        self._way = way

    def write(self, text: str) -> int:
        if self._way:
            raise BrokenPipeError("nobody reads this")
        return super().write(text)


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@pytest.fixture
def rig(request: pytest.FixtureRequest) -> Rig:
    found: Rig = request.getfixturevalue(request.param)
    return found


every = pytest.mark.parametrize("rig", ["console", "webhook", "email"], indirect=True)
remote = pytest.mark.parametrize("rig", ["webhook", "email"], indirect=True)


@every
def test_a_digest_arrives_once_and_whole(rig: Rig) -> None:
    rig.channel.deliver(digest())
    (text,) = rig.received()
    for part in (
        "1 avtale trenger",
        "Blåbær",
        "sønn 1",
        "1\u00a0000 kr",
        "21 days [nb]",
        "Neste steg: ",
    ):
        assert part in text
    assert "https://crm.example.com/deal/1" in text


@every
def test_a_channel_has_the_name_it_was_given(rig: Rig) -> None:
    assert rig.channel.name in ("console", "webhook", "email")


@every
def test_what_may_pass_is_transient_and_passes(rig: Rig) -> None:
    rig.fail("transient")
    with pytest.raises(TransientError, match=f"^{rig.channel.name}: "):
        rig.channel.deliver(digest())
    assert rig.received() == []
    rig.fail(None)
    rig.channel.deliver(digest())
    assert len(rig.received()) == 1


@remote
def test_a_refusal_is_permanent(rig: Rig) -> None:
    rig.fail("permanent")
    with pytest.raises(PermanentError, match=f"^{rig.channel.name}: "):
        rig.channel.deliver(digest())
    assert rig.received() == []


@remote
def test_handed_over_without_an_answer_is_uncertain(rig: Rig) -> None:
    rig.fail("no answer")
    with pytest.raises(DeliveryUncertain, match=f"^{rig.channel.name}: "):
        rig.channel.deliver(digest())


@remote
def test_a_server_that_is_not_there_is_transient(rig: Rig) -> None:
    assert rig.unreachable is not None
    with pytest.raises(TransientError):
        rig.unreachable.deliver(digest())


@remote
@pytest.mark.parametrize("way", ["transient", "permanent", "no answer", "unreachable", None])
def test_no_secret_in_errors_or_logs(
    rig: Rig, way: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    assert rig.secret is not None
    assert rig.unreachable is not None
    rig.fail(None if way == "unreachable" else way)
    channel = rig.unreachable if way == "unreachable" else rig.channel
    shown = ""
    caplog.set_level(logging.DEBUG)
    with caplog.at_level(logging.DEBUG, logger="urllib3"):
        try:
            channel.deliver(digest())
        except DealpulseError as error:
            shown = "".join(traceback.format_exception(error)) + repr(error.__context__)
    assert rig.secret not in shown + caplog.text + repr(channel)
