"""v2's lists: filtered, sorted, and walked with a keyset cursor."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as BadBase64
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Generic, NamedTuple, TypeVar

import orjson

from sync.sandbox.pipedrive.calls import Call, Reply
from sync.sandbox.pipedrive.errors import bad_request
from sync.sandbox.pipedrive.records import Numbered, Table

R = TypeVar("R", bound=Numbered)
DIRECTIONS = ("asc", "desc")


class Position(NamedTuple):
    """The last record that was shown: its sort value and its id."""

    value: Any
    id: int


class Walk(Generic[R]):
    """One page of a list. A row that moves behind the cursor between pages is missed, and one
    that moves ahead of it is shown again: the list is no snapshot, as Pipedrive's is none.
    """

    def __init__(self, call: Call, sorts: tuple[str, ...]) -> None:
        self._limit = call.limit()
        self._field = call.one_of("sort_by", sorts)
        self._descending = call.one_of("sort_direction", DIRECTIONS) == "desc"
        self._start = self._decoded(call.query.get("cursor"))

    def page(
        self,
        table: Table[R],
        wanted: Callable[[R], bool],
        show: Callable[[R], dict[str, Any]],
    ) -> Reply:
        found = list(islice(self._found(table, wanted), self._limit + 1))
        shown = found[: self._limit]
        cursor = self._encoded(shown[-1]) if len(found) > self._limit else None
        return Reply([show(record) for record in shown], {"next_cursor": cursor})

    def _found(self, table: Table[R], wanted: Callable[[R], bool]) -> Iterator[R]:
        if self._field == "id" and not self._descending:
            return filter(wanted, table.after(self._start.id if self._start else 0))
        records: Iterable[R] = sorted(
            filter(wanted, table), key=self._key, reverse=self._descending
        )
        return (record for record in records if self._beyond(record))

    def _key(self, record: R) -> tuple[Any, int]:
        value = getattr(record, self._field)
        return ("" if value is None else value, record.id)

    def _beyond(self, record: R) -> bool:
        if self._start is None:
            return True
        key = self._key(record)
        return key < tuple(self._start) if self._descending else key > tuple(self._start)

    def _encoded(self, last: R) -> str:
        content = {
            "field": self._field,
            "fieldValue": self._key(last)[0],
            "sortDirection": "desc" if self._descending else "asc",
            "id": last.id,
        }
        return urlsafe_b64encode(orjson.dumps(content)).decode().rstrip("=")

    def _decoded(self, cursor: str | None) -> Position | None:
        if not cursor:
            return None
        try:
            content = orjson.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
            same = (
                content["field"] == self._field
                and (content["sortDirection"] == "desc") == self._descending
            )
            position = Position(content["fieldValue"], int(content["id"]))
        except (BadBase64, ValueError, KeyError, TypeError) as error:
            raise bad_request("Invalid cursor") from error
        if not same:
            raise bad_request("Invalid cursor")
        return position


def whole_list(call: Call, items: Sequence[dict[str, Any]]) -> Reply:
    """A page of a short list; its cursor counts what was shown."""
    limit, cursor = call.limit(), call.query.get("cursor") or ""
    try:
        start = int(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)) or b"0")
    except (BadBase64, ValueError) as error:
        raise bad_request("Invalid cursor") from error
    end = start + limit
    following = urlsafe_b64encode(str(end).encode()).decode().rstrip("=")
    return Reply(items[start:end], {"next_cursor": following if end < len(items) else None})


def offset_page(call: Call, items: Sequence[Any]) -> Reply:
    """v1's pages; an empty list is null there."""
    start, limit = call.whole("start") or 0, call.limit()
    more = start + limit < len(items)
    pagination: dict[str, Any] = {
        "start": start,
        "limit": limit,
        "more_items_in_collection": more,
    }
    if more:
        pagination["next_start"] = start + limit
    return Reply(list(items[start : start + limit]) or None, {"pagination": pagination})
