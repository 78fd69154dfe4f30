"""Runs are recorded from start to end, also those whose process was killed."""

from sqlalchemy import Engine

from sync.mirror.job_runs import (
    JobRun,
    abandon_running,
    counted_since,
    end_run,
    last_run,
    start_run,
)
from tests.mirror.records import T0, minutes


def test_a_run_from_start_to_end(engine: Engine) -> None:
    run_id = start_run(engine, "pull", "acme", at=T0)
    begun = JobRun(run_id, "pull", "acme", T0, None, "running", {}, None, None)
    assert last_run(engine, "pull", "acme") == begun
    end_run(
        engine,
        run_id,
        status="failed",
        counts={"created": 7},
        error_kind="AuthError",
        error="Nøkkelen er ugyldig",
        at=minutes(2),
    )
    assert last_run(engine, "pull", "acme") == JobRun(
        run_id,
        "pull",
        "acme",
        T0,
        minutes(2),
        "failed",
        {"created": 7},
        "AuthError",
        "Nøkkelen er ugyldig",
    )


def test_the_last_run_of_a_job_of_a_connection_with_a_status(engine: Engine) -> None:
    assert last_run(engine, "pull", "acme") is None
    ok, failed = (start_run(engine, "pull", "acme", at=minutes(n)) for n in (1, 2))
    end_run(engine, ok, status="ok", counts={}, at=minutes(1))
    end_run(engine, failed, status="failed", counts={}, at=minutes(2))
    start_run(engine, "assess", "acme", at=minutes(3))
    start_run(engine, "pull", "other", at=minutes(3))
    same_instant = start_run(engine, "pull", "acme", at=minutes(2))
    found = [last_run(engine, "pull", "acme", status) for status in ("ok", "failed", None)]
    assert [run.id if run else None for run in found] == [ok, failed, same_instant]


def test_what_runs_counted_since_an_instant(engine: Engine) -> None:
    for n, (job, connection) in enumerate(
        [
            ("pull", "acme"),
            ("pull", "acme"),
            ("pull", "other"),
            ("assess", "acme"),
            ("pull", "acme"),
        ]
    ):
        run = start_run(engine, job, connection, at=minutes(n))
        end_run(engine, run, status="ok", counts={"histories": 10**n}, at=minutes(n))
    start_run(engine, "pull", "acme", at=minutes(9))
    assert counted_since(engine, "pull", "acme", "histories", minutes(0)) == 10_010
    assert counted_since(engine, "pull", "acme", "created", minutes(0)) == 0


def test_runs_of_a_killed_process_are_ended(engine: Engine) -> None:
    done = start_run(engine, "pull", "acme", at=T0)
    end_run(engine, done, status="ok", counts={}, at=minutes(1))
    start_run(engine, "assess", "acme", at=minutes(1))
    assert abandon_running(engine, at=minutes(9)) == 1
    assert abandon_running(engine, at=minutes(10)) == 0
    abandoned = last_run(engine, "assess", "acme")
    assert abandoned is not None
    assert (abandoned.status, abandoned.ended_at) == ("abandoned", minutes(9))
    assert last_run(engine, "pull", "acme", status="ok") is not None
