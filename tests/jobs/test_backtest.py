"""The nightly back-test: stopped and resumed, at its hour, and what reports and the page show."""

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from sqlalchemy import func, select, update

from forecasting.segments import ALL_SEGMENTS
from sync.bootstrap import App
from sync.cli.daemon import _work
from sync.cli.daemon_status import daemon_status
from sync.jobs import chain
from sync.jobs.backtest import backtest_since
from sync.jobs.forecasts import floor
from sync.jobs.runner import Job, JobResult, run_job
from sync.mirror import job_runs, schema
from sync.mirror.backtests import last_definition, origin_rows, with_horizon
from sync.report.backtest import BacktestCut, backtest_chart, backtest_report
from sync.report.forecast import forecast_report
from sync.report.naming import Segment, segment_names
from sync.report.table import Report
from sync.sandbox.generator import generate
from sync.sandbox.server import serve
from sync.worker import Worker
from tests.end_to_end.conftest import Installation, run_jobs
from tests.fake_clock import START, FakeClock
from tests.test_worker import Lines, Turns

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


@pytest.mark.parametrize("shown", [False, True], ids=["by default", "show_rep_figures"])
@pytest.mark.parametrize(
    "command", ["forecast --methods --by owner", "backtest --by owner --since 2099-01-01"]
)
def test_the_commands_go_by_the_setting(
    finished: App, tmp_path: Path, command: str, shown: bool
) -> None:
    """Nothing is tested anew: no day lies so far ahead."""
    extra = {"forecast": {"show_rep_figures": True}} if shown else {}
    url = f"sqlite:///{finished.engine.url.database}"
    installation = Installation(tmp_path, "http://127.0.0.1:9", "none", url, extra=extra).write()
    done = installation.run(*command.split(), "--format", "json")
    assert done.returncode == 0, done.stderr
    (report,) = json.loads(done.stdout)
    told = {row["method"] for row in report["rows"]}
    assert ("intuitive" in told) is shown
    assert "opportunity_stage" in told


def assessed(app: App, **later: float) -> None:
    """Once more, so much later."""
    assert isinstance(app.clock, FakeClock)
    app.clock.advance(seconds=timedelta(**later).total_seconds())
    (settings,) = app.config.connections
    assert run_job(chain.ASSESS, app.context(settings)).ok


def test_what_is_said_of_each_deal_is_kept_once_a_week(mirror: App) -> None:
    def kept() -> int:
        with mirror.engine.connect() as database:
            runs = select(func.count(schema.prediction.c.job_run_id.distinct()))
            return int(database.execute(runs).scalar_one())

    assert kept() == 1  # by the first run, on a Monday
    for days, runs in ((0.1, 1), (6, 1), (1, 2)):
        assessed(mirror, days=days)
        assert kept() == runs


def test_what_is_learned_holds_for_the_day(mirror: App) -> None:
    """A deal won an hour after tomorrow's assessment teaches from the day after on."""
    forecast, deal = schema.forecast, schema.deal

    def learned_from() -> int:
        chosen = (forecast.c.method == "opportunity_stage") & (forecast.c.variant == "learned")
        latest = select(forecast.c.sample).where(chosen).order_by(forecast.c.id.desc()).limit(1)
        with mirror.engine.connect() as database:
            return int(database.execute(latest).scalar_one())

    assessed(mirror, days=1)
    before = learned_from()
    with mirror.engine.begin() as database:
        one = select(func.min(deal.c.deal_id)).where(deal.c.status == "open").scalar_subquery()
        won = update(deal).where(deal.c.deal_id == one)
        database.execute(won.values(status="won", closed_at=START + timedelta(days=1, hours=1)))
    assessed(mirror, hours=2)
    assert learned_from() == before
    assessed(mirror, days=1)
    assert learned_from() == before + 1


def test_the_assessment_after_it_goes_by_its_record(finished: App) -> None:
    definition = last_definition(finished.engine, "portal")
    assert definition is not None
    assert "combination" in set(origin_rows(finished.engine, "portal", definition)["method"])
    report = forecast_report(finished.engine, "portal", Segment.TOTAL)
    assert methods(report) == {"combination"}
    assert any(row["past_origins"] for row in report.rows)


def test_what_is_stored_tells_method_parameters_and_cut_off(finished: App) -> None:
    """Of a prediction the parameters are those of the same run's forecasts."""
    with finished.engine.connect() as connection:
        made = connection.execute(select(schema.forecast)).mappings().all()
        said = connection.execute(select(schema.prediction)).mappings().all()
        scored = connection.execute(select(schema.backtest_score)).mappings().all()
    parameters = {(row["method"], row["variant"]): row["parameters"] for row in made}
    assert parameters["multivariable", "additive"] == {"learned": "additive", "prior_exits": 2.0}
    assert parameters["historical", "mean"] == {"model": "mean"}
    for row in (*made, *said, *scored):
        assert START <= row["as_of"] < START + timedelta(seconds=1)  # the pull took a little
    assert {(row["method"], row["variant"]) for row in said} <= set(parameters)
    assert {row["job_run_id"] for row in said} <= {row["job_run_id"] for row in made}
    tested = last_definition(finished.engine, "portal")
    assert {row["definition"] for row in scored} == {tested}
    latest = max(row["job_run_id"] for row in made)
    assert {row["definition"] for row in made if row["job_run_id"] == latest} == {tested}


def test_beside_a_forecast_stand_its_past_error_the_tests_and_the_floor(finished: App) -> None:
    report = forecast_report(finished.engine, "portal", Segment.TOTAL)
    shown = {column.label for column in report.columns if column.on_screen}
    assert {"Past error", "Tests", "Floor", "P10", "P50", "P90"} <= shown
    month = report.rows[0]
    assert month["past_origins"] >= 3
    assert month["past_wape"] > 0
    assert month["floor"] > 0
    assert month["sample"] > 0


def test_the_past_error_is_of_forecasts_made_about_as_far_from_the_end(
    finished: App,
) -> None:
    """On 16 March 16 days are left: months that had begun, with 8 to 32 days to go."""
    definition = last_definition(finished.engine, "portal")
    assert definition is not None
    rows = with_horizon(origin_rows(finished.engine, "portal", definition)).filter(
        (pl.col("method") == "combination") & (pl.col("period_kind") == "month")
    )
    begun = rows.filter(pl.col("ahead") == 0)
    alike = begun.filter(
        (pl.col("period_end") - pl.col("origin")).dt.total_days().is_between(8, 32)
    )
    error = (alike["actual"] - alike["forecast"]).abs().sum() / alike["actual"].sum()
    month = forecast_report(finished.engine, "portal", Segment.TOTAL).rows[0]
    assert month["period"] == "2026-03"
    assert month["past_origins"] == alike.height < rows.height
    assert month["past_wape"] == pytest.approx(error)


def test_the_floor_by_hand() -> None:
    """Equal amounts: 0.8 / sqrt(wins to come), of which the won half is certain. Four wins to come
    of eight: 0.8 / 2, half of it. Amounts of 0 and 200 (cv = 1) leave sqrt(2) times as much.
    """
    made = pl.DataFrame({"won_deals": [4, 4], "actual_deals": [8, 8]})
    assert floor(made, pl.Series([100.0, 100.0])) == pytest.approx(0.2, rel=0.01)
    assert floor(made, pl.Series([0.0, 200.0])) == pytest.approx(0.2 * 2**0.5, rel=0.01)
    assert floor(made.with_columns(actual_deals=0), pl.Series([100.0])) is None


def test_the_page_shows_the_chosen_forecast_alone(finished: App) -> None:
    (shown,) = daemon_status(finished, finished.config.connections).connections
    assert {total.method for total in shown.forecasts} == {"combination"}
    assert len({total.period for total in shown.forecasts}) == len(shown.forecasts) > 0


def test_the_record_is_cut_by_week_and_by_segment(finished: App) -> None:
    """By week only periods that had begun; by segment each as it is named, and not the total."""
    by_week = backtest_report(finished.engine, "portal", BacktestCut.WEEK).rows
    assert {row["horizon"] for row in by_week} == {"month", "quarter"}
    assert min(int(str(row["part"])) for row in by_week) >= 1
    owners = backtest_report(finished.engine, "portal", BacktestCut.OWNER).rows
    named = segment_names(finished.engine, "portal", Segment.OWNER)
    told = {row["part"] for row in owners}
    assert len(told) > 1
    assert told <= set(named.values())


def test_the_chart_is_of_the_combination_day_by_day(finished: App) -> None:
    definition = last_definition(finished.engine, "portal")
    assert definition is not None
    rows = with_horizon(origin_rows(finished.engine, "portal", definition))
    drawn = rows.filter(pl.col("method") == "combination").drop_nulls("p50")
    drawn = drawn.sort("period_kind", "ahead", "origin")
    root = ElementTree.fromstring(backtest_chart(finished.engine, "portal"))
    (_, *points) = (each.text for each in root.iter("{http://www.w3.org/2000/svg}title"))
    assert points == [
        f"{origin}: P10 {p10:.0f}, P50 {p50:.0f}, P90 {p90:.0f}, came {actual:.0f}"
        for origin, p10, p50, p90, actual in drawn.select(
            "origin", "p10", "p50", "p90", "actual"
        ).iter_rows()
    ]


HALF_PAST_TWO = datetime(2026, 3, 17, 1, 30, tzinfo=UTC)
"""02:30 in Oslo, the night after START."""


class Night:
    """A worker at work, whose scheduler goes by the test's clock."""

    def __init__(self, app: App, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = clock
        self.results: list[JobResult] = []
        self.ended = threading.Event()
        (settings,) = app.config.connections
        self.worker = Worker(
            connections=(),
            schedule=app.config.schedule,
            engine=app.engine,
            clock=clock,
            holder="a",
            log=Lines(),
        )
        work = _work(app, settings, [], self.worker.should_stop)
        self.backtest = work.backtest
        self.worker.connections = [replace(work, cycle=list, backtest=self._noted, sweep=list)]
        for module in ("schedulers", "executors"):
            monkeypatch.setattr(f"apscheduler.{module}.base.datetime", self._datetime())

    def _noted(self) -> list[JobResult]:
        self.results += self.backtest()
        self.ended.set()
        return self.results

    def _datetime(self) -> type[datetime]:
        clock = self.clock

        class Moved(datetime):
            @classmethod
            def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
                return clock.now().astimezone(tz)

        return Moved

    def go_to(self, instant: datetime) -> Callable[[], None]:
        """The clock first; the lease is renewed before anything else looks at it."""
        return lambda: self.clock.advance(seconds=(instant - self.clock.now()).total_seconds())

    def wake(self) -> None:
        guarded = self.worker._guarded["portal"]
        guarded._scheduler.wakeup()

    def run(self, *happenings: Callable[[], object]) -> None:
        self.worker.stopping = Turns(*happenings)
        self.worker.run()


def test_the_back_test_runs_at_its_hour_and_the_assessment_uses_its_verdict(
    pulled: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with opened(pulled, tmp_path / "copy") as app:
        assert isinstance(app.clock, FakeClock)
        (settings,) = app.config.connections
        night = Night(app, app.clock, monkeypatch)
        a_minute = timedelta(minutes=1)

        def nothing_yet() -> None:
            night.wake()
            assert job_runs.last_run(app.engine, "backtest", "portal") is None

        night.run(
            night.go_to(HALF_PAST_TWO - a_minute),
            nothing_yet,
            night.go_to(HALF_PAST_TWO),
            night.wake,
            lambda: night.ended.wait(120),
        )
        (result,) = night.results
        assert result.ok
        assert result.counts["origins"] > 10
        run = job_runs.last_run(app.engine, "backtest", "portal")
        assert run is not None
        assert run.started_at == HALF_PAST_TWO

        verdict: Any = backtest_report(app.engine, "portal").facts["verdict"]
        decided = {horizon: said["weights"] for horizon, said in verdict.items()}
        assert len({len(weights) for weights in decided.values()}) > 1  # a choice, not one for all
        assert in_force(app) != decided
        assert run_job(chain.ASSESS, app.context(settings)).ok
        assert in_force(app) == decided


def in_force(app: App) -> dict[str, dict[str, float]]:
    """Of the combination that the last assessment made: horizon -> weight by method."""
    table = schema.forecast
    chosen = select(table.c.period_kind, table.c.period_start, table.c.parameters).where(
        table.c.chosen,
        table.c.segment_kind == "total",
        table.c.job_run_id == select(func.max(table.c.job_run_id)).scalar_subquery(),
    )
    with app.engine.connect() as connection:
        rows = connection.execute(chosen).all()
    return {
        f"next {kind}" if start > app.clock.now().date() else kind: told["weights"]
        for kind, start, told in rows
    }
