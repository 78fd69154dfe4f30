"""Stage histories from an event log: columns id, time, activity (and resource)."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import fmean, median

from sync.errors import ConfigError
from sync.sandbox.deals_rows import (
    BadRow,
    FileDeal,
    Row,
    numbered_rows,
    required_instant,
    row_under,
)

_COLUMNS = ("id", "time", "activity")


@dataclass(frozen=True, slots=True)
class StageHistories:
    """stages: the activities that are stages, first to last. moves: per deal id its (instant,
    stage), in order. rejected: unusable rows as {"line", "id", "reason"}. after_end: events that
    are the end itself or come after it, and so are no stage."""

    stages: tuple[str, ...]
    moves: Mapping[str, Sequence[tuple[datetime, str]]]
    rejected: list[dict[str, object]]
    after_end: int


def read_stage_events(path: Path, deals: Sequence[FileDeal]) -> StageHistories:
    """What each deal did before it ended. Raises ConfigError where the file is not usable.

    A stage is every activity seen before its deal's end, however that deal ended; the stages
    are ordered by their median (then mean) place among the events of a deal.
    """
    ends = {deal.key: deal.closed_at for deal in deals}
    moves, rejected = _read(path, ends)
    places: dict[str, list[int]] = defaultdict(list)
    after_end = 0
    for key, events in moves.items():
        events.sort(key=lambda event: event[0])
        end = ends[key]
        before = [event for event in events if end is None or event[0] < end]
        after_end += len(events) - len(before)
        moves[key] = before
        for place, (_, activity) in enumerate(before):
            places[activity].append(place)
    stages = sorted(places, key=lambda a: (median(places[a]), fmean(places[a]), a))
    return StageHistories(tuple(stages), moves, rejected, after_end)


def _read(
    path: Path, known: Mapping[str, object]
) -> tuple[dict[str, list[tuple[datetime, str]]], list[dict[str, object]]]:
    rows = numbered_rows(path)
    header = next(rows)[1]
    missing = [column for column in _COLUMNS if column not in header]
    if missing:
        raise ConfigError(
            f"{path} has no column {', '.join(missing)}. Stage events need {', '.join(_COLUMNS)}"
        )
    moves: dict[str, list[tuple[datetime, str]]] = {}
    rejected: list[dict[str, object]] = []
    for line, cells in rows:
        try:
            row = row_under(header, cells)
            event = _event(row, known)
        except BadRow as bad:
            key = dict(zip(header, cells, strict=False)).get("id")
            rejected.append({"line": line, "id": key or None, "reason": str(bad)})
        else:
            moves.setdefault(row["id"], []).append(event)
    return moves, rejected


def _event(row: Row, known: Mapping[str, object]) -> tuple[datetime, str]:
    if row["id"] not in known:
        raise BadRow("no such deal")
    if not row["activity"]:
        raise BadRow("no activity")
    return required_instant("time", row["time"]), row["activity"]
