"""What a person has to look at after an import, in files beside the export."""

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from sync.crm.files.atomically import replace_file
from sync.crm.files.formulas import harmless
from sync.crm.files.rows import Understood
from sync.crm.files.tables import Cell, Table


def write(file: Path, table: Table, found: Understood) -> None:
    """`<file>.rejected.csv` and `<file>.doubts.csv`; an earlier one goes where there is nothing."""
    delimiter = table.delimiter or ";"
    rejected = [
        [doubt.line, doubt.defect.value, doubt.detail, *map(_plain, row.cells)]
        for row, doubt in sorted(found.rejected, key=lambda each: each[1].line)
    ]
    doubts = [
        [doubt.line, doubt.deal_id or "", doubt.defect.value, doubt.detail]
        for doubt in sorted(found.doubts, key=lambda each: each.line)
    ]
    head = ("line", "reason", "detail", *table.headings)
    _put(Path(f"{file}.rejected.csv"), head, rejected, delimiter)
    _put(Path(f"{file}.doubts.csv"), ("line", "id", "defect", "detail"), doubts, delimiter)


def _put(path: Path, head: Sequence[str], rows: Iterable[Sequence[object]], delimiter: str) -> None:
    rows = list(rows)
    if not rows:
        path.unlink(missing_ok=True)
        return
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\r\n")
    writer.writerow(head)
    writer.writerows([[harmless(cell) for cell in row] for row in rows])
    replace_file(path, text.getvalue().encode("utf-8-sig"))


def _plain(cell: Cell) -> object:
    if isinstance(cell, datetime):
        return cell.isoformat(sep=" ")
    return f"{cell:f}" if isinstance(cell, Decimal) else cell
