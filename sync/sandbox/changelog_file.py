"""A company made of a CRM's own change log: who changed which field of which deal, and when."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from sync.errors import ConfigError
from sync.sandbox.company import (
    Company,
    CompanyDeal,
    CompanyOwner,
    CompanyPipeline,
    CompanyStage,
    Event,
)
from sync.sandbox.deals_rows import BadRow, Row, numbered_rows, required_instant, row_under

PIPELINE, LOST, WON = "pipeline", "lost", "won"
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "users": ("id", "name", "email"),
    "stages": ("stage_id", "stage_name"),
    "fields": ("FIELD_KEY", "FIELD_VALUE_OPTIONS"),
    "deal_changes": ("deal_id", "change_time", "changed_field_key", "new_value"),
    "activity": ("activity_id", "deal_id", "done", "due_to"),
}

Rejected = list[dict[str, object]]


def read_changelog(folder: Path, *, home_currency: str = "EUR") -> Company:
    """Users, stages, fields, deal changes and activities from the CSV.gz (or CSV) files of those
    names in `folder`. Instants without a zone are UTC, and so is the account.

    A deal begins with its add_time; a second one under the same id is another deal, with the key
    `<id>#2`. It is in the first stage from the beginning, so a log's row that says so changes
    nothing. A deal with a lost_reason was lost then; the log knows no winning and no amounts.
    The last stage's deals are not closed. An activity that is not done is the deal's next one.

    `Company.truth`: rejected (file, line, reason), counts (rows of each field), same_id (keys of
    the second deals), activities_without_deal, planned_left_out (further ones that are not done).
    Raises ConfigError for a folder that is not usable.
    """
    log = _Log()
    stages = _stages(folder, log)
    users = list(_owners(folder, log))
    reasons = _options(folder, log).get("lost_reason", {})
    lives = _lives(folder, log)
    known = _Known({s.id for s in stages}, {u.id for u in users}, reasons)
    deals = [_deal(life, known, stages[0].id, log) for life in lives]
    _activities(folder, deals, log)
    closed = (
        CompanyStage(WON, "Won", Decimal(1), is_closed=True, is_won=True),
        CompanyStage(LOST, "Lost", Decimal(0), is_closed=True),
    )
    return Company(
        name=folder.resolve().name,
        time_zone="UTC",
        home_currency=home_currency,
        pipelines=(CompanyPipeline(PIPELINE, "Pipeline", (*stages, *closed)),),
        owners=tuple(users),
        deals=deals,
        truth={
            "rejected": log.rejected,
            "counts": dict(log.counts),
            "same_id": [deal.key for deal in deals if "#" in deal.key],
            "activities_without_deal": log.activities_without_deal,
            "planned_left_out": log.planned_left_out,
        },
    )


@dataclass(slots=True)
class _Log:
    rejected: Rejected = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    activities_without_deal: int = 0
    planned_left_out: int = 0

    def reject(self, name: str, line: int, reason: str) -> None:
        self.rejected.append({"file": name, "line": line, "reason": reason})


@dataclass(frozen=True, slots=True)
class _Known:
    stages: set[str]
    users: set[str]
    reasons: Mapping[str, str]


@dataclass(slots=True)
class _Life:
    """One deal's rows as (line, instant, field, value), the first of which is its add_time."""

    key: str
    rows: list[tuple[int, datetime, str, str]]


def _rows(folder: Path, name: str, log: _Log) -> Iterator[tuple[int, Row]]:
    """The file's usable rows; unusable ones go to the log."""
    found = next(
        (p for p in (folder / f"{name}.csv.gz", folder / f"{name}.csv") if p.exists()), None
    )
    if found is None:
        raise ConfigError(f"{folder} has no {name}.csv.gz. A change log is made of these files: "
                          f"{', '.join(_COLUMNS)}.")  # fmt: skip
    rows = numbered_rows(found)
    header = next(rows)[1]
    missing = [column for column in _COLUMNS[name] if column not in header]
    if missing:
        raise ConfigError(f"{found} has no column {', '.join(missing)}.")
    for line, cells in rows:
        try:
            yield line, row_under(header, cells)
        except BadRow as bad:
            log.reject(name, line, str(bad))


def _stages(folder: Path, log: _Log) -> list[CompanyStage]:
    """In the order of their ids; the probabilities are made up, rising evenly."""
    rows = [row for _, row in _rows(folder, "stages", log)]
    if not rows:
        raise ConfigError(f"{folder} has no stages.")
    rows.sort(key=lambda row: (len(row["stage_id"]), row["stage_id"]))
    steps = len(rows) + 1
    return [
        CompanyStage(
            row["stage_id"], row["stage_name"], (Decimal(n) / steps).quantize(Decimal("0.01"))
        )
        for n, row in enumerate(rows, start=1)
    ]


def _owners(folder: Path, log: _Log) -> Iterator[CompanyOwner]:
    for _, row in _rows(folder, "users", log):
        first, _, last = row["name"].partition(" ")
        yield CompanyOwner(row["id"], first, last, row["email"])


def _options(folder: Path, log: _Log) -> dict[str, dict[str, str]]:
    """Field -> option id -> label."""
    found: dict[str, dict[str, str]] = {}
    for line, row in _rows(folder, "fields", log):
        if not row["FIELD_VALUE_OPTIONS"]:
            continue
        try:
            options = json.loads(row["FIELD_VALUE_OPTIONS"])
            found[row["FIELD_KEY"]] = {str(o["id"]): str(o["label"]) for o in options}
        except (ValueError, KeyError, TypeError):
            log.reject("fields", line, "the options cannot be read")
    return found


def _lives(folder: Path, log: _Log) -> list[_Life]:
    begun: dict[str, _Life] = {}
    lives: list[_Life] = []
    numbers: Counter[str] = Counter()
    for line, row in _rows(folder, "deal_changes", log):
        deal_id, name = row["deal_id"], row["changed_field_key"]
        try:
            at = required_instant("change_time", row["change_time"])
        except BadRow as bad:
            log.reject("deal_changes", line, str(bad))
            continue
        if name == "add_time":
            numbers[deal_id] += 1
            nth = numbers[deal_id]
            begun[deal_id] = _Life(deal_id if nth == 1 else f"{deal_id}#{nth}", [])
            lives.append(begun[deal_id])
        if deal_id not in begun:
            log.reject("deal_changes", line, f"deal {deal_id} has not begun")
            continue
        log.counts[name] += 1
        begun[deal_id].rows.append((line, at, name, row["new_value"]))
    return lives


def _deal(life: _Life, known: _Known, first_stage: str, log: _Log) -> CompanyDeal:
    born = life.rows[0][1]
    events = [
        Event(born, "name", f"Deal {life.key}", "import"),
        Event(born, "pipeline", PIPELINE, "import"),
        Event(born, "stage", first_stage, "import"),
    ]
    for line, at, name, value in sorted(life.rows[1:], key=lambda row: row[1]):
        problem = _problem(name, value, known) or ("before its deal" if at < born else None)
        if problem is not None:
            log.reject("deal_changes", line, problem)
        elif name == "stage_id":
            events.append(Event(at, "stage", value))
        elif name == "user_id":
            events.append(Event(at, "owner", value))
        else:
            events.append(Event(at, "stage", LOST))
            events.append(Event(at, "loss_reason", known.reasons.get(value, value)))
    return CompanyDeal(key=life.key, created_at=born, events=events)


def _problem(name: str, value: str, known: _Known) -> str | None:
    if name == "stage_id":
        return None if value in known.stages else f"no stage {value}"
    if name == "user_id":
        return None if value in known.users else f"no user {value}"
    return None if name == "lost_reason" else f"field {name} is not known"


def _activities(folder: Path, deals: list[CompanyDeal], log: _Log) -> None:
    by_id = {re.sub("#.*", "", deal.key): deal for deal in reversed(deals)}
    for line, row in _rows(folder, "activity", log):
        deal = by_id.get(row["deal_id"])
        if deal is None:
            log.activities_without_deal += 1
            continue
        try:
            at = required_instant("due_to", row["due_to"])
        except BadRow as bad:
            log.reject("activity", line, str(bad))
            continue
        if row["done"].lower() == "true":
            deal.activities.append(at)
        elif deal.next_activity_at is None:
            deal.next_activity_at = at
        else:
            log.planned_left_out += 1
            deal.next_activity_at = min(deal.next_activity_at, at)
