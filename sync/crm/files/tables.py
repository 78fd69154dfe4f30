"""A file's bytes as one table of cells with its headings; what the cells mean is not known here."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Final

from sync.crm.files import xlsx
from sync.crm.files.broken import BrokenFile

Cell = str | Decimal | datetime | bool
"""CSV has text alone; XLSX numbers, local dates and booleans too. Empty is the empty text."""

DELIMITERS: Final = (";", ",", "\t", "|")
MAX_BYTES: Final = 256 * 1024 * 1024
_HEAD_ROWS: Final = 20
_XLSX_MARK: Final = b"PK\x03\x04"
_OLE_MARK: Final = b"\xd0\xcf\x11\xe0"
_ENCRYPTED: Final = "EncryptedPackage".encode("utf-16-le")
_CODECS: Final = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


@dataclass(frozen=True, slots=True)
class Row:
    """`line`: where the row begins in the file, counted from 1 as editors do; in XLSX the row."""

    line: int
    cells: tuple[Cell, ...]

    @property
    def empty(self) -> bool:
        return all(cell == "" for cell in self.cells)


@dataclass(frozen=True, slots=True)
class Table:
    """headings: one a column, made unique. encoding and delimiter: as read, None in XLSX.
    blank: rows without any cell, which are not in `rows`."""

    headings: tuple[str, ...]
    rows: tuple[Row, ...]
    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    blank: int = 0


def read_table(
    content: bytes,
    *,
    sheet: str | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    header_row: int | None = None,
) -> Table:
    """The table in a CSV or XLSX file; whatever is None is found out. Raises BrokenFile."""
    if len(content) > MAX_BYTES:
        raise BrokenFile(f"it is larger than {MAX_BYTES // 1024**2} MB; export fewer columns")
    if content.startswith(_OLE_MARK):
        raise BrokenFile(
            "it is locked by a password; save it without one"
            if _ENCRYPTED in content
            else "it is an old .xls file; save it as .xlsx"
        )
    if content.startswith(_XLSX_MARK):
        name, rows = xlsx.read(content, sheet)
        return replace(
            _table([Row(line, tuple(cells)) for line, cells in rows], header_row), sheet=name
        )
    if not content.strip():
        raise BrokenFile("it is empty")
    text, used = _decoded(content, encoding)
    if "\0" in text:
        raise BrokenFile("it is neither text nor XLSX")
    text, separator = _separator(text, delimiter)
    table = _table(_csv_rows(text, separator), header_row)
    return replace(table, encoding=used, delimiter=separator)


def _decoded(content: bytes, encoding: str | None) -> tuple[str, str]:
    codec = next((codec for mark, codec in _CODECS if content.startswith(mark)), encoding)
    try:
        return content.decode(codec or "utf-8"), codec or "utf-8"
    except UnicodeDecodeError as error:
        if codec is not None:
            raise BrokenFile(f"it is not {codec} (byte {error.start})") from None
    # five bytes mean nothing in Windows-1252; as Latin-1 they are control characters, not errors
    try:
        return content.decode("windows-1252"), "windows-1252"
    except UnicodeDecodeError:
        return content.decode("latin-1"), "latin-1"


def _separator(text: str, delimiter: str | None) -> tuple[str, str]:
    """The text without Excel's `sep=;` line, and the delimiter."""
    first, _, rest = text.partition("\n")
    if first.lower().startswith("sep=") and len(first.strip()) == len("sep=;"):
        return "\n" + rest, delimiter or first.strip()[-1]  # the line stays, so that lines count
    return text, delimiter or max(DELIMITERS, key=lambda each: _fits(text, each))


def _fits(text: str, delimiter: str) -> tuple[int, int]:
    """How well the head of the file falls into columns by `delimiter`: rows as wide as the widest
    common width, and that width."""
    reader = csv.reader(io.StringIO(text[:65536], newline=""), delimiter=delimiter)
    widths: list[int] = []
    try:
        for row in reader:
            if row and len(widths) < _HEAD_ROWS:
                widths.append(len(row))
    except csv.Error:
        pass  # an odd head of a file; the whole is read, and complained of, later
    wide = [width for width in widths if width > 1]
    if not wide:
        return 0, 0
    usual = max(set(wide), key=lambda width: (wide.count(width), width))
    return wide.count(usual), usual


def _csv_rows(text: str, delimiter: str) -> list[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    rows: list[Row] = []
    line = 1
    try:
        for cells in reader:
            rows.append(Row(line, tuple(cell.strip(" \t\r\n\xa0\ufeff") for cell in cells)))
            line = reader.line_num + 1
    except csv.Error as error:
        raise BrokenFile(f"line {line} is no CSV: {error}") from None
    return rows


def _table(rows: Sequence[Row], header_row: int | None) -> Table:
    head = _header(rows, header_row)
    headings = _unique([str(cell).strip() for cell in rows[head].cells])
    below = rows[head + 1 :]
    width = len(headings)
    filled = tuple(
        replace(row, cells=row.cells + ("",) * (width - len(row.cells)))
        for row in below
        if not row.empty
    )
    return Table(headings, filled, blank=len(below) - len(filled))


def _header(rows: Sequence[Row], header_row: int | None) -> int:
    """The index of the headings: the first row nearly as wide as the table, past any title."""
    if header_row is not None:
        found = next((i for i, row in enumerate(rows) if row.line == header_row), None)
        if found is None:
            raise BrokenFile(f"it has no row {header_row}, where its headings should be")
        return found
    filled = [sum(cell != "" for cell in row.cells) for row in rows[:_HEAD_ROWS]]
    widest = max(filled, default=0)
    if widest < 2:
        raise BrokenFile("it has no headings: a table needs at least two columns")
    return next(i for i, count in enumerate(filled) if count >= 0.6 * widest)


def _unique(headings: Sequence[str]) -> tuple[str, ...]:
    """A second `Name` becomes `Name (2)`; one without text gets its column's number."""
    seen: dict[str, int] = {}
    unique = []
    for number, heading in enumerate(headings, 1):
        name = heading or f"column {number}"
        seen[name] = seen.get(name, 0) + 1
        unique.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return tuple(unique)
