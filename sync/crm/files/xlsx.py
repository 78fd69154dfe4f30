"""Reading an XLSX workbook's sheet: as much of the format as an export uses."""

import io
import re
import zipfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Final
from xml.etree import ElementTree as ET

from sync.crm.files.broken import BrokenFile

Cell = str | Decimal | datetime | bool

MAX_UNPACKED: Final = 1024 * 1024 * 1024
MAX_COLUMNS: Final = 16_384
_MAIN: Final = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_STRICT: Final = b"http://purl.oclc.org/ooxml/spreadsheetml/main"
_LINK: Final = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_DATE_FORMATS: Final = {*range(14, 23), *range(27, 37), 45, 46, 47, *range(50, 59)}
_BASE_1900: Final = datetime(1899, 12, 30)  # noqa: DTZ001 - a sheet's dates have no zone
_BASE_1904: Final = datetime(1904, 1, 1)  # noqa: DTZ001


def read(content: bytes, sheet: str | None) -> tuple[str, list[tuple[int, list[Cell]]]]:
    """The name of the sheet read (the first, or the one named) and its rows with their numbers."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(part.file_size for part in archive.infolist()) > MAX_UNPACKED:
                raise BrokenFile("it unpacks to more than a gigabyte")
            return _Workbook(archive).sheet(sheet)
    except (zipfile.BadZipFile, KeyError, ET.ParseError, NotImplementedError, RuntimeError):
        raise BrokenFile("it is no XLSX workbook, or a damaged one") from None


def from_serial(number: Decimal, *, since_1904: bool = False) -> datetime:
    """Excel's day number as a local date and time, to the second."""
    base = _BASE_1904 if since_1904 else _BASE_1900
    return base + timedelta(seconds=round(float(number) * 86_400))


class _Workbook:
    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        book = self._xml("xl/workbook.xml")
        settings = book.find(f"{_MAIN}workbookPr")
        self._since_1904 = settings is not None and settings.get("date1904") in ("1", "true")
        self._sheets = {
            sheet.get("name") or "": sheet.get(_LINK) or "" for sheet in book.iter(f"{_MAIN}sheet")
        }
        self._texts = self._shared_texts()
        self._date_styles = self._styles_of_dates()

    def sheet(self, wanted: str | None) -> tuple[str, list[tuple[int, list[Cell]]]]:
        if not self._sheets:
            raise BrokenFile("it has no sheet")
        name = wanted if wanted is not None else next(iter(self._sheets))
        if name not in self._sheets:
            raise BrokenFile(f"it has no sheet {name!r}, but: {', '.join(self._sheets)}")
        root = self._xml(self._target(self._sheets[name]))
        return name, list(self._rows(root))

    def _xml(self, part: str) -> ET.Element:
        content = self._archive.read(part)
        if b"<!DOCTYPE" in content or content[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise BrokenFile("it holds XML that no spreadsheet program writes")
        if _STRICT in content:
            raise BrokenFile("it is a Strict Open XML workbook; save it as an ordinary .xlsx")
        return ET.fromstring(content)  # noqa: S314 - without a document type nothing expands

    def _target(self, link: str) -> str:
        for relation in self._xml("xl/_rels/workbook.xml.rels"):
            if relation.get("Id") == link:
                target = relation.get("Target") or ""
                return target.lstrip("/") if target.startswith("/") else f"xl/{target}"
        raise BrokenFile("it names a sheet that is not there")

    def _shared_texts(self) -> list[str]:
        if "xl/sharedStrings.xml" not in self._archive.namelist():
            return []
        return [_text(item) for item in self._xml("xl/sharedStrings.xml")]

    def _styles_of_dates(self) -> frozenset[int]:
        if "xl/styles.xml" not in self._archive.namelist():
            return frozenset()
        root = self._xml("xl/styles.xml")
        custom = {
            int(each.get("numFmtId") or 0)
            for each in root.iter(f"{_MAIN}numFmt")
            if _is_date_format(each.get("formatCode") or "")
        }
        formats = root.find(f"{_MAIN}cellXfs")
        used = [] if formats is None else [int(each.get("numFmtId") or 0) for each in formats]
        return frozenset(i for i, number in enumerate(used) if number in custom | _DATE_FORMATS)

    def _rows(self, root: ET.Element) -> Iterator[tuple[int, list[Cell]]]:
        number = 0
        for row in root.iter(f"{_MAIN}row"):
            number = int(row.get("r") or number + 1)
            cells: list[Cell] = []
            for cell in row.iter(f"{_MAIN}c"):
                column = _column(cell.get("r")) if cell.get("r") else len(cells)
                cells += [""] * (column - len(cells))
                cells.append(self._value(cell))
            yield number, cells

    def _value(self, cell: ET.Element) -> Cell:
        kind = cell.get("t") or "n"
        if kind == "inlineStr":
            return _text(cell).strip()
        held = cell.find(f"{_MAIN}v")
        text = (held.text or "") if held is not None else ""
        if not text:
            return ""
        if kind == "s":
            return self._texts[int(text)].strip() if int(text) < len(self._texts) else ""
        if kind == "b":
            return text == "1"
        if kind in ("str", "e", "d"):
            return text.strip()
        return self._number(text, int(cell.get("s") or 0))

    def _number(self, text: str, style: int) -> Cell:
        try:
            number = Decimal(repr(float(text))) if "E" in text.upper() else _shortest(text)
        except (InvalidOperation, ValueError):
            return text
        if style in self._date_styles:
            try:
                return from_serial(number, since_1904=self._since_1904)
            except OverflowError:
                return text
        return number


def _shortest(text: str) -> Decimal:
    """Excel writes seventeen digits of a binary fraction; people typed the shortest that is it."""
    return Decimal(repr(float(text))) if "." in text else Decimal(text)


def _text(item: ET.Element) -> str:
    """All runs of a text, without its phonetic reading."""
    skipped = {id(t) for hint in item.iter(f"{_MAIN}rPh") for t in hint.iter(f"{_MAIN}t")}
    return "".join(t.text or "" for t in item.iter(f"{_MAIN}t") if id(t) not in skipped)


def _column(reference: str | None) -> int:
    """`C7` -> 2."""
    letters = re.match(r"[A-Z]+", reference or "")
    number = 0
    for letter in letters.group() if letters else "":
        number = number * 26 + ord(letter) - 64
    if not 1 <= number <= MAX_COLUMNS:
        raise BrokenFile(f"it has a cell at {reference!r}")
    return number - 1


def _is_date_format(code: str) -> bool:
    plain = re.sub(r'"[^"]*"|\\.|\[[^\]]*\]|_.', "", code).lower()
    return re.search(r"[ymdhs]", plain) is not None and "general" not in plain
