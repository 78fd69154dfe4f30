"""What the daemon's page and readiness check are told, read from the mirror each time."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import RowMapping, func, select

from forecasting.periods import PeriodKind, period_of
from sync import __version__
from sync.bootstrap import App
from sync.config.model import Connection
from sync.errors import ConfigError
from sync.mirror import overview, schema
from sync.mirror.engine import reading
from sync.mirror.revisions import require_current
from sync.report.last_win import last_won_on, long_without_a_win
from sync.report.naming import zone_of
from sync.web.status import ConnectionStatus, ForecastTotal, JobRun, StatusSnapshot

_ORDER = {
    name: number
    for number, name in enumerate(
        (
            "pull",
            "assess",
            "write_back",
            "raise_alerts",
            "retry_alerts",
            "leads",
            "funnel",
            "lead_score",
            "lead_write_back",
            "raise_lead_alerts",
            "deliver_alerts",
            "backtest",
        )
    )
}


def daemon_status(app: App, connections: Sequence[Connection]) -> StatusSnapshot:
    """Raises TransientError where the database does not answer."""
    problem = None
    try:
        require_current(app.engine)
    except ConfigError as error:
        problem = str(error)
    return StatusSnapshot(
        as_of=app.clock.now(),
        cycle=timedelta(minutes=app.config.schedule.cycle_minutes),
        connections=[] if problem else [_connection(app, c) for c in connections],
        version=__version__,
        schema_problem=problem,
    )


def _connection(app: App, settings: Connection) -> ConnectionStatus:
    engine, now = app.engine, app.clock.now()
    run, forecast = schema.job_run, schema.forecast
    of_connection = run.c.connection == settings.name
    latest_ids = select(func.max(run.c.id)).where(of_connection).group_by(run.c.job)
    last_forecast = select(func.max(forecast.c.job_run_id)).where(
        forecast.c.connection == settings.name
    )
    with reading(engine) as database:
        runs = database.execute(select(run).where(run.c.id.in_(latest_ids)).order_by(run.c.id))
        latest = [_run(row) for row in runs.mappings()]
        last_pull_at = database.scalar(
            select(run.c.ended_at)
            .where(of_connection, run.c.job == "pull", run.c.status == "ok")
            .order_by(run.c.id.desc())
            .limit(1)
        )
        totals = database.execute(
            select(forecast)
            .where(
                forecast.c.job_run_id == last_forecast.scalar_subquery(),
                forecast.c.segment_kind == "total",
                forecast.c.chosen,
            )
            .order_by(forecast.c.period_kind, forecast.c.period_start, forecast.c.variant)
        )
        forecasts = [_total(row) for row in totals.mappings()]
    deals, alerts = overview.holdings(engine, settings.name)
    zone = zone_of(engine, settings.name, app.config.time_zone)
    won_on = last_won_on(engine, settings.name, now, zone)
    latest.sort(key=lambda run: _ORDER.get(run.job, len(_ORDER)))
    return ConnectionStatus(
        name=settings.name,
        kind=settings.kind,
        last_pull_at=last_pull_at,
        runs=latest,
        deals={status: deals.get(status, 0) for status in ("open", "won", "lost")},
        open_alerts=alerts,
        forecasts=forecasts,
        notes=long_without_a_win(won_on, now, "en"),
    )


def _run(row: RowMapping) -> JobRun:
    return JobRun(
        job=row["job"],
        status=row["status"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        error=row["error"],
        counts=row["counts"],
    )


def _total(row: RowMapping) -> ForecastTotal:
    return ForecastTotal(
        period=period_of(row["period_start"], PeriodKind(row["period_kind"])).label,
        method=row["method"],
        variant=row["variant"],
        currency=row["currency"],
        forecast=row["forecast"],
        won_amount=row["won_amount"],
        open_amount=row["open_amount"],
        weighted_amount=row["weighted_amount"],
        new_amount=row["new_amount"],
        open_deals=row["open_deals"],
        p10=row["p10"],
        p90=row["p90"],
    )
