"""From the folder into the book: every file that is new and complete, in the order they were
made."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from sync.clock import Clock
from sync.crm.files import folder as folders
from sync.crm.files import rejects
from sync.crm.files.book import DELETED, Book, ReadFile
from sync.crm.files.broken import BrokenFile
from sync.crm.files.folder import Look
from sync.crm.files.guess import guess
from sync.crm.files.mapping import Mapping, load_mapping
from sync.crm.files.rows import Around, Understood, understand
from sync.crm.files.tables import Table, read_table
from sync.errors import DealpulseError, PermanentError, RecordsRejected, SafetyStop

GUESSED = "guessed"
"""Stands for the mapping where there is no mapping file."""


@dataclass(frozen=True, slots=True)
class FolderSettings:
    """A file connection's settings with their paths. mapping: None = guess for each file."""

    connection: str
    folder: Path
    mapping: Path | None
    zone: str
    home_currency: str
    contents: Literal["full", "delta"]
    max_drop_share: float

    def mapping_print(self) -> str:
        """What tells one mapping from the next."""
        if self.mapping is None:
            return GUESSED
        return hashlib.sha256(self.mapping.read_bytes()).hexdigest()


@dataclass(slots=True)
class Intake:
    """What one look at the folder brought. said: what people should hear of, a sentence each.
    refused: rows without a place, for each file that has some. error: what stopped it; the files
    before were taken in."""

    files: int = 0
    said: list[str] = field(default_factory=list)
    refused: list[RecordsRejected] = field(default_factory=list)
    error: DealpulseError | None = None


def read_and_understand(
    content: bytes, mapping: Mapping | None, around: Around
) -> tuple[Table, Mapping, Understood]:
    """A file's bytes, all the way. Raises BrokenFile."""
    if mapping is None:
        table = read_table(content)
        chosen = guess(table)
    else:
        table, chosen = _read_as_told(content, mapping), mapping
    return table, chosen, understand(table, chosen, around)


def _read_as_told(content: bytes, mapping: Mapping) -> Table:
    return read_table(
        content,
        sheet=mapping.sheet,
        encoding=mapping.encoding,
        delimiter="\t" if mapping.delimiter == "tab" else mapping.delimiter,
        header_row=mapping.header_row,
    )


def take_in(settings: FolderSettings, book: Book, clock: Clock) -> Intake:
    """Look at the folder and read what is new. Raises ConfigError for a missing folder or a wrong
    mapping; what is wrong with a file is in the result."""
    mapping = load_mapping(settings.mapping) if settings.mapping else None
    done = Intake()
    seen = folders.look(settings.folder)
    read = list(book.files())
    now_print = settings.mapping_print()
    known = {(f.name, f.size, f.mtime_ns) for f in read}
    if read and read[-1].mapping != now_print:
        known.discard((read[-1].name, read[-1].size, read[-1].mtime_ns))  # it means more now
    new = [each for each in seen if (each.path.name, each.size, each.mtime_ns) not in known]
    complete, growing = folders.settled(new, settings.folder, clock)
    done.said += [
        f"{each.path.name} is still being written; it is read next time" for each in growing
    ]
    zone = ZoneInfo(settings.zone)
    dated = sorted(
        ((folders.made_at(each, zone, clock.now()), each) for each in complete),
        key=lambda pair: (pair[0], pair[1].path.name),
    )
    for file_time, each in dated:
        try:
            _take_one(settings, book, clock, mapping, now_print, file_time, each, done)
        except DealpulseError as error:
            done.error = error
            break
    return done


def _take_one(
    settings: FolderSettings,
    book: Book,
    clock: Clock,
    mapping: Mapping | None,
    mapping_print: str,
    file_time: datetime,
    look: Look,
    done: Intake,
) -> None:
    name = look.path.name
    try:
        content, sha256 = folders.content_of(look)
    except OSError as error:
        raise PermanentError(f"{look.path} cannot be read: {error.strerror}.") from None
    read = list(book.files())
    if _was_read(settings, read, name, sha256, mapping_print):
        return
    last = max((f.file_time for f in read), default=None)
    if settings.contents == "full" and last is not None and file_time < last:
        done.said.append(
            f"{name} was not read: it is of {file_time:%Y-%m-%d %H:%M}Z, older than what was read "
            f"already ({last:%Y-%m-%d %H:%M}Z). Put older exports in first, or put the date of the "
            "export into the name (2026-03-31)"
        )
        return
    around = Around(ZoneInfo(settings.zone), settings.home_currency, file_time)
    try:
        table, _, found = read_and_understand(content, mapping, around)
    except BrokenFile as error:
        raise PermanentError(
            f"{look.path} cannot be read: {error}. See `dealpulse import {look.path} --dry-run`; "
            "files after it wait until it is put right or taken away."
        ) from None
    gone = _gone(settings, book, found, name)
    report = summary(table, found)
    file = ReadFile(name, sha256, mapping_print, look.size, look.mtime_ns, file_time, report)
    kept = [record for record in found.records.values() if record.status != DELETED]
    rejects.write(look.path, table, found)
    book.take(file, kept, gone, at=clock.now())
    done.files += 1
    if found.rejected:
        done.refused.append(_refused(settings.connection, name, found))


def _was_read(
    settings: FolderSettings, read: Sequence[ReadFile], name: str, sha256: str, mapping_print: str
) -> bool:
    """Whether the content is known. Where files hold everything, one may well say again what an
    older one of another name said, because things went back to how they were."""
    same = [file for file in read if file.sha256 == sha256]
    if not same:
        return False
    if same[-1] is read[-1]:
        return same[-1].mapping == mapping_print
    return settings.contents == "delta" or any(file.name == name for file in same)


def _gone(settings: FolderSettings, book: Book, found: Understood, name: str) -> Sequence[str]:
    """Deals that the file deletes. Raises SafetyStop where it would delete too many."""
    living = book.living()
    told = {r.deal_id for r in found.records.values() if r.status == DELETED}
    if settings.contents == "delta":
        return sorted(told & living)
    there = found.records.keys() - told
    missing = living - there - found.kept_ids
    if living and len(missing) / len(living) > settings.max_drop_share:
        raise SafetyStop(
            f"{settings.folder / name} was not taken in: {len(missing)} of the {len(living)} deals "
            f"are not in it ({len(missing) / len(living):.0%}; max_drop_share is "
            f"{settings.max_drop_share:.0%}). If the export is incomplete, replace it. If it holds "
            "only what changed, set `contents: delta`. If so many deals were really deleted, raise "
            "max_drop_share for one run."
        )
    return sorted(missing)


def summary(table: Table, found: Understood) -> dict[str, Any]:
    """Counts of a file, to be kept with it."""
    return {
        "rows": len(table.rows),
        "deals": len(found.records),
        "rejected": len(found.rejected),
        "blank": table.blank,
        "defects": {defect.value: count for defect, count in found.counts().items()},
        "encoding": table.encoding,
        "delimiter": table.delimiter,
    }


def _refused(connection: str, name: str, found: Understood) -> RecordsRejected:
    return RecordsRejected(
        connection,
        [
            f"{name}, line {doubt.line}: {doubt.defect.value}"
            + (f" ({doubt.detail})" if doubt.detail else "")
            for _, doubt in found.rejected
        ],
        f"{name}.rejected.csv has them all: correct the export and put it into the folder again.",
    )
