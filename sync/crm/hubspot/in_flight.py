"""Several requests on their way at once: one cursor alone cannot reach the account's rate limit."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

T = TypeVar("T")
R = TypeVar("R")

THREADS: Final = 4
"""At 150 ms an answer that is 26 requests a second; the largest burst limit allows 25."""


def in_flight(
    work: Callable[[T], R], items: Iterable[T], *, threads: int = THREADS
) -> Iterator[tuple[T, R]]:
    """Each item with what `work` made of it, in the order of `items`, a few of them ahead.

    The first error ends it; what has not begun by then is not begun. So does closing the iterator.
    """
    waiting: deque[tuple[T, Future[R]]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="hubspot") as pool:
        try:
            for item in items:
                waiting.append((item, pool.submit(work, item)))
                if len(waiting) >= 2 * threads:
                    done, future = waiting.popleft()
                    yield done, future.result()
            while waiting:
                done, future = waiting.popleft()
                yield done, future.result()
        finally:
            for _, future in waiting:
                future.cancel()
