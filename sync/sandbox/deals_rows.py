"""The rows of a deals file, in the two shapes that are understood, checked one by one."""

import csv
import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Literal

from sync.errors import ConfigError

Status = Literal["open", "won", "lost"]
Row = Mapping[str, str]

_STATUSES: dict[str, Status] = {"open": "open", "won": "won", "lost": "lost"}
_CLOSED: dict[str, Status] = {"Closed Won": "won", "Closed Lost": "lost"}
_OPEN: Status = "open"
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,2})?")

OPPORTUNITY_STAGES = ("Prospecting", "Qualification", "Proposal", "Negotiation")


@dataclass(frozen=True, slots=True)
class FileDeal:
    """One row. Amounts are plain decimals as typed; None = the file says nothing.

    passed: stages it has been in, in order; empty = the shape does not tell.
    """

    key: str
    name: str
    created_at: datetime
    closed_at: datetime | None
    status: Status
    amount: str | None
    amount_open: str | None
    expected_close: datetime | None
    owner: str | None
    deal_type: str | None
    lead_source: str | None
    loss_reason: str | None = None
    passed: tuple[str, ...] = ()
    pushed: bool = False


@dataclass(frozen=True, slots=True)
class Shape:
    name: str
    required: tuple[str, ...]
    optional: tuple[str, ...]
    parse: Callable[[Row], FileDeal]


class BadRow(Exception):
    """This row cannot be used; the text says why."""


def read_deals(path: Path) -> tuple[list[FileDeal], list[dict[str, object]]]:
    """The usable rows, and the others as {"line", "id", "reason"}. Raises ConfigError."""
    rows = numbered_rows(path)
    header = next(rows)[1]
    shape = _shape(path, header)
    id_column = shape.required[0]
    deals: dict[str, FileDeal] = {}
    rejected: list[dict[str, object]] = []
    for line, cells in rows:
        try:
            deal = shape.parse(row_under(header, cells))
            _new(deal, deals)
        except BadRow as bad:
            key = dict(zip(header, cells, strict=False)).get(id_column)
            rejected.append({"line": line, "id": key or None, "reason": str(bad)})
        else:
            deals[deal.key] = deal
    return list(deals.values()), rejected


def row_under(header: Sequence[str], cells: Sequence[str]) -> Row:
    """The cells by column name. Raises BadRow where there are more or fewer."""
    if len(cells) != len(header):
        raise BadRow(f"{len(cells)} cells under {len(header)} column names")
    return dict(zip(header, (cell.strip() for cell in cells), strict=True))


def _new(deal: FileDeal, known: Mapping[str, FileDeal]) -> None:
    if deal.key in known:
        raise BadRow(f"the id {deal.key} has been used before")


def numbered_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The header and the rows of a CSV or CSV.gz, each with the line it begins on; no blank ones.

    Raises ConfigError where the file is absent, empty, broken or not UTF-8.
    """
    try:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8-sig")
    except OSError as error:  # an unreadable file, or no gzip
        raise ConfigError(f"{path} cannot be read: {error}. Give a CSV or CSV.gz file") from error
    except (EOFError, zlib.error) as error:
        raise ConfigError(f"{path} is damaged: {error}. Fetch it again") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 ({error}). Save it as CSV in UTF-8") from error
    reader = csv.reader(io.StringIO(text, newline=""))
    begins = 1
    empty = True
    try:
        for cells in reader:
            if cells:
                yield begins, [cell.strip() for cell in cells] if empty else cells
                empty = False
            begins = reader.line_num + 1
    except csv.Error as error:
        raise ConfigError(f"{path}, line {reader.line_num}: {error}") from error
    if empty:
        raise ConfigError(f"{path} is empty. The first line has to hold the column names")


def _shape(path: Path, header: Sequence[str]) -> Shape:
    present = set(header)
    shape = max(SHAPES, key=lambda s: len(present.intersection(s.required)) / len(s.required))
    missing = [column for column in shape.required if column not in present]
    if missing:
        accepted = "; or ".join(
            f"{s.name}: {', '.join(s.required)} (and, where known, {', '.join(s.optional)})"
            for s in SHAPES
        )
        raise ConfigError(
            f"{path} has no column {', '.join(missing)}. Accepted are, separated by commas, "
            f"{accepted}"
        )
    if len(present) < len(header):
        raise ConfigError(f"{path} names a column twice: {', '.join(header)}")
    return shape


def _plain_deal(row: Row) -> FileDeal:
    status = _status(row["status"])
    return _checked(
        FileDeal(
            key=_id(row["id"]),
            name=row["id"],
            created_at=required_instant("created_at", row["created_at"]),
            closed_at=_instant("closed_at", row["closed_at"]),
            status=status,
            amount=_amount("amount", row["amount"]),
            amount_open=_amount("amount_open", row.get("amount_open", "")),
            expected_close=_instant("expected_close", row.get("expected_close", "")),
            owner=row.get("owner") or None,
            deal_type=row.get("type") or None,
            lead_source=row.get("source") or None,
        )
    )


def _opportunity(row: Row) -> FileDeal:
    stage = row["stage"]
    status = _CLOSED.get(stage, _OPEN)
    _agrees(row, "is_closed", status != "open")
    _agrees(row, "is_won", status == "won")
    date = _instant("close_date", row["close_date"])
    key = _id(row["opportunity_id"])
    return _checked(
        FileDeal(
            key=key,
            name=f"{key} {row['account_name']}",
            created_at=required_instant("created_date", row["created_date"]),
            closed_at=None if status == "open" else date,
            status=status,
            amount=_amount("amount", row["amount"]),
            amount_open=_amount("amount", row["amount"]),
            expected_close=date if status == "open" else None,
            owner=row["owner"] or None,
            deal_type=row.get("product") or None,
            lead_source=row.get("lead_source") or None,
            loss_reason=row.get("loss_reason") or None,
            passed=_passed(status, stage, row["lost_at_stage"]),
            pushed=row["close_date_pushed"] == "True",
        )
    )


SHAPES = (
    Shape(
        "deals",
        ("id", "created_at", "closed_at", "status", "amount"),
        ("amount_open", "expected_close", "owner", "type", "source"),
        _plain_deal,
    ),
    Shape(
        "opportunities",
        (
            "opportunity_id",
            "account_name",
            "owner",
            "created_date",
            "close_date",
            "stage",
            "amount",
            "lost_at_stage",
            "close_date_pushed",
        ),
        ("product", "lead_source", "loss_reason", "is_won", "is_closed"),
        _opportunity,
    ),
)


def _passed(status: Status, stage: str, lost_at: str) -> tuple[str, ...]:
    if status == "won":
        return OPPORTUNITY_STAGES
    last = lost_at if status == "lost" else stage
    if last not in OPPORTUNITY_STAGES:
        raise BadRow(f"stage {last!r} is none of {', '.join(OPPORTUNITY_STAGES)}")
    return OPPORTUNITY_STAGES[: OPPORTUNITY_STAGES.index(last) + 1]


def _agrees(row: Row, column: str, expected: bool) -> None:
    if row.get(column) and row[column] != str(expected):
        raise BadRow(f"{column} is {row[column]}, but the stage is {row['stage']}")


def _checked(deal: FileDeal) -> FileDeal:
    if deal.status != "open" and deal.closed_at is None:
        raise BadRow(f"{deal.status}, but without the day of closing")
    if deal.status == "open" and deal.closed_at is not None:
        raise BadRow("open, but with a day of closing")
    if deal.closed_at is not None and deal.closed_at < deal.created_at:
        raise BadRow("closed before it was created")
    return deal


def _id(text: str) -> str:
    if not text:
        raise BadRow("no id")
    return text


def _status(text: str) -> Status:
    if text not in _STATUSES:
        raise BadRow(f"status {text!r} is none of {', '.join(_STATUSES)}")
    return _STATUSES[text]


def required_instant(column: str, text: str) -> datetime:
    """As `_instant`, but raises BadRow for an empty cell too."""
    instant = _instant(column, text)
    if instant is None:
        raise BadRow(f"no {column}")
    return instant


def _instant(column: str, text: str) -> datetime | None:
    """UTC where no zone is given, midnight where no time is given; None for an empty cell."""
    if not text:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise BadRow(f"{column} {text!r} is not an ISO 8601 date or time") from None
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def _amount(column: str, text: str) -> str | None:
    """The text as typed, without an exponent; None for an empty cell."""
    if not text:
        return None
    if not _NUMBER.fullmatch(text):
        raise BadRow(f"{column} {text!r} is not a plain number such as 1234.50")
    return f"{Decimal(text):f}"
