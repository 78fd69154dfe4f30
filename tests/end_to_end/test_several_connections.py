"""One daemon for several accounts, as a process: what fails, fails alone."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests
from sqlalchemy import func, select

from sync.mirror import schema
from sync.mirror.engine import open_engine
from tests.contract.world import World
from tests.contract.worlds import world_of
from tests.end_to_end.conftest import Installation
from tests.end_to_end.test_daemon import Daemon
from tests.fake_clock import FakeClock

ACCOUNTS = (("hubspot", "norway"), ("hubspot", "sweden"), ("pipedrive", "denmark"))


@pytest.fixture
def worlds(tmp_path: Path) -> Iterator[dict[str, World]]:
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(world_of(kind, tmp_path, FakeClock(), deals=12, name=name))
            for kind, name in ACCOUNTS
        }


def installed(home: Path, database_url: str, worlds: dict[str, World], **more: object) -> Daemon:
    settings = {
        "connections": [world.settings for world in worlds.values()],
        "log": {"format": "json"},
        "web": {"port": 0},
        "schedule": {"jitter_seconds": 0},
        **more,
    }
    secrets = {name: value for world in worlds.values() for name, value in world.environ.items()}
    return Daemon(Installation(home, "", "", database_url, extra=settings, secrets=secrets).write())


def mirrored(database_url: str) -> dict[str, int]:
    engine = open_engine(database_url)
    table = schema.deal
    query = select(table.c.connection, func.count()).group_by(table.c.connection)
    with engine.connect() as database:
        found = {row[0]: row[1] for row in database.execute(query)}
    engine.dispose()
    return found


def done(daemon: Daemon, name: str) -> bool:
    """Whether that connection's first cycle went through."""
    return any(
        line.get("connection") == name and line["event"] == "assess" for line in daemon.lines()
    )


def test_a_wrong_token_stops_its_own_connection_only(
    tmp_path: Path, database_url: str, worlds: dict[str, World]
) -> None:
    sweden = worlds["sweden"].sandbox  # type: ignore[attr-defined]
    sweden.crm.expire_token(sweden.token)
    daemon = installed(tmp_path, database_url, worlds)
    try:
        address = daemon.address()
        daemon.until(lambda: done(daemon, "norway") and done(daemon, "denmark"))
        daemon.until(lambda: daemon.said("suspended"))
        ready = requests.get(f"{address}/health/ready", timeout=10)
        assert ready.status_code == 503
        assert "sweden" in ready.text
        assert daemon.terminate() == 0
    finally:
        daemon.end()
    assert mirrored(database_url) == {"norway": 12, "denmark": 12}


def test_a_token_that_is_not_there_stops_its_own_connection_only(
    tmp_path: Path, database_url: str, worlds: dict[str, World], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(worlds["denmark"]), "environ", {})
    daemon = installed(tmp_path, database_url, worlds)
    try:
        address = daemon.address()
        daemon.until(lambda: done(daemon, "norway") and done(daemon, "sweden"))
        (left_out,) = [line for line in daemon.lines() if "left out" in str(line["event"])]
        assert left_out["connection"] == "denmark"
        assert "DENMARK_TOKEN is not set" in str(left_out["error"])
        ready = requests.get(f"{address}/health/ready", timeout=10)
        assert ready.status_code == 503
        assert "denmark" in ready.text
        assert daemon.terminate() == 0
    finally:
        daemon.end()
    assert mirrored(database_url) == {"norway": 12, "sweden": 12}
