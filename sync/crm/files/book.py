"""What the import folder has told so far: a small SQLite file in the folder itself.

Files say how deals are, not what became of them. The book remembers the last state of each deal,
when it was first seen and last changed, and which file said so, so that a pull can begin anywhere
and a killed one is repeated. A file goes in whole, in one transaction, or not at all.
"""

import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import orjson

from sync.crm.base import DealStatus
from sync.crm.files.records import Record, as_json, from_json
from sync.errors import PermanentError, TransientError

NAME: Final = ".dealpulse.sqlite"
DELETED: Final = "deleted"
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS file (
  seq INTEGER PRIMARY KEY, name TEXT NOT NULL, sha256 TEXT NOT NULL, mapping TEXT NOT NULL,
  size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, file_time TEXT NOT NULL,
  read_at TEXT NOT NULL, report TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS deal (
  id TEXT PRIMARY KEY, content BLOB NOT NULL, first_seen TEXT NOT NULL,
  modified_at TEXT NOT NULL, seq INTEGER NOT NULL, removed_at TEXT);
CREATE INDEX IF NOT EXISTS deal_by_seq ON deal (seq, id);
CREATE TABLE IF NOT EXISTS own (id TEXT PRIMARY KEY, content BLOB NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Held:
    """One deal of the book. first_seen: time of the file that first had it. seq: of the file that
    last changed it. own: what we wrote for it."""

    record: Record
    first_seen: datetime
    modified_at: datetime
    seq: int
    removed_at: datetime | None
    own: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class ReadFile:
    """A file as it was when it was read. report: what was said of it, for people and counts."""

    name: str
    sha256: str
    mapping: str
    size: int
    mtime_ns: int
    file_time: datetime
    report: Mapping[str, Any]
    seq: int = 0


@dataclass(frozen=True, slots=True)
class Taken:
    """What a file changed in the book."""

    seq: int
    new: int
    changed: int
    removed: int


class Book:
    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            db = sqlite3.connect(self._path, timeout=30, isolation_level=None)
        except sqlite3.OperationalError as error:
            raise PermanentError(
                f"{self._path.parent} cannot be written ({error}); dealpulse keeps there what it "
                "has read: make the folder writable for it."
            ) from None
        try:
            if db.execute("PRAGMA user_version").fetchone()[0] == 0:
                db.executescript(_TABLES)
                db.execute(
                    "INSERT OR IGNORE INTO meta VALUES ('book', ?)", (uuid.uuid4().hex[:12],)
                )
                db.execute("PRAGMA user_version = 1")
            yield db
        except sqlite3.OperationalError as error:
            raise TransientError(f"{self._path} is not available: {error}.") from None
        except sqlite3.DatabaseError as error:
            raise PermanentError(
                f"{self._path} is damaged ({error}): remove it; the newest file is then read again."
            ) from None
        finally:
            db.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._open() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")

    @property
    def identity(self) -> str:
        """Another book, made after this one was lost, has another."""
        with self._open() as db:
            return str(db.execute("SELECT value FROM meta WHERE key = 'book'").fetchone()[0])

    def files(self) -> Sequence[ReadFile]:
        """All files read so far, in that order."""
        with self._open() as db:
            rows = db.execute(
                "SELECT name, sha256, mapping, size, mtime_ns, file_time, report, seq FROM file "
                "ORDER BY seq"
            ).fetchall()
        return [
            ReadFile(
                name=row[0],
                sha256=row[1],
                mapping=row[2],
                size=row[3],
                mtime_ns=row[4],
                file_time=datetime.fromisoformat(row[5]),
                report=orjson.loads(row[6]),
                seq=row[7],
            )
            for row in rows
        ]

    def living(self) -> frozenset[str]:
        """Ids of the deals that the files still hold."""
        with self._open() as db:
            return frozenset(
                row[0] for row in db.execute("SELECT id FROM deal WHERE removed_at IS NULL")
            )

    def take(
        self, file: ReadFile, records: Iterable[Record], gone: Iterable[str], *, at: datetime
    ) -> Taken:
        """Put a file in. gone: deals that it says, or shows by leaving them out, to be deleted."""
        with self._transaction() as db:
            seq = 1 + db.execute("SELECT coalesce(max(seq), 0) FROM file").fetchone()[0]
            db.execute(
                "INSERT INTO file VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    seq,
                    file.name,
                    file.sha256,
                    file.mapping,
                    file.size,
                    file.mtime_ns,
                    _text(file.file_time),
                    _text(at),
                    orjson.dumps(file.report).decode(),
                ),
            )
            known = {row[0]: row for row in db.execute(f"SELECT {_COLUMNS_OF_DEAL} FROM deal")}  # noqa: S608
            new = changed = 0
            for record in records:
                row = known.get(record.deal_id)
                held = None if row is None else _held(row, {})
                entry = _entry(record, held, file.file_time, seq)
                if entry is not None:
                    new += held is None
                    changed += held is not None
                    db.execute("INSERT OR REPLACE INTO deal VALUES (?, ?, ?, ?, ?, ?)", entry)
            removed = 0
            for deal_id in gone:
                removed += db.execute(
                    "UPDATE deal SET removed_at = ?, seq = ? WHERE id = ? AND removed_at IS NULL",
                    (_text(file.file_time), seq, deal_id),
                ).rowcount
        return Taken(seq, new, changed, removed)

    def changed_after(self, seq: int, after: str, limit: int) -> Sequence[Held]:
        """Deals that files after `seq` changed, or `seq` itself to deals beyond the id `after`;
        in the order of file and id."""
        with self._open() as db:
            rows = db.execute(
                f"SELECT {_COLUMNS_OF_DEAL}, own.content FROM deal LEFT JOIN own USING (id) "  # noqa: S608 - a constant
                "WHERE (seq, id) > (?, ?) ORDER BY seq, id LIMIT ?",
                (seq, after, limit),
            ).fetchall()
        return [_held(row, _own(row[6])) for row in rows]

    def by_id(self, deal_ids: Sequence[str]) -> Sequence[Held]:
        """Those of the deals that the book has, removed ones too."""
        found: list[Held] = []
        with self._open() as db:
            for deal_id in deal_ids:
                row = db.execute(
                    f"SELECT {_COLUMNS_OF_DEAL}, own.content FROM deal LEFT JOIN own USING (id) "  # noqa: S608
                    "WHERE id = ?",
                    (deal_id,),
                ).fetchone()
                if row is not None:
                    found.append(_held(row, _own(row[6])))
        return found

    def all(self) -> Iterator[Held]:
        """Every deal, removed ones too, by id."""
        with self._open() as db:
            for row in db.execute(
                f"SELECT {_COLUMNS_OF_DEAL}, own.content FROM deal LEFT JOIN own USING (id) "  # noqa: S608
                "ORDER BY id"
            ):
                yield _held(row, _own(row[6]))

    def write_own(self, values: Mapping[str, Mapping[str, str | None]]) -> None:
        """Merge our own values into those that the deals have."""
        with self._transaction() as db:
            for deal_id, new in values.items():
                row = db.execute("SELECT content FROM own WHERE id = ?", (deal_id,)).fetchone()
                merged = {**_own(row[0] if row else None), **new}
                db.execute(
                    "INSERT OR REPLACE INTO own VALUES (?, ?)", (deal_id, orjson.dumps(merged))
                )


_COLUMNS_OF_DEAL: Final = (
    "deal.id, deal.content, deal.first_seen, deal.modified_at, deal.seq, deal.removed_at"
)


def _entry(
    record: Record, held: Held | None, file_time: datetime, seq: int
) -> tuple[str, bytes, str, str, int, None] | None:
    """The row to store; None where the book has just this. A deal is modified when the file says,
    or else when the file was made, and never earlier than before."""
    record = _closing_seen(record, held, file_time)
    content = orjson.dumps(as_json(record), option=orjson.OPT_SORT_KEYS)
    if held is not None and held.removed_at is None and held.record == record:
        return None
    modified_at = min(record.updated_at or file_time, file_time)
    if held is not None:
        modified_at = max(modified_at, held.modified_at)
    first_seen = file_time if held is None else held.first_seen
    return record.deal_id, content, _text(first_seen), _text(modified_at), seq, None


def _closing_seen(record: Record, held: Held | None, file_time: datetime) -> Record:
    """A deal that was open in an earlier file and closes without a date closed with this file."""
    if not record.closed or record.closed_at is not None or held is None:
        return record
    if held.record.status == record.status:
        return replace(record, closed_at=held.record.closed_at, close_date=held.record.close_date)
    if held.record.status != DealStatus.OPEN:
        return record
    return replace(record, closed_at=file_time, close_date=file_time)


def _held(row: Sequence[Any], own: Mapping[str, str | None]) -> Held:
    return Held(
        record=from_json(orjson.loads(row[1])),
        first_seen=datetime.fromisoformat(row[2]),
        modified_at=datetime.fromisoformat(row[3]),
        seq=row[4],
        removed_at=None if row[5] is None else datetime.fromisoformat(row[5]),
        own=own,
    )


def _own(content: bytes | None) -> dict[str, str | None]:
    return {} if content is None else orjson.loads(content)


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()
