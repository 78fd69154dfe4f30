"""Migrated tables are the schema's tables, on both databases; others are refused."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, Inspector, inspect, text

from sync.errors import ConfigError
from sync.mirror import migrations
from sync.mirror.engine import open_engine, writing
from sync.mirror.quotas import saved_quotas
from sync.mirror.revisions import current_revision, require_current, upgrade
from sync.mirror.schema import metadata

HEAD = max(path.stem[:4] for path in Path(migrations.__path__[0]).glob("versions/0*.py"))


def described(inspector: Inspector) -> dict[str, Any]:
    """Everything that the database itself tells about its tables."""
    return {
        table: {
            "columns": [
                {**column, "type": repr(column["type"])} for column in inspector.get_columns(table)
            ],
            "key": inspector.get_pk_constraint(table),
            "foreign keys": inspector.get_foreign_keys(table),
            "unique": sorted(map(repr, inspector.get_unique_constraints(table))),
            "indexes": sorted(
                repr(index | {"dialect_options": {k: str(v) for k, v in options.items()}})
                for index in inspector.get_indexes(table)
                for options in [index.get("dialect_options", {})]
            ),
            "options": inspector.get_table_options(table),
        }
        for table in inspector.get_table_names()
        if table != "alembic_version"
    }


def test_migrated_equals_fresh(engine: Engine, bare_database_url: str) -> None:
    fresh = open_engine(bare_database_url)
    metadata.create_all(fresh)
    try:
        assert described(inspect(engine)) == described(inspect(fresh))
        assert set(described(inspect(fresh))) == set(metadata.tables)
    finally:
        fresh.dispose()


def test_autogenerate_finds_nothing_to_do(engine: Engine) -> None:
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_a_database_without_tables_asks_for_an_upgrade(bare_database_url: str) -> None:
    engine = open_engine(bare_database_url)
    try:
        assert current_revision(engine) is None
        with pytest.raises(ConfigError, match="has no tables yet: run `dealpulse db upgrade`"):
            require_current(engine)
        upgrade(engine)
        require_current(engine)
        upgrade(engine)
        assert current_revision(engine) == HEAD
    finally:
        engine.dispose()


def test_a_database_of_a_newer_program_is_left_alone(engine: Engine) -> None:
    with writing(engine) as transaction:
        transaction.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for refused in (require_current, upgrade):
        with pytest.raises(ConfigError, match=r"newer dealpulse \(revision 9999\)"):
            refused(engine)


def test_a_failed_upgrade_leaves_nothing_behind(bare_database_url: str) -> None:
    engine = open_engine(bare_database_url)
    try:
        with writing(engine) as transaction:
            transaction.execute(text("CREATE TABLE write_journal (id integer)"))
        with pytest.raises(Exception, match="write_journal"):
            upgrade(engine)
        assert inspect(engine).get_table_names() == ["write_journal"]
    finally:
        engine.dispose()


def test_quotas_of_an_older_version_are_of_money_in_all_pipelines(bare_database_url: str) -> None:
    engine = open_engine(bare_database_url)
    try:
        with writing(engine) as transaction:
            config = Config(attributes={"connection": transaction})
            config.set_main_option("script_location", "sync.mirror:migrations")
            command.upgrade(config, "0011")
            transaction.execute(
                text(
                    "INSERT INTO quota VALUES ('main', 'csv', 'team', 'North', '2026-01-01', "
                    "'2026-04-01', 'FY2026-Q1', '500000.5', 'NOK', '2026-03-16T09:00:00Z')"
                )
            )
        upgrade(engine)
        (kept,) = saved_quotas(engine, "main")
        assert (kept.segment, kept.amount, kept.currency) == ("North", Decimal("500000.5"), "NOK")
        assert (kept.measure, kept.pipelines) == ("amount", ())
    finally:
        engine.dispose()
