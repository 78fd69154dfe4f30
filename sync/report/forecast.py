"""The forecast: a range for each period with its past accuracy, or every method's figure."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl
from sqlalchemy import Engine, func, select

from forecasting.notes import Note
from forecasting.periods import PeriodKind, period_of
from forecasting.wording import Language
from sync.errors import ConfigError
from sync.mirror import assessments, schema
from sync.mirror.engine import reading
from sync.report.last_win import last_won_on, long_without_a_win
from sync.report.naming import (
    AnySegment,
    local_time,
    name_order,
    segment_columns,
    segment_names,
    zone_of,
)
from sync.report.table import Column, Kind, Report

DEFINITION = (
    "forecast = won so far in the period + what the open deals, and deals not created yet, are "
    "expected to bring in it"
)
_RANGE = (
    Column("p10", "P10", Kind.MONEY),
    Column("p50", "P50", Kind.MONEY),
    Column("p90", "P90", Kind.MONEY),
)
_PAST = (
    Column("past_wape", "Past error", Kind.SHARE),
    Column("past_origins", "Tests", Kind.COUNT),
)
_FIGURES = (
    Column("won_deals", kind=Kind.COUNT, on_screen=False),
    Column("won_amount", "Won so far", Kind.MONEY),
    Column("open_deals", "Open", Kind.COUNT),
    Column("open_amount", kind=Kind.MONEY, on_screen=False),
    Column("weighted_amount", kind=Kind.MONEY, on_screen=False),
    Column("new_amount", kind=Kind.MONEY, on_screen=False),
    Column("forecast", kind=Kind.MONEY, on_screen=False),
    *_RANGE,
    *_PAST,
    Column("floor", "Floor", Kind.SHARE),
    Column("method", on_screen=False),
    Column("variant", on_screen=False),
    Column("note", on_screen=False),
)
_METHODS = (
    Column("method", "Method"),
    Column("variant", "Variant"),
    Column("weight", "Weight", Kind.SHARE),
    Column("forecast", "Forecast", Kind.MONEY),
    *_RANGE,
    *_PAST,
    Column("sample", kind=Kind.COUNT, on_screen=False),
    Column("note", on_screen=False),
)
RANGE = (
    "P10, P50, P90: one time in ten less than P10, as often more as less than P50, one time in ten "
    "more than P90."
)
ACCURACY = (
    "Past error: WAPE of this account's own forecasts made as far from the period's end, over so "
    "many tests; floor: the error that chance alone leaves to any method."
)
_SILENT = "not_enough_history:nothing"
"""The note of a method that has nothing to say: it has no figure, rather than one of 0."""
_NEVER_COUNTED = {
    "overdue": "whose close date has passed",
    "close_date_missing": "without a close date",
}
_WITHOUT_VALUE = {
    "amount_missing": "without an amount",
    "no_rate": "in a currency without a rate",
    "no_probability": "without a probability",
}


def forecast_report(
    engine: Engine,
    connection: str,
    by: AnySegment,
    time_zone: str | None = None,
    *,
    methods: bool = False,
    show_rep_figures: bool = False,
    language: Language = "en",
) -> Report:
    """The last assessment's forecasts: the chosen one's, or with `methods` each method's.

    time_zone: as configured; None = the account's own. show_rep_figures: with a line per owner,
    what each of them estimated too. Raises ConfigError where there is none yet.
    """
    latest = assessments.latest_forecasts(engine, connection)
    if latest.is_empty():
        raise ConfigError(f"Nothing is computed for {connection} yet: run `dealpulse sync` first.")
    shown = _lines(latest, by, segment_names(engine, connection, by), every_method=methods)
    if by == "owner" and not show_rep_figures:
        shown = [line for line in shown if line["method"] != "intuitive"]
    as_of: datetime = latest["as_of"][0]
    zone = zone_of(engine, connection, time_zone)
    decided, won = decided_deals(engine, connection, as_of)
    won_on = last_won_on(engine, connection, as_of, zone)
    currency = latest["currency"][0]
    what = "forecast by every method" if methods else "forecast"
    columns: tuple[Column, ...] = _METHODS if methods else _FIGURES
    if by != "total":  # measured of the total alone
        columns = tuple(c for c in columns if c not in _PAST and c.key != "floor")
    return Report(
        title=f"{connection}: {what}, {currency}",
        columns=(Column("period", "Period", Kind.DAY), *segment_columns(by), *columns),
        rows=shown,
        facts={
            "connection": connection,
            "definition": DEFINITION,
            "as_of": as_of,
            "cut_off": as_of,
            "currency": currency,
            "sample": decided,
            "left_out": counted_out([line for line in shown if line["chosen"]]),
            "decided_deals": decided,
            "decided_deals_won": won,
            "last_won_on": won_on,
        },
        notes=[
            f"As of {local_time(as_of, zone)}: {DEFINITION}.",
            f"Learned from {decided:,} decided deals, {won:,} of them won. {RANGE}",
            *long_without_a_win(won_on, as_of, language),
            *(_accuracy(latest, methods) if by == "total" else ()),
            *_said(latest, language),
            *(_stand_ins(shown, language) if methods else ()),
            *_left_out([line for line in shown if line["chosen"]]),
        ],
        zone=zone,
    )


def _lines(
    latest: pl.DataFrame, by: AnySegment, names: Mapping[str, str], *, every_method: bool
) -> list[dict[str, Any]]:
    asked = latest if every_method else latest.filter("chosen")
    rows = asked.filter(pl.col("segment_kind") == by.value).iter_rows(named=True)
    weights = _weights(latest)
    lines = [_line(row, names, weights=weights) for row in rows]
    return sorted(lines, key=lambda line: _order(line, names))


def _accuracy(latest: pl.DataFrame, methods: bool) -> list[str]:
    if latest["definition"].is_null().all():
        return ["No back-test yet, so no past error is known: run `dealpulse backtest`."]
    weight = " Weight: the method's part in the combination." if methods else ""
    return [f"{ACCURACY}{weight}"]


def _said(latest: pl.DataFrame, language: Language) -> list[str]:
    """Why the chosen figures are not what was asked for, each reason once with its periods."""
    periods: dict[str, list[str]] = {}
    rows = latest.filter(pl.col("chosen") & (pl.col("segment_kind") == "total"))
    for row in rows.sort("period_kind", "period_start").iter_rows(named=True):
        for key in (row["note"], row["interval_note"]):
            if key:
                periods.setdefault(Note.of(key).text(language), []).append(_label(row))
    return [f"{', '.join(labels)}: {text}" for text, labels in periods.items()]


def _stand_ins(shown: Sequence[Mapping[str, Any]], language: Language) -> list[str]:
    """What methods say of their own figures, each reason once with the methods it holds for."""
    named: dict[str, dict[str, None]] = {}
    for line in shown:
        if line["note"] and not line["chosen"]:
            name = f"{line['method']} {line['variant']}".replace("_", " ")
            named.setdefault(Note.of(line["note"]).text(language), {})[name] = None
    return [f"{', '.join(names)}: {text}" for text, names in named.items()]


def _weights(latest: pl.DataFrame) -> Mapping[tuple[str, str], Mapping[str, float]]:
    """Period -> name:variant -> weight in the combination."""
    rows = latest.filter(pl.col("chosen") & (pl.col("segment_kind") == "total"))
    return {
        (kind, str(start)): json.loads(text or "{}").get("weights", {})
        for kind, start, text in rows.select(
            "period_kind", "period_start", "parameters"
        ).iter_rows()
    }


def _label(row: Mapping[str, Any]) -> str:
    return period_of(row["period_start"], PeriodKind(row["period_kind"])).label


def _line(
    row: Mapping[str, Any],
    names: Mapping[str, str],
    weights: Mapping[tuple[str, str], Mapping[str, float]],
) -> dict[str, Any]:
    parts = weights.get((row["period_kind"], str(row["period_start"])), {})
    kept = (
        *("won_deals", "won_amount", "open_deals", "open_amount", "weighted_amount", "new_amount"),
        *("forecast", "p10", "p50", "p90", "past_wape", "past_origins", "floor", "method"),
        *("variant", "sample", "note", "chosen"),
    )
    return {
        "period": _label(row),
        "segment": names.get(row["segment"], row["segment"]),
        "segment_id": row["segment"],
        **{name: row[name] for name in kept},
        **(dict.fromkeys(("forecast", "p10", "p50", "p90")) if row["note"] == _SILENT else {}),
        "weight": None if row["chosen"] else parts.get(f"{row['method']}:{row['variant']}", 0.0),
        "left_out": json.loads(row["left_out"]),
    }


def _order(line: Mapping[str, Any], names: Mapping[str, str]) -> tuple[object, ...]:
    """Months before quarters, segments by name, the chosen figure before the methods'."""
    segment = line["segment_id"]
    named = name_order(segment, names.get(segment, segment))
    quarter = "Q" in line["period"]
    return (quarter, line["period"], named, segment, not line["chosen"], line["method"])


def decided_deals(engine: Engine, connection: str, as_of: datetime) -> tuple[int, int]:
    """Deals decided by `as_of`, and how many of them were won."""
    deal = schema.deal
    query = (
        select(deal.c.status, func.count())
        .where(
            deal.c.connection == connection,
            deal.c.removed_at.is_(None),
            deal.c.closed_at <= as_of,
            deal.c.status != "open",
        )
        .group_by(deal.c.status)
    )
    with reading(engine) as database:
        counted = {row[0]: row[1] for row in database.execute(query)}
    return sum(counted.values()), counted.get("won", 0)


def counted_out(lines: Sequence[Mapping[str, object]]) -> dict[str, Counter[str]]:
    """Period to reason to how many deals, over all segments."""
    by_period: dict[str, Counter[str]] = {}
    for line in lines:
        left_out: Any = line["left_out"]
        by_period.setdefault(str(line["period"]), Counter()).update(
            {reason: int(deals) for reason, deals in left_out.items() if deals}
        )
    return by_period


def _left_out(lines: Sequence[Mapping[str, object]]) -> list[str]:
    """What no period holds, said once since all lack the same; then what single ones lack."""
    by_period = counted_out(lines)
    never = next(iter(by_period.values()), Counter[str]())
    parts = [f"{never[reason]} {text}" for reason, text in _NEVER_COUNTED.items() if never[reason]]
    lacking = [
        f"{text}: "
        + ", ".join(f"{n} in {period}" for period, left in by_period.items() if (n := left[reason]))
        for reason, text in _WITHOUT_VALUE.items()
        if any(left[reason] for left in by_period.values())
    ]
    notes = [f"Left out of every period, open deals: {', '.join(parts)}."] if parts else []
    if lacking:
        notes.append(f"Left out of their period, deals {'; '.join(lacking)}.")
    return notes
