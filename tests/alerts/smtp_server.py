"""A mail server for tests: real sockets, real SMTP, scripted refusals."""

import base64
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

HANG_UP = ""
"""As an answer: close the connection instead."""


@dataclass
class MailServer:
    """replies: verb ("MAIL", "RCPT", "DATA", "." for the end of the content, "AUTH", "") -> what to
    answer instead of agreeing; "" is the greeting.
    """

    port: int = 0
    replies: dict[str, str] = field(default_factory=dict)
    mails: list[EmailMessage] = field(default_factory=list)
    envelopes: list[tuple[str, str]] = field(default_factory=list)
    logins: list[tuple[str, str]] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    certificate: ssl.SSLContext | None = None
    tls_from_start: bool = False


@contextmanager
def serve(server: MailServer) -> Iterator[MailServer]:
    class Handler(_Conversation):
        rules = server

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as tcp:
        tcp.daemon_threads = False
        server.port = tcp.server_address[1]
        thread = threading.Thread(target=tcp.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            tcp.shutdown()
            thread.join()


class _Conversation(socketserver.StreamRequestHandler):
    rules: MailServer

    def setup(self) -> None:
        self._encrypted = False
        if self.rules.tls_from_start:
            self._encrypt()
        super().setup()

    def handle(self) -> None:
        try:
            self._talk()
        except (OSError, _HungUp):
            return

    def finish(self) -> None:
        try:
            super().finish()
        finally:
            self.request.close()

    def _talk(self) -> None:
        self._answer("", "220 ready")
        sender = recipient = ""
        while line := self.rfile.readline().decode().strip():
            verb, _, rest = line.partition(" ")
            match verb.upper():
                case "EHLO":
                    self._say("250-here\r\n250-STARTTLS\r\n250 AUTH PLAIN")
                case "STARTTLS":
                    self._say("220 go on")
                    self._encrypt()
                    self.rfile = self.connection.makefile("rb")
                    self.wfile = socketserver._SocketWriter(self.connection)  # type: ignore[attr-defined]
                case "AUTH":
                    _, name, password = base64.b64decode(rest.split()[1]).decode().split("\0")
                    self.rules.logins.append((name, password))
                    self._answer("AUTH", "235 welcome")
                case "MAIL":
                    sender = rest
                    self._answer("MAIL", "250 ok")
                case "RCPT":
                    recipient = rest
                    self._answer("RCPT", "250 ok")
                case "DATA":
                    if self._answer("DATA", "354 go on"):
                        self._content(sender, recipient)
                case "QUIT":
                    self._say("221 bye")
                    return
                case _:
                    self._say("250 ok")

    def _content(self, sender: str, recipient: str) -> None:
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line.removeprefix(b"."))
        if not self._answer(".", "250 taken"):
            return
        mail = message_from_bytes(b"".join(lines), policy=default)
        assert isinstance(mail, EmailMessage)
        self.rules.mails.append(mail)
        self.rules.envelopes.append((sender, recipient))
        self.rules.encrypted.append(self._encrypted)

    def _encrypt(self) -> None:
        assert self.rules.certificate is not None
        self.request = self.rules.certificate.wrap_socket(self.request, server_side=True)
        self.connection = self.request
        self._encrypted = True

    def _answer(self, verb: str, agreement: str) -> bool:
        """Whether the scripted answer is agreement too."""
        scripted = self.rules.replies.get(verb)
        if scripted == HANG_UP:
            raise _HungUp
        self._say(agreement if scripted is None else scripted)
        return scripted is None

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


class _HungUp(Exception):
    pass
