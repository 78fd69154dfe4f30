"""What pull writes, one transaction a call: the account, its pipelines, owners, and cursors.

Deals come through `save_page` (write_deals.py) and `save_removals` (tombstones.py).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, delete, func, select

from sync.crm.base import Account, Cursor, Owner, Pipeline, Stage
from sync.errors import ConfigError
from sync.mirror import schema
from sync.mirror.engine import pulling, writing
from sync.mirror.listed import rows_of, save_listed
from sync.mirror.tombstones import save_removals
from sync.mirror.upsert import Row, storable, upsert
from sync.mirror.write_deals import PageCounts, put_cursor, save_page

__all__ = [
    "PageCounts",
    "forget_cursor",
    "save_account",
    "save_cursor",
    "save_owners",
    "save_page",
    "save_pipelines",
    "save_removals",
]

_STAGE_DEFINITION = ("label", "position", "probability", "is_closed", "is_won")


def save_account(
    engine: Engine, connection: str, kind: str, account: Account, *, at: datetime
) -> None:
    """Raises ConfigError where the mirror knows `connection` as another account: the deals of two
    companies must never mix."""
    table = schema.connection
    with writing(engine, alone=pulling(connection)) as transaction:
        known = transaction.execute(
            select(table.c.kind, table.c.account_id).where(table.c.name == connection)
        ).one_or_none()
        if known is not None and tuple(known) != (kind, account.account_id):
            raise ConfigError(
                f"Connection {connection!r} holds the deals of {known.kind} account "
                f"{known.account_id}, but its token now opens {kind} account "
                f"{account.account_id}. Put the token of {known.account_id} back, or give "
                f"{account.account_id} a connection with a name of its own."
            )
        row = {
            "name": connection,
            "kind": kind,
            "account_id": account.account_id,
            "time_zone": account.time_zone,
            "home_currency": account.home_currency,
            "currencies": list(account.currencies),
            "deal_url": account.deal_url,
            "lead_url": account.lead_url,
            "seen_at": at,
        }
        upsert(transaction, table, [row])


def save_pipelines(
    engine: Engine, connection: str, pipelines: Sequence[Pipeline], *, at: datetime
) -> None:
    """`pipelines` are all there are: others, and archived ones, get `missing_since`. Every stage
    whose definition is not what it was gets a version valid from `at`."""
    listed = [
        {
            "pipeline_id": pipeline.pipeline_id,
            "label": storable(pipeline.label),
            "position": pipeline.position,
            "missing": pipeline.archived,
        }
        for pipeline in pipelines
    ]
    stages = [
        _stage(pipeline, stage, missing=pipeline.archived or stage.archived)
        for pipeline in pipelines
        for stage in pipeline.stages
    ]
    with writing(engine, alone=pulling(connection)) as transaction:
        save_listed(transaction, schema.pipeline, connection, listed, at)
        save_listed(transaction, schema.stage, connection, stages, at)
        _save_stage_versions(transaction, connection, at)


def save_owners(engine: Engine, connection: str, owners: Sequence[Owner], *, at: datetime) -> None:
    """`owners` are all there are: others get `missing_since` and are no longer active."""
    listed = [
        {
            "owner_id": owner.owner_id,
            "name": storable(owner.name),
            "email": owner.email,
            "active": owner.active,
            "teams": [storable(team) for team in owner.teams],
            "missing": False,
        }
        for owner in owners
    ]
    with writing(engine, alone=pulling(connection)) as transaction:
        gone = {"active": False}
        save_listed(transaction, schema.owner, connection, listed, at, when_missing=gone)


def save_cursor(
    engine: Engine, connection: str, stream: str, cursor: Cursor, *, at: datetime
) -> None:
    """For a step that brings no page; a page's own cursor is saved with the page."""
    with writing(engine, alone=pulling(connection)) as transaction:
        put_cursor(transaction, connection, stream, cursor, at)


def forget_cursor(engine: Engine, connection: str, stream: str) -> None:
    """The next pull of `stream` reads everything again."""
    cursor = schema.sync_cursor
    with writing(engine, alone=pulling(connection)) as transaction:
        transaction.execute(
            delete(cursor).where(cursor.c.connection == connection, cursor.c.stream == stream)
        )


def _stage(pipeline: Pipeline, stage: Stage, *, missing: bool) -> dict[str, Any]:
    return {
        "pipeline_id": pipeline.pipeline_id,
        "stage_id": stage.stage_id,
        "label": storable(stage.label),
        "position": stage.position,
        "probability": stage.probability,
        "is_closed": stage.is_closed,
        "is_won": stage.is_won,
        "missing": missing,
    }


def _save_stage_versions(transaction: Connection, connection: str, at: datetime) -> None:
    last = {_stage_key(row): _definition(row) for row in _last_versions(transaction, connection)}
    now = rows_of(transaction, select(schema.stage).where(schema.stage.c.connection == connection))
    versions = []
    for stage in now:
        version = {name: stage[name] for name in _STAGE_DEFINITION}
        version["missing"] = stage["missing_since"] is not None
        if last.get(_stage_key(stage)) != _definition(version):
            identity = {name: stage[name] for name in ("connection", "pipeline_id", "stage_id")}
            versions.append(identity | {"valid_from": at} | version)
    upsert(transaction, schema.stage_version, versions)


def _last_versions(transaction: Connection, connection: str) -> list[dict[str, Any]]:
    table = schema.stage_version
    newest = func.max(table.c.valid_from).over(
        partition_by=(table.c.connection, table.c.pipeline_id, table.c.stage_id)
    )
    ranked = (
        select(table, newest.label("newest")).where(table.c.connection == connection).subquery()
    )
    return rows_of(transaction, select(ranked).where(ranked.c.valid_from == ranked.c.newest))


def _stage_key(row: Row) -> tuple[str, str]:
    return row["pipeline_id"], row["stage_id"]


def _definition(row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in (*_STAGE_DEFINITION, "missing"))
