"""Opening the mirror's database, SQLite or Postgres, and the two ways to use it.

SQLite: a write transaction takes the write lock when it begins, so that two processes wait for
each other instead of failing half-way; readers see one snapshot and never wait.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, func, make_url, select
from sqlalchemy.exc import ArgumentError

from sync.errors import ConfigError
from sync.mirror.database_errors import shown, translate_errors, translated

LOCK_WAIT_S = 30
CONNECT_TIMEOUT_S = 10
CHECKPOINT_PAGES = 8_000
"""32 MB: during a first load a page of the file is written back once for many commits."""
_BEGIN = "dealpulse_begin"
_POSTGRES = ("postgresql", "postgres", "postgresql+psycopg")
_FORMS = "write sqlite:///file.db or postgresql://user@host/name"


def open_engine(url: str) -> Engine:
    """An engine on `url`; connects at first use, and raises only ConfigError and TransientError
    for what can go wrong outside the program.

    Transactions begun directly on it may write; `reading` is for those that do not.
    """
    parsed = _parsed(url)
    if parsed.drivername == "sqlite":
        engine = _sqlite(parsed)
    elif parsed.drivername in _POSTGRES:
        engine = _postgres(parsed.set(drivername="postgresql+psycopg"))
    else:
        raise ConfigError(
            f"database.url: dealpulse does not know the database {parsed.drivername!r}: {_FORMS}"
        )
    translate_errors(engine)
    return engine


def redacted(url: str) -> str:
    """`url` without its secrets, for messages. What cannot be read as a URL is not shown at all."""
    try:
        return shown(make_url(url))
    except (ArgumentError, ValueError):
        return "(unreadable database URL)"


@contextmanager
def writing(engine: Engine, *, alone: str | None = None) -> Iterator[Connection]:
    """One transaction: commits at the end, or applies nothing.

    `alone`: wait until no other transaction with the same text runs; SQLite's always do.
    """
    with translated(engine), engine.begin() as transaction:
        if alone is not None and engine.dialect.name == "postgresql":
            transaction.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(alone, 0))))
        yield transaction


def pulling(connection: str) -> str:
    """Name of the lock under which a connection's pulls write, one after the other."""
    return f"pull {connection}"


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One snapshot of the database, whatever is written meanwhile; never waits for a writer."""
    options: dict[str, Any] = (
        {_BEGIN: "BEGIN"}
        if engine.dialect.name == "sqlite"
        else {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    )
    with translated(engine), engine.connect().execution_options(**options) as snapshot:
        yield snapshot


def _parsed(url: str) -> URL:
    try:
        return make_url(url)
    except (ArgumentError, ValueError):
        # the parser's own words would repeat the URL, and with it the password
        raise ConfigError(f"database.url cannot be read: {_FORMS}") from None


def _sqlite(url: URL) -> Engine:
    if not url.database or url.database == ":memory:":
        raise ConfigError("database.url: the mirror must be a file: sqlite:///file.db")
    engine = create_engine(url, hide_parameters=True, connect_args={"timeout": LOCK_WAIT_S})

    @event.listens_for(engine, "connect")
    def _configure(driver: Any, _record: Any) -> None:
        driver.isolation_level = None  # BEGIN is ours, below
        if driver.execute("PRAGMA journal_mode").fetchone() != ("wal",):
            driver.execute("PRAGMA journal_mode = WAL")
        driver.execute("PRAGMA synchronous = NORMAL")
        driver.execute("PRAGMA foreign_keys = ON")
        driver.execute("PRAGMA temp_store = MEMORY")
        driver.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")

    @event.listens_for(engine, "begin")
    def _begin(transaction: Connection) -> None:
        transaction.exec_driver_sql(
            transaction.get_execution_options().get(_BEGIN, "BEGIN IMMEDIATE")
        )

    return engine


def _postgres(url: URL) -> Engine:
    timeout = {} if "connect_timeout" in url.query else {"connect_timeout": CONNECT_TIMEOUT_S}
    engine = create_engine(url, hide_parameters=True, pool_pre_ping=True, connect_args=timeout)

    @event.listens_for(engine, "connect")
    def _configure(driver: Any, _record: Any) -> None:
        driver.execute("SET TIME ZONE 'UTC'")
        driver.commit()

    return engine
