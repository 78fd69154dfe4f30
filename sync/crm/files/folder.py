"""The import folder: which files are there, which have stopped growing, and in what order they
were made."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from sync.clock import Clock
from sync.errors import ConfigError

SETTLE_S: Final = 2.0
"""Between the two looks at a file that is new."""

SUFFIXES: Final = frozenset({".csv", ".tsv", ".txt", ".xlsx", ".xlsm", ".xls"})
OURS: Final = (".rejected.csv", ".doubts.csv")
_DATE_IN_NAME: Final = re.compile(r"(?<!\d)(20\d{2})[-_.]?([01]\d)[-_.]?([0-3]\d)(?!\d)")


@dataclass(frozen=True, slots=True)
class Look:
    """A file at one moment; the same size and time at a second look mean that it is complete."""

    path: Path
    size: int
    mtime_ns: int


def look(folder: Path) -> Sequence[Look]:
    """The exports in the folder; hidden ones and our own are passed over."""
    if not folder.is_dir():
        raise ConfigError(
            f"there is no folder {folder.absolute()}: create it, or correct `folder` in the "
            "configuration"
        )
    looks = []
    for path in sorted(folder.iterdir()):
        name = path.name.lower()
        if (
            name.startswith((".", "~$"))
            or name.endswith(OURS)
            or path.suffix.lower() not in SUFFIXES
        ):
            continue
        stat = path.stat()
        looks.append(Look(path, stat.st_size, stat.st_mtime_ns))
    return looks


def settled(new: Sequence[Look], folder: Path, clock: Clock) -> tuple[list[Look], list[Look]]:
    """Those of `new` that are the same a moment later, and those that are still being written."""
    if not new:
        return [], []
    clock.sleep(SETTLE_S)
    later = set(look(folder))
    return [each for each in new if each in later], [each for each in new if each not in later]


def content_of(look: Look) -> tuple[bytes, str]:
    """The bytes of a file and their SHA-256."""
    content = look.path.read_bytes()
    return content, hashlib.sha256(content).hexdigest()


def made_at(look: Look, zone: ZoneInfo, now: datetime) -> datetime:
    """When the export was made: as its file says, unless its name has another date, which then
    counts, because copying loses a file's own; never in the future."""
    written = datetime.fromtimestamp(look.mtime_ns / 1e9, UTC)
    found = _DATE_IN_NAME.search(look.path.stem)
    if found is not None:
        try:
            named = datetime.strptime("".join(found.groups()), "%Y%m%d").replace(tzinfo=zone)
        except ValueError:
            named = None
        if named is not None and named.date() != written.astimezone(zone).date():
            end = datetime.combine(named.date(), time(), zone) + timedelta(days=1, seconds=-1)
            written = end.astimezone(UTC)
    return min(written.replace(microsecond=0), now)
