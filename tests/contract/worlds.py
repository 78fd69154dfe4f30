"""Three CRMs as people use them, in one vocabulary, each with a connection of the real house.

A world can be worked in (`create`, `move`, `win`, ...), says what is true, and is read by the
adapter that the composition root makes for it.
"""

import csv
import io
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from sync.sandbox.behaviour import Behaviour
from sync.sandbox.company import Company, CompanyDeal, CompanyOwner, CompanyPipeline, CompanyStage
from sync.sandbox.company import Event as Fact
from sync.sandbox.faults import Faults
from sync.sandbox.server import PipedriveBehaviour, Sandbox, serve, serve_pipedrive
from sync.sandbox.server import PipedriveSandbox as Pipedrive
from tests.fake_clock import FakeClock

CREATED = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
STAGES = (
    CompanyStage("new", "New", Decimal("0.2")),
    CompanyStage("offer", "Offer", Decimal("0.5")),
    CompanyStage("sign", "Signing", Decimal("0.8")),
    CompanyStage("won", "Signed", Decimal(1), is_closed=True, is_won=True),
    CompanyStage("lost", "Gone", Decimal(0), is_closed=True),
)
OPEN_STAGES = ("new", "offer", "sign")
OWNERS = (
    CompanyOwner("101", "Kari", "Nordmann", "kari@vik.example", team="North"),
    CompanyOwner("102", "Per", "Hansen", "per@vik.example"),
)


@dataclass(frozen=True, slots=True)
class Truth:
    """As much of a deal as every CRM can tell."""

    name: str
    status: str
    amount: Decimal | None
    stage: str | None
    owner: str | None


def company(deals: int) -> Company:
    """Some open deals, a won one and a lost one in each ten, in NOK."""
    return Company(
        name="Vik AS",
        time_zone="Europe/Oslo",
        home_currency="NOK",
        pipelines=(CompanyPipeline("default", "Sales", STAGES),),
        owners=OWNERS,
        deals=[_deal(number) for number in range(deals)],
    )


def _deal(number: int) -> CompanyDeal:
    stage = {3: "won", 7: "lost"}.get(number % 10, OPEN_STAGES[number % 3])
    values = {
        "name": f"Deal {number}",
        "pipeline": "default",
        "stage": stage,
        "amount": str(1000 + number),
        "close_date": "2026-04-30T10:00:00+00:00",
        "owner": OWNERS[number % 2].id,
    }
    return CompanyDeal(str(number), CREATED, [Fact(CREATED, k, v) for k, v in values.items()])


class World(ABC):
    """`settings`: its connection in the configuration; `environ`: with its token. `more`: further
    settings of a file connection."""

    kind: str
    http = True

    def __init__(self, home: Path, clock: FakeClock, name: str) -> None:
        self.home = home
        self.clock = clock
        self.name = name
        self.more: dict[str, Any] = {}

    @property
    @abstractmethod
    def settings(self) -> dict[str, Any]: ...

    @property
    def environ(self) -> dict[str, str]:
        return {}

    @property
    def faults(self) -> Faults | None:
        """None where nothing goes over HTTP."""
        return None

    @abstractmethod
    def settle(self) -> None:
        """Before a pull: whatever the CRM needs to show what is true."""

    @abstractmethod
    def writes(self) -> int:
        """How often something was changed in the CRM by us."""

    @abstractmethod
    def living(self) -> list[str]:
        """Deals that people can work on, and closed ones."""

    @abstractmethod
    def truth(self) -> dict[str, Truth]: ...

    @abstractmethod
    def create(self, number: int) -> str: ...

    @abstractmethod
    def rename(self, deal_id: str, name: str) -> None: ...

    @abstractmethod
    def price(self, deal_id: str, amount: int) -> None: ...

    @abstractmethod
    def move(self, deal_id: str, stage: str) -> None:
        """To an open stage; a closed deal is opened again by it."""

    @abstractmethod
    def win(self, deal_id: str) -> None: ...

    @abstractmethod
    def lose(self, deal_id: str) -> None: ...

    @abstractmethod
    def merge(self, winner: str, loser: str) -> None: ...

    @abstractmethod
    def archive(self, deal_id: str) -> None: ...

    @abstractmethod
    def delete(self, deal_id: str) -> None: ...

    @abstractmethod
    def gone(self) -> list[str]:
        """Deals that can be restored."""

    @abstractmethod
    def restore(self, deal_id: str) -> None: ...

    @abstractmethod
    def owner_leaves(self) -> None: ...

    @abstractmethod
    def rename_stage(self, stage: str, label: str) -> None: ...

    @abstractmethod
    def delete_stage(self, stage: str) -> None:
        """Deals in it may keep it."""

    @abstractmethod
    def delete_field(self) -> None:
        """One of those that we made; in a file, a column that people made."""


class HubSpotWorld(World):
    kind = "hubspot"

    def __init__(self, home: Path, clock: FakeClock, name: str, sandbox: Sandbox) -> None:
        super().__init__(home, clock, name)
        self.sandbox = sandbox
        self.crm = sandbox.crm
        self._binned: list[str] = []

    def settle(self) -> None:
        """The API shows things as they are."""

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "kind": "hubspot",
            "name": self.name,
            "base_url": self.sandbox.url,
            "token_env": f"{self.name.upper()}_TOKEN",
        }

    @property
    def environ(self) -> dict[str, str]:
        return {f"{self.name.upper()}_TOKEN": self.sandbox.token}

    @property
    def faults(self) -> Faults:
        return self.sandbox.faults

    def writes(self) -> int:
        return sum(r.method == "POST" and "/batch/update" in r.path for r in self.sandbox.requests)

    def living(self) -> list[str]:
        return self.crm.deal_ids()

    def truth(self) -> dict[str, Truth]:
        return {deal_id: self._truth(self.crm.deal(deal_id)) for deal_id in self.crm.deal_ids()}

    def _truth(self, deal: Mapping[str, str | None]) -> Truth:
        won, closed = deal["hs_is_closed_won"] == "true", deal["hs_is_closed"] == "true"
        return Truth(
            name=deal["dealname"] or "",
            status="won" if won else "lost" if closed else "open",
            amount=Decimal(deal["amount"]) if deal["amount"] else None,
            stage=deal["dealstage"],
            owner=deal["hubspot_owner_id"],
        )

    def create(self, number: int) -> str:
        return self.crm.create({"dealname": f"New {number}", "amount": str(number)})

    def rename(self, deal_id: str, name: str) -> None:
        self.crm.edit(deal_id, {"dealname": name})

    def price(self, deal_id: str, amount: int) -> None:
        self.crm.edit(deal_id, {"amount": str(amount)})

    def move(self, deal_id: str, stage: str) -> None:
        self.crm.edit(deal_id, {"dealstage": stage})

    def win(self, deal_id: str) -> None:
        self.crm.edit(deal_id, {"dealstage": "won"})

    def lose(self, deal_id: str) -> None:
        self.crm.edit(deal_id, {"dealstage": "lost"})

    def merge(self, winner: str, loser: str) -> None:
        self.crm.merge(winner, loser)

    def archive(self, deal_id: str) -> None:
        self._binned.append(deal_id)
        self.crm.archive(deal_id)

    def delete(self, deal_id: str) -> None:
        self.archive(deal_id)

    def gone(self) -> list[str]:
        return self._binned

    def restore(self, deal_id: str) -> None:
        self._binned.remove(deal_id)
        self.crm.restore(deal_id)

    def owner_leaves(self) -> None:
        self.crm.deactivate_owner("102")

    def rename_stage(self, stage: str, label: str) -> None:
        self.crm.rename_stage("default", stage, label)

    def delete_stage(self, stage: str) -> None:
        self.crm.delete_stage("default", stage)

    def delete_field(self) -> None:
        if "dealpulse_explanation" in self.crm.deal(self.crm.deal_ids()[0]):
            self.crm.remove_property("dealpulse_explanation")


class PipedriveWorld(World):
    kind = "pipedrive"

    def __init__(self, home: Path, clock: FakeClock, name: str, sandbox: Pipedrive) -> None:
        super().__init__(home, clock, name)
        self.sandbox = sandbox
        self.crm = sandbox.crm
        self._binned: list[str] = []

    def settle(self) -> None:
        """The API shows things as they are."""

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "kind": "pipedrive",
            "name": self.name,
            "base_url": self.sandbox.url,
            "token_env": f"{self.name.upper()}_TOKEN",
            "daily_budget_tokens": 10_000_000,
        }

    @property
    def environ(self) -> dict[str, str]:
        return {f"{self.name.upper()}_TOKEN": self.sandbox.token}

    @property
    def faults(self) -> Faults:
        return self.sandbox.faults

    def writes(self) -> int:
        return sum(r.method == "PATCH" and "/deals/" in r.path for r in self.sandbox.requests)

    def living(self) -> list[str]:
        return self.crm.deal_ids()

    def truth(self) -> dict[str, Truth]:
        """Archived deals count once they are decided; open ones were put aside."""
        there = {deal_id: self.crm.deal(deal_id) for deal_id in self.crm.deal_ids()}
        aside = {deal_id: self.crm.deal(deal_id) for deal_id in self.crm.archived_ids()}
        there |= {deal_id: deal for deal_id, deal in aside.items() if deal["status"] != "open"}
        return {deal_id: self._truth(deal) for deal_id, deal in there.items()}

    def _truth(self, deal: Mapping[str, Any]) -> Truth:
        return Truth(
            name=deal["title"],
            status=deal["status"],
            amount=None if deal["value"] is None else Decimal(str(deal["value"])),
            stage=str(deal["stage_id"]),
            owner=str(deal["owner_id"]),
        )

    def create(self, number: int) -> str:
        return self.crm.create({"title": f"New {number}", "value": number, "currency": "NOK"})

    def rename(self, deal_id: str, name: str) -> None:
        self.crm.edit(deal_id, {"title": name})

    def price(self, deal_id: str, amount: int) -> None:
        self.crm.edit(deal_id, {"value": amount})

    def move(self, deal_id: str, stage: str) -> None:
        if self.crm.deal(deal_id)["status"] != "open":
            self.crm.reopen(deal_id)
        self.crm.move(deal_id, stage)

    def win(self, deal_id: str) -> None:
        self.crm.win(deal_id)

    def lose(self, deal_id: str) -> None:
        self.crm.lose(deal_id)

    def merge(self, winner: str, loser: str) -> None:
        self.crm.merge(winner, loser)

    def archive(self, deal_id: str) -> None:
        self._binned.append(deal_id)
        self.crm.archive(deal_id)

    def delete(self, deal_id: str) -> None:
        self._binned.append(deal_id)
        self.crm.delete(deal_id)

    def gone(self) -> list[str]:
        return self._binned

    def restore(self, deal_id: str) -> None:
        self._binned.remove(deal_id)
        if deal_id in self.crm.archived_ids():
            self.crm.unarchive(deal_id)
        else:
            self.crm.restore(deal_id)

    def owner_leaves(self) -> None:
        self.crm.deactivate_user("102")

    def rename_stage(self, stage: str, label: str) -> None:
        self.crm.rename_stage(stage, label)

    def delete_stage(self, stage: str) -> None:
        self.crm.delete_stage(stage)

    def delete_field(self) -> None:
        with self.crm.lock:
            ours = [f for f in self.crm.fields if f.name.startswith("dealpulse")]
            if ours:
                self.crm.delete_field(ours[0].code)


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


@contextmanager
def world_of(
    kind: str, home: Path, clock: FakeClock, *, deals: int, name: str | None = None
) -> Iterator[World]:
    """A world with so many deals; its server, if it has one, runs inside the block."""
    name = name or kind
    with ExitStack() as stack:
        if kind == "hubspot":
            hubspot = serve(company(deals), clock=clock, behaviour=Behaviour(rate_limit=None))
            yield HubSpotWorld(home, clock, name, stack.enter_context(hubspot))
        elif kind == "pipedrive":
            roomy = PipedriveBehaviour(daily_budget=10_000_000, bursts=False)
            pipedrive = serve_pipedrive(company(deals), clock=clock, behaviour=roomy)
            yield PipedriveWorld(home, clock, name, stack.enter_context(pipedrive))
        else:
            yield FileWorld(home, clock, name, deals)


KINDS = ("hubspot", "pipedrive", "file")
Open = Callable[..., World]
