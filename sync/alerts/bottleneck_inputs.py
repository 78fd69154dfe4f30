"""What alerts on bottlenecks are planned and written from, read from the mirror."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Engine, Row, Select, select

from sync.alerts.bottleneck_lines import AlertedBottleneck
from sync.alerts.bottleneck_rules import Figures, ToldBottleneck, is_sure, place
from sync.alerts.store import standing
from sync.config.bottleneck_alerts import ACCOUNT_RULES
from sync.mirror import frames, process_results, schema
from sync.mirror.engine import reading
from sync.mirror.process_results import Measured

_alert, _delivery = schema.alert, schema.alert_delivery
_SUBJECT = "bottleneck"

OF_ACCOUNT = _alert.c.rule.in_(sorted(ACCOUNT_RULES))


@dataclass(frozen=True, slots=True)
class BottleneckInputs:
    """As `plan_bottlenecks` takes them."""

    latest: Sequence[Figures]
    lately: frozenset[str]
    open_alerts: Sequence[ToldBottleneck]


def read_bottleneck_inputs(
    engine: Engine, connection: str, *, gone_after: timedelta
) -> BottleneckInputs:
    """lately: within `gone_after` before the last measurement, not before now: while nothing is
    measured, nothing ends.
    """
    are_open = select(_alert.c.id, _alert.c.deal_id, _alert.c.evidence).where(
        standing(connection, OF_ACCOUNT)
    )
    with reading(engine) as database:
        open_alerts = [ToldBottleneck(*row) for row in database.execute(are_open)]
    measured = process_results.latest(engine, connection)
    if measured is None:
        return BottleneckInputs((), frozenset(told.place for told in open_alerts), open_alerts)
    recent = process_results.since(engine, connection, _SUBJECT, at=measured.as_of - gone_after)
    return BottleneckInputs(
        _named(engine, connection, measured),
        frozenset(place(each) for each in recent if is_sure(each)),
        open_alerts,
    )


def waiting_bottlenecks(connection: str, condition: ColumnElement[bool]) -> Select[Any]:
    """The standing alerts on bottlenecks whose delivery fulfils `condition`."""
    return (
        select(_alert.c.id, _alert.c.evidence)
        .join(_delivery, _delivery.c.alert_id == _alert.c.id)
        .where(standing(connection, OF_ACCOUNT), condition)
        .order_by(_alert.c.id)
    )


def alerted_bottleneck(row: Row[Any]) -> AlertedBottleneck:
    return AlertedBottleneck(row.id, row.evidence)


def _named(engine: Engine, connection: str, measured: Measured) -> list[Figures]:
    """The pipeline's label only where there are several."""
    table = frames.stage_frame(engine, connection)
    columns = ("pipeline_id", "stage_id", "pipeline", "stage")
    labels = {(row[0], row[1]): (row[2], row[3]) for row in table.select(columns).iter_rows()}
    several = table["pipeline_id"].n_unique() > 1
    basis = measured.of("basis")
    currency = basis[0]["currency"] if basis else None
    named: list[Figures] = []
    for row in measured.of(_SUBJECT):
        where = (row["pipeline_id"], row["stage_id"])
        pipeline, stage = labels.get(where, where)
        shown = pipeline if several else None
        named.append({**row, "pipeline": shown, "stage": stage, "currency": currency})
    return named
