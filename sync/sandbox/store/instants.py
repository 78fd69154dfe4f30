"""Instants as the simulated CRM keeps them: whole milliseconds since 1970, written as ISO UTC."""

import re
import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_WHOLE = re.compile(r"-?[0-9]{1,15}")
DAY_MS = 86_400_000


def to_ms(at: datetime) -> int:
    return (at - _EPOCH) // _MILLISECOND


_FIRST_MS = to_ms(datetime.min.replace(tzinfo=UTC))
_LAST_MS = to_ms(datetime.max.replace(tzinfo=UTC))


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
    if _WHOLE.fullmatch(text):
        ms = int(text)
        return ms if _FIRST_MS <= ms <= _LAST_MS else None
    try:
        at = datetime.fromisoformat(text)
        return to_ms(at if at.tzinfo else at.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return None
