"""Digests to send in tests."""

from collections.abc import Mapping
from decimal import Decimal

from sync.alerts.digest import Message
from sync.alerts.message import Alerted, Language, Recipient, compose
from tests.fake_clock import START

KARI = Recipient("Kari Nordmann", "kari@example.com", active=True)
GONE = Recipient("Ola Borte", "ola@example.com", active=False)


def sentence(rule: str, evidence: Mapping[str, object], language: Language) -> str:
    """A finding in words, short enough to look for."""
    return f"{rule} for {evidence['days']} days [{language}]"


def digest(owner: Recipient | None = KARI, *alert_ids: int) -> Message:
    """One deal per alert, titled "Blåbær & sønn <number>"."""
    alerts = [
        Alerted(
            alert_id=alert_id,
            deal_id=str(alert_id),
            deal=f"Blåbær & sønn {alert_id}",
            rule="stale",
            evidence={"days": 21},
            amount=Decimal(1000),
            currency="NOK",
            amount_home=Decimal(1000),
            url=f"https://crm.example.com/deal/{alert_id}",
        )
        for alert_id in alert_ids or (1,)
    ]
    return compose(alerts, owner, connection="main", language="nb", sentence=sentence, at=START)
