"""Quotas from a CSV: every row understood, or an error that says what is wrong with it."""

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from forecasting.fiscal import fiscal_period
from forecasting.quotas import AMOUNT, COUNT, SEGMENTS, Quota

COLUMNS: Final = (*SEGMENTS[1:], "period", "amount", "count", "currency")
_HEADINGS: Final[Mapping[str, str]] = {
    "selger": "owner", "eier": "owner", "person": "owner", "rep": "owner",
    "lag": "team", "pipe": "pipeline", "periode": "period",
    "beløp": "amount", "quota": "amount", "kvote": "amount", "mål": "amount", "target": "amount",
    "antall": "count", "deals": "count", "valuta": "currency",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class BadRow:
    """`line`: of the file, the heading is line 1."""

    line: int
    reason: str


def read_quotas(text: str, *, fiscal_year_starts: int) -> tuple[list[Quota], list[BadRow]]:
    """The quotas in a CSV with `,`, `;` or tabs, headings as in `COLUMNS` or in Norwegian.

    A row names an owner, a team or a pipeline; none of them = the whole account. Raises ValueError
    where the headings are not usable.
    """
    lines = re.sub("\r\n?", "\n", text.removeprefix("\ufeff")).splitlines(keepends=True)
    heading = lines[0] if lines else ""
    delimiter = max(",;\t", key=heading.count)
    rows = csv.reader(lines, delimiter=delimiter)
    names = [_column(cell) for cell in next(rows, [])]
    for needed in (("period",), ("amount", "count")):
        if not set(needed) & set(names):
            wanted = " or ".join(map(repr, needed))
            raise ValueError(f"there is no column {wanted}; it has: {', '.join(names) or 'none'}")
    unknown = [name for name in names if name and name not in COLUMNS]
    if unknown:
        raise ValueError(f"unknown column {unknown[0]!r}; known are {', '.join(COLUMNS)}")
    quotas: list[Quota] = []
    bad: list[BadRow] = []
    seen: dict[tuple[object, ...], int] = {}
    for cells in rows:
        if not any(cell.strip() for cell in cells):
            continue
        try:
            quota = _quota(names, cells, fiscal_year_starts)
        except ValueError as error:
            bad.append(BadRow(rows.line_num, str(error)))
            continue
        first = seen.setdefault(quota.key, rows.line_num)
        if first == rows.line_num:
            quotas.append(quota)
        else:
            bad.append(BadRow(rows.line_num, f"the same {quota.kind} and period as line {first}"))
    return quotas, bad


def _column(cell: str) -> str:
    name = cell.strip().casefold()
    return _HEADINGS.get(name, name)


def _quota(names: Sequence[str], cells: Sequence[str], fiscal_year_starts: int) -> Quota:
    if len(cells) > len(names):
        raise ValueError(f"{len(cells)} cells under {len(names)} headings; quote amounts with a ,")
    row = {name: cell.strip() for name, cell in zip(names, cells, strict=False)}
    named = [kind for kind in SEGMENTS[1:] if row.get(kind)]
    if len(named) > 1:
        raise ValueError(f"it names {' and '.join(named)}; name one of them")
    if not row.get("period"):
        raise ValueError("the period is empty")
    found = fiscal_period(row["period"], fiscal_year_starts)
    amount, count = row.get("amount", ""), row.get("count", "")
    if amount and count:
        raise ValueError("it has an amount and a count of deals; give one of the two")
    currency = row.get("currency", "").upper() or None
    if currency is not None and not re.fullmatch("[A-Z]{3}", currency):
        raise ValueError(f"{currency!r} is no currency; write three letters such as NOK")
    if count and currency:
        raise ValueError("a count of deals has no currency")
    kind = named[0] if named else SEGMENTS[0]
    return Quota(
        kind=kind,
        segment=row[kind] if named else "",
        label=found.label,
        period=found.period,
        amount=count_of(count) if count else amount_of(amount),
        currency=currency,
        source="csv",
        measure=COUNT if count else AMOUNT,
    )


def count_of(text: str) -> Decimal:
    """How many deals; ValueError where it is no whole number above 0."""
    if not re.fullmatch(r"[1-9]\d{0,8}", text):
        raise ValueError(f"{text!r} is no count of deals; write 12")
    return Decimal(text)


def amount_of(text: str) -> Decimal:
    """An amount as people write it: `1 200 000,50`, `1,200,000.50`, `1200000`.

    ValueError where it is none, not above 0, or one comma could mean either: `1,200`.
    """
    bare = re.sub(r"[\s\u00a0\u202f']", "", text)
    if re.fullmatch(r"\d{1,3}[.,]\d{3}", bare):
        raise ValueError(f"{text!r} could be two amounts; write it without a separator")
    if re.fullmatch(r"\d{1,3}(,\d{3})+(\.\d+)?", bare):
        bare = bare.replace(",", "")
    elif re.fullmatch(r"\d{1,3}(\.\d{3})+(,\d+)?", bare):
        bare = bare.replace(".", "").replace(",", ".")
    elif re.fullmatch(r"\d+,\d+", bare):
        bare = bare.replace(",", ".")
    if not re.fullmatch(r"\d+(\.\d+)?", bare):
        raise ValueError(f"{text!r} is no amount; write 1200000" if text else "the amount is empty")
    if Decimal(bare) == 0:
        raise ValueError("the amount has to be above 0")
    return Decimal(bare)
