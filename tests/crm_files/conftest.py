"""An import folder with a clock, and a mirror that takes what its pulls bring."""

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from sync.crm.base import Deal, DealPage
from sync.crm.files.book import Book
from sync.crm.files.intake import FolderSettings
from sync.crm.files.sink import FileSink
from sync.crm.files.source import FileSource
from tests.fake_clock import FakeClock

HEAD = "Id;Navn;Fase;Verdi;Forventet lukkedato;Opprettet;Eier;Firma"
ROWS = (
    "1;Nytt kjøkken;Kvalifisering;1 250 000,50 kr;30.04.2026;05.01.2026;Kari;Vik AS",
    "2;Bad;Tilbud;kr 80.000,-;15.05.2026;06.01.2026;Per;Dal AS",
    "3;Garasje;Vunnet;12500;10.02.2026;07.01.2026;Kari;Fjell AS",
)


class Import:
    """A folder, and the adapter that reads it. `deals`: what pulls brought, by id."""

    def __init__(self, home: Path, clock: FakeClock, **settings: Any) -> None:
        self.folder = home / "import"
        self.folder.mkdir()
        self.outbox = home / "outbox"
        self.clock = clock
        self.settings = replace(
            FolderSettings(
                connection="dult",
                folder=self.folder,
                mapping=None,
                zone="Europe/Oslo",
                home_currency="NOK",
                contents="full",
                max_drop_share=0.5,
            ),
            **settings,
        )
        self.book = Book(self.folder)
        self.sink = FileSink(self.settings, self.outbox, self.book)
        self.cursor: Any = None
        self.deals: dict[str, Deal] = {}

    @property
    def source(self) -> FileSource:
        """A new one, as each cycle of the daemon has."""
        return FileSource(self.settings, self.book, self.clock)

    def put(self, name: str, content: str | bytes, at: datetime | None = None) -> Path:
        """An export that was made at that instant, or now."""
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        stamp = (at or self.clock.now()).timestamp()
        os.utime(path, (stamp, stamp))
        return path

    def export(self, *rows: str, name: str = "deals.csv", head: str = HEAD) -> Path:
        return self.put(name, "\n".join([head, *rows]) + "\n")

    def pull(self) -> list[DealPage]:
        pages = []
        for page in self.source.deals(
            self.cursor, started_at=self.clock.now(), known=lambda ids: {}
        ):
            pages.append(page)
            self.cursor = page.cursor
            self.deals |= {deal.deal_id: deal for deal in page.deals}
            for removal in page.removals:
                self.deals.pop(removal.deal_id, None)
        return pages

    def said(self, pages: list[DealPage]) -> list[str]:
        """What was left out, and the rows that were refused."""
        refused = [row for page in pages for each in page.refused for row in each.records]
        return [*(text for page in pages for text in page.left_out), *refused]


Make = Callable[..., Import]


@pytest.fixture
def importing(tmp_path: Path, clock: FakeClock) -> Make:
    def make(**settings: Any) -> Import:
        return Import(tmp_path, clock, **settings)

    return make


@pytest.fixture
def folder(importing: Make) -> Import:
    return importing()
