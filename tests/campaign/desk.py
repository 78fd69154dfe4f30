"""Where alerts arrive, and where it is counted what arrived twice."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from sync.alerts.channels.base import DeliveryUncertain
from sync.alerts.digest import Message
from sync.errors import TransientError
from sync.sandbox.crm import Crm
from sync.sandbox.store.kinds import Kind
from sync.sandbox.store.records import Record
from sync.sandbox.store.tokens import Token


@dataclass
class Desk:
    """A channel that several processes share: a file with a line for each alert that arrived.
    With `dice` some messages are refused, and of some no answer comes."""

    file: Path
    dice: Random | None = None
    name: str = "desk"

    def deliver(self, message: Message) -> None:
        luck = self.dice.random() if self.dice else 1.0
        if luck < 0.1:
            raise TransientError("The desk is closed.")
        with self.file.open("a", encoding="utf-8") as lines:
            lines.writelines(f"{alert_id}\n" for alert_id in message.alert_ids)
        if luck < 0.2:
            raise DeliveryUncertain("The desk says nothing.")

    def arrived(self) -> list[str]:
        return self.file.read_text("utf-8").split() if self.file.exists() else []

    def twice(self) -> list[str]:
        counted = Counter(self.arrived())
        return [f"alert {alert_id} came {n} times" for alert_id, n in counted.items() if n > 1]


@dataclass
class Ledger:
    """Every write to a deal that the CRM carried out.

    A request whose answer was lost may be repeated at once by the call that made it; a later run
    that writes what the deal holds already writes it twice.
    """

    crm: Crm
    run: int = 0
    writes: int = 0
    twice: list[str] = field(default_factory=list)
    _written_in: dict[int, int] = field(default_factory=dict)

    def attach(self) -> None:
        carry_out = self.crm.write

        def write(kind: Kind, record: Record, properties: dict[str, object], token: Token) -> None:
            held = all((record.values.get(n) or "") == (v or "") for n, v in properties.items())
            if held and self._written_in.get(record.id) != self.run:
                self.twice.append(f"run {self.run}: {record.id} holds {dict(properties)} already")
            self._written_in[record.id] = self.run
            self.writes += 1
            carry_out(kind, record, properties, token)

        self.crm.write = write  # type: ignore[method-assign, assignment]
