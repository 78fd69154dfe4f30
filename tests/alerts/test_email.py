"""The e-mail channel's own ways."""

import shutil
import ssl
import subprocess
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from sync.alerts.channels.email import EmailChannel
from sync.alerts.message import Recipient
from sync.config import model
from sync.errors import PermanentError, TransientError
from tests.alerts.digests import GONE, KARI, digest
from tests.alerts.smtp_server import HANG_UP, MailServer, serve


@pytest.fixture
def server() -> Iterator[MailServer]:
    with serve(MailServer()) as running:
        yield running


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and certificate of localhost in one file, made for this run."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl here to make a certificate with")
    folder = tmp_path_factory.mktemp("certificate")
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run([*command, *subject, *files], check=True, capture_output=True)
    both = folder / "both.pem"
    both.write_bytes((folder / "key.pem").read_bytes() + (folder / "cert.pem").read_bytes())
    return both


def channel(server: MailServer, password: str | None = None, **settings: object) -> EmailChannel:
    values = {
        "kind": "email",
        "host": "127.0.0.1",
        "port": server.port,
        "security": "none",
        "sender": "dealpulse <dealpulse@example.com>",
        **settings,
    }
    return EmailChannel("email", model.EmailChannel.model_validate(values), password, timeout_s=10)


def part(mail: EmailMessage, kind: str) -> str:
    body = mail.get_body((kind,))
    assert body is not None
    text: str = body.get_content()
    return text


def test_the_owner_gets_one_mail_in_two_forms(server: MailServer) -> None:
    channel(server).deliver(digest(KARI, 1, 2))
    (mail,) = server.mails
    assert mail["To"] == "kari@example.com"
    assert mail["From"] == "dealpulse <dealpulse@example.com>"
    assert mail["Subject"] == "2 avtaler trenger deg"
    assert mail["Date"].datetime.isoformat() == "2026-03-16T09:00:00+00:00"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert "- Blåbær & sønn 1 (1\u00a0000 kr)" in part(mail, "plain")
    assert "Blåbær &amp; sønn 2" in part(mail, "html")
    assert server.envelopes == [("FROM:<dealpulse@example.com>", "TO:<kari@example.com>")]


def test_the_message_id_follows_from_the_alerts(server: MailServer) -> None:
    for alerts in ((1, 2), (2, 1), (1, 3)):
        channel(server).deliver(digest(KARI, *alerts))
    first, same, other = (mail["Message-ID"] for mail in server.mails)
    assert first == same
    assert first != other
    assert first.startswith("<dealpulse.")
    assert first.endswith("@example.com>")


@pytest.mark.parametrize(
    ("settings", "owner", "to", "subject"),
    [
        ({"fallback_to": "ops@example.com"}, KARI, "kari@example.com", "1 avtale trenger deg"),
        (
            {"fallback_to": "ops@example.com"},
            GONE,
            "ops@example.com",
            "1 avtale trenger Ola Borte (deaktivert)",
        ),
        (
            {"fallback_to": "ops@example.com"},
            None,
            "ops@example.com",
            "1 avtale trenger en eier",
        ),
        (
            {"only_to": "me@example.com", "fallback_to": "ops@example.com"},
            KARI,
            "me@example.com",
            "1 avtale trenger Kari Nordmann",
        ),
    ],
)
def test_who_gets_it(
    server: MailServer,
    settings: dict[str, str],
    owner: Recipient | None,
    to: str,
    subject: str,
) -> None:
    channel(server, **settings).deliver(digest(owner))
    (mail,) = server.mails
    assert (mail["To"], mail["Subject"]) == (to, subject)


@pytest.mark.parametrize(
    "owner", [None, GONE, Recipient("Åse", "åse@example.com", True), Recipient("X", "x", True)]
)
def test_nobody_to_write_to(server: MailServer, owner: Recipient | None) -> None:
    with pytest.raises(PermanentError, match="set fallback_to"):
        channel(server).deliver(digest(owner))
    assert server.mails == []


def test_a_name_cannot_add_headers(server: MailServer) -> None:
    sly = Recipient("Kari\r\nBcc: all@example.com", None, active=True)
    channel(server, only_to="me@example.com").deliver(digest(sly))
    (mail,) = server.mails
    assert mail["Bcc"] is None
    assert mail["Subject"] == "1 avtale trenger Kari Bcc: all@example.com"


@pytest.mark.parametrize(
    ("verb", "reply", "error"),
    [
        ("", "421 too busy", TransientError),
        ("", HANG_UP, TransientError),
        ("MAIL", "452 no room", TransientError),
        ("MAIL", "553 not your address", PermanentError),
        ("RCPT", "450 greylisted", TransientError),
        ("RCPT", "550 no such user", PermanentError),
        ("DATA", "451 later", TransientError),
        (".", "452 disk full", TransientError),
        (".", "554 looks like spam", PermanentError),
    ],
)
def test_refusals_by_their_code(
    server: MailServer, verb: str, reply: str, error: type[Exception]
) -> None:
    server.replies = {verb: reply}
    with pytest.raises(error, match=reply[:3] if reply else "mail server"):
        channel(server).deliver(digest())
    assert server.mails == []


def test_a_wrong_password_names_the_settings_and_not_the_password(server: MailServer) -> None:
    server.replies = {"AUTH": "535 wrong"}
    with pytest.raises(PermanentError, match="DEALPULSE_SMTP_PASSWORD") as caught:
        channel(server, "hemmelig", username="dealpulse").deliver(digest())
    assert "hemmelig" not in str(caught.value)


def test_it_logs_in_only_where_told_to(server: MailServer) -> None:
    channel(server, "hemmelig", username="dealpulse").deliver(digest())
    channel(server).deliver(digest())
    assert server.logins == [("dealpulse", "hemmelig")]
    assert len(server.mails) == 2


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_encrypted(certificate: Path, security: str) -> None:
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(certificate)
    trusted = ssl.create_default_context(cafile=str(certificate))
    with serve(MailServer(certificate=served, tls_from_start=security == "tls")) as server:
        settings = model.EmailChannel.model_validate(
            {
                "kind": "email",
                "host": "localhost",
                "port": server.port,
                "security": security,
                "username": "dealpulse",
                "sender": "dealpulse@example.com",
            }
        )
        EmailChannel("email", settings, "hemmelig", ssl_context=trusted).deliver(digest())
        assert server.encrypted == [True]
        assert server.logins == [("dealpulse", "hemmelig")]
        # a certificate that nobody vouches for is not accepted, and the password not sent
        with pytest.raises(TransientError, match="certificate"):
            EmailChannel("email", settings, "hemmelig").deliver(digest())
        assert len(server.logins) == 1
        assert len(server.mails) == 1
