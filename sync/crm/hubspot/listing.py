"""HubSpot's lists, page by page, and its batch reads."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeVar

from sync.crm.hubspot.answers import Json
from sync.crm.hubspot.client import HubSpotClient, Query
from sync.errors import PermanentError, TransientError

T = TypeVar("T")

NOT_FOUND: Final = "OBJECT_NOT_FOUND"


def pages(
    client: HubSpotClient, path: str, query: Query, *, what: str, after: str | None = None
) -> Iterator[tuple[list[Json], str | None]]:
    """Each page's records and where the next one starts, None after the last.

    HubSpot's `paging.next.link` is never followed: it may lead to another version of the API.
    Raises PermanentError where HubSpot sends us to a page that we have had, which never ends.
    """
    seen = {after}
    while True:
        here = [*query, ("after", after)] if after is not None else query
        answer = client.get(path, here, what=what, expect="results")
        after = next_after(answer)
        if after is not None and after in seen:
            raise PermanentError(
                f"HubSpot gave the same page of {what} twice, so that reading would never end. "
                "Nothing is lost; try again later and tell HubSpot's support if it lasts."
            )
        seen.add(after)
        yield records(answer), after
        if after is None:
            return


def next_after(answer: Json) -> str | None:
    """The token of the next page; None on the last."""
    following = (answer.get("paging") or {}).get("next") or {}
    after = following.get("after")
    return None if after is None or after == "" else str(after)


def records(answer: Json) -> list[Json]:
    """The objects in `results`; whatever else stands there is no record."""
    found: Any = answer.get("results") or []
    return [record for record in found if isinstance(record, dict)]


def chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def refuse_half_answers(answer: Json, what: str) -> None:
    """Records may be missing because they do not exist, not because HubSpot had trouble.

    Raises TransientError: the page is read again later, instead of being taken for complete.
    """
    for error in answer.get("errors") or ():
        category = str(error.get("category") or "") if isinstance(error, dict) else ""
        if category != NOT_FOUND:
            raise TransientError(
                f"HubSpot answered {what} only in part ({category or 'no reason given'}); "
                "it is read again at the next pull."
            )
