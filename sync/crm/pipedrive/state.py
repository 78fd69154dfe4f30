"""What an adapter has to remember between runs, beside the cursor: tokens spent, field keys, rates,
follow-ups. Small texts; whoever puts the house together says where they are kept.
"""

from collections.abc import Mapping
from typing import Protocol


class State(Protocol):
    """Named parts, each a flat mapping of texts."""

    def load(self, part: str) -> Mapping[str, str]:
        """Empty where nothing was ever saved."""

    def save(self, part: str, values: Mapping[str, str]) -> None:
        """Replaces the part, for good once it returns."""


class ProcessState:
    """Remembers as long as the process lives."""

    def __init__(self) -> None:
        self._parts: dict[str, dict[str, str]] = {}

    def load(self, part: str) -> Mapping[str, str]:
        return dict(self._parts.get(part, {}))

    def save(self, part: str, values: Mapping[str, str]) -> None:
        self._parts[part] = dict(values)
