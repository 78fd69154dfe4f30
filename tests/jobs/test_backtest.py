"""The nightly back-test: stopped and resumed, and what reports and the page show of it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from sqlalchemy import update

from forecasting.segments import ALL_SEGMENTS
from sync.bootstrap import App
from sync.cli.daemon_status import daemon_status
from sync.jobs import chain
from sync.jobs.backtest import backtest_since
from sync.jobs.runner import Job, JobResult, run_job
from sync.mirror import schema
from sync.mirror.backtests import last_definition, origin_rows
from sync.report.backtest import BacktestCut, backtest_report
from sync.report.forecast import forecast_report
from sync.report.naming import Segment
from sync.report.table import Report
from sync.sandbox.generator import generate
from sync.sandbox.server import serve
from tests.end_to_end.conftest import Installation, run_jobs
from tests.fake_clock import START, FakeClock

SINCE = START.date() - timedelta(days=150)
TEST = Job("backtest", backtest_since(SINCE, "month"))


@pytest.fixture(scope="module")
def pulled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mirror with one year of a small company's deals, assessed but not back-tested."""
    home = tmp_path_factory.mktemp("backtest")
    clock = FakeClock(START)
    with serve(generate(seed=11, until=START, years=1, deals=150), clock=clock) as sandbox:
        url = f"sqlite:///{home / 'dealpulse.db'}"
        installation = Installation(home, sandbox.url, sandbox.token, url).write()
        with installation.app(clock) as app:
            run_jobs(app, chain.PULL, chain.ASSESS)
    return home


@contextmanager
def opened(pulled: Path, home: Path) -> Iterator[App]:
    """A copy of it to work in; nothing asks the CRM any more."""
    shutil.copytree(pulled, home)
    url = f"sqlite:///{home / 'dealpulse.db'}"
    installation = Installation(home, "http://127.0.0.1:9", "none", url).write()
    with installation.app(FakeClock(START)) as app:
        yield app


@pytest.fixture
def mirror(pulled: Path, tmp_path: Path) -> Iterator[App]:
    with opened(pulled, tmp_path / "copy") as app:
        yield app


def back_tested(app: App, stop_after: int | None = None) -> JobResult:
    """One run, asked to stop after so many origins."""
    (settings,) = app.config.connections
    asked = iter(range(10_000))
    ctx = app.context(settings)
    if stop_after is not None:
        ctx = replace(ctx, should_stop=lambda: next(asked) >= stop_after)
    return run_job(TEST, ctx)


def stored(app: App) -> pl.DataFrame:
    """Every forecast that the record holds, of all segments."""
    with app.engine.connect() as connection:
        rows = pl.read_database(
            schema.backtest_origin.select(), connection, infer_schema_length=None
        )
    return rows.drop("job_run_id").sort(
        "origin", "period_kind", "period_start", "method", "variant", "segment_kind", "segment"
    )


def test_stopped_and_resumed_it_makes_the_record_of_one_run(mirror: App) -> None:
    first = back_tested(mirror, stop_after=2)
    assert first.stopped
    early = stored(mirror)
    assert early["origin"].n_unique() == 2

    second = back_tested(mirror)
    assert second.ok
    whole = stored(mirror)
    assert second.counts["origins"] == whole["origin"].n_unique() - 2 > 0
    kept = whole.filter(pl.col("origin").is_in(early["origin"].unique().implode()))
    assert_frame_equal(kept, early)
    keys = [name for name in whole.columns if name in schema.backtest_origin.primary_key.columns]
    assert keys
    assert not whole.select(keys).is_duplicated().any()
    assert set(whole["segment_kind"]) == set(ALL_SEGMENTS)

    with mirror.engine.begin() as connection:
        connection.execute(schema.backtest_origin.delete())
    assert back_tested(mirror).ok
    assert_frame_equal(stored(mirror), whole)


def test_a_past_forecast_is_never_made_anew(mirror: App) -> None:
    """Somebody edits won amounts: what was forecast, and what came of it, stays as it was told."""
    assert back_tested(mirror).ok
    before = stored(mirror)
    with mirror.engine.begin() as connection:
        connection.execute(update(schema.deal).values(amount=Decimal(1)))
    again = back_tested(mirror)
    assert again.ok
    assert (again.counts["origins"], again.counts["forecasts"]) == (0, 0)
    assert_frame_equal(stored(mirror), before)


@pytest.fixture(scope="module")
def finished(pulled: Path) -> Iterator[App]:
    """Back-tested, then assessed once more; for looking at only."""
    with opened(pulled, pulled.parent / "finished") as app:
        (settings,) = app.config.connections
        assert back_tested(app).ok
        assert run_job(chain.ASSESS, app.context(settings)).ok
        yield app


def methods(report: Report) -> set[object]:
    return {row["method"] for row in report.rows}


@pytest.mark.parametrize("shown", [False, True], ids=["by default", "show_rep_figures"])
def test_what_a_person_estimated_is_private_unless_it_is_switched_on(
    finished: App, shown: bool
) -> None:
    assert finished.config.forecast.show_rep_figures is False
    told: dict[str, Any] = {"show_rep_figures": True} if shown else {}
    forecasts = forecast_report(finished.engine, "portal", Segment.OWNER, methods=True, **told)
    scores = backtest_report(finished.engine, "portal", BacktestCut.OWNER, **told)
    for report in (forecasts, scores):
        assert ("intuitive" in methods(report)) is shown
        assert "opportunity_stage" in methods(report)
    of_all = forecast_report(finished.engine, "portal", Segment.TOTAL, methods=True)
    assert "intuitive" in methods(of_all)  # of all together it is nobody's own


def test_the_assessment_after_it_goes_by_its_record(finished: App) -> None:
    definition = last_definition(finished.engine, "portal")
    assert definition is not None
    assert "combination" in set(origin_rows(finished.engine, "portal", definition)["method"])
    report = forecast_report(finished.engine, "portal", Segment.TOTAL)
    assert methods(report) == {"combination"}
    assert any(row["past_origins"] for row in report.rows)


def test_the_page_shows_the_chosen_forecast_alone(finished: App) -> None:
    (shown,) = daemon_status(finished, finished.config.connections).connections
    assert {total.method for total in shown.forecasts} == {"combination"}
    assert len({total.period for total in shown.forecasts}) == len(shown.forecasts) > 0
