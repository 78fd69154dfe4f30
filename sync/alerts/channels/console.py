"""Alerts where the daemon prints."""

import sys
from typing import TextIO

from sync.alerts.digest import Message
from sync.errors import TransientError


class ConsoleChannel:
    """Prints each digest as plain text. stream: None = standard output, looked up when printing."""

    def __init__(self, name: str, stream: TextIO | None = None) -> None:
        self.name = name
        self._stream = stream

    def deliver(self, message: Message) -> None:
        stream = self._stream or sys.stdout
        text = f"{message.headline}\n{message.text}\n"
        encoding = getattr(stream, "encoding", None) or "utf-8"
        try:
            stream.write(text.encode(encoding, "replace").decode(encoding))
            stream.flush()
        except (OSError, ValueError) as error:  # a closed pipe, a closed file
            raise TransientError(f"{self.name}: the output could not be written: {error}") from None
