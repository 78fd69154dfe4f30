"""The alert rows and their deliveries; each step is one transaction.

    pending -> sending -> sent | pending (to be tried again) | failed | uncertain
    pending -> withdrawn                            the alert was resolved before it was sent

A row leaves `pending` by one conditional update, so that two processes never send the same alert.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Select,
    and_,
    case,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from sync.alerts.rules import AlertPlan, Found
from sync.mirror import schema
from sync.mirror.engine import reading, writing

MIN_ATTEMPTS = 5
KEEP_TRYING = timedelta(days=3)
"""A delivery that fails for a passing reason is given up after so many tries, but not before its
alert is so old: a chat or mail server may be down for a weekend."""

MAX_DIGEST = 10_000
"""Alerts claimed at once; a database takes only so many parameters."""

_alert, _delivery = schema.alert, schema.alert_delivery


class AlertState(StrEnum):
    RAISED = "raised"
    RESOLVED = "resolved"


class DeliveryState(StrEnum):
    """UNCERTAIN: handed over without an answer, or claimed by a process that died: it may have
    arrived, and is never sent again by itself.
    """

    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    UNCERTAIN = "uncertain"
    WITHDRAWN = "withdrawn"


def standing(connection: str, of_rules: ColumnElement[bool]) -> ColumnElement[bool]:
    """The alerts of a connection by these rules that are raised and not resolved."""
    return and_(_alert.c.connection == connection, _alert.c.state == AlertState.RAISED, of_rules)


@dataclass(frozen=True, slots=True)
class RaiseReport:
    """withdrawn: deliveries not yet sent of alerts that are resolved now."""

    raised: int
    resolved: int
    withdrawn: int


def raise_and_resolve(
    engine: Engine, connection: str, plan: AlertPlan, channels: Sequence[str], *, at: datetime
) -> RaiseReport:
    """Carry out `plan` in the tables: episodes, and one pending delivery per channel name.

    Another process that raised or resolved the same meanwhile has done it; nothing is doubled.
    """
    with writing(engine) as transaction:
        resolved = _resolve(transaction, plan, at)
        raised = [
            alert_id
            for found in plan.to_raise
            if (alert_id := _raise(transaction, connection, found, at)) is not None
        ]
        pending = [
            {
                "alert_id": alert_id,
                "channel": channel,
                "state": DeliveryState.PENDING.value,
                "attempts": 0,
            }
            for alert_id in raised
            for channel in channels
        ]
        if pending:
            transaction.execute(insert(_delivery), pending)
        withdrawn = _withdraw(transaction, connection)
    return RaiseReport(len(raised), resolved, withdrawn)


def withdraw_resolved(engine: Engine, connection: str) -> int:
    """Take back what waits for delivery though its alert is resolved."""
    with writing(engine) as transaction:
        return _withdraw(transaction, connection)


def expire_claims(engine: Engine, connection: str, *, before: datetime) -> int:
    """Mark `uncertain` what was claimed before then and never finished: its process is dead."""
    statement = (
        update(_delivery)
        .where(
            _delivery.c.alert_id.in_(_alerts_of(connection)),
            _delivery.c.state == DeliveryState.SENDING,
            _delivery.c.claimed_at < before,
        )
        .values(
            state=DeliveryState.UNCERTAIN.value,
            last_error="the process that was sending it ended; it may have arrived",
        )
    )
    with writing(engine) as transaction:
        return transaction.execute(statement).rowcount


def claim(
    engine: Engine, channel: str, alert_ids: Sequence[int], *, claimed_by: str, at: datetime
) -> frozenset[int]:
    """Take these deliveries, by one conditional update; only the returned ones may be sent."""
    waiting = (
        select(_delivery.c.alert_id)
        .join(_alert, _alert.c.id == _delivery.c.alert_id)
        .where(
            _delivery.c.channel == channel,
            _delivery.c.alert_id.in_(alert_ids),
            _delivery.c.state == DeliveryState.PENDING,
            _alert.c.state == AlertState.RAISED,
        )
        .with_for_update(of=_delivery, skip_locked=True)
    )
    statement = (
        update(_delivery)
        .where(
            _delivery.c.channel == channel,
            _delivery.c.alert_id.in_(waiting),
            _delivery.c.state == DeliveryState.PENDING,
        )
        .values(
            state=DeliveryState.SENDING.value,
            claimed_by=claimed_by,
            claimed_at=at,
            attempts=_delivery.c.attempts + 1,
        )
        .returning(_delivery.c.alert_id)
    )
    with writing(engine) as transaction:
        return frozenset(transaction.execute(statement).scalars())


def finish(
    engine: Engine,
    channel: str,
    alert_ids: Sequence[int],
    *,
    claimed_by: str,
    state: DeliveryState,
    at: datetime,
    error: str | None = None,
) -> None:
    """End a claim. PENDING puts back to be tried again, or gives up: see `KEEP_TRYING`."""
    old = select(_alert.c.id).where(_alert.c.raised_at <= at - KEEP_TRYING)
    exhausted = (_delivery.c.attempts >= MIN_ATTEMPTS) & _delivery.c.alert_id.in_(old)
    new_state = (
        case((exhausted, DeliveryState.FAILED.value), else_=DeliveryState.PENDING.value)
        if state is DeliveryState.PENDING
        else state.value
    )
    statement = (
        update(_delivery)
        .where(
            _delivery.c.channel == channel,
            _delivery.c.alert_id.in_(alert_ids),
            _delivery.c.claimed_by == claimed_by,
            # a claim that expired under a slow sender: knowing beats not knowing
            _delivery.c.state.in_([DeliveryState.SENDING, DeliveryState.UNCERTAIN]),
        )
        .values(
            state=new_state,
            sent_at=at if state is DeliveryState.SENT else None,
            last_error=error,
        )
    )
    with writing(engine) as transaction:
        transaction.execute(statement)


def send_again(
    engine: Engine, connection: str, *, failed: bool = True, uncertain: bool = False
) -> int:
    """Put deliveries of alerts that still stand back in the queue; how many. failed: for a person
    who has corrected the channel. uncertain: at the risk that somebody is told twice.
    """
    wanted = {DeliveryState.FAILED: failed, DeliveryState.UNCERTAIN: uncertain}
    states = [state.value for state, yes in wanted.items() if yes]
    standing = _alerts_of(connection).where(_alert.c.state == AlertState.RAISED)
    statement = (
        update(_delivery)
        .where(_delivery.c.alert_id.in_(standing), _delivery.c.state.in_(states))
        .values(state=DeliveryState.PENDING.value, attempts=0)
    )
    with writing(engine) as transaction:
        return transaction.execute(statement).rowcount


def delivery_counts(engine: Engine, connection: str) -> dict[tuple[str, str], int]:
    """(channel, state) -> how many deliveries there are."""
    query = (
        select(_delivery.c.channel, _delivery.c.state, func.count())
        .where(_delivery.c.alert_id.in_(_alerts_of(connection)))
        .group_by(_delivery.c.channel, _delivery.c.state)
    )
    with reading(engine) as database:
        return {(channel, state): count for channel, state, count in database.execute(query)}


def _resolve(transaction: Connection, plan: AlertPlan, at: datetime) -> int:
    resolved = 0
    for alert_id, reason in plan.resolve.items():
        statement = (
            update(_alert)
            .where(_alert.c.id == alert_id, _alert.c.state == AlertState.RAISED)
            .values(state=AlertState.RESOLVED.value, resolved_at=at, resolution=reason.value)
        )
        resolved += transaction.execute(statement).rowcount
    return resolved


def _raise(transaction: Connection, connection: str, found: Found, at: datetime) -> int | None:
    """The new alert's id; None where this episode is already open."""
    values = {
        "connection": connection,
        "deal_id": found.deal_id,
        "rule": found.rule,
        "state": AlertState.RAISED.value,
        "raised_at": at,
        "evidence": dict(found.evidence),
    }
    dialect = sqlite if transaction.dialect.name == "sqlite" else postgresql
    statement = (
        dialect.insert(_alert).values(values).on_conflict_do_nothing().returning(_alert.c.id)
    )
    return transaction.execute(statement).scalar_one_or_none()


def _withdraw(transaction: Connection, connection: str) -> int:
    resolved = _alerts_of(connection).where(_alert.c.state == AlertState.RESOLVED)
    statement = (
        update(_delivery)
        .where(_delivery.c.state == DeliveryState.PENDING, _delivery.c.alert_id.in_(resolved))
        .values(state=DeliveryState.WITHDRAWN.value)
    )
    return transaction.execute(statement).rowcount


def _alerts_of(connection: str) -> Select[tuple[int]]:
    return select(_alert.c.id).where(_alert.c.connection == connection)
