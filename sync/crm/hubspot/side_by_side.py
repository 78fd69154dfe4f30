"""Parts of one list read at the same time, handed over in lots with what is left to read.

A part that is finished takes half of the largest one that is not, since ids are unevenly dense:
equal spans of them hold anything from nothing to nearly all.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

from sync.crm.hubspot.answers import Json

T = TypeVar("T")

WORTH_SPLITTING: Final = 300
"""Fewer deals are read sooner by one reader alone: each part costs half a page."""


class Span(NamedTuple):
    """What is still to be read: from the position `at` on, below the id `end` (None = to the end).

    A position is an id, but for a reader that is not `by_id`; then there is one span only.
    """

    at: str
    end: int | None = None


class Extent(NamedTuple):
    """The account's deals as its search knows them; ids are 0 where there are none."""

    total: int
    lowest: int
    highest: int


class Page(NamedTuple):
    """`following`: where the next page starts, None behind the last one."""

    records: list[Json]
    following: str | None


class Reader(Protocol):
    """Reads pages of up to `most` deals from a position on. `by_id`: positions are ids, and pages
    in their order."""

    by_id: bool
    threads: int
    most: int

    def page(self, at: str, end: int | None) -> Page:
        """Nobody wants what is not below the id `end`, but it may be there.

        May raise OutOfOrder, and all that a call to the CRM may.
        """
        ...


def most_in_hand(lot: int, page: int, threads: int) -> int:
    """Deals that were asked for and are not committed, however slow the writer is: one lot that is
    being committed, one that is gathered, each up to a page too large, and a page on its way for
    every other reader. More would cost memory, and work after a kill."""
    return 2 * (lot + page) + (threads - 1) * page


class OutOfOrder(Exception):
    """What was read is not as this way of reading needs it; the text says what was seen."""


class Lot(NamedTuple, Generic[T]):
    """What was kept of pages, with `deals` in all, to be committed together with the spans that are
    left then."""

    pages: list[T]
    deals: int
    left: list[Span]


class _Part:
    """A span being read. `fetched`: up to where pages were asked for; `handed`: up to where they
    are in lots, None = all. density: deals for each id on the last page, None before the first."""

    __slots__ = ("density", "end", "fetched", "handed")

    def __init__(self, span: Span) -> None:
        self.fetched = span.at
        self.handed: str | None = span.at
        self.end = span.end
        self.density: float | None = None


@dataclass(frozen=True, slots=True)
class _Arrival(Generic[T]):
    """`kept` of `deals` records; None of none."""

    part: _Part
    kept: T | None
    deals: int
    following: str | None


class SideBySide(Generic[T]):
    """One reading of `spans`. keep: makes of a page's records what is kept of them, by the thread
    that reads them, while the processor has them at hand. lot: about so many deals are handed over
    at once. read: so many of the account's deals have been read before.

    Whoever asks for the next lot has committed all but the last one.
    """

    def __init__(
        self,
        reader: Reader,
        keep: Callable[[list[Json]], T],
        spans: Sequence[Span],
        known: Extent,
        *,
        lot: int,
        read: int = 0,
    ) -> None:
        self._reader = reader
        self._keep = keep
        self._known = known
        self._lot = lot
        self._threads = reader.threads if reader.by_id else 1
        self._most_in_hand = most_in_hand(lot, reader.most, self._threads)
        self._in_hand = 0
        self._expected = known.total - read
        self._waiting = deque(_Part(span) for span in spans)
        self._parts = list(self._waiting)
        self._reading: list[_Part] = []
        self._arrived: deque[_Arrival[T]] = deque()
        self._error: BaseException | None = None
        self._closed = False
        self._busy = 0
        self._lock = threading.RLock()
        self._arrival = threading.Condition(self._lock)
        self._room = threading.Condition(self._lock)
        self._part_to_take = threading.Condition(self._lock)

    def lots(self) -> Iterator[Lot[T]]:
        """Raises the first error of any reader. Closing the iterator ends the readers; what they
        have on its way is waited for and dropped."""
        self._busy = self._threads
        pool = ThreadPoolExecutor(self._threads, thread_name_prefix="first load")
        for _ in range(self._threads):
            pool.submit(self._work).add_done_callback(self._ended)
        try:
            yield from self._gathered()
        finally:
            with self._lock:
                self._closed = True
                self._wake_all()
            pool.shutdown()

    def _gathered(self) -> Iterator[Lot[T]]:
        pages: list[T] = []
        deals = held = 0
        while (arrival := self._next_arrival()) is not None:
            arrival.part.handed = arrival.following
            if arrival.kept is not None:
                pages.append(arrival.kept)
            deals += arrival.deals
            if deals >= self._lot:
                yield Lot(pages, deals, self._left())
                self._committed(held)
                pages, deals, held = [], 0, deals
        yield Lot(pages, deals, self._left())

    def _next_arrival(self) -> _Arrival[T] | None:
        with self._lock:
            while not self._arrived and self._busy and self._error is None:
                self._arrival.wait()
            if self._error is not None:
                raise self._error
            if not self._arrived:
                return None
            return self._arrived.popleft()

    def _committed(self, deals: int) -> None:
        with self._lock:
            self._in_hand -= deals
            self._room.notify_all()

    def _wake_all(self) -> None:
        for waiting in (self._arrival, self._room, self._part_to_take):
            waiting.notify_all()

    def _left(self) -> list[Span]:
        with self._lock:
            self._parts = [part for part in self._parts if part.handed is not None]
            return [Span(part.handed or "", part.end) for part in self._parts]

    def _work(self) -> None:
        while (part := self._take()) is not None:
            while self._has_room() and not self._hand_over(self._read(part)):
                pass

    def _ended(self, reader: Future[None]) -> None:
        with self._lock:
            self._error = self._error or reader.exception()
            self._busy -= 1
            self._wake_all()

    def _take(self) -> _Part | None:
        """A part that nobody reads, or half of the largest one, once any is worth it; None when all
        is read."""
        with self._lock:
            while not self._over():
                part = self._waiting.popleft() if self._waiting else self._half()
                if part is not None:
                    self._reading.append(part)
                    return part
                if not self._reading:
                    return None
                self._part_to_take.wait()
            return None

    def _over(self) -> bool:
        return self._closed or self._error is not None

    def _half(self) -> _Part | None:
        """Not by the estimate alone whether any is worth it: behind a desert of ids may lie most of
        the deals, of which only the account's count knows."""
        if not self._reader.by_id or not self._reading or self._expected < WORTH_SPLITTING:
            return None
        largest = max(self._reading, key=self._deals_left)
        fetched, end = int(largest.fetched), self._end(largest)
        if end - fetched < WORTH_SPLITTING:
            return None
        middle = fetched + (end - fetched) // 2
        half = _Part(Span(str(middle), largest.end))
        largest.end = middle
        self._parts.append(half)
        return half

    def _deals_left(self, part: _Part) -> float:
        """By how dense the ids of its last page were; before the first, by how dense all are."""
        density = part.density
        if density is None:
            density = self._known.total / (self._known.highest - self._known.lowest + 1)
        return max(0, self._end(part) - int(part.fetched)) * density

    def _end(self, part: _Part) -> int:
        return self._known.highest + 1 if part.end is None else part.end

    def _has_room(self) -> bool:
        """Wait until one more page may be in hand; False where nobody wants it any more."""
        with self._lock:
            while self._in_hand + self._reader.most > self._most_in_hand and not self._over():
                self._room.wait()
            self._in_hand += self._reader.most
            return not self._over()

    def _read(self, part: _Part) -> _Arrival[T]:
        """The part's next page; its records are let go before anybody waits."""
        records, following = self._taken(part, self._reader.page(part.fetched, part.end))
        kept = self._keep(records) if records else None
        return _Arrival(part, kept, len(records), following)

    def _taken(self, part: _Part, page: Page) -> Page:
        """What of the page belongs to the part, which goes on behind it: from now on others may
        take half of what is left."""
        with self._lock:
            records, following = page
            if part.end is not None:
                if records and int(records[-1]["id"]) >= part.end:
                    records = [record for record in records if int(record["id"]) < part.end]
                    following = None
                elif following is not None and int(following) >= part.end:
                    following = None
            self._expected -= len(records)
            if following is None:
                self._reading.remove(part)
            else:
                if self._reader.by_id:
                    covered = int(following) - int(part.fetched)
                    part.density = len(records) / max(1, covered)
                part.fetched = following
            self._part_to_take.notify_all()
            return Page(records, following)

    def _hand_over(self, arrival: _Arrival[T]) -> bool:
        """Add it to what has arrived; whether its part is finished."""
        with self._lock:
            self._arrived.append(arrival)
            self._arrival.notify()
            self._in_hand -= self._reader.most - arrival.deals
            if arrival.deals < self._reader.most:
                self._room.notify()
            return arrival.following is None
