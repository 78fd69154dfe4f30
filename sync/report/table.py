"""A table that says what its columns mean, and its three forms."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

import orjson
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text


class Format(StrEnum):
    TABLE = "table"
    JSON = "json"
    CSV = "csv"


class Kind(StrEnum):
    """What a cell is, and so how it is shown. SHARE: 0-1, shown as percent."""

    TEXT = "text"
    COUNT = "count"
    MONEY = "money"
    SHARE = "share"
    DAYS = "days"
    DAY = "day"
    INSTANT = "instant"


@dataclass(frozen=True, slots=True)
class Column:
    key: str
    label: str
    kind: Kind = Kind.TEXT


@dataclass(frozen=True, slots=True)
class Report:
    """`facts`: what holds for all rows (as-of, currency, definitions); `notes`: what was left out
    and why, one sentence each. Rows hold raw values, never formatted ones.
    """

    title: str
    columns: Sequence[Column]
    rows: Sequence[Mapping[str, object]]
    facts: Mapping[str, object] = field(default_factory=dict)
    notes: Sequence[str] = ()
    zone: str = "UTC"


_NUMERIC = {Kind.COUNT, Kind.MONEY, Kind.SHARE, Kind.DAYS}
UNKNOWN = "–"


def cell(value: object, kind: Kind, zone: str = "UTC") -> str:
    """A value as a person reads it; an unknown one is a dash, never 0."""
    if value is None:
        return UNKNOWN
    return _SHOW[kind](value, zone)


def _money(value: object, _: str) -> str:
    return f"{float(str(value)):,.0f}".replace(",", "\N{NO-BREAK SPACE}")


def _instant(value: object, zone: str) -> str:
    if not isinstance(value, datetime):
        return str(value)
    return f"{value.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}"


_SHOW: Mapping[Kind, Callable[[object, str], str]] = {
    Kind.TEXT: lambda value, _: str(value),
    Kind.COUNT: lambda value, _: f"{int(str(value)):,}".replace(",", "\N{NO-BREAK SPACE}"),
    Kind.MONEY: _money,
    Kind.SHARE: lambda value, _: f"{float(str(value)):.0%}",
    Kind.DAYS: lambda value, _: f"{float(str(value)):.0f}",
    Kind.DAY: lambda value, _: str(value),
    Kind.INSTANT: _instant,
}


def show(report: Report, form: Format, console: Console) -> None:
    """Write `report` to `console`'s file in the given form."""
    if form is Format.JSON:
        console.file.write(as_json(report) + "\n")
    elif form is Format.CSV:
        console.file.write(as_csv(report))
    else:
        _show_table(report, console)


def as_json(report: Report) -> str:
    """Title, facts, notes and raw rows; instants in UTC, money and shares as numbers."""
    content = {
        "title": report.title,
        **report.facts,
        "notes": list(report.notes),
        "rows": [dict(row) for row in report.rows],
    }
    options = orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z
    return orjson.dumps(content, default=str, option=options).decode()


def as_csv(report: Report) -> str:
    """A header of keys, then raw values; text that a spreadsheet would run is quoted."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([column.key for column in report.columns])
    for row in report.rows:
        writer.writerow([_csv_value(row.get(column.key)) for column in report.columns])
    return out.getvalue()


def _csv_value(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t", "\r"}:
        return "'" + value
    return value


def _show_table(report: Report, console: Console) -> None:
    table = RichTable(title=Text(report.title), title_justify="left", title_style="bold")
    for column in report.columns:
        table.add_column(
            column.label, justify="right" if column.kind in _NUMERIC else "left", overflow="fold"
        )
    for row in report.rows:
        table.add_row(*(Text(cell(row.get(c.key), c.kind, report.zone)) for c in report.columns))
    console.print(table)
    for note in report.notes:
        console.print(Text(f"  {note}", style="dim"))
