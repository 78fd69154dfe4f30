"""Where the reading of Pipedrive's leads stands: the cursor's content. Pure."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from sync.crm.base import Cursor
from sync.crm.pipedrive.values import iso

STREAMS: Final = ("inbox", "archive", "deals", "archived deals", "activities", "mails")
"""In the order in which they are read: what concerns leads comes after the leads."""


@dataclass(frozen=True, slots=True)
class LeadPosition:
    """begun: when the first load began. since: from where changes are to be read, None = the first
    load goes on, in `stream` at `place`. daily: when that was done which one does once a day.
    lacking: streams that were left out for want of a permission, and have to be read whole."""

    begun: datetime
    since: datetime | None = None
    daily: datetime | None = None
    stream: str = STREAMS[0]
    place: str | None = None
    lacking: frozenset[str] = frozenset()

    @staticmethod
    def of(cursor: Cursor) -> "LeadPosition":
        def at(name: str) -> datetime | None:
            return datetime.fromisoformat(cursor[name]) if name in cursor else None

        return LeadPosition(
            begun=datetime.fromisoformat(cursor["begun"]),
            since=at("since"),
            daily=at("daily"),
            stream=cursor.get("stream", STREAMS[0]),
            place=cursor.get("place"),
            lacking=frozenset(filter(None, cursor.get("lacking", "").split(","))),
        )

    def cursor(self) -> Cursor:
        instants = {"begun": self.begun, "since": self.since, "daily": self.daily}
        texts = {
            "stream": self.stream if self.since is None else None,
            "place": self.place,
            "lacking": ",".join(sorted(self.lacking)),
        }
        told = {name: iso(at) for name, at in instants.items() if at is not None}
        return told | {name: text for name, text in texts.items() if text}

    def after(self, stream: str, place: str | None) -> "LeadPosition":
        """A page of `stream`, behind which the next one is at `place`, None = it was the last.
        Changes are read again from the first where their reading was broken off."""
        if self.since is not None:
            return self
        if place is not None:
            return replace(self, stream=stream, place=place)
        following = STREAMS.index(stream) + 1
        return replace(self, stream=STREAMS[min(following, len(STREAMS) - 1)], place=None)

    def done(
        self, started_at: datetime, *, daily: bool, lacking: Collection[str]
    ) -> "LeadPosition":
        return LeadPosition(
            begun=self.begun,
            since=self.begun if self.since is None else started_at,
            daily=started_at if daily else self.daily,
            lacking=frozenset(lacking),
        )
