"""What is known of a lead as classes: the points table gives each its points, the model its weight.

The bounds are the field's habits (a day, a week, a month; one, a few, many) and the same for
everybody, so that the published table means one thing everywhere.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import polars as pl

from forecasting.tracks import Floats, Ints

COUNTS: Final[Mapping[str, tuple[float, ...]]] = {
    "views": (1, 3, 10),
    "submissions": (1, 2),
    "clicks": (1, 3),
    "opens": (1, 5),
}
"""Counters and the lower bounds of their classes above the first."""

SINCE: Final[Mapping[str, tuple[float, ...]]] = {
    "replied": (31,),
    "met": (31,),
    "seen": (3, 8, 31, 91),
}
"""Days since something; one class more, the last, for never. The column is `<name>_days`."""

AGE: Final = (8, 31, 91, 366)
NAMED: Final = ("stage", "source")
ATTRIBUTES: Final = (*NAMED, *COUNTS, *SINCE, "age")

POINTS: Final[Mapping[str, tuple[int, ...]]] = {
    "views": (0, 3, 8, 15),
    "submissions": (0, 10, 20),
    "clicks": (0, 5, 10),
    "opens": (0, 2, 5),
    "replied": (25, 10, 0),
    "met": (20, 8, 0),
    "seen": (5, 3, 0, 0, 0, 0),
}
"""The points table (docs/lead-score.md): points by class; the largest of all sum to 100."""

_MOST_SOURCES: Final = 20
_FEWEST_LEADS: Final = 5

Names = Mapping[str, Sequence[str]]
"""The classes of `NAMED`, as found among training rows."""


def named_classes(facts: pl.DataFrame) -> dict[str, list[str]]:
    """Stages and sources of at least five leads. A lead of any other is of none."""
    found: dict[str, list[str]] = {}
    for name in NAMED:
        counts = (
            facts.select("lead_id", name)
            .drop_nulls()
            .group_by(name)
            .agg(leads=pl.col("lead_id").n_unique())
            .filter(pl.col("leads") >= _FEWEST_LEADS)
            .sort("leads", name, descending=[True, False])
        )
        found[name] = counts[name].head(_MOST_SOURCES).to_list()
    return found


def codes(facts: pl.DataFrame, names: Names) -> dict[str, Ints]:
    """Per attribute each lead's class, -1 where it is not known: it then says nothing."""
    found: dict[str, Ints] = {}
    for name in NAMED:
        numbers = {value: number for number, value in enumerate(names.get(name, ()))}
        found[name] = np.array([numbers.get(v, -1) for v in facts[name].to_list()], np.int64)
    for name, bounds in COUNTS.items():
        found[name] = _cut(facts[name], bounds, unknown=-1)
    for name, bounds in SINCE.items():
        found[name] = _cut(facts[f"{name}_days"], bounds, unknown=len(bounds) + 1)
    found["age"] = _cut(facts["age_days"], AGE, unknown=-1)
    # no sign of interest is known, but some may be forgotten
    forgotten = np.any([found[name] < 0 for name in COUNTS], axis=0)
    never = found["seen"] == len(SINCE["seen"]) + 1
    found["seen"] = np.where(forgotten & never, -1, found["seen"])
    return found


def columns(names: Names) -> list[str]:
    """The attribute of each column of `design`."""
    sizes = {
        **{name: len(names.get(name, ())) for name in NAMED},
        **{name: len(bounds) + 1 for name, bounds in COUNTS.items()},
        **{name: len(bounds) + 2 for name, bounds in SINCE.items()},
        "age": len(AGE) + 1,
    }
    return [name for name in ATTRIBUTES for _ in range(sizes[name])]


def centre(coded: Mapping[str, Ints], names: Names) -> Floats:
    """The share of each class among those whose class is known; 0 where nobody's is."""
    of = columns(names)
    shares = [
        np.bincount(coded[name][coded[name] >= 0], minlength=of.count(name))
        / max(1, int((coded[name] >= 0).sum()))
        for name in ATTRIBUTES
    ]
    return np.concatenate(shares)


def design(coded: Mapping[str, Ints], names: Names, middle: Sequence[float] | Floats) -> Floats:
    """A column per class, 1 where the lead is of it, less the class's share in the `middle`; 0 in
    all of an attribute's where it is not known, so that it moves nothing.
    """
    of = columns(names)
    parts = []
    begin = 0
    for name in ATTRIBUTES:
        code = coded[name][:, None]
        end = begin + of.count(name)
        apart = (code == np.arange(end - begin)) - np.asarray(middle[begin:end], np.float64)
        parts.append(np.where(code < 0, 0.0, apart))
        begin = end
    return np.concatenate(parts, axis=1)


def points(coded: Mapping[str, Ints]) -> dict[str, Ints]:
    """Per attribute of the table each lead's points."""
    return {
        name: np.where(coded[name] < 0, 0, np.array(table)[coded[name]])
        for name, table in POINTS.items()
    }


def _cut(values: pl.Series, bounds: Sequence[float], unknown: int) -> Ints:
    numbers = values.cast(pl.Float64).fill_null(np.nan).to_numpy()
    classes = np.searchsorted(np.array(bounds, float), np.nan_to_num(numbers), "right")
    return np.asarray(np.where(np.isnan(numbers), unknown, classes), dtype=np.int64)
