"""Whatever is wrong with the database, the message says what to do and keeps the password."""

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import psycopg
import pytest
from sqlalchemy import Engine, insert, make_url, text

from sync.errors import ConfigError, DealpulseError, TransientError
from sync.mirror import read
from sync.mirror.database_errors import translated
from sync.mirror.engine import open_engine, reading, redacted, writing
from sync.mirror.revisions import require_current, upgrade
from sync.mirror.schema import lease
from tests.mirror.records import T0, deal, minutes, rows, save

PASSWORD = "hemmelig-%40-passord"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite:///dealpulse.db", "sqlite:///dealpulse.db"),
        (f"postgresql://ola:{PASSWORD}@db/sales", "postgresql://ola:***@db/sales"),
        (f"postgresql://db/sales?password={PASSWORD}", "postgresql://db/sales"),
        (f"postgresql://ola:{PASSWORD}@db:port/sales", "(unreadable database URL)"),
        (PASSWORD, "(unreadable database URL)"),
    ],
)
def test_secrets_are_not_shown(url: str, shown: str) -> None:
    assert redacted(url) == shown


@pytest.mark.parametrize(
    ("url", "says"),
    [
        (PASSWORD, "cannot be read: write sqlite:///file.db or postgresql://"),
        (f"postgresql://ola:{PASSWORD}@db:port/sales", "cannot be read"),
        (f"mysql://ola:{PASSWORD}@db/sales", "does not know the database 'mysql'"),
        (f"postgresql+psycopg2://ola:{PASSWORD}@db/sales", "does not know the database"),
        ("sqlite://", "must be a file"),
        ("sqlite:///:memory:", "must be a file"),
    ],
)
def test_urls_that_cannot_work_are_refused_at_once(url: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        open_engine(url)
    assert no_secret(caught.value)


def no_secret(error: BaseException) -> bool:
    """Neither in the error nor in what it is chained to, as a traceback would show it."""
    shown: list[str] = []
    link: BaseException | None = error
    while link is not None:
        shown.append(str(link))
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return not any("hemmelig" in words for words in shown)


def refusal(url: str) -> DealpulseError:
    """What using the database at `url` raises."""
    engine = open_engine(url)
    try:
        with pytest.raises(DealpulseError) as caught:
            upgrade(engine)
    finally:
        engine.dispose()
    assert no_secret(caught.value)
    assert redacted(url) in str(caught.value)
    return caught.value


def test_an_unreachable_server_may_work_later() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound but not listening: nobody else can answer there
        port = unused.getsockname()[1]
        error = refusal(f"postgresql://ola:{PASSWORD}@127.0.0.1:{port}/sales")
    assert isinstance(error, TransientError)
    assert "cannot be reached: start it, or correct database.url" in str(error)


def test_an_unknown_host_may_work_later() -> None:
    error = refusal(f"postgresql://ola:{PASSWORD}@db.invalid/sales")
    assert isinstance(error, TransientError)
    assert "host name is unknown" in str(error)


def test_an_unknown_postgres_database_has_to_be_created(postgres_server: str) -> None:
    url = make_url(postgres_server).set(database="nowhere", password=PASSWORD)
    error = refusal(url.render_as_string(hide_password=False))
    assert isinstance(error, ConfigError)
    assert "does not know this database or user: create it" in str(error)


@pytest.mark.parametrize(
    ("said", "kind", "says"),
    [
        ('FATAL: password authentication failed for user "ola"', ConfigError, "password is wrong"),
        ("fe_sendauth: no password supplied", ConfigError, "a password is needed"),
        ("FATAL: no pg_hba.conf entry for host", ConfigError, "does not let this user in"),
        ("FATAL: sorry, too many clients already", TransientError, "no connection left"),
    ],
)
def test_what_a_server_says_when_it_refuses_a_connection(
    said: str, kind: type[DealpulseError], says: str
) -> None:
    """It comes as text alone, with no code; the bundled server lets everybody in."""
    engine = open_engine(f"postgresql://ola:{PASSWORD}@db/sales")
    with pytest.raises(kind, match=says), translated(engine):
        raise psycopg.OperationalError(said)


@pytest.fixture
def existing(tmp_path: Path, sqlite_template: Path) -> Path:
    return Path(shutil.copy(sqlite_template, tmp_path / "mirror.db"))


def nowhere(tmp_path: Path) -> Path:
    return tmp_path / "none" / "mirror.db"


def directory(tmp_path: Path) -> Path:
    return tmp_path


def no_database(tmp_path: Path) -> Path:
    (tmp_path / "notes.txt").write_text("Husk melk. " * 100)
    return tmp_path / "notes.txt"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (nowhere, "none does not exist: create it, or correct database.url"),
        (directory, "is a directory: write the name of a file in it"),
        (no_database, "is not an SQLite database"),
    ],
)
def test_a_file_that_cannot_be_the_mirror(
    make: Callable[[Path], Path], says: str, tmp_path: Path
) -> None:
    error = refusal(f"sqlite:///{make(tmp_path)}")
    assert isinstance(error, ConfigError)
    assert says in str(error)


def test_a_damaged_file_asks_for_the_backup(existing: Path) -> None:
    content = bytearray(existing.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    existing.write_bytes(content)
    error = refusal(f"sqlite:///{existing}")
    assert isinstance(error, ConfigError)
    assert "damaged: restore a backup" in str(error)


def test_a_read_only_file_asks_for_permission(existing: Path) -> None:
    engine = open_engine(f"sqlite:///file:{existing}?mode=ro&uri=true")
    require_current(engine)
    with pytest.raises(ConfigError, match="may not be written: give this user write permission"):
        save(engine, deal("1"))
    engine.dispose()


def test_a_full_disk_may_work_later(existing: Path) -> None:
    engine = open_engine(f"sqlite:///{existing}")
    with pytest.raises(TransientError, match="disk is full: free some space"), writing(engine) as t:
        t.execute(text("PRAGMA max_page_count = 1"))  # what a full disk looks like to SQLite
        row = {"name": "x" * 10_000_000, "holder": "", "expires_at": T0}
        t.execute(insert(lease), [row])
    engine.dispose()


def test_missing_tables_ask_for_an_upgrade(bare_database_url: str) -> None:
    engine = open_engine(bare_database_url)
    with pytest.raises(ConfigError, match="run `dealpulse db upgrade`"):
        read.deal_count(engine, "acme")
    engine.dispose()


def test_a_locked_file_may_work_later(existing: Path) -> None:
    engine = open_engine(f"sqlite:///{existing}")
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout = 1")
    with sqlite3.connect(existing, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(TransientError, match="locked: try again"), writing(engine):
            pass
    engine.dispose()


def test_no_free_connection_may_work_later(engine: Engine) -> None:
    engine.pool._timeout = 0.01  # type: ignore[attr-defined]
    with pytest.raises(TransientError, match="all connections of this process"):
        hold_all(engine)


def hold_all(engine: Engine) -> NoReturn:
    with reading(engine):
        hold_all(engine)


@pytest.mark.parametrize("database_kind", ["postgres"], indirect=True)
def test_a_connection_that_breaks_may_work_later(engine: Engine) -> None:
    with pytest.raises(TransientError, match="try again"), reading(engine) as snapshot:
        mine = snapshot.execute(text("SELECT pg_backend_pid()")).scalar_one()
        with writing(engine) as other:
            other.execute(text(f"SELECT pg_terminate_backend({mine})"))
        snapshot.execute(text("SELECT 1"))
    assert read.connections(engine) == []  # the pool has replaced what broke


def test_mistakes_of_the_program_stay_what_they_are(engine: Engine) -> None:
    with pytest.raises(Exception, match=r"(?i)unique|duplicate") as caught, writing(engine) as t:
        t.execute(insert(lease), [{"name": "x", "holder": "a", "expires_at": T0}] * 2)
    assert not isinstance(caught.value, DealpulseError)
    assert "2026" not in str(caught.value)  # no customer's data in a traceback


def test_a_reader_sees_one_state_while_others_write(engine: Engine) -> None:
    save(engine, deal("1"))
    with reading(engine) as snapshot:
        before = snapshot.execute(text("SELECT count(*) FROM deal")).scalar_one()
        save(engine, deal("2"))
        assert snapshot.execute(text("SELECT count(*) FROM deal")).scalar_one() == before
    assert read.deal_count(engine, "acme") == 2


def test_the_session_is_in_utc(engine: Engine) -> None:
    save(engine, deal("1", modified_at=minutes(1)))
    assert str(rows(engine, read.schema.deal)[0]["modified_at"]) == "2026-01-05 08:31:00+00:00"


WRITER = textwrap.dedent("""
    import os, signal, sys
    from sqlalchemy import event
    from sync.mirror.engine import open_engine
    from tests.mirror.records import deal, minutes, moved, save

    url, name, kill_before = sys.argv[1:]
    engine = open_engine(url)

    @event.listens_for(engine, "before_cursor_execute")
    def kill(connection, cursor, statement, *rest):
        if kill_before and kill_before in statement:
            os.kill(os.getpid(), signal.SIGKILL)

    for number in range(20):
        save(
            engine,
            deal("shared", name=name, modified_at=minutes(number)),
            deal(f"{name}-{number}"),
            changes=[moved(f"{name}-{number}", None, "offer", minutes(number))],
            cursor={name: str(number)},
        )
""")


def start_writer(url: str, name: str, kill_before: str = "") -> subprocess.Popen[bytes]:
    root = Path(__file__).parents[2]
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, url, name, kill_before],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root)},
    )


def test_two_processes_write_side_by_side(database_url: str, engine: Engine) -> None:
    writers = [start_writer(database_url, name) for name in ("a", "b")]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    assert read.deal_count(engine, "acme") == 41
    assert len(rows(engine, read.schema.deal_change)) == 40
    assert list(read.cursor(engine, "acme", "deals") or {}) in (["a"], ["b"])


def test_a_process_killed_before_the_cursor_leaves_nothing_of_its_page(
    database_url: str, engine: Engine
) -> None:
    save(engine, deal("1"), cursor={"after": "1"})
    assert start_writer(database_url, "a", "INTO sync_cursor").wait(60) == -9
    assert [row["deal_id"] for row in rows(engine, read.schema.deal)] == ["1"]
    assert rows(engine, read.schema.deal_change) == []
    assert read.cursor(engine, "acme", "deals") == {"after": "1"}
    assert save(engine, deal("shared"), deal("a-0")).created == 2


def test_two_processes_may_upgrade_at_once(bare_database_url: str) -> None:
    upgrader = (
        "import sys; from sync.mirror.engine import open_engine; "
        "from sync.mirror.revisions import upgrade; upgrade(open_engine(sys.argv[1]))"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", upgrader, bare_database_url]) for _ in range(2)
    ]
    assert [process.wait(60) for process in running] == [0, 0]
    engine = open_engine(bare_database_url)
    require_current(engine)
    engine.dispose()
