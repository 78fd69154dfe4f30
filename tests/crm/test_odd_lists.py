"""Lists that are not in the order that a load by ranges needs: it notices, and searches instead."""

from collections import Counter
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.crm.scripted import Asked, Say
from tests.crm.test_odd_answers import answering, load, shown, source_of

IDS = range(7, 7 * 1_101, 7)
"""More than are read by one cursor."""


def behind_the_id(at: int) -> list[int]:
    """`after` taken by its word: the deal itself is left out."""
    return [i for i in IDS if i > at][:100]


def newest_first(at: int) -> list[int]:
    return [i for i in IDS if i >= at][:100][::-1]


def listed(page: Callable[[int], list[int]], asked: Asked) -> Say:
    """The next page starts with the first deal beyond this one, as the list says itself."""
    query = parse_qs(urlsplit(asked.path).query)
    found = page(int(query["after"][0]) if "after" in query else 0)
    beyond = [i for i in IDS if i > max(found)]
    paging = {"paging": {"next": {"after": str(beyond[0])}}} if beyond else {}
    return Say(200, {"results": [shown(str(i)) for i in found], **paging})


def found_by_search(asked: Asked) -> Say:
    tests = [t for group in asked.body.get("filterGroups", ()) for t in group["filters"]]
    hits = [i for i in IDS if all(i >= int(test["value"]) for test in tests)]
    down = asked.body["sorts"][0]["direction"] == "DESCENDING"
    page = (hits[::-1] if down else hits)[: asked.body["limit"]]
    return Say(200, {"total": len(hits), "results": [shown(str(i)) for i in page]})


@pytest.mark.parametrize(
    ("page", "why"),
    [
        (behind_the_id, "does not begin with that deal"),
        (newest_first, "do not come by ascending id"),
    ],
)
def test_a_list_in_another_order_is_noticed_before_anything_is_read_by_it(
    page: Callable[[int], list[int]], why: str
) -> None:
    def nobody(_: Asked) -> Say:
        return Say(200, {"results": []})

    script = answering(
        deals=lambda asked: listed(page, asked),
        search=found_by_search,
        contacts=nobody,
        companies=nobody,
    )
    with source_of(script) as (source, _):
        pages = list(load(source))
    came = Counter(deal.deal_id for found in pages for deal in found.deals)
    assert came == Counter(map(str, IDS))
    [note] = {note for found in pages for note in found.notes}
    assert note.startswith("Deals were loaded by several searches at a time")
    assert why in note
