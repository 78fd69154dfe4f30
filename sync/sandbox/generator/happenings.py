"""Field changes of many deals at once, and how they become each deal's own history."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import repeat

import numpy as np

from sync.sandbox.company import Event, Who
from sync.sandbox.generator.arrays import Indices, Instants


@dataclass(frozen=True, slots=True)
class Happenings:
    """One field of many deals set to `values`, one per entry of `deal` (index) and `at`."""

    deal: Indices
    at: Instants
    field: str
    values: Sequence[str | None]
    who: Who = "human"


def histories(happenings: Sequence[Happenings], known_until: Instants) -> list[list[Event]]:
    """Per deal its events up to `known_until`, in order of time.

    Events of one instant keep the order of `happenings`. An event that sets what is already
    there is no event.
    """
    deal = np.concatenate([batch.deal for batch in happenings])
    at = np.concatenate([batch.at for batch in happenings])
    values = [value for batch in happenings for value in batch.values]
    names = [
        pair for batch in happenings for pair in repeat((batch.field, batch.who), len(batch.at))
    ]
    seen = np.flatnonzero(at <= known_until[deal])
    order = seen[np.lexsort((seen, at[seen], deal[seen]))]
    events: list[list[Event]] = [[] for _ in known_until]
    present: dict[tuple[int, str], str | None] = {}
    for index, instant, position in zip(
        deal[order].tolist(), instants(at[order]), order.tolist(), strict=True
    ):
        (field, who), value = names[position], values[position]
        if present.get((index, field)) == value:
            continue
        present[index, field] = value
        events[index].append(Event(instant, field, value, who))
    return events


def instants(at: Instants) -> list[datetime]:
    """Aware instants in UTC."""
    return [naive.replace(tzinfo=UTC) for naive in at.astype("datetime64[ms]").tolist()]


def iso_instants(at: Instants) -> list[str]:
    """ISO 8601 texts in UTC, with milliseconds."""
    return [f"{text}Z" for text in np.datetime_as_string(at.astype("datetime64[ms]")).tolist()]


def picked(values: Sequence[str], indices: Indices) -> list[str]:
    """values[i] for each index."""
    return [values[index] for index in indices.tolist()]
