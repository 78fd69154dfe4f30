"""Three ways to read all deals, fastest first: lists by ranges of ids, searches by ranges of ids,
and the list by the one cursor that HubSpot gives.

That `after` of a list is an id is so in practice, but HubSpot calls it opaque: `trusted` checks it
on the account, and each page is checked again. A search may be restricted to ids beyond one by its
documentation; that also gets around the 10,000 hits that it shows at most.
"""

from collections.abc import Callable, Sequence
from typing import Final

from sync.crm.hubspot.answers import Json
from sync.crm.hubspot.deal_calls import LIST_LIMIT, SEARCH_LIMIT, DealCalls
from sync.crm.hubspot.listing import next_after, records
from sync.crm.hubspot.selection import completed
from sync.crm.hubspot.side_by_side import Extent, OutOfOrder, Page

LIST_THREADS: Final = 6
"""190 requests in 10 s at up to 300 ms an answer."""
SEARCH_THREADS: Final = 4
"""5 requests a second at up to 800 ms an answer."""

_LISTING: Final = "the list of deals"
_SEARCH: Final = "the search for all deals"


def extent(calls: DealCalls) -> Extent:
    """Raises OutOfOrder where an id is no number."""
    lowest, total = _outermost(calls, "ASCENDING")
    highest, _ = _outermost(calls, "DESCENDING") if total else (0, 0)
    return Extent(total, lowest, highest)


def count(calls: DealCalls) -> int:
    return _outermost(calls, "ASCENDING")[1]


def _outermost(calls: DealCalls, direction: str) -> tuple[int, int]:
    body = {
        "sorts": [{"propertyName": "hs_object_id", "direction": direction}],
        "properties": ["hs_object_id"],
        "limit": 1,
    }
    answer = calls.search(body, what="the number of deals")
    hits = records(answer)
    return (_ids(hits)[0] if hits else 0), int(answer["total"])


class ByCursor:
    """The list as HubSpot leads through it, one page after the other."""

    by_id = False
    threads = 1
    most = LIST_LIMIT

    def __init__(self, calls: DealCalls, associations: Callable[[], str]) -> None:
        self._calls = calls
        self._associations = associations

    def page(self, at: str, end: int | None) -> Page:
        """Raises OutOfOrder where HubSpot sends us to where we are."""
        answer = _listed(self._calls, at, self._associations())
        following = next_after(answer)
        if following is not None and following == at:
            raise OutOfOrder("the same page came twice")
        return Page(_whole(self._calls, answer), following)


class ByIdRanges:
    """The list from any id on, by ascending id."""

    by_id = True
    threads = LIST_THREADS
    most = LIST_LIMIT

    def __init__(self, calls: DealCalls, associations: Callable[[], str]) -> None:
        self._calls = calls
        self._associations = associations

    def page(self, at: str, end: int | None) -> Page:
        """Raises OutOfOrder where `after` is no id, or the page not what follows it."""
        answer = _listed(self._calls, at, self._associations())
        found, following = records(answer), next_after(answer)
        ids = _ascending(found, int(at))
        if following is not None and not (_is_id(following) and int(following) > max(ids or [-1])):
            raise OutOfOrder("a page does not end with the id at which the next one starts")
        if following is None and len(ids) == LIST_LIMIT:  # it may have been left out
            following = str(ids[-1] + 1)
        return Page(_whole(self._calls, answer), following)

    def trusted(self, known: Extent) -> None:
        """Read twice in the middle. Raises OutOfOrder, or Refused, where `after` is no id.

        Once at an id that most likely does not exist, once at one that does: the second page has
        to begin with that very deal, and to go on as the first one did.
        """
        middle = str((known.lowest + known.highest) // 2)
        first = [record["id"] for record in self.page(middle, None).records]
        if not first:
            raise OutOfOrder("the list shows nothing behind the middle of the ids")
        begin = len(first) // 2
        second = [record["id"] for record in self.page(str(first[begin]), None).records]
        overlap = first[begin:]
        if second[: len(overlap)] != overlap:
            raise OutOfOrder("the list from a deal on does not begin with that deal")


class BySearch:
    """Searches for the deals from an id on, by ascending id; without associations."""

    by_id = True
    threads = SEARCH_THREADS
    most = SEARCH_LIMIT

    def __init__(self, calls: DealCalls) -> None:
        self._calls = calls

    def page(self, at: str, end: int | None) -> Page:
        """Raises OutOfOrder where hits are not what was asked for.

        `end` itself is asked for: it is dropped anyway, and HubSpot does not say whether BETWEEN
        holds its upper end.
        """
        test = {"propertyName": "hs_object_id", "operator": "GTE", "value": at}
        if end is not None:
            test |= {"operator": "BETWEEN", "highValue": str(end)}
        body: Json = {
            "filterGroups": [{"filters": [test]}],
            "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
            "properties": list(self._calls.selection().listed),
            "limit": SEARCH_LIMIT,
        }
        answer = self._calls.search(body, what=_SEARCH)
        found = records(answer)
        ids = _ascending(found, int(at))
        more = bool(ids) and int(answer["total"]) > len(ids)
        return Page(_whole(self._calls, answer), str(ids[-1] + 1) if more else None)


def _listed(calls: DealCalls, at: str, associations: str) -> Json:
    query = [
        ("limit", str(LIST_LIMIT)),
        ("properties", ",".join(calls.selection().listed)),
        *([("associations", associations)] if associations else []),
        *([("after", at)] if at else []),
    ]
    return calls.client.get(calls.client.paths.deals, query, what=_LISTING, expect="results")


def _whole(calls: DealCalls, answer: Json) -> list[Json]:
    return completed(calls.client, records(answer), calls.selection())


def _ascending(found: Sequence[Json], at: int) -> list[int]:
    ids = _ids(found)
    if any(one >= other for one, other in zip([at - 1, *ids], ids, strict=False)):
        raise OutOfOrder("deals do not come by ascending id from where we asked on")
    return ids


def _ids(found: Sequence[Json]) -> list[int]:
    texts = [str(record["id"]) for record in found]
    if not (all(texts) and (not texts or _is_id("".join(texts)))):
        raise OutOfOrder("a deal's id is no number")
    return list(map(int, texts))


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit()
