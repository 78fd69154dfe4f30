"""HubSpot's records read property by property: of a thousand deals each column in one go.

Numbers and instants become plain texts (`sync/crm/plain.py`). Nearly all values have the usual
form, which is recognised for a column at once; a column in which any has not is read value by
value, and what cannot be understood is noted with its deal. Pure.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sync.crm.base import Unparsed
from sync.crm.hubspot import values
from sync.crm.hubspot.values import Doubts

Json = Mapping[str, Any]


class Table:
    """`records` and their properties `names`, side by side."""

    def __init__(self, records: Sequence[Json], names: Sequence[str]) -> None:
        self.records = records
        self.props: list[Json] = [record.get("properties") or {} for record in records]
        shapes = list(map(tuple, self.props))
        self._alike = shapes[1:] == shapes[:-1]
        self._columns = self._read(names)
        self._doubts: dict[int, Doubts] = {}

    def doubts(self, n: int) -> Doubts:
        """What of the record `n` could not be understood."""
        if n not in self._doubts:
            self._doubts[n] = Doubts(str(self.records[n]["id"]))
        return self._doubts[n]

    def unparsed(self) -> list[Unparsed]:
        return [found for n in sorted(self._doubts) for found in self._doubts[n].found()]

    def lacks(self, names: Iterable[str]) -> bool:
        """Whether no record has any of these properties, be it empty."""
        some = self.props[:1] if self._alike else self.props
        return all(props.keys().isdisjoint(names) for props in some)

    def raw(self, name: str) -> Sequence[Any]:
        """As they came; None where there is none."""
        return self._columns[name]

    def texts(self, name: str) -> Sequence[str | None]:
        return values.texts(self.raw(name))

    def categories(self, name: str) -> Sequence[str | None]:
        return values.each_once(values.forecast_category, self.raw(name))

    def numbers(self, field: str, name: str) -> Sequence[str | None]:
        return self._parsed(field, name, values.numbers, values.number)

    def instants(self, field: str, name: str) -> Sequence[str | None]:
        return self._parsed(field, name, values.instants, values.instant)

    def probabilities(self, field: str, name: str) -> Sequence[str | None]:
        return self._few(field, name, values.probability)

    def truths(self, field: str, name: str) -> Sequence[bool | None]:
        return self._few(field, name, values.truth)

    def _read(self, names: Sequence[str]) -> dict[str, Sequence[Any]]:
        """Records that came together mostly have the same properties in the same order; then their
        values stand side by side as they are, without being looked for."""
        if not self._alike or not self.props:
            return {name: [props.get(name) for props in self.props] for name in names}
        values = zip(*(props.values() for props in self.props), strict=True)
        found = dict(zip(self.props[0], values, strict=True))
        nothing = (None,) * len(self.props)
        return {name: found.get(name, nothing) for name in names}

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
        raws = self.raw(name)
        try:
            return parse_all(raws)
        except ValueError:
            return [
                values.written(self.doubts(n).parse(field, parse, raw))
                for n, raw in enumerate(raws)
            ]
