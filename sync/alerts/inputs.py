"""What alerts are planned and written from, read from the mirror."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from sqlalchemy import ColumnElement, Connection, Engine, Row, Select, select, union

from sync.alerts.bottleneck_inputs import OF_ACCOUNT, alerted_bottleneck, waiting_bottlenecks
from sync.alerts.lead_inputs import OF_LEADS, alerted_lead, waiting_leads
from sync.alerts.message import Alerted, Recipient, Telling
from sync.alerts.rules import DealState, Found, OpenAlert
from sync.alerts.store import MAX_DIGEST, DeliveryState, standing
from sync.crm.base import DealStatus
from sync.mirror import schema
from sync.mirror.engine import reading

_alert, _delivery = schema.alert, schema.alert_delivery
_deal, _finding, _owner = schema.deal, schema.finding, schema.owner

_OF_DEALS = ~OF_LEADS & ~OF_ACCOUNT
"""Ids of deals and of leads are of two series: the same id may be one of each."""

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
    """The alerts that one owner (None = nobody) is to be told of on one channel; those of the
    account are by themselves.
    """

    owner: Recipient | None
    alerts: Sequence[Telling]


def read_inputs(
    engine: Engine, connection: str, *, rules: Collection[str], rates: Rates | None = None
) -> Inputs:
    """Standing findings of `rules`, open alerts, and the deals of both. rates: for deals whose CRM
    gives no converted amount.
    """
    of_rules = (_finding.c.connection == connection) & _finding.c.rule.in_(sorted(rules))
    are_open = standing(connection, _OF_DEALS)
    concerned = union(
        select(_finding.c.deal_id).where(of_rules), select(_alert.c.deal_id).where(are_open)
    )
    with reading(engine) as database:
        home = _account(database, connection).home
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
    with_leads: bool = False,
) -> Sequence[Waiting]:
    """What waits for delivery on `channel`, by owner. only_retries: what was tried before.
    with_leads: alerts on leads too.
    """
    condition = (_delivery.c.channel == channel) & (_delivery.c.state == DeliveryState.PENDING)
    if only_retries:
        condition &= _delivery.c.attempts > 0
    with reading(engine) as database:
        account = _account(database, connection)
        deals = database.execute(_waiting_query(connection, condition)).all()
        leads = database.execute(waiting_leads(connection, condition)).all() if with_leads else []
        on_account = database.execute(waiting_bottlenecks(connection, condition)).all()
    groups: dict[str | None, tuple[Recipient | None, list[Telling]]] = {}
    for row in deals:
        group = groups.setdefault(row.owner_id, (_recipient(row), []))
        group[1].append(_alerted(row, account, rates or {}))
    for row in leads:
        group = groups.setdefault(row.owner_id, (_recipient(row), []))
        group[1].append(alerted_lead(row, account.lead_url))
    digests = [Waiting(owner, alerts[:MAX_DIGEST]) for owner, alerts in groups.values()]
    if on_account:
        digests.insert(0, Waiting(None, [alerted_bottleneck(row) for row in on_account]))
    return digests


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
        .where(standing(connection, _OF_DEALS), condition)
        .order_by(_deal.c.owner_id, _alert.c.id)
    )


@dataclass(frozen=True, slots=True)
class _Account:
    """Its home currency, and links to a deal and a lead; None before the first pull."""

    home: str | None = None
    deal_url: str | None = None
    lead_url: str | None = None


def _account(database: Connection, connection: str) -> _Account:
    table = schema.connection.c
    row = database.execute(
        select(table.home_currency, table.deal_url, table.lead_url).where(table.name == connection)
    ).one_or_none()
    return _Account(*row) if row else _Account()


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


def _alerted(row: Row[Any], account: _Account, rates: Rates) -> Alerted:
    deal_url = account.deal_url
    return Alerted(
        alert_id=row.id,
        deal_id=row.deal_id,
        deal=row.name,
        rule=row.rule,
        evidence=row.evidence,
        amount=row.amount,
        currency=row.currency or account.home,
        amount_home=_amount_home(row, account.home, rates),
        url=deal_url.replace("{deal_id}", quote(row.deal_id, safe="")) if deal_url else None,
    )
