"""When the daemon calls itself ready."""

from datetime import timedelta

import pytest

from sync.web.status import ConnectionStatus, JobRun, StatusSnapshot, ago, readiness
from tests.fake_clock import START

CYCLE = timedelta(minutes=15)


def snapshot(*connections: ConnectionStatus, schema_problem: str | None = None) -> StatusSnapshot:
    return StatusSnapshot(START, CYCLE, connections, "1.0", schema_problem)


def pulled(name: str, *, minutes_ago: float, runs: tuple[JobRun, ...] = ()) -> ConnectionStatus:
    return ConnectionStatus(name, "hubspot", START - timedelta(minutes=minutes_ago), runs)


def failures(state: StatusSnapshot) -> dict[str, str]:
    return {check.name: check.detail for check in readiness(state) if not check.ok}


@pytest.mark.parametrize(("minutes", "ready"), [(0, True), (45, True), (45.02, False)])
def test_three_cycles_without_a_pull_is_the_limit(minutes: float, ready: bool) -> None:
    assert (not failures(snapshot(pulled("main", minutes_ago=minutes)))) is ready


def test_every_connection_counts() -> None:
    state = snapshot(pulled("a", minutes_ago=1), pulled("b", minutes_ago=300))
    assert failures(state) == {"pull:b": "last succeeded 5 h ago, more than 45 min"}


def test_a_connection_that_never_pulled() -> None:
    running = JobRun("pull", "running", START)
    state = snapshot(
        ConnectionStatus("new", "hubspot", None),
        ConnectionStatus("loading", "hubspot", None, [running]),
    )
    assert failures(state) == {
        "pull:new": "no pull has succeeded yet",
        "pull:loading": "no pull has succeeded yet; the first is under way",
    }


def test_a_failed_pull_says_why() -> None:
    run = JobRun("pull", "failed", START, START, error="the token was refused")
    state = snapshot(pulled("main", minutes_ago=90, runs=(run,)))
    assert failures(state)["pull:main"].endswith("the last one failed: the token was refused")


def test_one_failed_pull_soon_after_a_good_one_is_no_alarm() -> None:
    run = JobRun("pull", "failed", START, START, error="timeout")
    assert not failures(snapshot(pulled("main", minutes_ago=15, runs=(run,))))


def test_an_old_schema() -> None:
    state = snapshot(pulled("main", minutes_ago=1), schema_problem="run `dealpulse db upgrade`")
    assert failures(state) == {"schema": "run `dealpulse db upgrade`"}


@pytest.mark.parametrize(
    ("age", "text"),
    [
        (timedelta(seconds=59), "just now"),
        (timedelta(minutes=5), "5 min ago"),
        (timedelta(minutes=60), "1 h ago"),
        (timedelta(hours=47, minutes=59), "47 h ago"),
        (timedelta(hours=48), "2 days ago"),
    ],
)
def test_ages_in_words(age: timedelta, text: str) -> None:
    assert ago(age) == text
