"""Pipedrive's lists, page by page: v2's by cursor, v1's by the place in the list."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeVar

from sync.crm.pipedrive.answers import Json, Refused
from sync.crm.pipedrive.client import PipedriveClient, Query
from sync.crm.pipedrive.ledger import Purpose
from sync.errors import PermanentError

T = TypeVar("T")

LIMIT: Final = 500
"""The most that a page holds; a call costs the same whatever its size."""
MAX_IDS: Final = 100
OVERLAP: Final = 10
"""Records of v1's pages that are asked for twice: what leaves the list meanwhile moves the rest up,
past whoever reads on from where the last page ended."""


def pages(
    client: PipedriveClient,
    path: str,
    query: Query,
    *,
    what: str,
    after: str | None = None,
    purpose: Purpose = Purpose.READ,
) -> Iterator[tuple[list[Json], str | None]]:
    """Each page's records and where the next one starts, None after the last.

    `after`: where an interrupted walk stopped; where Pipedrive no longer knows the place, the walk
    begins anew. Raises PermanentError where Pipedrive sends us to a page that we have had.
    """
    seen = {after}
    resumed = after is not None
    while True:
        here = {**query, "limit": str(LIMIT), **({"cursor": after} if after else {})}
        try:
            answer = client.get(path, here, what=what, purpose=purpose)
        except Refused as refusal:
            if refusal.status != 400 or not resumed:
                raise
            resumed, after, seen = False, None, {None}
            continue
        resumed, after = False, following(answer)
        if after is not None and after in seen:
            raise PermanentError(
                f"Pipedrive gave the same page of {what} twice, so that reading would never end. "
                "Nothing is lost; try again later and tell Pipedrive's support if it lasts."
            )
        seen.add(after)
        yield records(answer), after
        if after is None:
            return


def numbered_pages(
    client: PipedriveClient,
    path: str,
    query: Query,
    *,
    what: str,
    after: str | None = None,
    purpose: Purpose = Purpose.READ,
) -> Iterator[tuple[list[Json], str | None]]:
    """As `pages`, of a list of v1's. Some records come twice."""
    start = int(after or 0)
    while True:
        here = {**query, "limit": str(LIMIT), "start": str(start)}
        answer = client.get(path, here, what=what, purpose=purpose)
        found = records(answer)
        if not found or not _goes_on(answer):
            yield found, None
            return
        start += max(1, len(found) - OVERLAP)
        yield found, str(start)


def _goes_on(answer: Json) -> bool:
    """Some lists say so beside the page, others in an object of its own."""
    told = answer.get("additional_data") or {}
    return bool((told.get("pagination") or told).get("more_items_in_collection"))


def every(client: PipedriveClient, path: str, query: Query, *, what: str) -> list[Json]:
    return [record for page, _ in pages(client, path, query, what=what) for record in page]


def following(answer: Json) -> str | None:
    """The token of the next page; None on the last."""
    after = (answer.get("additional_data") or {}).get("next_cursor")
    return None if after in (None, "") else str(after)


def records(answer: Json) -> list[Json]:
    """The objects in `data`; null is an empty list, and whatever else stands there is no record."""
    found: Any = answer.get("data")
    if isinstance(found, dict):
        found = [found]
    return [record for record in found or () if isinstance(record, dict)]


def chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
