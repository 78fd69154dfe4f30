"""What people type into cells, as numbers, shares, instants and words. Pure.

Each parser gives the value, None for an empty cell, and raises ValueError for what it cannot
understand; nothing is guessed that the cell or its column does not show.
"""

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Final, Literal
from zoneinfo import ZoneInfo

from sync.crm.files.tables import Cell
from sync.crm.files.xlsx import from_serial

Mark = Literal["comma", "point"]

CELL_ERRORS: Final = frozenset(
    {"#REF!", "#N/A", "#VALUE!", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!", "#I/T", "#VERDI!"}
)
"""What a spreadsheet leaves where a formula broke."""

_NOTHING: Final = frozenset({"", "-", "–", "—", "n/a", "na", "null", "none", "nan", "(blank)"})
_SYMBOLS: Final = {"€": "EUR", "£": "GBP", "us$": "USD", "$": "USD"}
_SPACES: Final = re.compile(r"[\s\u00a0\u202f\u2007\u2009']")
_NUMBER: Final = re.compile(r"[-+]?(\d[\d.,]*|[.,]\d+)")
_WORDS_AROUND: Final = re.compile(r"^(kr\.?|[a-z]{3}|us\$|[€£$])|(kr\.?|[a-z]{3}|[€£$])$", re.I)
_FIRST_YEAR: Final = 1950
_LAST_YEAR: Final = 2150
_SERIALS: Final = (Decimal(18_264), Decimal(91_677))  # 1950 to 2150

_MONTHS: Final = {
    name: number
    for number, names in enumerate(
        (
            "jan january januar",
            "feb february februar",
            "mar march mars",
            "apr april",
            "may mai",
            "jun june juni",
            "jul july juli",
            "aug august",
            "sep sept september",
            "oct okt october oktober",
            "nov november",
            "dec des december desember",
        ),
        1,
    )
    for name in names.split()
}
_TIME: Final = r"(?:[ T,]+(?:kl\.? ?)?(\d{1,2})[:.](\d{2})(?::(\d{2})(?:\.\d+)?)?(?: ?([ap]m))?)?"
_ISO: Final = re.compile(rf"(\d{{4}})[-/.](\d{{1,2}})[-/.](\d{{1,2}}){_TIME}", re.I)
_COMPACT: Final = re.compile(r"(\d{4})(\d{2})(\d{2})")
_PARTS: Final = re.compile(rf"(\d{{1,2}})[./-](\d{{1,2}})[./-](\d{{4}}|\d{{2}}){_TIME}", re.I)
_DAY_NAMED: Final = re.compile(rf"(\d{{1,2}})\.?[ -]([^\W\d_]+)\.?,?[ -](\d{{4}}){_TIME}", re.I)
_MONTH_NAMED: Final = re.compile(rf"([^\W\d_]+)\.? (\d{{1,2}}),? (\d{{4}}){_TIME}", re.I)
_OFFSET: Final = re.compile(r"(?<=\d)(?:Z|[+-]\d{2}:?\d{2})$")


def text(cell: Cell) -> str | None:
    """The cell as text; a whole number without its `.0`."""
    if isinstance(cell, Decimal):
        return f"{cell.quantize(Decimal(1)) if cell == cell.to_integral() else cell:f}"
    if isinstance(cell, datetime):
        return cell.isoformat(sep=" ")
    return (str(cell).strip() or None) if not isinstance(cell, bool) else str(cell).lower()


def nothing(cell: Cell) -> bool:
    """Empty, or one of the ways of writing that."""
    return isinstance(cell, str) and cell.strip().lower() in _NOTHING


def amount(cell: Cell, mark: Mark) -> tuple[Decimal | None, str | None]:
    """The number, and the currency that stands beside it (`€ 2.900,00`); `kr` says none.

    mark: which sign is the decimal mark where the cell itself does not show it.
    """
    if isinstance(cell, Decimal):
        return cell, None
    if nothing(cell):
        return None, None
    if not isinstance(cell, str):
        raise ValueError("no number")  # noqa: TRY004 - the file is wrong, not the program
    plain = _SPACES.sub("", cell).replace("\u2212", "-")
    negative = plain.startswith("(") and plain.endswith(")")
    plain = re.sub(r"[,.](-|–|—)$", "", plain.strip("()"))  # 1 250,-
    word, plain = _currency_of(plain)
    number = _decimal(plain, mark)
    return -number if negative else number, word


def _currency_of(plain: str) -> tuple[str | None, str]:
    sign = "-" if plain.startswith("-") else ""
    found = _WORDS_AROUND.search(plain.removeprefix("-"))
    if found is None:
        return None, plain
    word = found.group().lower().rstrip(".")
    rest = plain.removeprefix("-").replace(found.group(), "", 1)
    rest = re.sub(r"[,.](-|–|—)$", "", rest)
    code = None if word == "kr" else _SYMBOLS.get(word, word.upper())
    return code, sign + rest


def _decimal(plain: str, mark: Mark) -> Decimal:
    if not _NUMBER.fullmatch(plain):
        raise ValueError("no number")
    decimal = _shown_mark(plain) or mark
    point, thousands = (",", ".") if decimal == "comma" else (".", ",")
    whole, _, fraction = plain.partition(point)
    if point in fraction or thousands in fraction:
        raise ValueError("no number")
    if thousands in whole and not re.fullmatch(rf"[-+]?\d{{1,3}}(?:\{thousands}\d{{3}})+", whole):
        raise ValueError("no number")
    try:
        return Decimal(f"{whole.replace(thousands, '')}.{fraction or '0'}").normalize() + 0
    except InvalidOperation:
        raise ValueError("no number") from None


def _shown_mark(plain: str) -> Mark | None:
    """The decimal mark that the number itself shows; None where `1.250` could be either."""
    comma, point = plain.rfind(","), plain.rfind(".")
    if comma >= 0 and point >= 0:
        return "comma" if comma > point else "point"
    if comma < 0 and point < 0:
        return None
    sign, at = (",", comma) if comma >= 0 else (".", point)
    here: Mark = "comma" if sign == "," else "point"
    other: Mark = "point" if sign == "," else "comma"
    if plain.count(sign) > 1:
        return other
    return None if len(plain) - at - 1 == 3 and plain.lstrip("+-")[0] != "0" else here


def decimal_mark(cells: Iterable[Cell]) -> Mark | None:
    """What the cells of a column show; None where none does, or both are shown."""
    shown: set[Mark] = set()
    for cell in cells:
        if isinstance(cell, str):
            _, plain = _currency_of(_SPACES.sub("", cell))
            found = _shown_mark(plain) if _NUMBER.fullmatch(plain) else None
            if found is not None:
                shown.add(found)
    return shown.pop() if len(shown) == 1 else None


def share(cell: Cell, mark: Mark, *, percent: bool) -> Decimal | None:
    """0-1. percent: the column's bare numbers go to 100 (`65`), not to 1 (`0,65`)."""
    signed = isinstance(cell, str) and cell.strip().endswith("%")
    bare = cell.strip().removesuffix("%") if isinstance(cell, str) else cell
    number, _ = amount(bare, mark)
    if number is None:
        return None
    number = number / 100 if signed or percent else number
    if not 0 <= number <= 1:
        raise ValueError("no share")
    return number


def goes_to_100(cells: Iterable[Cell], mark: Mark) -> bool:
    """Whether a column's bare numbers are percent: one of them is above 1."""
    for cell in cells:
        try:
            number, _ = amount(cell, mark)
        except ValueError:
            continue
        if number is not None and number > 1:
            return True
    return False


def instant(cell: Cell, zone: ZoneInfo, *, month_first: bool = False) -> datetime | None:
    """In UTC; a date alone is the beginning of that day in `zone`."""
    if isinstance(cell, datetime):
        return _checked(cell, zone)
    if nothing(cell) or (isinstance(cell, str) and not cell.strip("0-.:/ T")):
        return None  # 0000-00-00 is how some systems write nothing
    if isinstance(cell, Decimal):
        return _from_number(cell, zone)
    if not isinstance(cell, str):
        raise ValueError("no date")  # noqa: TRY004
    written = " ".join(cell.split())
    offset = _OFFSET.search(written)
    if offset and ":" in written:
        moment = datetime.fromisoformat(written)
        return _checked(moment, zone)
    return _checked(_local(written, month_first=month_first), zone)


def _from_number(number: Decimal, zone: ZoneInfo) -> datetime:
    if number == number.to_integral() and _COMPACT.fullmatch(f"{number:f}"):
        return _checked(_local(f"{number:f}", month_first=False), zone)
    if not _SERIALS[0] <= number <= _SERIALS[1]:
        raise ValueError("no date")
    return _checked(from_serial(number), zone)


def _local(written: str, *, month_first: bool) -> datetime:
    if found := _ISO.fullmatch(written):
        year, month, day, *clock = found.groups()
    elif found := _COMPACT.fullmatch(written):
        (year, month, day), clock = found.groups(), []
    elif found := _PARTS.fullmatch(written):
        first, second, year, *clock = found.groups()
        day, month = (second, first) if month_first else (first, second)
    elif found := _DAY_NAMED.fullmatch(written):
        day, month, year, *clock = found.groups()
    elif found := _MONTH_NAMED.fullmatch(written):
        month, day, year, *clock = found.groups()
    elif re.fullmatch(r"\d{5}([.,]\d+)?", written):
        return from_serial(Decimal(written.replace(",", ".")))
    else:
        raise ValueError("no date")
    full_year = int(year) + (2000 if len(year) == 2 else 0)
    when = date(full_year, _month(month), int(day))
    return datetime.combine(when, _clock(clock))


def _month(written: str) -> int:
    if written.isdigit():
        return int(written)
    month = _MONTHS.get(written.lower())
    if month is None:
        raise ValueError("no month")
    return month


def _clock(parts: list[str | None]) -> time:
    hour, minute, second, half = (*parts, None, None, None, None)[:4]
    if hour is None:
        return time()
    hours = int(hour) % 12 + 12 * (half.lower() == "pm") if half else int(hour)
    return time(hours, int(minute or 0), int(second or 0))


def _checked(moment: datetime, zone: ZoneInfo) -> datetime:
    if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        raise ValueError("no date of this age")
    aware = moment if moment.tzinfo else moment.replace(tzinfo=zone)
    return aware.astimezone(UTC)
