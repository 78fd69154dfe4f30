"""HubSpot's rate limits: what is known beforehand, and what its answers tell."""

from collections.abc import Mapping
from typing import Final

from sync.crm.limiter import Limiter, Window

GENERAL: Final = "general"
SEARCH: Final = "search"
ASSOCIATIONS: Final = "associations"

SMALLEST: Final = {
    GENERAL: Window(100, 10.0),
    SEARCH: Window(5, 1.0),
    ASSOCIATIONS: Window(100, 10.0),
}
"""A free account's burst, until the first answer tells ours. Associations and search have limits
of their own; of the latter answers tell nothing."""


def declare(limiter: Limiter) -> None:
    """What to go by before HubSpot has told anything."""
    for bucket, window in SMALLEST.items():
        limiter.declare(bucket, window)


def learn(limiter: Limiter, bucket: str, headers: Mapping[str, str]) -> None:
    """Take the account's limits from an answer's headers, names in lower case.

    A search's window stays as it is: whatever its answer says is about the account's burst.
    """
    limit = _number(headers.get("x-hubspot-ratelimit-max"))
    interval_ms = _number(headers.get("x-hubspot-ratelimit-interval-milliseconds"))
    if bucket != SEARCH and limit is not None and interval_ms is not None:
        limiter.learn(bucket, Window(limit, interval_ms / 1000))
    daily = _number(headers.get("x-hubspot-ratelimit-daily"))
    remaining = _number(headers.get("x-hubspot-ratelimit-daily-remaining"))
    if daily is not None and remaining is not None:
        limiter.learn_daily(remaining=remaining, limit=daily)


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() else None
