"""HubSpot's records read property by property: of a thousand deals each column in one go.

Numbers and instants become plain texts (`sync/crm/plain.py`). Nearly all values have the usual
form, which is recognised for a column at once; a column in which any has not is read value by
value, and what cannot be understood is noted with its deal. Pure.
"""

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from sync.crm.base import Unparsed
from sync.crm.hubspot import values
from sync.crm.hubspot.values import Doubts

Json = Mapping[str, Any]


class Table:
    """`records` and their properties, side by side."""

    def __init__(self, records: Sequence[Json]) -> None:
        self.records = records
        self.props: list[Json] = [record.get("properties") or {} for record in records]
        self._doubts: dict[int, Doubts] = {}

    def doubts(self, n: int) -> Doubts:
        """What of the record `n` could not be understood."""
        if n not in self._doubts:
            self._doubts[n] = Doubts(str(self.records[n]["id"]))
        return self._doubts[n]

    def unparsed(self) -> list[Unparsed]:
        return [found for n in sorted(self._doubts) for found in self._doubts[n].found()]

    def texts(self, name: str) -> Sequence[str | None]:
        return values.texts(self._raw(name))

    def categories(self, name: str) -> Sequence[str | None]:
        return values.each_once(values.forecast_category, self._raw(name))

    def numbers(self, field: str, name: str) -> Sequence[str | None]:
        return self._parsed(field, name, values.numbers, values.number)

    def instants(self, field: str, name: str) -> Sequence[str | None]:
        return self._parsed(field, name, values.instants, values.instant)

    def probabilities(self, field: str, name: str) -> Sequence[str | None]:
        return self._few(field, name, values.probability)

    def truths(self, field: str, name: str) -> Sequence[bool | None]:
        return self._few(field, name, values.truth)

    def _raw(self, name: str) -> list[Any]:
        try:
            return list(map(itemgetter(name), self.props))
        except KeyError:
            return [props.get(name) for props in self.props]

    def _few(self, field: str, name: str, parse: Callable[[Any], Any]) -> Sequence[Any]:
        """Of a property that has few different values."""
        return self._parsed(field, name, lambda raws: values.each_once(parse, raws), parse)

    def _parsed(
        self,
        field: str,
        name: str,
        parse_all: Callable[[Sequence[Any]], Sequence[Any]],
        parse: Callable[[Any], Any],
    ) -> Sequence[Any]:
        raws = self._raw(name)
        try:
            return parse_all(raws)
        except ValueError:
            return [
                values.written(self.doubts(n).parse(field, parse, raw))
                for n, raw in enumerate(raws)
            ]
