"""Writing a plain XLSX workbook with one sheet: text, numbers and dates, no formula ever."""

import io
import zipfile
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Final
from xml.sax.saxutils import escape

Value = str | Decimal | int | date | datetime | None

_DATE_STYLE: Final = 1
_MOMENT_STYLE: Final = 2
_HEAD_STYLE: Final = 3
_EPOCH: Final = datetime(1899, 12, 30)  # noqa: DTZ001 - a sheet's dates have no zone
_SAME_MOMENT: Final = (1980, 1, 1, 0, 0, 0)
_MAIN: Final = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_REL: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE: Final = "http://schemas.openxmlformats.org/package/2006"
_XML: Final = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'

_PARTS: Final = {
    "[Content_Types].xml": (
        f'<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/>'
        '<Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-'
        'officedocument.spreadsheetml.sheet.main+xml"/>'
        '<Override PartName="/xl/styles.xml" ContentType="application/vnd.openxmlformats-'
        'officedocument.spreadsheetml.styles+xml"/>'
        '<Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.openxmlformats'
        '-officedocument.spreadsheetml.worksheet+xml"/></Types>'
    ),
    "_rels/.rels": (
        f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1" '
        f'Type="{_REL}/officeDocument" Target="xl/workbook.xml"/></Relationships>'
    ),
    "xl/_rels/workbook.xml.rels": (
        f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1" '
        f'Type="{_REL}/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="rId2" '
        f'Type="{_REL}/styles" Target="styles.xml"/></Relationships>'
    ),
    "xl/styles.xml": (
        f'<styleSheet xmlns="{_MAIN}"><fonts count="2"><font/><font><b/></font></fonts>'
        '<fills count="2"><fill><patternFill patternType="none"/></fill>'
        '<fill><patternFill patternType="gray125"/></fill></fills>'
        '<borders count="1"><border/></borders>'
        '<cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs count="4"><xf/>'
        '<xf numFmtId="14" applyNumberFormat="1"/><xf numFmtId="22" applyNumberFormat="1"/>'
        '<xf fontId="1" applyFont="1"/></cellXfs></styleSheet>'
    ),
}


def workbook(sheet: str, head: Sequence[str], rows: Iterable[Sequence[Value]]) -> bytes:
    """The file's bytes; the same content gives the same bytes. Text stands in cells of type text,
    which spreadsheets never run."""
    lines = [_row(1, head, _HEAD_STYLE)]
    lines += [_row(number, cells) for number, cells in enumerate(rows, 2)]
    parts = {
        **_PARTS,
        "xl/workbook.xml": (
            f'<workbook xmlns="{_MAIN}" xmlns:r="{_REL}"><sheets><sheet name="{_text(sheet[:31])}" '
            'sheetId="1" r:id="rId1"/></sheets></workbook>'
        ),
        "xl/worksheets/sheet1.xml": (
            f'<worksheet xmlns="{_MAIN}"><sheetViews><sheetView workbookViewId="0"><pane ySplit="1"'
            ' topLeftCell="A2" state="frozen"/></sheetView></sheetViews><sheetData>'
            f"{''.join(lines)}</sheetData></worksheet>"
        ),
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            info = zipfile.ZipInfo(name, _SAME_MOMENT)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, _XML + content)
    return out.getvalue()


def _row(number: int, cells: Sequence[Value], style: int = 0) -> str:
    filled = "".join(
        _cell(f"{_letters(column)}{number}", value, style)
        for column, value in enumerate(cells)
        if value not in (None, "")
    )
    return f'<row r="{number}">{filled}</row>'


def _cell(at: str, value: Value, style: int) -> str:
    if isinstance(value, datetime):
        naive = value.replace(tzinfo=None, microsecond=0)
        serial = Decimal((naive - _EPOCH).total_seconds()) / 86_400
        return f'<c r="{at}" s="{_MOMENT_STYLE}"><v>{serial:.8f}</v></c>'
    if isinstance(value, date):
        days = (value - _EPOCH.date()).days
        return f'<c r="{at}" s="{_DATE_STYLE}"><v>{days}</v></c>'
    if isinstance(value, (Decimal, int)):
        return f'<c r="{at}"><v>{value:f}</v></c>'
    mark = f' s="{style}"' if style else ""
    text = f'<is><t xml:space="preserve">{_text(str(value))}</t></is>'
    return f'<c r="{at}" t="inlineStr"{mark}>{text}</c>'


def _text(value: str) -> str:
    """For XML, which has no place for control characters."""
    allowed = "".join(c for c in value if c >= " " or c in "\t\n\r")
    clean = (
        allowed.encode("utf-8", "replace")
        .decode("utf-8")
        .replace("\ufffe", "")
        .replace("\uffff", "")
    )
    return escape(clean, {'"': "&quot;"})


def _letters(column: int) -> str:
    letters = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(65 + rest) + letters
    return letters
