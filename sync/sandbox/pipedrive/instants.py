"""Instants as Pipedrive keeps them: whole seconds, UTC, written in two ways."""

import re
import time
from datetime import UTC, datetime
from functools import lru_cache

DAY_S = 86_400
ZERO_DATE = "0000-00-00 00:00:00"
_WHOLE_SECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def to_s(at: datetime) -> int:
    return int(at.timestamp() // 1)


def to_datetime(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


@lru_cache(maxsize=100_000)
def rfc3339(seconds: int) -> str:
    """As v2 writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def spaced(seconds: int) -> str:
    """As v1 writes it, without a zone."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds))


def parsed(text: str) -> int | None:
    """A query parameter or a body's instant: whole seconds with Z; None for anything else."""
    if not _WHOLE_SECONDS.fullmatch(text):
        return None
    try:
        return to_s(datetime.fromisoformat(text))
    except ValueError:
        return None
