"""What alerts are planned and written from, read from the mirror."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from sqlalchemy import ColumnElement, Connection, Engine, Row, Select, select, union

from sync.alerts.message import Alerted, Recipient
from sync.alerts.rules import DealState, Found, OpenAlert
from sync.alerts.store import MAX_DIGEST, AlertState, DeliveryState
from sync.crm.base import DealStatus
from sync.mirror import schema
from sync.mirror.engine import reading

_alert, _delivery = schema.alert, schema.alert_delivery
_deal, _finding, _owner = schema.deal, schema.finding, schema.owner

Rates = Mapping[str, Decimal]
"""Currency -> what one unit is worth in the home currency."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """findings, open_alerts, deals: as `rules.plan` takes them. names: titles by deal id."""

    findings: Sequence[Found]
    open_alerts: Sequence[OpenAlert]
    deals: Mapping[str, DealState]
    names: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Waiting:
    """The alerts that one owner (None = nobody) is to be told of on one channel."""

    owner: Recipient | None
    alerts: Sequence[Alerted]


def read_inputs(
    engine: Engine, connection: str, *, rules: Collection[str], rates: Rates | None = None
) -> Inputs:
    """Standing findings of `rules`, open alerts, and the deals of both. rates: for deals whose CRM
    gives no converted amount.
    """
    of_rules = (_finding.c.connection == connection) & _finding.c.rule.in_(sorted(rules))
    are_open = (_alert.c.connection == connection) & (_alert.c.state == AlertState.RAISED)
    concerned = union(
        select(_finding.c.deal_id).where(of_rules), select(_alert.c.deal_id).where(are_open)
    )
    with reading(engine) as database:
        home = _account(database, connection)[0]
        findings = [
            Found(row.deal_id, row.rule, row.since, row.evidence)
            for row in database.execute(select(_finding).where(of_rules))
        ]
        open_alerts = [
            OpenAlert(row.id, row.deal_id, row.rule, row.raised_at)
            for row in database.execute(select(_alert).where(are_open))
        ]
        rows = database.execute(
            select(_deal).where(_deal.c.connection == connection, _deal.c.deal_id.in_(concerned))
        ).all()
    return Inputs(
        findings,
        open_alerts,
        {row.deal_id: _state(row, home, rates or {}) for row in rows},
        {row.deal_id: row.name for row in rows},
    )


def waiting(
    engine: Engine,
    connection: str,
    channel: str,
    *,
    rates: Rates | None = None,
    only_retries: bool = False,
) -> Sequence[Waiting]:
    """What waits for delivery on `channel`, by owner. only_retries: what was tried before."""
    condition = (_delivery.c.channel == channel) & (_delivery.c.state == DeliveryState.PENDING)
    if only_retries:
        condition &= _delivery.c.attempts > 0
    with reading(engine) as database:
        home, deal_url = _account(database, connection)
        rows = database.execute(_waiting_query(connection, condition)).all()
    groups: dict[str | None, list[Row[Any]]] = {}
    for row in rows:
        groups.setdefault(row.owner_id, []).append(row)
    return [
        Waiting(
            _recipient(group[0]),
            [_alerted(row, home, deal_url, rates or {}) for row in group[:MAX_DIGEST]],
        )
        for group in groups.values()
    ]


def _waiting_query(connection: str, condition: ColumnElement[bool]) -> Select[Any]:
    same_deal = (_deal.c.connection == _alert.c.connection) & (_deal.c.deal_id == _alert.c.deal_id)
    its_owner = (_owner.c.connection == _deal.c.connection) & (
        _owner.c.owner_id == _deal.c.owner_id
    )
    return (
        select(
            _alert.c.id,
            _alert.c.rule,
            _alert.c.evidence,
            _deal,
            _owner.c.name.label("owner_name"),
            _owner.c.email,
            _owner.c.active,
        )
        .join(_delivery, _delivery.c.alert_id == _alert.c.id)
        .join(_deal, same_deal)
        .outerjoin(_owner, its_owner)
        .where(_alert.c.connection == connection, _alert.c.state == AlertState.RAISED, condition)
        .order_by(_deal.c.owner_id, _alert.c.id)
    )


def _account(database: Connection, connection: str) -> tuple[str | None, str | None]:
    """(home currency, link to a deal); None before the first pull."""
    table = schema.connection
    row = database.execute(
        select(table.c.home_currency, table.c.deal_url).where(table.c.name == connection)
    ).one_or_none()
    return (row.home_currency, row.deal_url) if row else (None, None)


def _state(row: Row[Any], home: str | None, rates: Rates) -> DealState:
    return DealState(
        is_open=row.status == DealStatus.OPEN,
        removed=row.removed_at is not None,
        amount_home=_amount_home(row, home, rates),
    )


def _amount_home(row: Row[Any], home: str | None, rates: Rates) -> Decimal | None:
    """None = missing, or in a currency without a rate."""
    if row.amount_home is not None or row.amount is None:
        converted: Decimal | None = row.amount_home
        return converted
    amount: Decimal = row.amount
    if row.currency is None or row.currency == home:
        return amount
    rate = rates.get(row.currency)
    return None if rate is None else amount * rate


def _recipient(row: Row[Any]) -> Recipient | None:
    """An owner that the mirror does not know (owners may not be read) goes by the id."""
    if row.owner_id is None:
        return None
    if row.owner_name is None:
        return Recipient(row.owner_id, None, active=True)
    return Recipient(row.owner_name, row.email, row.active)


def _alerted(row: Row[Any], home: str | None, deal_url: str | None, rates: Rates) -> Alerted:
    return Alerted(
        alert_id=row.id,
        deal_id=row.deal_id,
        deal=row.name,
        rule=row.rule,
        evidence=row.evidence,
        amount=row.amount,
        currency=row.currency or home,
        amount_home=_amount_home(row, home, rates),
        url=deal_url.replace("{deal_id}", quote(row.deal_id, safe="")) if deal_url else None,
    )
