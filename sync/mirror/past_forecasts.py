"""What was forecast of one period at two earlier instants, deal by deal."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import polars as pl
from sqlalchemy import Engine, Select, select

from forecasting.periods import Period
from sync.mirror.columns import frame
from sync.mirror.engine import reading
from sync.mirror.schema import forecast, prediction

_STATED: Final = "opportunity_stage"
_SAME_RUN: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Said:
    """One run's word on a period. chances: deal_id, chance (won in it). new_amount: what deals not
    created then were to bring; None where it does not say.
    """

    as_of: datetime
    method: str
    variant: str
    chances: pl.DataFrame
    new_amount: float | None


def said_between(
    engine: Engine, connection: str, period: Period, since: datetime, until: datetime | None
) -> tuple[Said, Said] | None:
    """What one method said last by `since` (else first after it) and last by `until`
    (None = of all).

    The method that learned, else the CRM's stage probabilities. None where the two are the same
    run, or there is none.
    """
    table = prediction
    query = (
        select(table.c.job_run_id, table.c.as_of, table.c.method, table.c.variant)
        .where(
            table.c.connection == connection,
            table.c.period_kind == period.kind.value,
            table.c.period_start == period.start,
            *([] if until is None else [table.c.as_of <= until]),
        )
        .distinct()
    )
    with reading(engine) as snapshot:
        found = [tuple(row) for row in snapshot.execute(query)]
    methods = sorted({row[2:] for row in found}, key=lambda each: (each[0] == _STATED, each))
    for method, variant in methods:
        runs = sorted((at, run) for run, at, *made in found if made == [method, variant])
        earlier = [each for each in runs if each[0] <= since] or runs[:1]
        if earlier[-1] != runs[-1]:
            made = (method, variant)
            return (
                _said(engine, connection, period, earlier[-1], made),
                _said(engine, connection, period, runs[-1], made),
            )
    return None


def _said(
    engine: Engine,
    connection: str,
    period: Period,
    run: tuple[datetime, int],
    made: tuple[str, str],
) -> Said:
    as_of, run_id = run
    query: Select[Any] = select(
        prediction.c.deal_id, prediction.c.win_probability_by.label("chance")
    ).where(
        prediction.c.job_run_id == run_id,
        prediction.c.method == made[0],
        prediction.c.variant == made[1],
        prediction.c.period_kind == period.kind.value,
        prediction.c.period_start == period.start,
    )
    total = (
        select(forecast.c.new_amount)
        .where(
            forecast.c.connection == connection,
            forecast.c.method == made[0],
            forecast.c.variant == made[1],
            forecast.c.period_kind == period.kind.value,
            forecast.c.period_start == period.start,
            forecast.c.segment_kind == "total",
            forecast.c.as_of >= as_of,
            forecast.c.as_of < as_of + _SAME_RUN,
        )
        .order_by(forecast.c.as_of)
        .limit(1)
    )
    with reading(engine) as snapshot:
        new_amount = snapshot.execute(total).scalar_one_or_none()
    return Said(as_of, *made, frame(engine, query), new_amount)
