"""Writing a plain XLSX workbook with one sheet: text, numbers and dates, no formula ever."""

import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Font

Value = str | Decimal | int | date | datetime | None

_TITLE_LENGTH: Final = 31
_TEXT_LENGTH: Final = 32_767
"""What a cell can hold."""

_NOT_IN_XML: Final = {0xFFFE: None, 0xFFFF: None}


def workbook(sheet: str, head: Sequence[str], rows: Iterable[Sequence[Value]]) -> bytes:
    """The file's bytes. Text stands in cells of type text, which spreadsheets never run."""
    book = Workbook(write_only=True)
    page = book.create_sheet(sheet[:_TITLE_LENGTH])
    page.freeze_panes = "A2"
    page.append(list(_cells(page, head, Font(bold=True))))
    for row in rows:
        page.append(list(_cells(page, row)))
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _cells(page: Any, values: Sequence[Value], font: Font | None = None) -> Iterator[Any]:
    for value in values:
        if isinstance(value, str) and value:
            cell = WriteOnlyCell(page, _text(value))
            cell.data_type = "s"  # openpyxl takes a text that begins with = for a formula
            if font is not None:
                cell.font = font
            yield cell
        elif isinstance(value, datetime):
            yield value.replace(tzinfo=None, microsecond=0)  # a sheet's dates have no zone
        else:
            yield value or (None if value == "" else value)


def _text(value: str) -> str:
    """Without what XML has no place for, and no longer than a cell."""
    clean = ILLEGAL_CHARACTERS_RE.sub("", value).translate(_NOT_IN_XML)
    return clean.encode("utf-8", "replace").decode("utf-8")[:_TEXT_LENGTH]
