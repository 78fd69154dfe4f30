"""The first load: every deal's present state, as fast as the account's limits allow.

The way is chosen on the account itself and told; when it turns out unfit, the next one begins
anew, which is safe: what the mirror holds is only compared. Nothing is taken for complete before
the account's own count agrees.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final, Generic, NamedTuple, TypeVar

from sync.crm.base import Cursor
from sync.crm.hubspot.answers import Json, Refused
from sync.crm.hubspot.deal_calls import LIST_LIMIT, DealCalls
from sync.crm.hubspot.readers import (
    LIST_THREADS,
    SEARCH_THREADS,
    ByCursor,
    ByIdRanges,
    BySearch,
    count,
    extent,
)
from sync.crm.hubspot.side_by_side import Extent, OutOfOrder, Reader, SideBySide, Span
from sync.errors import PermanentError

T = TypeVar("T")

LOT: Final = 1000
"""Deals committed together, where there are many."""
SEARCH_LOT: Final = 500
"""The same of searches: there a lot is kept until its associations are there."""
LOTS: Final = 100
"""A load has at least about so many lots, so that a kill costs little of it."""
ONE_CURSOR: Final = 10 * LIST_LIMIT
"""Up to so many deals the list is read by its one cursor: nothing else would be faster."""
MISSING_SHARE: Final = 0.001
MISSING_FEW: Final = 10
"""So much less than the count may come: deals are archived while the load goes on."""

RANGES, SEARCH, CURSOR = "ranges", "search", "cursor"
_TOLD: Final = {
    RANGES: "Deals were loaded from several ids on at a time",
    SEARCH: "Deals were loaded by several searches at a time",
    CURSOR: "Deals were loaded page by page",
}
_FROM_THE_TOP: Final = (Span(""),)
_UNKNOWN: Final = Extent(0, 0, 0)


@dataclass(frozen=True, slots=True)
class LoadState:
    """How far a first load is. `way`: RANGES, SEARCH or CURSOR; known: the account's own count when
    it began; read: deals so far, by this way. why: for which reason no faster way is gone."""

    since: str
    way: str
    left: tuple[Span, ...]
    known: Extent = _UNKNOWN
    read: int = 0
    why: str = ""

    @property
    def told(self) -> str:
        """The way in words."""
        return _TOLD[self.way] + (f", because {self.why}." if self.why else ".")

    @staticmethod
    def of(cursor: Cursor) -> "LoadState | None":
        """None: the cursor is not a first load's."""
        if "after" in cursor:
            return LoadState(cursor["since"], CURSOR, (Span(cursor["after"]),))
        if "ranges" not in cursor:
            return None
        spans = []
        for text in cursor["ranges"].split(","):
            at, _, end = text.partition("-")
            spans.append(Span(at, int(end) if end else None))
        known = Extent(*map(int, cursor["known"].split(",")))
        return LoadState(
            cursor["since"], cursor["way"], tuple(spans), known, int(cursor["read"]), cursor["why"]
        )

    def cursor(self) -> Cursor:
        """Where to resume; behind the load, where the pulls of changes begin."""
        if not self.left:
            return {"since": self.since}
        if self.way == CURSOR:  # its position at the top is empty
            return {"since": self.since, "after": self.left[0].at}
        spans = ",".join(f"{s.at}-{'' if s.end is None else s.end}" for s in self.left)
        return {
            "since": self.since,
            "way": self.way,
            "ranges": spans,
            "known": ",".join(map(str, self.known)),
            "read": str(self.read),
            "why": self.why,
        }


class Loaded(NamedTuple, Generic[T]):
    """What was kept of pages of deals, to be committed together with `state`. note: how they were
    read, in words. listed: they came with their associations.
    """

    state: LoadState
    pages: list[T]
    note: str
    listed: bool


@dataclass(frozen=True, slots=True)
class FirstLoad:
    """`associations`: the kinds to be listed along, as HubSpot's parameter, as of now."""

    calls: DealCalls
    associations: Callable[[], str]

    def begin(self, since: str) -> LoadState:
        """Choose a way: asks for the outermost ids, and twice for the middle of the list."""
        try:
            known = extent(self.calls)
        except (OutOfOrder, Refused) as why:
            return LoadState(since, CURSOR, _FROM_THE_TOP, why=str(why))
        state = LoadState(since, CURSOR, _FROM_THE_TOP, known)
        if known.total <= ONE_CURSOR:
            return state
        try:
            ByIdRanges(self.calls, self.associations).trusted(known)
        except (OutOfOrder, Refused) as why:
            return _anew(state, SEARCH, str(why))
        return _anew(state, RANGES)

    def run(self, state: LoadState, keep: Callable[[list[Json]], T]) -> Iterator[Loaded[T]]:
        """Everything from `state` on; the last one has nothing left. keep: what is kept of a page
        of deals; several threads ask. Raises PermanentError where no way leads to the end."""
        while state.left:
            way = state
            try:
                for lot in self._reading(way, keep).lots():
                    read = state.read + lot.deals
                    state = replace(state, left=tuple(lot.left), read=read)
                    if ended := not state.left:
                        state = self._checked(state)
                    told = way.told if state.left else state.told
                    yield Loaded(state, lot.pages, told, listed=way.way != SEARCH)
                    if ended:  # what is left now, if anything, is read another way
                        break
            except (OutOfOrder, Refused) as why:
                state = _other_way(state, why)

    def _reading(self, state: LoadState, keep: Callable[[list[Json]], T]) -> SideBySide[T]:
        most = SEARCH_LOT if state.way == SEARCH else LOT
        lot = min(max(state.known.total // LOTS, LIST_LIMIT), most)
        reader: Reader
        if state.way == RANGES:
            reader = ByIdRanges(self.calls, self.associations)
        elif state.way == SEARCH:
            reader = BySearch(self.calls)
        else:
            reader = ByCursor(self.calls, self.associations)
        return SideBySide(reader, keep, state.left, state.known, lot=lot, read=state.read)

    def _checked(self, state: LoadState) -> LoadState:
        """The same, where as many deals came as the account counts; else the next way, anew. By the
        last one it stays at what came, and the difference is told."""
        if not state.known.total:
            return state
        expected = state.known.total
        with suppress(Refused):  # a search that is no way any more does not count either
            expected = min(expected, count(self.calls))
        if expected - state.read <= max(MISSING_FEW, expected * MISSING_SHARE):
            return state
        why = f"only {state.read} of {expected} deals came by the way tried before"
        way = _next_way(state)
        if way is None:
            return replace(state, why=f"{state.read} of {expected} deals are all that it shows")
        return _anew(state, way, why)


def _next_way(state: LoadState) -> str | None:
    """A few deals are first tried page by page, many last; None behind the last way."""
    ways = [RANGES, SEARCH, CURSOR] if state.known.total > ONE_CURSOR else [CURSOR, SEARCH]
    following = ways[ways.index(state.way) + 1 :]
    return following[0] if following and state.known.total else None


def _other_way(state: LoadState, why: OutOfOrder | Refused) -> LoadState:
    """Raises `why`, or PermanentError, where there is none left."""
    way = _next_way(state)
    if way is not None:
        return _anew(state, way, str(why))
    if isinstance(why, Refused):
        raise why
    raise PermanentError(
        f"HubSpot's deals cannot be read to the end: {why}. Nothing is lost; try again later and "
        "tell HubSpot's support if it lasts."
    )


def _anew(state: LoadState, way: str, why: str = "") -> LoadState:
    """From the top by another way. The ids are divided evenly; how many deals that is in each,
    the readers find out."""
    known = state.known
    spans: tuple[Span, ...] = _FROM_THE_TOP
    if way != CURSOR:
        spread = LIST_THREADS if way == RANGES else SEARCH_THREADS
        step = (known.highest - known.lowest) // spread + 1
        marks = [known.lowest + n * step for n in range(1, spread)]
        begins = ["0", *map(str, marks)]
        spans = tuple(Span(at, end) for at, end in zip(begins, [*marks, None], strict=True))
    return replace(state, way=way, left=spans, read=0, why=why)
