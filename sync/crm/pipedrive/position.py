"""Where a pull of Pipedrive stands: the cursor's content, and what waits for its history. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from sync.crm.base import Cursor, Deal, Removal, RemovalReason
from sync.crm.pipedrive.values import iso

MAX_BACKLOG: Final = 50_000
"""The least valuable beyond so many deals are left with what comparing pulls tells."""

BIN_DAYS: Final = 30
"""Pipedrive keeps a deleted deal so long."""


@dataclass(slots=True)
class Backlog:
    """Deals whose changelog is still to be read, the most valuable first."""

    worth: dict[str, int] = field(default_factory=dict)

    def add(self, deal: Deal) -> None:
        """A deal whose worth in home currency is not known comes after those that are."""
        self.worth[deal.deal_id] = int(deal.amount_home or Decimal(0))

    def drop(self, deal_ids: Iterable[str]) -> None:
        for deal_id in deal_ids:
            self.worth.pop(deal_id, None)

    def first(self, count: int) -> list[str]:
        return self._ordered()[:count]

    def text(self) -> str:
        return ",".join(f"{i}:{self.worth[i]}" for i in self._ordered()[:MAX_BACKLOG])

    @staticmethod
    def of(text: str) -> "Backlog":
        return Backlog({i: int(worth) for i, worth in _pairs(text)})

    def _ordered(self) -> list[str]:
        return sorted(self.worth, key=lambda i: (-self.worth[i], int(i)))


@dataclass(slots=True)
class Bin:
    """Deals that left the list but can come back: deleted ones for 30 days, and open ones that
    were archived, for as long as they are. Those are marked as `archived` = kept."""

    deleted: dict[str, datetime] = field(default_factory=dict)
    archived: dict[str, datetime] = field(default_factory=dict)

    def take_out(self, deal_ids: Iterable[str]) -> None:
        for deal_id in deal_ids:
            self.deleted.pop(deal_id, None)
            self.archived.pop(deal_id, None)

    def expire(self, now: datetime) -> None:
        oldest = now - timedelta(days=BIN_DAYS)
        self.deleted = {i: at for i, at in self.deleted.items() if at >= oldest}

    def removals(self) -> list[Removal]:
        both = {**self.archived, **self.deleted}
        return [Removal(i, RemovalReason.ARCHIVED, at) for i, at in sorted(both.items())]


@dataclass(frozen=True, slots=True)
class Position:
    """What the cursor holds.

    since: from where changes of deals are to be read; archived, deleted, activities: the same of
    those lists, None = all there is. after: the next page of an unfinished walk, which began at
    `until`; loading: that walk is the first load. rescanned: when all open deals were last read.
    history_after: no changelog before that, the permission for it was missing.
    """

    since: datetime
    archived: datetime | None = None
    deleted: datetime | None = None
    activities: datetime | None = None
    after: str | None = None
    until: datetime | None = None
    loading: bool = False
    rescanned: datetime | None = None
    history_after: datetime | None = None
    bin: Bin = field(default_factory=Bin)
    backlog: Backlog = field(default_factory=Backlog)

    @staticmethod
    def first(started_at: datetime) -> "Position":
        """Nothing deleted before the first load concerns us."""
        return Position(since=started_at, until=started_at, deleted=started_at, loading=True)

    @staticmethod
    def of(cursor: Cursor) -> "Position":
        def at(name: str) -> datetime | None:
            return datetime.fromisoformat(cursor[name]) if name in cursor else None

        return Position(
            since=datetime.fromisoformat(cursor["since"]),
            archived=at("archived"),
            deleted=at("deleted"),
            activities=at("activities"),
            after=cursor.get("after"),
            until=at("until"),
            loading="loading" in cursor,
            rescanned=at("rescanned"),
            history_after=at("history_after"),
            bin=Bin(_dated(cursor.get("bin_deleted", "")), _dated(cursor.get("bin_archived", ""))),
            backlog=Backlog.of(cursor.get("backlog", "")),
        )

    def by(self, now: datetime) -> "Position":
        """The same, without instants that are yet to come: they are of a clock that was ahead."""
        names = ("since", "archived", "deleted", "activities", "until", "rescanned")
        told = {name: at for name in names if (at := getattr(self, name)) is not None}
        return replace(self, **{name: min(at, now) for name, at in told.items()})

    def cursor(self) -> Cursor:
        instants = {
            "since": self.since,
            "archived": self.archived,
            "deleted": self.deleted,
            "activities": self.activities,
            "until": self.until,
            "rescanned": self.rescanned,
            "history_after": self.history_after,
        }
        texts = {
            "after": self.after,
            "loading": "yes" if self.loading else None,
            "bin_deleted": _undated(self.bin.deleted),
            "bin_archived": _undated(self.bin.archived),
            "backlog": self.backlog.text(),
        }
        told = {name: iso(at) for name, at in instants.items() if at is not None}
        return told | {name: text for name, text in texts.items() if text}

    def walked(self, after: str | None) -> "Position":
        """After a page of the walk through deals; None = that was the last."""
        if after is not None:
            return replace(self, after=after)
        since = self.until or self.since
        return replace(self, since=since, after=None, until=None, loading=False)


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    for part in filter(None, text.split(",")):
        left, _, right = part.partition(":")
        yield left, right


def _dated(text: str) -> dict[str, datetime]:
    return {i: datetime.fromtimestamp(int(at), UTC) for i, at in _pairs(text)}


def _undated(instants: dict[str, datetime]) -> str:
    return ",".join(f"{i}:{int(at.timestamp())}" for i, at in sorted(instants.items()))
