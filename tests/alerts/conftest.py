"""A mirror with deals in it, as pull and assess would have left them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine, delete, insert, select, update

from sync.alerts import inputs, rules, store
from sync.crm.base import Account, Owner
from sync.mirror import schema, write
from sync.mirror.engine import reading, writing
from tests.fake_clock import START, FakeClock

CONNECTION = "main"
RULES = ("stale",)


@dataclass
class Book:
    """Writes what other jobs write, and reads what alerts wrote."""

    engine: Engine
    clock: FakeClock

    def add_deal(self, deal_id: str, *, stale: bool = True, **values: Any) -> None:
        row = {
            "connection": CONNECTION,
            "deal_id": deal_id,
            "name": f"Deal {deal_id}",
            "owner_id": "kari",
            "status": "open",
            "amount": Decimal(1000),
            "currency": "NOK",
            "amount_home": Decimal(1000),
            "created_at": START - timedelta(days=90),
            "modified_at": START - timedelta(days=30),
            "own": {},
            "first_seen_at": START,
            "pulled_at": START,
            **values,
        }
        with writing(self.engine) as database:
            database.execute(insert(schema.deal), [row])
        if stale:
            self.find(deal_id)

    def find(self, deal_id: str, rule: str = "stale", *, since: datetime | None = None) -> None:
        row = {
            "connection": CONNECTION,
            "deal_id": deal_id,
            "rule": rule,
            "since": since or self.clock.now() - timedelta(days=1),
            "as_of": self.clock.now(),
            "evidence": {"days": 21},
        }
        with writing(self.engine) as database:
            database.execute(insert(schema.finding), [row])

    def fix(self, deal_id: str) -> None:
        with writing(self.engine) as database:
            database.execute(delete(schema.finding).where(schema.finding.c.deal_id == deal_id))

    def change(self, deal_id: str, **values: Any) -> None:
        with writing(self.engine) as database:
            database.execute(
                update(schema.deal).where(schema.deal.c.deal_id == deal_id).values(**values)
            )

    def plan(self, alerting: Sequence[str] = RULES) -> rules.AlertPlan:
        found = inputs.read_inputs(self.engine, CONNECTION, rules=alerting)
        return rules.plan(found.findings, found.open_alerts, found.deals, rules=alerting)

    def raise_and_resolve(self, *channels: str) -> store.RaiseReport:
        return store.raise_and_resolve(
            self.engine, CONNECTION, self.plan(), channels or ("desk",), at=self.clock.now()
        )

    def alerts(self) -> list[tuple[str, str, str | None]]:
        """(deal id, state, resolution) of every alert, oldest first."""
        alert = schema.alert
        query = select(alert.c.deal_id, alert.c.state, alert.c.resolution).order_by(alert.c.id)
        with reading(self.engine) as database:
            return [tuple(row) for row in database.execute(query)]

    def deliveries(self, channel: str = "desk") -> list[str]:
        """The states of a channel's deliveries, oldest alert first."""
        delivery = schema.alert_delivery
        query = (
            select(delivery.c.state)
            .where(delivery.c.channel == channel)
            .order_by(delivery.c.alert_id)
        )
        with reading(self.engine) as database:
            return list(database.execute(query).scalars())


@pytest.fixture
def book(engine: Engine, clock: FakeClock) -> Book:
    account = Account(
        account_id="1",
        time_zone="Europe/Oslo",
        home_currency="NOK",
        deal_url="https://crm.example.com/deal/{deal_id}?x={y}",
    )
    owners = [
        Owner("kari", "Kari Nordmann", "kari@example.com", active=True),
        Owner("ola", "Ola Borte", "ola@example.com", active=False),
    ]
    write.save_account(engine, CONNECTION, "hubspot", account, at=START)
    write.save_owners(engine, CONNECTION, owners, at=START)
    return Book(engine, clock)
