"""Alerts by e-mail to each deal's owner."""

import hashlib
import smtplib
import ssl
from contextlib import closing, suppress
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime, parseaddr

from sync.alerts.channels.base import DeliveryUncertain
from sync.alerts.digest import Message
from sync.config.model import EmailChannel as Settings
from sync.errors import PermanentError, TransientError


class EmailChannel:
    """One digest per owner. password: used with `settings.username` only.

    The Message-ID follows from the alerts in the message, so that the same digest is the same
    message to any mail server.
    """

    def __init__(
        self,
        name: str,
        settings: Settings,
        password: str | None,
        *,
        timeout_s: float = 30,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self.name = name
        self._settings = settings
        self._password = password
        self._timeout_s = timeout_s
        self._ssl_context = ssl_context

    def deliver(self, message: Message) -> None:
        recipient = self._recipient(message)
        payload = self._mail(message, recipient).as_bytes()
        try:
            with closing(self._connect()) as smtp:
                self._envelope(smtp, recipient)
                self._hand_over(smtp, payload)
        except smtplib.SMTPResponseException as error:
            raise self._refused(error) from None
        except OSError as error:  # SMTPException is one
            raise TransientError(f"{self.name}: {self._server}: {error}") from None

    @property
    def _server(self) -> str:
        return f"mail server {self._settings.host}:{self._settings.port}"

    def _recipient(self, message: Message) -> str:
        to = self._settings.only_to or message.to or self._settings.fallback_to
        if to is None or not to.isascii() or "@" not in parseaddr(to)[1]:
            raise PermanentError(
                f"{self.name}: {message.owner} has no usable e-mail address in the CRM; set "
                "fallback_to of this channel to somebody who takes care of such deals."
            )
        return to

    def _mail(self, message: Message, recipient: str) -> EmailMessage:
        mail = EmailMessage(policy=SMTP_POLICY)
        mail["From"] = self._settings.sender
        mail["To"] = recipient
        mail["Subject"] = message.subject if recipient == message.to else message.headline
        mail["Date"] = format_datetime(message.at)
        mail["Message-ID"] = self._message_id(message)
        mail["Auto-Submitted"] = "auto-generated"
        mail["Content-Language"] = message.language
        mail.set_content(message.text, cte="quoted-printable")
        mail.add_alternative(message.html, subtype="html", cte="quoted-printable")
        return mail

    def _message_id(self, message: Message) -> str:
        digest = hashlib.sha256(f"{self.name} {message.key}".encode()).hexdigest()[:32]
        domain = parseaddr(self._settings.sender)[1].rpartition("@")[2]
        return f"<dealpulse.{digest}@{domain}>"

    def _connect(self) -> smtplib.SMTP:
        settings = self._settings
        context = self._ssl_context or ssl.create_default_context()
        smtp: smtplib.SMTP
        if settings.security == "tls":
            smtp = smtplib.SMTP_SSL(
                settings.host, settings.port, timeout=self._timeout_s, context=context
            )
        else:
            smtp = smtplib.SMTP(settings.host, settings.port, timeout=self._timeout_s)
        try:
            if settings.security == "starttls":
                smtp.starttls(context=context)
            if settings.username is not None:
                smtp.login(settings.username, self._password or "")
        except BaseException:
            smtp.close()
            raise
        return smtp

    def _envelope(self, smtp: smtplib.SMTP, recipient: str) -> None:
        smtp.ehlo_or_helo_if_needed()
        _expect(smtp.mail(parseaddr(self._settings.sender)[1]), 250)
        _expect(smtp.rcpt(parseaddr(recipient)[1]), 250, 251)

    def _hand_over(self, smtp: smtplib.SMTP, payload: bytes) -> None:
        try:
            answer = smtp.data(payload)
        except smtplib.SMTPResponseException:
            raise
        except OSError:
            raise DeliveryUncertain(
                f"{self.name}: sent, but {self._server} did not say that it took the message."
            ) from None
        _expect(answer, 250)
        with suppress(OSError):  # it is delivered, whatever the goodbye
            smtp.quit()

    def _refused(self, error: smtplib.SMTPResponseException) -> PermanentError | TransientError:
        reply = error.smtp_error
        said = reply.decode(errors="replace") if isinstance(reply, bytes) else reply
        text = f"{self.name}: {self._server} answered {error.smtp_code} {said}"
        if isinstance(error, smtplib.SMTPAuthenticationError):
            text += f" (log-in; check username and {self._settings.password_env})"
        return TransientError(text) if error.smtp_code < 500 else PermanentError(text)


def _expect(answer: tuple[int, bytes], *codes: int) -> None:
    if answer[0] not in codes:
        raise smtplib.SMTPResponseException(*answer)
