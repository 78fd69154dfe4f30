"""What changed since the last pull: one window of time, read by ascending id.

Not by date: a bulk job can give more deals one instant than a search ever shows. Not beyond the
window: what changes while it is read belongs to the next one.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Protocol

from sync.crm.base import Cursor
from sync.crm.hubspot import values
from sync.crm.hubspot.answers import Json
from sync.crm.hubspot.deal_calls import SEARCH_LIMIT, modified_at
from sync.crm.hubspot.listing import records
from sync.errors import PermanentError

SETTLE_EVERY: Final = timedelta(hours=1)
INDEX_LAG: Final = timedelta(hours=1)
"""Once in `SETTLE_EVERY` a window reaches so far behind the last one that did: what the search's
index showed very late is found then. What the mirror knows is not read again."""

CLOCK_GRAIN: Final = timedelta(seconds=1)
"""HubSpot tells its time to the second, cut off: its present may be so much later."""

PAGE: Final = 1000
"""Changed deals that are committed together; their associations fit into one request."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What is done with hits: they show `properties`, by which `unknown` tells the ids of those
    that the mirror does not hold yet."""

    properties: Sequence[str]
    unknown: Callable[[Sequence[Json]], Sequence[str]]


class Calls(Protocol):
    """The calls for one kind of record. `records`: what they are called; `modified`: the property
    that says when one was last modified, which contacts name otherwise than all others."""

    records: str
    modified: str

    def search(self, body: Json, *, what: str) -> Json: ...

    def read(self, ids: Sequence[str], *, history: bool, singly: bool) -> list[Json]: ...


@dataclass(frozen=True, slots=True)
class Window:
    """From `floor` to `until`, by HubSpot's clock; `last`: the deal up to which it has been read.

    settled: where the last window began that reached behind the index's lag.
    """

    since: datetime
    settled: datetime
    floor: datetime
    until: datetime
    last: str | None = None

    @staticmethod
    def of(cursor: Cursor, *, now: datetime, lookback: timedelta) -> "Window":
        """The one that a pull was interrupted in, or the next one, which ends `now`."""
        since = datetime.fromisoformat(cursor["since"])
        settled = datetime.fromisoformat(cursor.get("settled", cursor["since"]))
        if "until" in cursor:
            until = datetime.fromisoformat(cursor["until"])
            floor = datetime.fromisoformat(cursor.get("floor") or values.iso(since - lookback))
            return Window(since, settled, floor, until, cursor.get("last"))
        floor = min(since, now) - lookback
        if now - settled >= SETTLE_EVERY:
            floor = min(floor, settled - INDEX_LAG)
        return Window(since, settled, floor, now)

    def cursor(self) -> Cursor:
        """Where to resume within the window."""
        state = {
            "since": values.iso(self.since),
            "settled": values.iso(self.settled),
            "floor": values.iso(self.floor),
            "until": values.iso(self.until),
        }
        return state if self.last is None else state | {"last": self.last}

    def behind(self) -> Cursor:
        """Where the next window begins."""
        reached_behind = self.floor <= self.settled - INDEX_LAG
        settled = self.until if reached_behind else self.settled
        return {"since": values.iso(self.until), "settled": values.iso(settled)}


def changed(calls: Calls, window: Window, seen: Seen) -> Iterator[tuple[Cursor, list[Json]]]:
    """The deals of the window that the mirror does not know yet, with their history, and after
    each lot where to resume."""
    waiting: list[str] = []
    more = True
    while more:
        hits, more = _page(calls, window, seen)
        within = [hit for hit in hits if _is_within(hit, window, calls.modified)]
        waiting += seen.unknown(within) if within else ()
        if more:
            window = replace(window, last=_furthest(hits, window.last))
        if not more or len(waiting) >= PAGE:
            found = calls.read(waiting, history=True, singly=False)
            waiting = []
            yield (window.cursor() if more else window.behind()), found


def _page(calls: Calls, window: Window, seen: Seen) -> tuple[list[Json], bool]:
    """Hits beyond the deal `last`, and whether there are more behind them."""
    filters = [
        {
            "propertyName": calls.modified,
            "operator": "BETWEEN",
            "value": _epoch_ms(window.floor),
            "highValue": _epoch_ms(window.until + CLOCK_GRAIN),
        },
        {"propertyName": "hs_object_id", "operator": "GT", "value": window.last or "0"},
    ]
    body = {
        "filterGroups": [{"filters": filters}],
        "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
        "properties": list(seen.properties),
        "limit": SEARCH_LIMIT,
    }
    answer = calls.search(body, what=f"the search for changed {calls.records}")
    hits = records(answer)
    return hits, bool(hits) and int(answer["total"]) > len(hits)


def _is_within(hit: Json, window: Window, modified: str) -> bool:
    """Whether it was not changed since the window closed; then the next one has it."""
    at = modified_at(hit, modified)
    return at is None or at <= window.until + CLOCK_GRAIN


def _furthest(hits: Sequence[Json], last: str | None) -> str:
    """The highest id; raises PermanentError where the search does not get on."""
    ids = [str(hit["id"]) for hit in hits]
    if not all(i.isascii() and i.isdigit() for i in ids):
        raise PermanentError(
            "HubSpot gave a record an id that is no number; dealpulse has to learn."
        )
    furthest = max(map(int, ids))
    if furthest <= int(last or 0):
        raise PermanentError(
            "HubSpot's search gave the same records twice, so that reading would never end. "
            "Nothing is lost; try again later and tell HubSpot's support if it lasts."
        )
    return str(furthest)


def _epoch_ms(at: datetime) -> str:
    return str(int(at.timestamp() * 1000))
