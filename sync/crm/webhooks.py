"""What a CRM tells unasked: which deals changed. Hints only; what they are now is read from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import orjson


@dataclass(frozen=True, slots=True)
class Notification:
    """One HTTP request as it came; header names in lower case."""

    method: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Hint:
    """A deal that changed. account_id: whose it is, None where the CRM does not say."""

    deal_id: str
    occurred_at: datetime
    account_id: str | None = None


class Untrusted(Exception):
    """The sender has not shown that it is the CRM."""


class Unreadable(Exception):
    """The CRM sent something that is no notification."""


class Receiver(Protocol):
    def hints(self, notification: Notification, *, now: datetime) -> Sequence[Hint]:
        """In any order, also twice. Raises Untrusted before it looks into the body, Unreadable."""


def parsed(body: bytes) -> Any:
    """Raises Unreadable."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Unreadable from None


def is_id(value: object) -> bool:
    text = str(value)
    return not isinstance(value, bool) and text.isascii() and text.isdigit() and len(text) <= 20
