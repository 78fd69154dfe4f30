"""HubSpot and Pipedrive as people use them, over their simulated APIs."""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from sync.sandbox.faults import Faults
from sync.sandbox.server import PipedriveSandbox as Pipedrive
from sync.sandbox.server import Sandbox
from tests.contract.world import Truth, World
from tests.fake_clock import FakeClock


class HttpWorld(World):
    """A CRM whose API shows things as they are."""

    def __init__(
        self, home: Path, clock: FakeClock, name: str, sandbox: Sandbox | Pipedrive
    ) -> None:
        super().__init__(home, clock, name)
        self.sandbox = sandbox
        self._binned: list[str] = []

    def settle(self) -> None:
        pass

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "name": self.name,
            "base_url": self.sandbox.url,
            "token_env": self._token_env,
            **self.more,
        }

    @property
    def environ(self) -> dict[str, str]:
        return {self._token_env: self.sandbox.token}

    @property
    def _token_env(self) -> str:
        return f"{self.name.upper()}_TOKEN"

    @property
    def faults(self) -> Faults:
        return self.sandbox.faults

    def gone(self) -> list[str]:
        return self._binned

    @property
    def leads(self) -> Mapping[str, str]:
        """A contact's key -> the id of its lead."""
        raise NotImplementedError

    def call(self, lead_id: str) -> None:
        """Somebody talks with the lead, now."""
        raise NotImplementedError


class HubSpotWorld(HttpWorld):
    kind = "hubspot"

    def __init__(self, home: Path, clock: FakeClock, name: str, sandbox: Sandbox) -> None:
        super().__init__(home, clock, name, sandbox)
        self.crm = sandbox.crm

    @property
    def leads(self) -> Mapping[str, str]:
        return self.crm.contacts.ids

    def call(self, lead_id: str) -> None:
        now = self.clock.now().isoformat()
        self.crm.contacts.set(lead_id, {"notes_last_contacted": now})

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


class PipedriveWorld(HttpWorld):
    kind = "pipedrive"

    def __init__(self, home: Path, clock: FakeClock, name: str, sandbox: Pipedrive) -> None:
        super().__init__(home, clock, name, sandbox)
        self.crm = sandbox.crm
        self.more["daily_budget_tokens"] = 10_000_000

    @property
    def leads(self) -> Mapping[str, str]:
        return self.crm.inbox.ids

    def call(self, lead_id: str) -> None:
        self.crm.inbox.call(lead_id)

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
