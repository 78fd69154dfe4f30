"""Which alerts to raise, keep and resolve: findings against open episodes. Pure."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from sync.errors import SafetyStop


class Resolution(StrEnum):
    """Why an episode ended."""

    FIXED = "fixed"
    DEAL_CLOSED = "deal closed"
    DEAL_REMOVED = "deal removed"
    RULE_OFF = "rule off"
    COST_GREW = "cost grew"


@dataclass(frozen=True, slots=True)
class Found:
    """A finding that stands now. `since`: first assessment of its unbroken presence."""

    deal_id: str
    rule: str
    since: datetime
    evidence: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class OpenAlert:
    """An episode that was raised and not yet resolved."""

    alert_id: int
    deal_id: str
    rule: str
    raised_at: datetime


@dataclass(frozen=True, slots=True)
class DealState:
    """What decides whether a deal may be alerted on. amount_home: None = missing or without an
    exchange rate.
    """

    is_open: bool
    removed: bool
    amount_home: Decimal | None


@dataclass(frozen=True, slots=True)
class AlertPlan:
    """to_raise: new episodes. keep: alert ids that stand. resolve: alert id -> why it ended."""

    to_raise: tuple[Found, ...]
    keep: tuple[int, ...]
    resolve: Mapping[int, Resolution]


def plan(
    findings: Iterable[Found],
    open_alerts: Iterable[OpenAlert],
    deals: Mapping[str, DealState],
    *,
    rules: Collection[str],
    minimum_amount: Decimal = Decimal(0),
) -> AlertPlan:
    """One alert per episode: raised when a finding appears, kept while it stands, resolved when it
    goes. A finding that went and came back between two runs is a new episode.

    rules: those that alert. deals: by id; one that is not there counts as removed. minimum_amount:
    home currency; a deal of unknown amount is below any minimum but 0. It decides on raising only.
    """
    standing = {(found.deal_id, found.rule): found for found in findings if found.rule in rules}
    keep: list[int] = []
    resolve: dict[int, Resolution] = {}
    alerted: set[tuple[str, str]] = set()
    for alert in sorted(open_alerts, key=lambda alert: alert.alert_id):
        key = (alert.deal_id, alert.rule)
        ended = _ended(alert, standing.get(key), deals.get(alert.deal_id), rules)
        if ended:
            resolve[alert.alert_id] = ended
        else:
            keep.append(alert.alert_id)
            alerted.add(key)
    to_raise = [
        found
        for key, found in sorted(standing.items())
        if key not in alerted and _worth_raising(deals.get(found.deal_id), minimum_amount)
    ]
    return AlertPlan(tuple(to_raise), tuple(keep), resolve)


def brake(
    plan: AlertPlan,
    *,
    limit: int,
    allow: bool = False,
    fewer: str = "alerts.minimum_amount or longer norms under staleness.after_days",
) -> None:
    """Raise SafetyStop where more than `limit` alerts would be raised at once. fewer: what to set
    where they are too many.
    """
    if allow or len(plan.to_raise) <= limit:
        return
    raise SafetyStop(
        f"No alert was raised: {len(plan.to_raise)} would be new at once (limit {limit}). Look at "
        "them with `dealpulse alerts plan`. If they are right, run `dealpulse alerts send "
        f"--allow-mass-alert` once; if they are too many to be of use, set {fewer}."
    )


def _ended(
    alert: OpenAlert, found: Found | None, deal: DealState | None, rules: Collection[str]
) -> Resolution | None:
    if deal is None or deal.removed:
        return Resolution.DEAL_REMOVED
    if not deal.is_open:
        return Resolution.DEAL_CLOSED
    if alert.rule not in rules:
        return Resolution.RULE_OFF
    if found is None or found.since > alert.raised_at:
        return Resolution.FIXED
    return None


def _worth_raising(deal: DealState | None, minimum_amount: Decimal) -> bool:
    if deal is None or deal.removed or not deal.is_open:
        return False
    return minimum_amount <= 0 or (
        deal.amount_home is not None and deal.amount_home >= minimum_amount
    )
