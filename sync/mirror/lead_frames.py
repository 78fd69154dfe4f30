"""Mirrored leads as the core's frames."""

import polars as pl
from sqlalchemy import Engine, select

from sync.mirror import columns, schema


def lead_frame(engine: Engine, connection: str) -> pl.DataFrame:
    """`forecasting.funnel.LEADS`, with the owner's name."""
    lead, owner = schema.lead, schema.owner
    query = (
        select(
            lead.c.lead_id,
            lead.c.stage,
            lead.c.owner_id,
            owner.c.name.label("owner"),
            lead.c.source,
            lead.c.created_at,
            lead.c.known_since,
        )
        .select_from(
            lead.outerjoin(
                owner,
                (owner.c.connection == lead.c.connection) & (owner.c.owner_id == lead.c.owner_id),
            )
        )
        .where(lead.c.connection == connection)
        .order_by(lead.c.lead_id)
    )
    return columns.frame(engine, query)


def lead_change_frame(engine: Engine, connection: str) -> pl.DataFrame:
    """`forecasting.funnel.CHANGES`, by lead and in order of time."""
    change = schema.lead_change
    query = (
        select(
            change.c.lead_id,
            change.c.field,
            change.c.value,
            change.c.changed_at,
            change.c.ordinal,
        )
        .where(change.c.connection == connection)
        .order_by(change.c.lead_id, change.c.changed_at, change.c.ordinal)
    )
    return columns.frame(engine, query)
