"""What the process job measured is kept whole, one run for each day of the account."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, func, select

from sync.mirror import process_results
from sync.mirror.engine import reading
from sync.mirror.job_runs import start_run
from sync.mirror.schema import process_result

NOON = datetime(2026, 3, 16, 11, tzinfo=UTC)


def measured(engine: Engine, at: datetime, value: float, connection: str = "acme") -> int:
    run_id = start_run(engine, "process", connection, at=at)
    process_results.save(
        engine,
        run_id,
        connection,
        as_of=at,
        zone="Europe/Oslo",
        rows={"stage": [{"stage": "Først", "days": value}, {"stage": "Så", "days": None}]},
    )
    return run_id


def kept(engine: Engine) -> set[int]:
    with reading(engine) as database:
        return set(database.execute(select(process_result.c.job_run_id).distinct()).scalars())


def test_rows_come_back_in_their_order(engine: Engine) -> None:
    assert process_results.latest(engine, "acme") is None
    measured(engine, NOON, 1.5)
    found = process_results.latest(engine, "acme")
    assert found is not None
    assert found.as_of == NOON
    assert found.of("stage") == [{"stage": "Først", "days": 1.5}, {"stage": "Så", "days": None}]
    assert found.of("cohort") == []


def test_of_one_day_the_last_run_is_kept_and_days_are_the_accounts(engine: Engine) -> None:
    measured(engine, NOON, 1.0)
    evening = measured(engine, NOON + timedelta(hours=11, minutes=30), 2.0)  # 23:30 in Oslo
    after_midnight = measured(engine, NOON + timedelta(hours=12, minutes=30), 3.0)
    other = measured(engine, NOON, 4.0, "other")
    assert kept(engine) == {evening, after_midnight, other}
    found = process_results.latest(engine, "acme")
    assert found is not None
    assert found.of("stage")[0]["days"] == 3.0
    with reading(engine) as database:
        assert database.execute(select(func.count()).select_from(process_result)).scalar() == 6
