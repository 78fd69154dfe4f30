"""Every run leaves a row that says how it ended, also where dealpulse itself is at fault."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from sync.clock import Interrupted
from sync.jobs.context import Counts, JobContext
from sync.jobs.observers import JobLog
from sync.jobs.runner import Job, JobResult, run_chain
from sync.mirror import job_runs
from sync.mirror.job_runs import JobRun
from tests.end_to_end.conftest import Installation
from tests.fake_clock import FakeClock


class Told:
    def __init__(self) -> None:
        self.results: list[JobResult] = []

    def finished(self, result: JobResult) -> None:
        self.results.append(result)


def job_raising(error: BaseException) -> Job:
    def fail(ctx: JobContext, run_id: int) -> Counts:
        raise error

    return Job("assess", fail)


@pytest.fixture
def run(
    tmp_path: Path, database_url: str, clock: FakeClock
) -> Callable[[BaseException, Told], JobRun]:
    """Runs a chain whose first job raises; the row it leaves."""
    installation = Installation(tmp_path, "http://127.0.0.1:9", "token", database_url).write()

    def run(error: BaseException, told: Told) -> JobRun:
        with installation.app(clock) as app:
            context = app.context(app.config.connections[0])
            with nullcontext() if isinstance(error, Interrupted) else pytest.raises(type(error)):
                run_chain([job_raising(error), job_raising(AssertionError())], context, [told])
            last = job_runs.last_run(app.engine, "assess", "portal")
        assert last is not None
        return last

    return run


def test_a_bug_is_recorded_told_and_raised(run: Callable[[BaseException, Told], JobRun]) -> None:
    told = Told()
    row = run(ZeroDivisionError("Acme AS: 100 / 0"), told)
    assert (row.status, row.error_kind) == ("failed", "ZeroDivisionError")
    assert row.error is not None
    assert "a mistake in dealpulse" in row.error
    assert "Acme" not in row.error, "what the CRM holds stays out of the status page"
    (result,) = told.results
    assert not result.ok
    assert result.error is not None


def test_a_wait_cut_short_is_a_stop_and_no_failure(
    run: Callable[[BaseException, Told], JobRun],
) -> None:
    told = Told()
    row = run(Interrupted(), told)
    assert (row.status, row.error) == ("stopped", None)
    assert [result.stopped for result in told.results] == [True]


def test_ctrl_c_is_a_stop_and_no_failure(run: Callable[[BaseException, Told], JobRun]) -> None:
    assert run(KeyboardInterrupt(), Told()).status == "stopped"


class Lines:
    """What a log is told, as `level event`."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, event: str, **_: object) -> None:
        self.lines.append(f"info {event}")

    def warning(self, event: str, **_: object) -> None:
        self.lines.append(f"warning {event}")

    def error(self, event: str, **_: object) -> None:
        self.lines.append(f"error {event}")


def test_what_a_run_left_out_is_a_warning_once_until_it_comes_again() -> None:
    told = Lines()
    log = JobLog(told)
    for notes in (("no scope",), ("no scope",), (), ("no scope",)):
        log.finished(JobResult("pull", "main", 1, {}, 1, 0.1, notes=notes))
    assert told.lines == [
        "info pull",
        "warning pull: no scope",
        "info pull",
        "info pull",
        "info pull",
        "warning pull: no scope",
    ]
