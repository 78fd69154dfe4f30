"""What of one deal could not be understood; the same for every CRM."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

from sync.crm.base import Unparsed

T = TypeVar("T")

QUOTED_CHARS: Final = 200


class Doubts:
    """What of one deal could not be understood: the first such value of each field."""

    def __init__(self, deal_id: str) -> None:
        self._deal_id = deal_id
        self._found: dict[str, Unparsed] = {}

    def parse(self, field: str, parser: Callable[[Any], T | None], raw: Any) -> T | None:
        """What `parser` makes of `raw`; None, and noted, where it cannot."""
        try:
            return parser(raw)
        except ValueError:
            self.note(field, raw)
            return None

    def note(self, field: str, raw: Any) -> None:
        self._found.setdefault(field, Unparsed(self._deal_id, field, str(raw)[:QUOTED_CHARS]))

    def found(self) -> list[Unparsed]:
        return list(self._found.values())
