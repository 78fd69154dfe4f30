"""The mirror at a glance: names, states and counts of a connection's deals and alerts."""

from sqlalchemy import Engine, func, select

from sync.mirror import schema
from sync.mirror.engine import reading

_deal, _alert = schema.deal.c, schema.alert.c


def deal_names(engine: Engine, connection: str) -> dict[str, str]:
    """Deal id -> title, of deals that are not removed."""
    query = select(_deal.deal_id, _deal.name).where(
        _deal.connection == connection, _deal.removed_at.is_(None)
    )
    with reading(engine) as database:
        return {row.deal_id: row.name for row in database.execute(query)}


def deal_states(engine: Engine, connection: str) -> dict[str, str]:
    """Deal id -> open, won or lost, of deals that are not removed."""
    query = select(_deal.deal_id, _deal.status).where(
        _deal.connection == connection, _deal.removed_at.is_(None)
    )
    with reading(engine) as database:
        return {row.deal_id: row.status for row in database.execute(query)}


def holdings(engine: Engine, connection: str) -> tuple[dict[str, int], dict[str, int]]:
    """Deals by status, and open alerts by rule."""
    deals = (
        select(_deal.status, func.count())
        .where(_deal.connection == connection, _deal.removed_at.is_(None))
        .group_by(_deal.status)
    )
    alerts = (
        select(_alert.rule, func.count())
        .where(_alert.connection == connection, _alert.state == "raised")
        .group_by(_alert.rule)
    )
    with reading(engine) as database:
        return (
            {row[0]: row[1] for row in database.execute(deals)},
            {row[0]: row[1] for row in database.execute(alerts)},
        )
