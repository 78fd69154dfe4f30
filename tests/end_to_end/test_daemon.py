"""The daemon as a process: health, one at a time, a clean end."""

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests
from sqlalchemy import select, update

from sync.mirror import schema
from sync.mirror.engine import open_engine
from sync.sandbox.behaviour import Behaviour
from sync.sandbox.generator import generate
from sync.sandbox.server import Sandbox, serve
from tests.end_to_end.conftest import Installation
from tests.fake_clock import FakeClock


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    clock = FakeClock()
    company = generate(seed=3, until=clock.now(), years=1, deals=80)
    with serve(company, clock=clock, behaviour=Behaviour(rate_limit=None)) as running:
        yield running


@pytest.fixture
def installation(sandbox: Sandbox, tmp_path: Path, database_url: str) -> Installation:
    extra = {"log": {"format": "json"}, "web": {"port": 0}, "schedule": {"jitter_seconds": 0}}
    return Installation(tmp_path, sandbox.url, sandbox.token, database_url, extra=extra).write()


class Daemon:
    def __init__(self, installation: Installation) -> None:
        self.log = installation.home / f"{time.monotonic_ns()}.log"
        with self.log.open("w") as stderr:
            self.process = subprocess.Popen(
                installation.command("run"),
                env=installation.environ,
                cwd=installation.home,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
            )

    def lines(self) -> list[dict[str, object]]:
        whole, _, _ = self.log.read_text().rpartition("\n")
        return [json.loads(line) for line in whole.splitlines() if line.startswith("{")]

    def said(self, event: str) -> bool:
        return any(event in str(line["event"]) for line in self.lines())

    def until(self, seen: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 120
        while not seen():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)

    def address(self) -> str:
        self.until(lambda: self.said("serving"))
        found = re.search(r"http://127\.0\.0\.1:\d+", self.log.read_text())
        assert found
        return found.group()

    def terminate(self) -> int:
        self.process.terminate()
        return self.process.wait(120)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def start(installation: Installation) -> Iterator[Callable[[], Daemon]]:
    started: list[Daemon] = []

    def one() -> Daemon:
        started.append(Daemon(installation))
        return started[-1]

    yield one
    for daemon in started:
        daemon.end()


def test_it_works_says_so_and_ends_cleanly(
    start: Callable[[], Daemon], installation: Installation
) -> None:
    daemon = start()
    address = daemon.address()
    assert requests.get(f"{address}/health/live", timeout=10).status_code == 200
    daemon.until(lambda: daemon.said("raise_alerts"))
    ready = requests.get(f"{address}/health/ready", timeout=10)
    assert ready.status_code == 200, ready.text
    metrics = requests.get(f"{address}/metrics", timeout=10).text
    labels = 'connection="portal",job_name="pull",outcome="ok"'
    assert f"dealpulse_job_runs_total{{{labels}}} 1.0" in metrics
    page = requests.get(address, timeout=10)
    assert page.status_code == 200
    assert "portal" in page.text

    assert daemon.terminate() == 0
    events = [str(line["event"]) for line in daemon.lines()]
    assert events.count("pull") == 1, "one line per job"
    assert events[-1] == "worker stopped"
    engine = open_engine(installation.database_url)
    with engine.connect() as database:
        assert database.execute(select(schema.lease)).all() == []
    engine.dispose()


def test_a_second_one_waits_and_takes_over(start: Callable[[], Daemon]) -> None:
    first = start()
    first.until(lambda: first.said("worker started"))
    second = start()
    second.until(lambda: second.said("waiting to take over"))
    assert not second.said("worker started")
    assert first.terminate() == 0
    second.until(lambda: second.said("worker started"))


@pytest.mark.parametrize("database_kind", ["postgres"], indirect=True)
def test_a_second_one_takes_over_from_one_that_was_killed(
    start: Callable[[], Daemon], installation: Installation, sandbox: Sandbox
) -> None:
    """Killed in the middle of its first pull; the other waits for the lease to run out, goes on
    where it was, and nothing is there twice."""
    installation.connection = {"request_timeout_s": 600, "deadline_s": 600}  # it never goes on
    installation.write()
    sandbox.faults.add("hang_before", seconds=600, times=1, path_contains="/batch/read")
    first = start()
    first.until(lambda: not sandbox.faults.pending())
    second = start()
    second.until(lambda: second.said("waiting to take over"))
    first.end()
    engine = open_engine(installation.database_url)
    with engine.begin() as database:  # the minute that the dead one's lease still lasts
        assert database.execute(select(schema.lease)).one()
        past = datetime(2020, 1, 1, tzinfo=UTC)
        database.execute(update(schema.lease).values(expires_at=past))
    assert not second.said("worker started")
    second.until(lambda: second.said("raise_alerts"))
    with engine.connect() as database:
        runs = database.execute(
            select(schema.job_run.c.status)
            .where(schema.job_run.c.job == "pull")
            .order_by(schema.job_run.c.id)
        )
        assert list(runs.scalars()) == ["abandoned", "ok"]
        ids = list(database.execute(select(schema.deal.c.deal_id)).scalars())
        stages = database.execute(
            select(schema.deal_change.c.deal_id).where(schema.deal_change.c.field == "stage")
        )
        assert sorted(ids) == sandbox.crm.deal_ids()
        assert set(stages.scalars()) == set(ids), "everybody's past is there"
    engine.dispose()
    assert second.terminate() == 0


def test_a_refused_token_suspends_the_connection_and_says_so(
    installation: Installation, start: Callable[[], Daemon], sandbox: Sandbox
) -> None:
    installation.token = "pat-eu1-00000000-0000-0000-0000-000000000000"
    daemon = start()
    address = daemon.address()
    daemon.until(lambda: daemon.said("suspended"))
    ready = requests.get(f"{address}/health/ready", timeout=10)
    assert ready.status_code == 503
    assert "portal" in ready.text
    assert installation.token not in daemon.log.read_text()
    assert daemon.terminate() == 0


def test_sigterm_ends_a_long_wait_that_the_crm_asked_for(
    installation: Installation, start: Callable[[], Daemon], sandbox: Sandbox
) -> None:
    patient = installation.config.read_text().replace("deadline_s: 20", "deadline_s: 600")
    assert "600" in patient
    installation.config.write_text(patient)
    sandbox.faults.add("migration_477", times=1, retry_after_s=300, path_contains="/pipelines")
    daemon = start()
    daemon.until(lambda: not sandbox.faults.pending())
    assert daemon.terminate() == 0, "not after the five minutes of the wait"
    assert daemon.said("pull stopped; it will be resumed")
    assert daemon.lines()[-1]["event"] == "worker stopped"
