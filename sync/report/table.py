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
_SHORT_LINE = 24
_BETWEEN = 3  # what stands between two columns


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
        for number, part in enumerate(_parts(report, console.width)):
            if number:
                console.print()
            console.print(part)
    for note in report.notes:
        console.print(Padding(Text(note, style="dim"), (0, 0, 0, 2), expand=False))


def _parts(report: Report, width: int) -> list[RichTable]:
    """The rows as one table, or as several below each other where `width` is too small for one,
    each with the columns that name the row. Text is folded; numbers and the words of their
    headings are not.
    """
    columns = [column for column in report.columns if column.on_screen]
    cells = [[cell(row.get(c.key), c.kind, report.zone) for c in columns] for row in report.rows]
    needed = [_least(column, [row[n] for row in cells]) for n, column in enumerate(columns)]
    folded = [
        _NARROWEST_TEXT if column.kind is Kind.TEXT else least
        for column, least in zip(columns, needed, strict=True)
    ]
    if _taken(folded) <= width:
        return [_table(columns, cells, range(len(columns)), needed)]
    if len(cells) == 1:
        return [_upright(columns, cells[0])]
    named = next((n for n, c in enumerate(columns) if c.kind in _NUMERIC), len(columns))
    parts: list[list[int]] = []
    for number in range(named, len(columns)):
        if parts and _taken([needed[n] for n in (*range(named), *parts[-1], number)]) <= width:
            parts[-1].append(number)
        else:
            parts.append([number])
    return [_table(columns, cells, [*range(named), *part], needed) for part in parts or [[]]]


def _taken(widths: Sequence[int]) -> int:
    return sum(widths) + _BETWEEN * (len(widths) - 1)


def _table(
    columns: Sequence[Column],
    cells: Sequence[Sequence[str]],
    shown: Sequence[int],
    needed: Sequence[int],
) -> RichTable:
    table = RichTable(show_edge=False, pad_edge=False)
    for number in shown:
        column = columns[number]
        table.add_column(
            column.label,
            justify="right" if column.kind in _NUMERIC else "left",
            overflow="fold",
            width=None if column.kind is Kind.TEXT else needed[number],
        )
    for row in cells:
        table.add_row(*(Text(row[number]) for number in shown))
    return table


def _upright(columns: Sequence[Column], cells: Sequence[str]) -> RichTable:
    """A single row too wide for the screen, a line per column."""
    table = RichTable(show_edge=False, pad_edge=False, show_header=False)
    table.add_column()
    table.add_column(justify="right", overflow="fold")
    for column, text in zip(columns, cells, strict=True):
        table.add_row(column.label, Text(text))
    return table


def _least(column: Column, cells: Sequence[str]) -> int:
    """Characters that keep the column readable: its longest number or word of the heading; of
    text, which can be folded, no more than a short line.
    """
    longest = max(len(text) for text in (*column.label.split(), *cells))
    return min(longest, _SHORT_LINE) if column.kind is Kind.TEXT else longest
