"""Writing, for a CRM that takes files: values go into the outbox."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from sync.crm.base import (
    DealWrite,
    PropertySpec,
    PropertyState,
    PropertyStatus,
    ValueKind,
    WriteOutcome,
    WriteResult,
)
from sync.crm.files import outbox
from sync.crm.files.book import Book
from sync.crm.files.intake import FolderSettings


class FileSink:
    """The outbox's columns are made with the file, so no property is ever missing."""

    def __init__(self, settings: FolderSettings, folder: Path, book: Book) -> None:
        self._settings = settings
        self._folder = folder
        self._book = book
        self._kinds: Mapping[str, ValueKind] = {}

    @property
    def connection(self) -> str:
        return self._settings.connection

    @property
    def batch_size(self) -> int:
        return 20_000

    def property_states(self, specs: Sequence[PropertySpec]) -> Sequence[PropertyState]:
        return [PropertyState(spec.name, PropertyStatus.PRESENT) for spec in specs]

    def ensure_properties(self, specs: Sequence[PropertySpec]) -> Sequence[PropertyState]:
        self._kinds = {spec.name: spec.kind for spec in specs}
        return self.property_states(specs)

    def write(self, batch: Sequence[DealWrite]) -> Sequence[WriteOutcome]:
        """Into the book first, then both files anew; killed between, the next write catches up."""
        living = self._book.living()
        values = {write.deal_id: write.values for write in batch if write.deal_id in living}
        self._book.write_own(values)
        self._put_out()
        return [
            WriteOutcome(write.deal_id, write.trace_id, WriteResult.WRITTEN)
            if write.deal_id in living
            else WriteOutcome(
                write.deal_id, write.trace_id, WriteResult.MISSING, "not in the files any more"
            )
            for write in batch
        ]

    def _put_out(self) -> None:
        files = self._book.files()
        delimiter = next(
            (f.report["delimiter"] for f in files[::-1] if f.report.get("delimiter")), ";"
        )
        held = list(self._book.all())
        names = sorted({name for each in held for name in each.own})
        order = [*self._kinds, *(name for name in names if name not in self._kinds)]
        kinds = {name: self._kinds.get(name, ValueKind.TEXT) for name in order}
        outbox.write(
            self._folder,
            self.connection,
            held,
            kinds,
            delimiter=str(delimiter),
            zone=self._settings.zone,
        )
