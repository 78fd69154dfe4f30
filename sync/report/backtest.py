"""The back-test's table: how each method did on this account's own past, side by side."""

import json
from collections.abc import Mapping, Sequence
from datetime import date
from enum import StrEnum
from typing import Any, Final

import polars as pl
from sqlalchemy import Engine

from forecasting import accuracy
from forecasting.combination import NAME
from forecasting.notes import Note
from forecasting.wording import Language
from sync.errors import ConfigError
from sync.mirror import backtests
from sync.report.chart import Panel, Point, draw
from sync.report.naming import ForecastSegment, local_time, segment_names, zone_of
from sync.report.table import Column, Kind, Report

_HORIZON: Final = ("method", "variant", "period_kind", "ahead")
_SCORES: Final = (
    Column("origins", "Tests", Kind.COUNT),
    Column("wape", "WAPE", Kind.SHARE),
    Column("bias", "Bias", Kind.SHARE),
    Column("pinball", "Pinball", Kind.SHARE),
    Column("coverage", "In 80 %", Kind.SHARE),
    Column("width", kind=Kind.SHARE, on_screen=False),
)
_OF_DEALS: Final = (
    Column("deals", kind=Kind.COUNT, on_screen=False),
    Column("auc", "AUC", Kind.SHARE),
    Column("brier_skill", "Skill", Kind.SHARE),
    Column("log_loss", on_screen=False),
    Column("ece", on_screen=False, kind=Kind.SHARE),
    Column("floor", on_screen=False, kind=Kind.SHARE),
    Column("weight", "Weight", Kind.SHARE),
)
EXPLAINED: Final = (
    "WAPE: absolute errors / what was won; bias above 0: too high; pinball: loss of P10, P50 and "
    "P90 per mean; in 80 %: how often the total lay between P10 and P90; "
    "AUC and (Brier) skill: of single deals; weight: in the combination from now on."
)


class BacktestCut(StrEnum):
    """How a back-test is shown: by horizon, by week of the period, or by segment."""

    HORIZON = "horizon"
    WEEK = "week"
    PIPELINE = "pipeline"
    TEAM = "team"
    OWNER = "owner"
    TYPE = "type"


def backtest_report(
    engine: Engine,
    connection: str,
    by: BacktestCut = BacktestCut.HORIZON,
    time_zone: str | None = None,
    *,
    show_rep_figures: bool = False,
    language: Language = "en",
) -> Report:
    """What the last back-test found. time_zone: as configured; None = the account's own.

    show_rep_figures: by owner, what each of them estimated too. Raises ConfigError where there is
    no back-test yet.
    """
    latest = _latest(engine, connection)
    if by is BacktestCut.HORIZON:
        rows = [_of_horizon(row) for row in latest.iter_rows(named=True)]
        named = [Column("horizon", "Period", Kind.DAY)]
    else:
        rows = _cut(engine, connection, latest, by, show_rep_figures)
        named = [Column("horizon", "Period", Kind.DAY), Column("part", by.value.capitalize())]
    for row in rows:
        row["name"] = f"{row['method']} {row['variant']}".replace("_", " ").strip()
    rows.sort(key=_order)
    first, last = _span(latest)
    zone = zone_of(engine, connection, time_zone)
    of_deals = _OF_DEALS if by is BacktestCut.HORIZON else ()
    return Report(
        title=f"{connection}: back-test, {latest['currency'][0]}",
        columns=(
            *named,
            Column("name", "Method"),
            Column("method", on_screen=False),
            Column("variant", on_screen=False),
            *_SCORES,
            *of_deals,
        ),
        rows=rows,
        facts={
            "connection": connection,
            "as_of": latest["as_of"][0],
            "currency": latest["currency"][0],
            "definition": EXPLAINED,
            "definition_version": latest["definition"][0],
            "cut_off": latest["as_of"][0],
            "sample": _tests(latest),
            "left_out": _not_judged(rows),
            "first_origin": first,
            "last_origin": last,
            "verdict": _verdicts(latest),
        },
        notes=[
            f"As of {local_time(latest['as_of'][0], zone)}, from {first} to {last}: on each of "
            "these days every method was asked about the same snapshot of what was known then, "
            f"and the combination chose from the tests finished by then. {EXPLAINED}",
            *_floors(latest),
            *_decided(latest, language),
        ],
        zone=zone,
    )


def backtest_chart(engine: Engine, connection: str) -> str:
    """The combination's intervals against what came, a panel for each kind of period, as SVG."""
    latest = _latest(engine, connection)
    rows = _stored(engine, connection, latest, "total").filter(pl.col("method") == NAME)
    horizons = rows.select("period_kind", "ahead").unique().sort("period_kind", "ahead").iter_rows()
    panels = [
        Panel(
            f"{_horizon(kind, ahead)}, as forecast on each day",
            [
                Point(*values)
                for values in rows.filter(
                    (pl.col("period_kind") == kind) & (pl.col("ahead") == ahead)
                )
                .drop_nulls("p50")
                .sort("origin", "period_start")
                .select("origin", "p10", "p50", "p90", "actual")
                .iter_rows()
            ],
        )
        for kind, ahead in horizons
    ]
    return draw(panels, title=f"{connection}: forecast and outcome", unit=latest["currency"][0])


def _latest(engine: Engine, connection: str) -> pl.DataFrame:
    latest = backtests.latest_scores(engine, connection)
    if latest.is_empty():
        raise ConfigError(
            f"Nothing is back-tested for {connection} yet: run `dealpulse backtest` when deals of "
            "a finished month are in the mirror."
        )
    return latest


def _span(latest: pl.DataFrame) -> tuple[date, date]:
    """The first and the last day tested."""
    return min(latest["first_origin"].to_list()), max(latest["last_origin"].to_list())


def _stored(
    engine: Engine, connection: str, latest: pl.DataFrame, segment_kind: str
) -> pl.DataFrame:
    """The forecasts that the scores in `latest` are of."""
    rows = backtests.origin_rows(engine, connection, latest["definition"][0], segment_kind)
    first, last = _span(latest)
    return backtests.with_horizon(
        rows.filter(pl.col("origin").is_between(pl.lit(first), pl.lit(last)))
    )


def _of_horizon(row: Mapping[str, Any]) -> dict[str, Any]:
    verdict = json.loads(row["verdict"])
    names = [c.key for c in (*_SCORES, *_OF_DEALS) if c.key != "weight"]
    return {
        "horizon": _horizon(row["period_kind"], row["ahead"]),
        "method": row["method"],
        "variant": row["variant"],
        **{name: row[name] for name in names},
        "weight": verdict.get("weight"),
    }


def _cut(
    engine: Engine, connection: str, latest: pl.DataFrame, by: BacktestCut, show_rep_figures: bool
) -> list[dict[str, Any]]:
    """The scores by week of the period, or by segment."""
    weekly = by is BacktestCut.WEEK
    rows = _stored(engine, connection, latest, "total" if weekly else by.value)
    if by is BacktestCut.OWNER and not show_rep_figures:
        rows = rows.filter(pl.col("method") != "intuitive")
    if weekly:
        rows = rows.filter(pl.col("ahead") == 0)
    names = {} if weekly else segment_names(engine, connection, ForecastSegment(by.value))
    part = "week" if weekly else "segment"
    keys = (*_HORIZON, part)
    found = accuracy.of_totals(rows, by=keys)
    return [
        {
            "horizon": _horizon(row["period_kind"], row["ahead"]),
            "part": f"{row[part]:2}" if weekly else names.get(row[part], row[part]),
            **row,
        }
        for row in found.iter_rows(named=True)
    ]


def _horizon(kind: object, ahead: object) -> str:
    return f"next {kind}" if ahead else str(kind)


def _order(row: Mapping[str, Any]) -> tuple[object, ...]:
    horizon: str = row["horizon"]
    return (
        "quarter" in horizon,
        "next" in horizon,
        str(row.get("part", "")),
        row["method"] != NAME,
        row["wape"] is None,
        row["wape"],
    )


def _verdicts(latest: pl.DataFrame) -> dict[str, Any]:
    rows = latest.filter(pl.col("method") == NAME).iter_rows(named=True)
    return {_horizon(r["period_kind"], r["ahead"]): json.loads(r["verdict"]) for r in rows}


def _tests(latest: pl.DataFrame) -> dict[str, int]:
    """Horizon -> days on which the combination was tested."""
    rows = latest.filter(pl.col("method") == NAME)
    return {
        _horizon(kind, ahead): origins
        for kind, ahead, origins in rows.sort("period_kind", "ahead")
        .select("period_kind", "ahead", "origins")
        .iter_rows()
    }


def _not_judged(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Lines without an error: nothing was won in the periods tested, or the method said nothing."""
    unknown = sum(row["wape"] is None for row in rows)
    return {"lines_without_an_error": unknown} if unknown else {}


def _floors(latest: pl.DataFrame) -> list[str]:
    rows = latest.filter((pl.col("method") == NAME) & pl.col("floor").is_not_null())
    told = [
        f"{_horizon(kind, ahead)} {floor:.0%}"
        for kind, ahead, floor in rows.sort("period_kind", "ahead")
        .select("period_kind", "ahead", "floor")
        .iter_rows()
    ]
    return [f"Floor, the WAPE that chance alone leaves: {', '.join(told)}."] if told else []


def _decided(latest: pl.DataFrame, language: Language) -> list[str]:
    """What is used from now on, a sentence for each horizon."""
    notes = []
    for horizon, verdict in _verdicts(latest).items():
        if not verdict:
            continue
        if verdict.get("note"):
            notes.append(f"{horizon}: {Note.of(verdict['note']).text(language)}")
            continue
        parts = [
            f"{key.replace(':', ' ').replace('_', ' ')} {weight:.0%}"
            for key, weight in list(verdict["weights"].items())[:3]
            if weight >= 0.005
        ]
        notes.append(f"{horizon}: {', '.join(parts)}, by {verdict['origins']} finished tests.")
    return [f"Decided for now: {' '.join(notes)}"] if notes else []
