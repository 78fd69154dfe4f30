"""A CRM without an API as people use it: by its exports."""

import csv
import io
import os
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.contract.world import STAGES, Truth, World, company
from tests.fake_clock import FakeClock


class FileWorld(World):
    """A CRM without an API: people work in it, and before each pull somebody exports it."""

    kind = "file"
    http = False

    def __init__(self, home: Path, clock: FakeClock, name: str, deals: int) -> None:
        super().__init__(home, clock, name)
        self.folder = home / f"{name}-import"
        self.folder.mkdir()
        self.labels = {stage.id: stage.label for stage in STAGES}
        self.with_note = True
        self.exports = 0
        self._table: dict[str, Truth] = {}
        self._bin: dict[str, Truth] = {}
        for deal in company(deals).deals:
            values = {fact.field: fact.value or "" for fact in deal.events}
            self._table[deal.key] = Truth(
                name=values["name"],
                status=values["stage"] if values["stage"] in ("won", "lost") else "open",
                amount=Decimal(values["amount"]),
                stage=self.labels[values["stage"]],
                owner=values["owner"],
            )

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "kind": "file",
            "name": self.name,
            "folder": str(self.folder),
            "outbox": str(self.home / f"{self.name}-outbox"),
            "max_drop_share": 1.0,
            **self.more,
        }

    def settle(self) -> None:
        """An export, and the last one taken away, as a nightly job does."""
        for old in self.folder.glob("export*"):
            old.unlink()
        self.exports += 1
        out = io.StringIO()
        writer = csv.writer(out, delimiter=";")
        note = ["Notat"] if self.with_note else []
        writer.writerow(["Id", "Navn", "Fase", "Status", "Verdi", "Eier", "Opprettet", *note])
        for deal_id, deal in sorted(self._table.items()):
            amount = "" if deal.amount is None else f"{deal.amount:.2f}".replace(".", ",")
            row = [deal_id, deal.name, deal.stage, deal.status, amount, deal.owner, "05.01.2026"]
            writer.writerow([*row, *(["x"] if note else [])])
        path = self.folder / f"export{self.exports}.csv"
        path.write_text(out.getvalue(), encoding="utf-8")
        stamp = self.clock.now().timestamp()
        os.utime(path, (stamp, stamp))

    def writes(self) -> int:
        found = list((self.home / f"{self.name}-outbox").glob("*.csv"))
        return sum(path.stat().st_ino for path in found)  # each write is another file

    def living(self) -> list[str]:
        return sorted(self._table)

    def truth(self) -> dict[str, Truth]:
        return dict(self._table)

    def _set(self, deal_id: str, **values: Any) -> None:
        self._table[deal_id] = replace(self._table[deal_id], **values)

    def create(self, number: int) -> str:
        deal_id = f"n{number}-{len(self._table) + len(self._bin)}"
        amount, stage = Decimal(number), self.labels["new"]
        self._table[deal_id] = Truth(f"New {number}", "open", amount, stage, "101")
        return deal_id

    def rename(self, deal_id: str, name: str) -> None:
        self._set(deal_id, name=name)

    def price(self, deal_id: str, amount: int) -> None:
        self._set(deal_id, amount=Decimal(amount))

    def move(self, deal_id: str, stage: str) -> None:
        self._set(deal_id, stage=self.labels[stage], status="open")

    def win(self, deal_id: str) -> None:
        self._set(deal_id, status="won")

    def lose(self, deal_id: str) -> None:
        self._set(deal_id, status="lost")

    def merge(self, winner: str, loser: str) -> None:
        self._table.pop(loser)
        self.rename(winner, f"{self._table[winner].name} (merged)")

    def archive(self, deal_id: str) -> None:
        self._bin[deal_id] = self._table.pop(deal_id)

    def delete(self, deal_id: str) -> None:
        self.archive(deal_id)

    def gone(self) -> list[str]:
        return sorted(self._bin)

    def restore(self, deal_id: str) -> None:
        self._table[deal_id] = self._bin.pop(deal_id)

    def owner_leaves(self) -> None:
        for deal_id, deal in self._table.items():
            if deal.owner == "102":
                self._set(deal_id, owner="101")

    def rename_stage(self, stage: str, label: str) -> None:
        before, self.labels[stage] = self.labels[stage], label
        for deal_id, deal in self._table.items():
            if deal.stage == before:
                self._set(deal_id, stage=label)

    def delete_stage(self, stage: str) -> None:
        for deal_id, deal in self._table.items():
            if deal.stage == self.labels[stage]:
                self._set(deal_id, stage=self.labels["new"])

    def delete_field(self) -> None:
        self.with_note = False
