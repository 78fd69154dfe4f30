"""What was computed, as files to be read back into the CRM: one row per deal, by its id."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from sync.crm.base import ValueKind
from sync.crm.files.atomically import replace_file
from sync.crm.files.book import Held
from sync.crm.files.formulas import harmless

if TYPE_CHECKING:
    from sync.crm.files.xlsx_out import Value

_NUMBERS: Final = (ValueKind.PROBABILITY, ValueKind.AMOUNT, ValueKind.INTEGER)


def paths(outbox: Path, connection: str) -> tuple[Path, Path]:
    """The CSV and the XLSX of a connection; each is always the whole present state."""
    return outbox / f"{connection}_forecast.csv", outbox / f"{connection}_forecast.xlsx"


def write(
    outbox: Path,
    connection: str,
    held: Iterable[Held],
    kinds: Mapping[str, ValueKind],
    *,
    delimiter: str,
    zone: str,
) -> int:
    """Replace both files; how many deals are in them. Deals without a value of ours are not; one
    whose values were cleared is, with empty cells, until it is deleted."""
    head = ["id", "name", *kinds]
    rows = [
        [
            each.record.deal_id,
            each.record.name,
            *(_value(each.own.get(n), kinds[n], zone) for n in kinds),
        ]
        for each in held
        if each.own and each.removed_at is None
    ]
    as_csv, as_xlsx = paths(outbox, connection)
    replace_file(as_csv, _csv(head, rows, delimiter))
    from sync.crm.files.xlsx_out import workbook  # and with it openpyxl, 17 MB

    replace_file(as_xlsx, workbook("forecast", head, rows))
    return len(rows)


def _value(text: str | None, kind: ValueKind, zone: str) -> "Value":
    if text is None:
        return None
    if kind in _NUMBERS:
        try:
            return Decimal(text)
        except InvalidOperation:
            return text
    if kind is ValueKind.DATE:
        return date.fromisoformat(text)
    if kind is ValueKind.DATETIME:
        moment = datetime.fromisoformat(text)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return aware.astimezone(ZoneInfo(zone))
    return text


def _csv(head: Sequence[str], rows: "Sequence[Sequence[Value]]", delimiter: str) -> bytes:
    """Semicolons go with a decimal comma, as spreadsheets read them."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\r\n")
    writer.writerow(head)
    writer.writerows([[_cell(value, comma=delimiter == ";") for value in row] for row in rows])
    return out.getvalue().encode("utf-8-sig")


def _cell(value: "Value", *, comma: bool) -> object:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value:f}".replace(".", ",") if comma else f"{value:f}"
    return "" if value is None else harmless(value)
