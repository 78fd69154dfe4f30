"""Instants as the simulated CRM keeps them: whole milliseconds since 1970, written as ISO UTC."""

import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
DAY_MS = 86_400_000


def to_ms(at: datetime) -> int:
    return (at - _EPOCH) // _MILLISECOND


def to_datetime(ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=ms)


@lru_cache(maxsize=100_000)
def iso(ms: int) -> str:
    """Milliseconds are left out where they are zero, as HubSpot does."""
    seconds, rest = divmod(ms, 1000)
    t = time.gmtime(seconds)
    whole = (
        f"{t.tm_year:04}-{t.tm_mon:02}-{t.tm_mday:02}T{t.tm_hour:02}:{t.tm_min:02}:{t.tm_sec:02}"
    )
    return f"{whole}.{rest:03}Z" if rest else f"{whole}Z"


def parse_ms(text: str) -> int | None:
    """Epoch milliseconds or ISO 8601 (without a zone: UTC); None for anything else."""
    if text.lstrip("-").isdigit():
        return int(text)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return to_ms(at if at.tzinfo else at.replace(tzinfo=UTC))
