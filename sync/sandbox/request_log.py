"""What was asked of the simulated CRM."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class RequestLog:
    """`status` 0: the connection was broken instead of an answer. `at`: when it was answered."""

    method: str
    path: str
    query: str
    status: int
    at: datetime


class Requests:
    """A list of RequestLog that can be read while the server appends to it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: list[RequestLog] = []

    def append(self, entry: RequestLog) -> None:
        with self._lock:
            self._entries.append(entry)

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()

    def __len__(self) -> int:
        with self._lock:
            return len(self._entries)

    def __iter__(self) -> Iterator[RequestLog]:
        with self._lock:
            return iter(list(self._entries))

    def __getitem__(self, position: int) -> RequestLog:
        with self._lock:
            return self._entries[position]
