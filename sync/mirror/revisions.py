"""Which tables the database has, and bringing them up to date.

Alembic is imported only where there is something to migrate: a mirror is looked at in each command,
and migrated once in a release.
"""

from importlib import resources

from sqlalchemy import Connection, Engine, column, inspect, select, table

from sync.errors import ConfigError
from sync.mirror.database_errors import named
from sync.mirror.engine import reading, writing

_MIGRATIONS = "sync.mirror.migrations"
_HELD = table("alembic_version", column("version_num"))
"""Alembic's own table, of one row."""


def upgrade(engine: Engine) -> None:
    """Create the tables, or bring older ones up to date, in one transaction; repeatable.

    Raises ConfigError for a database of a newer dealpulse.
    """
    with writing(engine, alone="dealpulse db upgrade") as transaction:
        revision = _revision(transaction)
        _refuse_newer(engine, revision)
        if revision != max(_known()):
            _migrate(transaction)


def current_revision(engine: Engine) -> str | None:
    """The revision of the database's tables; None where there are none."""
    with reading(engine) as snapshot:
        return _revision(snapshot)


def require_current(engine: Engine) -> None:
    """Raise ConfigError unless the database has exactly this program's tables."""
    revision = current_revision(engine)
    _refuse_newer(engine, revision)
    if revision != max(_known()):
        state = "has no tables yet" if revision is None else "is from an older dealpulse"
        raise ConfigError(f"{named(engine.url)} {state}: run `dealpulse db upgrade`.")


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(_HELD.name):
        return None
    return connection.execute(select(_HELD.c.version_num)).scalar_one_or_none()


def _refuse_newer(engine: Engine, revision: str | None) -> None:
    if revision is not None and revision not in _known():
        raise ConfigError(
            f"{named(engine.url)} is from a newer dealpulse (revision {revision}): "
            "install that version, or restore a backup made by this one."
        )


def _known() -> frozenset[str]:
    """The revisions of this program: the numbers that their files' names begin with."""
    files = (resources.files(_MIGRATIONS) / "versions").iterdir()
    return frozenset(name[:4] for file in files if (name := file.name)[:4].isdigit())


def _migrate(transaction: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config(attributes={"connection": transaction})
    package, _, folder = _MIGRATIONS.rpartition(".")
    config.set_main_option("script_location", f"{package}:{folder}")
    command.upgrade(config, "head")
