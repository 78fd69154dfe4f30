"""A table that says what its columns mean, and its three forms."""

import csv
import io
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

import orjson
from rich.console import Console
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from sync.errors import TransientError


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
    """`on_screen`: False for what only a program wants, such as ids; CSV has every column."""

    key: str
    label: str = ""
    kind: Kind = Kind.TEXT
    on_screen: bool = True


@dataclass(frozen=True, slots=True)
class Report:
    """`facts`: what holds for all rows (as-of, currency, definitions); `notes`: what was left out
    and why, one sentence each. Rows hold raw values, never formatted ones. `zone`: of the
    instants on the screen.
    """

    title: str
    columns: Sequence[Column]
    rows: Sequence[Mapping[str, object]]
    facts: Mapping[str, object] = field(default_factory=dict)
    notes: Sequence[str] = ()
    zone: str = "UTC"


_NUMERIC = {Kind.COUNT, Kind.MONEY, Kind.SHARE, Kind.DAYS}
UNKNOWN = "–"
_NARROWEST_TEXT = 7


def cell(value: object, kind: Kind, zone: str = "UTC") -> str:
    """A value as a person reads it; an unknown one is a dash, never 0."""
    if value is None:
        return UNKNOWN
    return _SHOW[kind](value, zone)


def _money(value: object, _: str) -> str:
    return f"{round(float(str(value))):,}"  # of a whole number, so that -0.2 is no "-0"


def _instant(value: object, zone: str) -> str:
    if not isinstance(value, datetime):
        return str(value)
    return f"{value.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}"


_SHOW: Mapping[Kind, Callable[[object, str], str]] = {
    Kind.TEXT: lambda value, _: str(value),
    Kind.COUNT: lambda value, _: f"{int(str(value)):,}",
    Kind.MONEY: _money,
    Kind.SHARE: lambda value, _: f"{float(str(value)):.0%}",
    Kind.DAYS: lambda value, _: f"{float(str(value)):.0f}",
    Kind.DAY: lambda value, _: str(value),
    Kind.INSTANT: _instant,
}


def show(reports: Sequence[Report], form: Format, console: Console) -> None:
    """Write `reports` to `console`'s file: one JSON list, one CSV table, or a table for each.

    CSV holds one kind of table: the reports that have the first one's columns. A reader that
    closes the pipe early (`| head`) has what it wanted: that ends the process with 0. Raises
    TransientError where the output cannot be written.
    """
    try:
        if form is Format.JSON:
            console.file.write(as_json(reports) + "\n")
        elif form is Format.CSV:
            console.file.write(as_csv(reports))
        else:
            for report in reports:
                _show_table(report, console)
        console.file.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        raise SystemExit(0) from None
    except OSError as error:
        raise TransientError(
            f"The output cannot be written: {error.strerror}. Make room, or write it elsewhere."
        ) from None


def as_json(reports: Sequence[Report]) -> str:
    """A list with one object for each report: title, facts, notes and raw rows.

    Instants in UTC, shares 0-1; money as numbers, to the cent.
    """
    content = [
        {
            "title": report.title,
            **report.facts,
            "notes": list(report.notes),
            "rows": [_raw(report, row) for row in report.rows],
        }
        for report in reports
    ]
    options = orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z
    return orjson.dumps(content, default=str, option=options).decode()


def _raw(report: Report, row: Mapping[str, object]) -> dict[str, object]:
    money = {column.key for column in report.columns if column.kind is Kind.MONEY}
    return {
        key: round(value, 2) if key in money and isinstance(value, float) else value
        for key, value in row.items()
    }


_CONTEXT = ("connection", "as_of", "currency")


def as_csv(reports: Sequence[Report]) -> str:
    """A header of keys, then raw values; text that a spreadsheet would run is quoted.

    In front of each row stands what holds for its report: connection, as_of, currency.
    """
    first = reports[0]
    keys = [column.key for column in first.columns]
    context = [key for key in _CONTEXT if key in first.facts and key not in keys]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*context, *keys])
    for report in reports:
        if [column.key for column in report.columns] == keys:
            for row in report.rows:
                values = {**report.facts, **_raw(report, row)}
                writer.writerow([_csv_value(values.get(key)) for key in (*context, *keys)])
    return out.getvalue()


def _csv_value(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return "; ".join(f"{key}={each}" for key, each in value.items())
    if isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t", "\r"}:
        return "'" + value
    return value


def _show_table(report: Report, console: Console) -> None:
    # a title of the table would be folded to the table's width
    console.print(Text(report.title, style="bold"))
    if report.rows:
        console.print(_table(report, console.width))
    for note in report.notes:
        console.print(Padding(Text(note, style="dim"), (0, 0, 0, 2), expand=False))


def _table(report: Report, width: int) -> RichTable:
    """Text is folded to fit `width`; numbers and their headings' words are not, where they can."""
    columns = [column for column in report.columns if column.on_screen]
    cells = [[cell(row.get(c.key), c.kind, report.zone) for c in columns] for row in report.rows]
    table = RichTable(show_edge=False, pad_edge=False)
    needed = [
        None if column.kind is Kind.TEXT else _least(column, [row[number] for row in cells])
        for number, column in enumerate(columns)
    ]
    if sum(each or _NARROWEST_TEXT for each in needed) + 3 * (len(columns) - 1) > width:
        if len(cells) == 1:
            return _upright(table, columns, cells[0])
        needed = [None] * len(columns)
    for column, wide in zip(columns, needed, strict=True):
        table.add_column(
            column.label,
            justify="right" if column.kind in _NUMERIC else "left",
            overflow="fold",
            width=wide,
        )
    for row in cells:
        table.add_row(*(Text(each) for each in row))
    return table


def _upright(table: RichTable, columns: Sequence[Column], cells: Sequence[str]) -> RichTable:
    """A single row too wide for the screen, a line per column."""
    table.show_header = False
    table.add_column()
    table.add_column(justify="right", overflow="fold")
    for column, text in zip(columns, cells, strict=True):
        table.add_row(column.label, Text(text))
    return table


def _least(column: Column, cells: Sequence[str]) -> int:
    return max(len(text) for text in (*column.label.split(), *cells))
