"""Errors by remedy: a class exists only where a caller acts differently on it.

The text of every error says what happened, where, and what to do next. Nothing secret
goes into it. `exit_code` is what the command line ends with.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

NAMED: Final = 5
"""So many of the refused records are named in the message."""


class DealpulseError(Exception):
    """Base of all errors that dealpulse raises on purpose."""

    exit_code = 1

    def __str__(self) -> str:
        """The message, then what callers on the way up knew to add."""
        return " ".join([super().__str__(), *getattr(self, "__notes__", ())])


class ConfigError(DealpulseError):
    """The configuration or the command is wrong: correct it, then run again."""

    exit_code = 2


class AuthError(DealpulseError):
    """The CRM refused the credentials or a scope is missing: no retry helps, the schedule stops.

    `missing_scopes`: the scopes any one of which would do; empty where the token itself is bad.
    """

    exit_code = 3

    def __init__(self, message: str, *, missing_scopes: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.missing_scopes = missing_scopes


class TransientError(DealpulseError):
    """It may work later: network, rate limit, outage, database unreachable.

    `retry_after`: how long the other side asked to be left alone; None where it did not say.
    """

    exit_code = 4

    def __init__(self, message: str, *, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class PermanentError(DealpulseError):
    """The other side understood and refused: the same request will fail again."""

    exit_code = 5


class SafetyStop(DealpulseError):
    """A plan would touch far more than usual: a person has to look before it is applied."""

    exit_code = 6


class MirrorDiffers(DealpulseError):
    """The mirror and the CRM do not hold the same: a monitor has to hear of it."""

    exit_code = 8


class RecordsRejected(DealpulseError):
    """Some records were refused and the others went through: only those are to be corrected.

    records: a few words on each, by which it is found. remedy: what to do with them.
    """

    exit_code = 7

    def __init__(self, where: str, records: Sequence[str], remedy: str) -> None:
        count = f"{len(records)} record{' was' if len(records) == 1 else 's were'} refused"
        more = len(records) - NAMED
        named = "; ".join([*records[:NAMED], *([f"and {more} more"] if more > 0 else ())])
        super().__init__(f"{where}: {count}, the others went through: {named}. {remedy}")
        self.records = tuple(records)
