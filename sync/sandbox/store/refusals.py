"""Why the simulated CRM did not do what it was asked."""

from collections.abc import Sequence
from typing import NamedTuple


class Problem(NamedTuple):
    """One property value that was not accepted; `code` in HubSpot's words."""

    name: str
    code: str
    message: str


class Refused(ValueError):
    """Some values were not valid; nothing was written."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(f"{p.name}: {p.message}" for p in problems))
        self.problems = tuple(problems)


class Missing(LookupError):
    """No such object (any more)."""


class Conflict(ValueError):
    """The name or identity is taken."""
