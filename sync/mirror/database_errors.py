"""Driver errors in the user's words: what happened, to which database, and what to do.

Registered on the engine, so that nobody who uses it meets a raw one. Errors that only a mistake
in the program can cause (a broken constraint, malformed SQL) stay as they are.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from sqlalchemy import URL, Engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import TimeoutError as PoolTimeout

from sync.errors import ConfigError, DealpulseError, TransientError

_UPGRADE = "its tables are not those of this dealpulse: run `dealpulse db upgrade`"

_SQLITE: dict[str, tuple[type[DealpulseError], str]] = {
    "SQLITE_BUSY": (TransientError, "another process has kept it locked: try again"),
    "SQLITE_LOCKED": (TransientError, "another process has kept it locked: try again"),
    "SQLITE_FULL": (TransientError, "the disk is full: free some space, then run again"),
    "SQLITE_IOERR": (TransientError, "the disk could not be read or written: check it"),
    "SQLITE_READONLY": (
        ConfigError,
        "it may not be written: give this user write permission on the file and its directory",
    ),
    "SQLITE_NOTADB": (
        ConfigError,
        "the file is not an SQLite database: correct database.url, or move the file away",
    ),
    "SQLITE_CORRUPT": (
        ConfigError,
        "the file is damaged: restore a backup, or move it away and run `dealpulse backfill`",
    ),
}

# connection failures carry no SQLSTATE, only the server's text
_POSTGRES_TEXT: tuple[tuple[str, type[DealpulseError], str], ...] = (
    (
        "password authentication failed",
        ConfigError,
        "user name or password is wrong: set DEALPULSE_DATABASE_URL",
    ),
    ("no password supplied", ConfigError, "a password is needed: set DEALPULSE_DATABASE_URL"),
    (
        "pg_hba.conf",
        ConfigError,
        "the server does not let this user in from here: ask its administrator",
    ),
    ("does not exist", ConfigError, "the server does not know this database or user: create it"),
    (
        "resolve host",
        TransientError,
        "the host name is unknown: check database.url and the network",
    ),
    ("too many clients", TransientError, "the server has no connection left: try again"),
)

_SQLSTATE: tuple[tuple[str, type[DealpulseError], str], ...] = (
    ("28", ConfigError, "the server refuses this user: set DEALPULSE_DATABASE_URL"),
    ("3D", ConfigError, "the server does not know this database: create it"),
    ("42501", ConfigError, "this user lacks a permission: grant it the tables' schema"),
    ("42P01", ConfigError, _UPGRADE),
    ("42703", ConfigError, _UPGRADE),
    ("25006", ConfigError, "the server only lets read: use the primary, not a replica"),
    ("53100", TransientError, "the server's disk is full: free some space, then run again"),
    ("53", TransientError, "the server is out of resources: try again"),
    ("40", TransientError, "another process was in the way: try again"),
    ("55P03", TransientError, "another process has kept it locked: try again"),
    (
        "57",
        TransientError,
        "the server is stopping, starting or cancelled the statement: try again",
    ),
    ("58", TransientError, "the server could not read or write its disk: ask its administrator"),
    ("08", TransientError, "the connection to the server broke: try again"),
)


def shown(url: URL) -> str:
    """`url` without its secrets, wherever in it they stand."""
    secret = [key for key in url.query if "pass" in key.lower()]
    plain = url.difference_update_query(secret).set(drivername=url.get_backend_name())
    return plain.render_as_string(hide_password=True)


def named(url: URL) -> str:
    """How messages call the database: by its URL, without its secrets."""
    return f"Database {shown(url)}"


def translate_errors(engine: Engine) -> None:
    """From now on whatever `engine` executes raises our errors."""

    @event.listens_for(engine, "handle_error")
    def _translate(context: ExceptionContext) -> DealpulseError | None:
        if context.is_pre_ping:  # the pool itself opens a new connection
            return None
        return _ours(context.original_exception, engine.url)


@contextmanager
def translated(engine: Engine) -> Iterator[None]:
    """The same for what a block does with a driver's own objects, or waits for."""
    try:
        yield
    except (sqlite3.Error, psycopg.Error) as error:
        ours = _ours(error, engine.url)
        if ours is None:
            raise
        raise ours from error
    except PoolTimeout as error:
        raise TransientError(
            f"{named(engine.url)}: all connections of this process are in use: try again."
        ) from error


def _ours(error: BaseException, url: URL) -> DealpulseError | None:
    """Our error for a driver's; None where only the program can be at fault."""
    if isinstance(error, sqlite3.Error):
        found = _sqlite(error, Path(url.database or ""))
    elif isinstance(error, psycopg.Error):
        found = _postgres(error)
    else:
        found = None
    if found is None:
        return None
    kind, text = found
    return kind(f"{named(url)}: {text}.")


def _sqlite(error: sqlite3.Error, file: Path) -> tuple[type[DealpulseError], str] | None:
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith("SQLITE_CANTOPEN"):
        return ConfigError, _cannot_open(file)
    if str(error).startswith(("no such table", "no such column")):
        return ConfigError, _UPGRADE
    for prefix, found in _SQLITE.items():
        if name.startswith(prefix):
            return found
    return None


def _cannot_open(file: Path) -> str:
    if file.is_dir():
        return f"{file} is a directory: write the name of a file in it"
    if not file.parent.is_dir():
        return f"the directory {file.parent} does not exist: create it, or correct database.url"
    return f"{file} cannot be opened: give this user permission on it and its directory"


def _postgres(error: psycopg.Error) -> tuple[type[DealpulseError], str] | None:
    for prefix, kind, text in _SQLSTATE:
        if (error.sqlstate or "").startswith(prefix):
            return kind, text
    if error.sqlstate is not None or not isinstance(error, psycopg.OperationalError):
        return None
    said = " ".join(str(error).split())
    for part, kind, text in _POSTGRES_TEXT:
        if part in said:
            return kind, f"{text} (it said: {said})"
    return (
        TransientError,
        f"the server cannot be reached: start it, or correct database.url ({said})",
    )
