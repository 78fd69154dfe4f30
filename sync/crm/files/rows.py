"""A table's rows as records, by a mapping; what cannot be understood is named, never dropped.
Pure."""

import hashlib
import re
from collections.abc import Mapping as AnyMapping
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from sync.crm.base import DealStatus
from sync.crm.files import suspicions, values
from sync.crm.files.broken import BrokenFile
from sync.crm.files.mapping import Mapping
from sync.crm.files.records import LOSES_THE_ROW, Defect, Doubt, Record
from sync.crm.files.tables import Cell, Row, Table
from sync.crm.files.words import Name, plain

ONE_PIPELINE: Final = "Deals"
"""The pipeline of files that have no column for it."""

CATEGORIES: Final = {
    "pipeline": "PIPELINE",
    "best case": "BEST_CASE",
    "commit": "COMMIT",
    "closed": "CLOSED",
    "omitted": "OMITTED",
    "omit": "OMITTED",
}


@dataclass(frozen=True, slots=True)
class Around:
    """What a row's meaning depends on besides the mapping. file_time: when the file was made."""

    zone: ZoneInfo
    home_currency: str
    file_time: datetime


@dataclass(slots=True)
class Understood:
    """rejected: rows without a place among the records, each with the doubt that cost it.
    kept_ids: deals whose row was rejected; they are not missing from the file."""

    records: dict[str, Record] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    rejected: list[tuple[Row, Doubt]] = field(default_factory=list)
    doubts: list[Doubt] = field(default_factory=list)
    kept_ids: set[str] = field(default_factory=set)
    parsed: dict[Name, int] = field(default_factory=dict)

    def counts(self) -> dict[Defect, int]:
        """Every defect met, by how often."""
        found: dict[Defect, int] = {}
        for doubt in [*(d for _, d in self.rejected), *self.doubts]:
            found[doubt.defect] = found.get(doubt.defect, 0) + 1
        return dict(
            sorted(found.items(), key=lambda each: (each[0] not in LOSES_THE_ROW, -each[1]))
        )


def understand(table: Table, mapping: Mapping, around: Around) -> Understood:
    """Raises BrokenFile where a column that the mapping requires is not there."""
    columns = place(table.headings, mapping)
    reader = _RowReader(table, mapping, around, columns)
    found = Understood()
    seen: dict[str, Row] = {}
    for row in table.rows:
        reader.begin(row)
        record = reader.record(row)
        found.doubts += [d for d in reader.doubts if d.defect not in LOSES_THE_ROW]
        lost = next((d for d in reader.doubts if d.defect in LOSES_THE_ROW), None)
        if lost is not None:
            found.rejected.append((row, lost))
            if lost.deal_id is not None:
                found.kept_ids.add(lost.deal_id)
        elif record is not None:
            _add(found, seen, row, record)
    for name in columns:
        found.parsed[name] = reader.parsed.get(name, 0)
    found.doubts += suspicions.suspicions(found.records, found.lines, around.file_time, around.zone)
    return found


def place(headings: Sequence[str], mapping: Mapping) -> dict[Name, int]:
    """Where each of our columns is; those that an export left out are absent."""
    at = {plain(heading): i for i, heading in reversed(list(enumerate(headings)))}
    columns: dict[Name, int] = {}
    for name, wanted in mapping.columns.items():
        here = next((at[plain(heading)] for heading in wanted if plain(heading) in at), None)
        if here is not None:
            columns[name] = here
    needed = [("id",)] if "id" in mapping.columns else [(n,) for n in mapping.id_from]
    for names in [*needed, ("stage", "status")]:
        if not any(name in columns for name in names):
            wanted_here = [h for n in names for h in mapping.columns.get(n, [])]
            raise BrokenFile(
                f"it has no column {' or '.join(map(repr, wanted_here))} for the "
                f"{' or '.join(names)}; its headings are: {', '.join(headings)}"
            )
    return columns


def _add(found: Understood, seen: dict[str, Row], row: Row, record: Record) -> None:
    """A second row of an id: the same again is no loss; another one has to be told apart by its
    date, or else the later one in the file counts."""
    before = found.records.get(record.deal_id)
    if before is None:
        found.records[record.deal_id] = record
        found.lines[record.deal_id], seen[record.deal_id] = row.line, row
        return
    first = seen[record.deal_id]
    if first.cells == row.cells:
        detail = f"the same as line {first.line}"
        found.doubts.append(Doubt(row.line, Defect.REPEATED_ROW, record.deal_id, detail))
        return
    older = record.updated_at and before.updated_at and record.updated_at < before.updated_at
    kept, left = (first, row) if older else (row, first)
    doubt = Doubt(
        left.line, Defect.DUPLICATE_ID, record.deal_id, f"line {kept.line} has the same id"
    )
    found.rejected.append((left, doubt))
    if not older:
        found.records[record.deal_id] = record
        found.lines[record.deal_id], seen[record.deal_id] = row.line, row


class _RowReader:
    """Reads one row after the other; `doubts` are those of the present one."""

    def __init__(
        self, table: Table, mapping: Mapping, around: Around, columns: AnyMapping[Name, int]
    ) -> None:
        self._mapping = mapping
        self._around = around
        self._columns = columns
        self._width = len(table.headings)
        amounts = self._cells(table, "amount")
        shown = values.decimal_mark(amounts)
        self._mark: values.Mark = (
            mapping.decimal or shown or ("comma" if table.delimiter == ";" else "point")
        )
        self._percent = values.goes_to_100(self._cells(table, "probability"), self._mark)
        self._typed = any(isinstance(cell, Decimal) for cell in amounts)
        self.doubts: list[Doubt] = []
        self.parsed: dict[Name, int] = {}
        self._row = Row(0, ())
        self._id: str | None = None
        self._unparsed: dict[str, str] = {}

    def _cells(self, table: Table, name: Name) -> list[Cell]:
        at = self._columns.get(name)
        return [] if at is None else [row.cells[at] for row in table.rows]

    def begin(self, row: Row) -> None:
        self._row, self._id, self.doubts, self._unparsed = row, None, [], {}

    def record(self, row: Row) -> Record | None:
        """None where the row is lost or ignored; `doubts` says why."""
        self._id = self._deal_id()
        self._formulas()
        if self._id is None:
            self._doubt(Defect.NO_ID, "every deal needs one")
            return None
        if any(cell != "" for cell in row.cells[self._width :]):
            self._doubt(Defect.SHIFTED, "a delimiter inside a value without quotes?")
            return None
        pipeline = self._text("pipeline") or ONE_PIPELINE
        written = self._text("stage")
        status = self._status(pipeline, written)
        if status is None:
            return None
        amount, currency = self._amount()
        owner_name, owner_email = self._text("owner"), self._text("owner_email")
        owner = owner_email.lower() if owner_email else owner_name
        if owner_name and (meaning := self._mapping.owner(owner_name)):
            owner_email = meaning.email or owner_email
            owner = owner_email.lower() if owner_email else meaning.name or owner_name
            owner_name = meaning.name or owner_name
        record = Record(
            deal_id=self._id,
            name=self._name(),
            pipeline=pipeline,
            stage=self._stage(pipeline, written),
            status=status,
            amount=amount,
            currency=currency,
            probability=self._share(),
            close_date=self._instant("close_date"),
            created_at=self._instant("created_at"),
            updated_at=self._instant("updated_at"),
            closed_at=self._instant("closed_at"),
            owner=owner,
            owner_name=owner_name,
            owner_email=owner_email,
            last_activity_at=self._instant("last_activity_at"),
            next_activity_at=self._instant("next_activity_at"),
            next_step=self._text("next_step"),
            loss_reason=self._text("loss_reason"),
            lead_source=self._text("lead_source"),
            deal_type=self._text("deal_type"),
            forecast_category=CATEGORIES.get(plain(self._text("forecast_category") or "")),
            contact_count=self._count("contact", "contact_email"),
            company_count=self._count("organization"),
            contact_roles=self._roles(),
        )
        dated = self._dated(record)
        return replace(dated, unparsed=dict(self._unparsed))

    def _doubt(self, defect: Defect, detail: str = "") -> None:
        self.doubts.append(Doubt(self._row.line, defect, self._id, detail))

    def _cell(self, name: Name) -> Cell:
        at = self._columns.get(name)
        cell = "" if at is None else self._row.cells[at]
        if isinstance(cell, str) and cell.upper() in values.CELL_ERRORS:
            self._unparsed[name] = cell
            return ""
        return cell

    def _formulas(self) -> None:
        broken = [
            c for c in self._row.cells if isinstance(c, str) and c.upper() in values.CELL_ERRORS
        ]
        for cell in broken:
            self._doubt(Defect.BROKEN_FORMULA, cell)

    def _text(self, name: Name) -> str | None:
        cell = self._cell(name)
        found = None if values.nothing(cell) and name != "stage" else values.text(cell)
        self._count_parsed(name, found)
        return found

    def _count_parsed(self, name: Name, value: object) -> None:
        if value is not None:
            self.parsed[name] = self.parsed.get(name, 0) + 1

    def _deal_id(self) -> str | None:
        if "id" in self._columns:
            return self._text("id")
        parts = [self._text(name) or "" for name in self._mapping.id_from]
        if not any(parts):
            return None
        return hashlib.sha256("\x1f".join(map(plain, parts)).encode()).hexdigest()[:16]

    def _name(self) -> str:
        name = self._text("name")
        if name is None and "name" in self._columns:
            self._doubt(Defect.NO_NAME)
        return name or self._text("organization") or self._text("contact") or self._id or ""

    def _status(self, pipeline: str, stage: str | None) -> str | None:
        written = self._text("status")
        if written is not None:
            said = self._mapping.status_of(written)
            if said == "ignored":
                self._doubt(Defect.IGNORED, written)
                return None
            if said is not None:
                return said
            if stage is None:
                self._doubt(Defect.UNKNOWN_STATUS, written)
                return None
            self._not_understood("status", written)
        if stage is None:
            self._doubt(Defect.NO_STAGE, "and no status either")
            return None
        return self._mapping.stage_or_guess(pipeline, stage).outcome

    def _stage(self, pipeline: str, written: str | None) -> str | None:
        if written is None:
            return None
        if self._mapping.stages_of(pipeline) and self._mapping.stage(pipeline, written) is None:
            self._doubt(Defect.STAGE_NOT_MAPPED, written)
        return self._mapping.stage_or_guess(pipeline, written).name

    def _amount(self) -> tuple[Decimal | None, str]:
        default = self._mapping.currency or self._around.home_currency
        stated = (self._text("currency") or "").upper() or None
        if stated is not None and not (len(stated) == 3 and stated.isascii() and stated.isalpha()):
            self._not_understood("currency", stated)
            stated = None
        cell = self._cell("amount")
        try:
            number, beside = values.amount(cell, self._mark)
        except ValueError:
            self._not_understood("amount", values.text(cell) or "")
            return None, stated or default
        self._count_parsed("amount", number)
        as_text = isinstance(cell, str) and (self._typed or not _bare(cell))
        if number is not None and as_text:
            self._doubt(Defect.AMOUNT_AS_TEXT, str(cell))
        if beside and stated and beside != stated:
            self._doubt(Defect.TWO_CURRENCIES, f"{cell} beside {stated}; took {stated}")
        return number, stated or beside or default

    def _share(self) -> Decimal | None:
        cell = self._cell("probability")
        try:
            found = values.share(cell, self._mark, percent=self._percent)
        except ValueError:
            self._not_understood("probability", values.text(cell) or "")
            return None
        self._count_parsed("probability", found)
        return found

    def _instant(self, name: Name) -> datetime | None:
        cell = self._cell(name)
        try:
            found = values.instant(
                cell, self._around.zone, month_first=self._mapping.dates == "month-first"
            )
        except (ValueError, OverflowError):
            self._not_understood(name, values.text(cell) or "")
            return None
        self._count_parsed(name, found)
        return found

    def _not_understood(self, name: str, raw: str) -> None:
        self._unparsed[name] = raw
        self._doubt(Defect.NOT_UNDERSTOOD, f"{name}: {raw}")

    def _count(self, *names: Name) -> int | None:
        if not any(name in self._columns for name in names):
            return None
        return int(any(not values.nothing(self._cell(name)) for name in names))

    def _roles(self) -> str | None:
        """Several in one cell stand apart by a semicolon, a comma or a line's end."""
        if "contact_roles" not in self._columns:
            return None
        parts = re.split(r"[;,\n]", self._text("contact_roles") or "")
        return "\n".join(sorted({" ".join(part.split()) for part in parts} - {""}))

    def _dated(self, record: Record) -> Record:
        """A closed deal's close date is when it closed, unless a column of its own says so."""
        if "created_at" in self._columns and record.created_at is None:
            self._doubt(Defect.NO_CREATED)
        if not record.closed:
            if record.closed_at is not None and record.status == DealStatus.OPEN:
                self._doubt(Defect.OPEN_WITH_DATE, "taken as the expected close date")
                expected = record.close_date or record.closed_at
                return replace(record, closed_at=None, close_date=expected)
            return record
        closed_at = record.closed_at or record.close_date
        return replace(record, closed_at=closed_at, close_date=record.close_date or closed_at)


def _bare(cell: str) -> bool:
    """A number as a program writes it, with at most a decimal mark."""
    whole, _, fraction = cell.strip().replace(",", ".").partition(".")
    return whole.lstrip("-").isdigit() and (fraction == "" or fraction.isdigit())
