"""What would be made of a file, for a person to look at before it is taken in."""

from collections.abc import Mapping as AnyMapping
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from sync.clock import Clock
from sync.crm.files import values
from sync.crm.files.broken import BrokenFile
from sync.crm.files.folder import Look, made_at
from sync.crm.files.intake import read_and_understand
from sync.crm.files.mapping import Mapping, as_yaml, load_mapping
from sync.crm.files.records import LOSES_THE_ROW, Doubt
from sync.crm.files.rows import Around, Understood, place
from sync.crm.files.tables import Table
from sync.errors import ConfigError, PermanentError

SAMPLES = 5
EXAMPLES = 3

Rows = Sequence[AnyMapping[str, object]]


@dataclass(frozen=True, slots=True)
class Preview:
    """facts: the file in a few sentences. columns: heading, what it is to us (None = not used),
    cells understood, empty, not understood, an example. deals: the first records. defects: name,
    rows, rejected or kept, examples with their lines. mapping: as a file's text; guessed: nobody
    wrote it yet.
    """

    facts: Sequence[str]
    columns: Rows
    deals: Rows
    defects: Rows
    mapping: str
    guessed: bool


def preview(
    file: Path, *, mapping: Path | None, zone: str, home_currency: str, clock: Clock
) -> Preview:
    """Raises ConfigError where there is no such file, PermanentError where it cannot be read."""
    try:
        content, stat = file.read_bytes(), file.stat()
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}") from None
    look = Look(file, stat.st_size, stat.st_mtime_ns)
    file_time = made_at(look, ZoneInfo(zone), clock.now())
    around = Around(ZoneInfo(zone), home_currency, file_time)
    given = load_mapping(mapping) if mapping else None
    try:
        table, used, found = read_and_understand(content, given, around)
    except BrokenFile as error:
        raise PermanentError(f"{file} cannot be read: {error}.") from None
    return Preview(
        facts=_facts(table, used, found, file_time),
        columns=_columns(table, used, found),
        deals=_deals(found, zone),
        defects=_defects(found),
        mapping=as_yaml(used),
        guessed=given is None,
    )


def _facts(table: Table, mapping: Mapping, found: Understood, file_time: datetime) -> list[str]:
    form = f"the sheet {table.sheet!r}" if table.sheet else f"{table.encoding} text"
    if table.delimiter:
        name = {"\t": "tabs", ";": "semicolons", ",": "commas", "|": "bars"}[table.delimiter]
        form += f" with {name}"
    facts = [
        f"Read as {form}, made at {file_time:%Y-%m-%d %H:%M}Z.",
        f"{len(table.rows)} rows: {len(found.records)} deals, {len(found.rejected)} rows rejected"
        + (f", {table.blank} blank rows." if table.blank else "."),
        f"Decimal mark of amounts: {mapping.decimal or 'as each column shows'}; dates are "
        f"{mapping.dates}.",
    ]
    if mapping.id_from:
        facts.append(
            f"No id column: deals are told apart by {', '.join(mapping.id_from)}; one whose "
            f"{mapping.id_from[0]} changes becomes another deal."
        )
    return facts


def _columns(table: Table, mapping: Mapping, found: Understood) -> Rows:
    names = {at: name for name, at in place(table.headings, mapping).items()}
    failed: dict[str, int] = {}
    for record in found.records.values():
        for field in record.unparsed:
            failed[field] = failed.get(field, 0) + 1
    rows = []
    for at, heading in enumerate(table.headings):
        cells = [row.cells[at] for row in table.rows]
        name = names.get(at)
        rows.append(
            {
                "heading": heading,
                "meaning": name,
                "understood": found.parsed.get(name, 0) if name else None,
                "empty": sum(values.nothing(cell) for cell in cells),
                "not_understood": failed.get(name, 0) if name else None,
                "example": next((values.text(c) for c in cells if not values.nothing(c)), ""),
            }
        )
    return sorted(rows, key=lambda row: row["meaning"] is None)


def _deals(found: Understood, zone: str) -> Rows:
    def day(moment: datetime | None) -> str | None:
        return None if moment is None else f"{moment.astimezone(ZoneInfo(zone)):%Y-%m-%d}"

    return [
        {
            "line": found.lines[record.deal_id],
            "id": record.deal_id,
            "name": record.name,
            "stage": record.stage,
            "status": record.status,
            "amount": None if record.amount is None else f"{record.amount:f} {record.currency}",
            "close_date": day(record.closed_at or record.close_date),
            "created": day(record.created_at),
            "owner": record.owner,
        }
        for record in list(found.records.values())[:SAMPLES]
    ]


def _defects(found: Understood) -> Rows:
    doubts: dict[str, list[Doubt]] = {}
    for doubt in [*(doubt for _, doubt in found.rejected), *found.doubts]:
        doubts.setdefault(doubt.defect, []).append(doubt)
    return [
        {
            "defect": defect.value,
            "rows": count,
            "what": "rejected" if defect in LOSES_THE_ROW else "kept",
            "examples": "; ".join(
                f"line {doubt.line}" + (f": {doubt.detail}" if doubt.detail else "")
                for doubt in doubts[defect][:EXAMPLES]
            ),
        }
        for defect, count in found.counts().items()
    ]
