"""The fields that the customer asked for besides the mirror's own columns, and their values."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Engine, and_, select, update

from sync.crm.base import FieldDefinition
from sync.mirror.engine import pulling, reading, writing
from sync.mirror.listed import save_listed
from sync.mirror.schema import deal, property_definition
from sync.mirror.upsert import storable


def save_fields(
    engine: Engine, connection: str, fields: Sequence[FieldDefinition], *, at: datetime
) -> None:
    """`fields` are all there are: others get `missing_since` and keep their names and values.

    Where the mirror has no deal yet, every deal will come with them: nothing is to be filled.
    """
    table = property_definition
    listed = [
        {
            "name": field.name,
            "label": storable(field.label),
            "kind": field.kind.value,
            "missing": False,
        }
        for field in fields
    ]
    empty = select(deal.c.deal_id).where(deal.c.connection == connection).limit(1)
    with writing(engine, alone=pulling(connection)) as transaction:
        save_listed(transaction, table, connection, listed, at)
        if transaction.execute(empty).one_or_none() is None:
            transaction.execute(
                update(table)
                .where(table.c.connection == connection, table.c.filled_at.is_(None))
                .values(filled_at=at)
            )
        # what was gone may come back with other values than those that were kept
        transaction.execute(
            update(table)
            .where(table.c.connection == connection, table.c.missing_since.is_not(None))
            .values(filled_at=None)
        )


def unfilled(engine: Engine, connection: str) -> list[str]:
    """Names of the fields that not every deal in the mirror was read with yet."""
    table = property_definition
    query = (
        select(table.c.name)
        .where(
            table.c.connection == connection,
            table.c.filled_at.is_(None),
            table.c.missing_since.is_(None),
        )
        .order_by(table.c.name)
    )
    with reading(engine) as snapshot:
        return list(snapshot.execute(query).scalars())


def mark_filled(engine: Engine, connection: str, names: Sequence[str], *, at: datetime) -> None:
    table = property_definition
    with writing(engine, alone=pulling(connection)) as transaction:
        transaction.execute(
            update(table)
            .where(table.c.connection == connection, table.c.name.in_(names))
            .values(filled_at=at)
        )


def deals_after(engine: Engine, connection: str, after: str, limit: int) -> list[str]:
    """The ids of the next `limit` deals that are in the CRM, in the order of their text."""
    living = and_(deal.c.connection == connection, deal.c.removed_at.is_(None))
    query = (
        select(deal.c.deal_id)
        .where(living, deal.c.deal_id > after)
        .order_by(deal.c.deal_id)
        .limit(limit)
    )
    with reading(engine) as snapshot:
        return list(snapshot.execute(query).scalars())


def labels(engine: Engine, connection: str) -> dict[str, str]:
    """Name -> label of every field that deals ever had, those that are gone included."""
    table = property_definition
    query = select(table.c.name, table.c.label).where(table.c.connection == connection)
    with reading(engine) as snapshot:
        found = snapshot.execute(query.order_by(table.c.name)).all()
    return {row.name: row.label for row in found}
