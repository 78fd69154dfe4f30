"""One sheet of an XLSX workbook as cells, read row by row: a large export is never held as XML.

openpyxl is imported where a workbook is at hand: it takes 17 MB that other connections can spare.
"""

import io
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from xml.etree.ElementTree import ParseError

from sync.crm.files.broken import BrokenFile

if TYPE_CHECKING:
    from openpyxl.workbook import Workbook

Cell = str | Decimal | datetime | bool

MAX_UNPACKED: Final = 1024 * 1024 * 1024
MAX_ROWS: Final = 1_048_576
"""What a sheet can have."""

_STRICT: Final = b"http://purl.oclc.org/ooxml/"
_HEAD: Final = 4096
_LINE_END: Final = "_x000D_"
"""How a workbook spells a carriage return inside a text."""

_DAMAGED: Final = (
    zipfile.BadZipFile,
    ParseError,
    EOFError,
    KeyError,
    IndexError,
    AttributeError,
    TypeError,
    ValueError,
    OSError,
    NotImplementedError,
    RuntimeError,
)
"""What openpyxl raises, according to which part of a workbook is not as it should be."""


def read(content: bytes, sheet: str | None) -> tuple[str, list[tuple[int, list[Cell]]]]:
    """The name of the sheet read and its rows with their numbers.

    sheet: None = the first that is not hidden. Formulas give the value that was stored with them.
    """
    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            _look_through(archive)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on parts of a workbook that do not concern us
            book = openpyxl.load_workbook(
                io.BytesIO(content), read_only=True, data_only=True, keep_links=False
            )
            try:
                chosen = _chosen(book, sheet)
                return str(chosen.title), list(_rows(chosen))
            finally:
                book.close()
    except (InvalidFileException, *_DAMAGED):
        raise BrokenFile("it is no XLSX workbook, or a damaged one") from None
    except MemoryError:
        raise BrokenFile("it does not fit into memory; export fewer columns") from None


def from_serial(number: Decimal) -> datetime:
    """Excel's day number (since 1900) as a local date and time, to the second."""
    from openpyxl.utils.datetime import from_excel

    found = from_excel(float(number))
    if not isinstance(found, datetime):  # a number below 1 is a time of no day
        raise ValueError("no date")  # noqa: TRY004 - the file is wrong, not the program
    return _to_the_second(found)


def _look_through(archive: zipfile.ZipFile) -> None:
    """Refuse what would cost memory without end, and what openpyxl reads as empty."""
    parts = archive.infolist()
    if sum(part.file_size for part in parts) > MAX_UNPACKED:
        raise BrokenFile("it unpacks to more than a gigabyte")
    for part in parts:
        if not part.filename.endswith((".xml", ".rels")):
            continue
        with archive.open(part) as file:
            head = file.read(_HEAD)
        if b"<!DOCTYPE" in head or head[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise BrokenFile("it holds XML that no spreadsheet program writes")
        if part.filename == "xl/workbook.xml" and _STRICT in head:
            raise BrokenFile("it is a Strict Open XML workbook; save it as an ordinary .xlsx")


def _chosen(book: "Workbook", wanted: str | None) -> Any:
    sheets = book.worksheets
    if not sheets:
        raise BrokenFile("it has no sheet")
    if wanted is None:
        return next((s for s in sheets if s.sheet_state == "visible"), sheets[0])
    found = next((s for s in sheets if s.title == wanted), None)
    if found is None:
        raise BrokenFile(f"it has no sheet {wanted!r}, but: {', '.join(s.title for s in sheets)}")
    return found


def _rows(sheet: Any) -> Iterator[tuple[int, list[Cell]]]:
    """Rows without a cell are passed over: a stray format can be a million rows below."""
    sheet.reset_dimensions()  # some programs state a size that is not so, and cells would be lost
    for number, row in enumerate(sheet.iter_rows(values_only=True), 1):
        if number > MAX_ROWS:
            raise BrokenFile(f"it has more than {MAX_ROWS} rows")
        if any(value is not None for value in row):
            yield number, _cells(row)


def _cells(row: Sequence[object]) -> list[Cell]:
    cells = [_cell(value) for value in row]
    while cells and cells[-1] == "":
        cells.pop()
    return cells


def _cell(value: object) -> Cell:
    match value:
        case None:
            return ""
        case str():
            return value.replace(_LINE_END, "").strip()
        case bool() | Decimal():
            return value
        case int():
            return Decimal(value)
        case float():  # stored with seventeen digits; people typed the shortest that is it
            return Decimal(repr(value))
        case datetime():
            return _to_the_second(value)
        case date():
            return datetime.combine(value, time())
        case _:  # a time of no day, a duration
            return str(value)


def _to_the_second(moment: datetime) -> datetime:
    """A fraction of a day cannot hold a second exactly."""
    return (moment + timedelta(microseconds=500_000)).replace(microsecond=0)
