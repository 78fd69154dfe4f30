"""A CRM as people use it, in one vocabulary, with a connection of the real house.

A world can be worked in (`create`, `move`, `win`, ...), says what is true, and is read by the
adapter that the composition root makes for it.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from sync.sandbox.company import Company, CompanyDeal, CompanyOwner, CompanyPipeline, CompanyStage
from sync.sandbox.company import Event as Fact
from sync.sandbox.faults import Faults
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
    """`settings`: its connection in the configuration, with `more`; `environ`: with its token."""

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
