"""Associations between records, both ways, in the order in which they were made."""

from dataclasses import dataclass
from typing import NamedTuple

OBJECT_NAMES = {
    alias: name
    for name, aliases in {
        "contacts": ("contact", "0-1"),
        "companies": ("company", "0-2"),
        "deals": ("deal", "0-3"),
        "tasks": ("task", "0-27"),
        "goal_targets": ("goal_target", "0-74"),
    }.items()
    for alias in (name, *aliases)
}
"""Every accepted spelling of an object type -> its plural name."""


@dataclass(frozen=True, slots=True)
class LinkType:
    """HubSpot's number for a kind of association, and for its `primary` form where it has one."""

    number: int
    name: str
    primary: int | None = None


LINK_TYPES = {
    ("deals", "contacts"): LinkType(3, "deal_to_contact"),
    ("contacts", "deals"): LinkType(4, "contact_to_deal"),
    ("deals", "companies"): LinkType(341, "deal_to_company", primary=5),
    ("companies", "deals"): LinkType(342, "company_to_deal", primary=6),
    ("deals", "tasks"): LinkType(215, "deal_to_task"),
    ("tasks", "deals"): LinkType(216, "task_to_deal"),
    ("tasks", "contacts"): LinkType(204, "task_to_contact"),
    ("contacts", "tasks"): LinkType(203, "contact_to_task"),
    ("tasks", "companies"): LinkType(192, "task_to_company"),
    ("companies", "tasks"): LinkType(191, "company_to_task"),
}


class Link(NamedTuple):
    """`labels`: what the account calls it, besides the plain type."""

    to: int
    primary: bool
    labels: tuple[str, ...] = ()


class Links:
    def __init__(self) -> None:
        self._links: dict[tuple[str, int, str], list[int]] = {}
        self._labels: dict[tuple[str, int, str, int], tuple[str, ...]] = {}

    def of(self, kind: str, record_id: int, to_kind: str) -> list[Link]:
        """The first company of a deal (and the other way) is the primary one."""
        link_type = LINK_TYPES.get((kind, to_kind))
        has_primary = link_type is not None and link_type.primary is not None
        ids = self._links.get((kind, record_id, to_kind), ())
        return [
            Link(to, has_primary and i == 0, self._labels.get((kind, record_id, to_kind, to), ()))
            for i, to in enumerate(ids)
        ]

    def label(self, kind: str, record_id: int, to_kind: str, to: int, *labels: str) -> None:
        """What this association is called from now on, seen from `record_id`."""
        self.add(kind, record_id, to_kind, to)
        self._labels[kind, record_id, to_kind, to] = labels

    def count(self, kind: str, record_id: int, to_kind: str) -> int:
        return len(self._links.get((kind, record_id, to_kind), ()))

    def add(self, kind: str, record_id: int, to_kind: str, to: int) -> bool:
        """False where it is there already."""
        forward = self._links.setdefault((kind, record_id, to_kind), [])
        if to in forward:
            return False
        forward.append(to)
        self._links.setdefault((to_kind, to, kind), []).append(record_id)
        return True

    def move(self, kind: str, from_ids: tuple[int, ...], to_id: int) -> None:
        """Give `to_id` everything that `from_ids` were associated with."""
        for record_id in from_ids:
            for to_kind in ("contacts", "companies", "tasks"):
                for to in self._links.pop((kind, record_id, to_kind), []):
                    self._links[to_kind, to, kind].remove(record_id)
                    self.add(kind, to_id, to_kind, to)
                    labels = self._labels.pop((kind, record_id, to_kind, to), ())
                    kept = self._labels.get((kind, to_id, to_kind, to), ())
                    if labels or kept:
                        self._labels[kind, to_id, to_kind, to] = tuple(
                            dict.fromkeys((*kept, *labels))
                        )
