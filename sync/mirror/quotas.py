"""Quotas that came from outside the configuration."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Engine, delete, insert, select

from forecasting.fiscal import fiscal_period
from forecasting.quotas import Quota
from sync.mirror.engine import reading, writing
from sync.mirror.schema import owner
from sync.mirror.schema import quota as table

GOALS: Final = "goals"
"""The stream whose cursor tells when the CRM's goals were read, and how many were left out."""


def save_quotas(
    engine: Engine, connection: str, source: str, quotas: Sequence[Quota], *, at: datetime
) -> int:
    """Put `quotas` in the place of all that `source` gave before; returns how many those were."""
    rows = [
        {
            "connection": connection,
            "source": source,
            "kind": quota.kind,
            "segment": quota.segment,
            "period_start": quota.period.start,
            "period_end": quota.period.end,
            "measure": quota.measure,
            "pipelines": ",".join(quota.pipelines),
            "label": quota.label,
            "amount": quota.amount,
            "currency": quota.currency,
            "set_at": at,
        }
        for quota in quotas
    ]
    with writing(engine, alone=f"goals {connection}") as transaction:
        earlier = transaction.execute(
            delete(table).where(table.c.connection == connection, table.c.source == source)
        ).rowcount
        if rows:
            transaction.execute(insert(table), rows)
    return earlier


def saved_quotas(engine: Engine, connection: str) -> list[Quota]:
    """In order of their periods and segments."""
    query = (
        select(table)
        .where(table.c.connection == connection)
        .order_by(table.c.period_start, table.c.period_end, table.c.kind, table.c.segment)
    )
    with reading(engine) as snapshot:
        rows = snapshot.execute(query).all()
    return [
        Quota(
            kind=row.kind,
            segment=row.segment,
            label=row.label,
            period=fiscal_period(
                f"{row.period_start}..{row.period_end - timedelta(days=1)}"
            ).period,
            amount=row.amount,
            currency=row.currency,
            source=row.source,
            measure=row.measure,
            pipelines=tuple(filter(None, row.pipelines.split(","))),
        )
        for row in rows
    ]


def owner_emails(engine: Engine, connection: str) -> dict[str, str]:
    """E-mail address -> owner id, of those that have one; quotas often name people so."""
    query = select(owner.c.email, owner.c.owner_id).where(
        owner.c.connection == connection, owner.c.email.is_not(None)
    )
    with reading(engine) as snapshot:
        return {row.email: row.owner_id for row in snapshot.execute(query)}
