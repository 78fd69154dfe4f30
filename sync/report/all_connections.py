"""What all connections come to together, in one currency."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

import polars as pl
from sqlalchemy import Engine

from forecasting.periods import PeriodKind, period_of
from sync.config.model import Config
from sync.config.rates import rate_to_report
from sync.errors import ConfigError
from sync.mirror import assessments
from sync.report.forecast import counted_out, decided_deals
from sync.report.naming import local_time
from sync.report.table import Column, Kind, Report

ALL = "all connections"
DEFINITION = "the sum of what each connection's chosen method expects; ranges do not add up"
_COLUMNS = (
    Column("period", "Period", Kind.DAY),
    Column("won_amount", "Won so far", Kind.MONEY),
    Column("open_deals", "Open", Kind.COUNT),
    Column("forecast", "Expected", Kind.MONEY),
)


def all_connections_report(engine: Engine, config: Config) -> Report:
    """The sum of every connection's forecast, a row a period.

    Without rows where a connection cannot be converted: a total that leaves one out is worse than
    none. The note says what is missing. Raises ConfigError where nothing is computed yet for one.
    """
    latest = {c.name: _chosen(engine, c.name) for c in config.connections}
    currencies = {name: str(frame["currency"][0]) for name, frame in latest.items()}
    used = sorted(set(currencies.values()))
    into = config.reporting_currency or (used[0] if len(used) == 1 else None)
    basis = _basis(engine, latest, config.time_zone or "UTC")
    if into is None:
        return _report(
            basis,
            None,
            [],
            f"No total: the connections' currencies differ ({', '.join(used)}). Set "
            "reporting_currency, and exchange_rates into it.",
        )
    rates = {c: Decimal(1) if c == into else rate_to_report(config, c) for c in used}
    for name, currency in currencies.items():
        if rates[currency] is None:
            return _report(
                basis,
                into,
                [],
                f"No total: {name} is in {currency}, which has no rate into {into}; add it to "
                "exchange_rates.",
            )
    known = {currency: float(rate) for currency, rate in rates.items() if rate is not None}
    rows = _sums(list(latest.values()), known)
    return _report(basis, into, rows, _converted(rates, into))


def _chosen(engine: Engine, connection: str) -> pl.DataFrame:
    latest = assessments.latest_forecasts(engine, connection)
    if latest.is_empty():
        raise ConfigError(f"Nothing is computed for {connection} yet: run `dealpulse sync` first.")
    return latest.filter(pl.col("chosen") & (pl.col("segment_kind") == "total"))


def _basis(
    engine: Engine, latest: Mapping[str, pl.DataFrame], zone: str
) -> tuple[dict[str, object], str]:
    """As of the connection that was assessed the longest ago; what all left out, by period. And
    the sentence that says so.
    """
    seen: dict[str, datetime] = {name: frame["as_of"][0] for name, frame in latest.items()}
    oldest = min(seen.values())
    lines = [
        {
            "period": period_of(row["period_start"], PeriodKind(row["period_kind"])).label,
            "left_out": json.loads(row["left_out"]),
        }
        for frame in latest.values()
        for row in frame.iter_rows(named=True)
    ]
    decided = sum(decided_deals(engine, name, at)[0] for name, at in seen.items())
    facts = {
        "definition": DEFINITION,
        "as_of": oldest,
        "cut_off": oldest,
        "as_of_each": seen,
        "sample": decided,
        "left_out": counted_out(lines),
    }
    told = f"As of {local_time(oldest, zone)}, when the oldest of them was assessed; learned from "
    return facts, f"{told}{decided:,} decided deals."


def _sums(frames: Sequence[pl.DataFrame], rates: Mapping[str, float]) -> list[Mapping[str, object]]:
    rate = pl.col("currency").replace_strict(rates, return_dtype=pl.Float64)
    money = ("won_amount", "forecast")
    summed = (
        pl.concat(
            frame.select(
                "period_kind",
                "period_start",
                "open_deals",
                *((pl.col(name) * rate).alias(name) for name in money),
            )
            for frame in frames
        )
        .group_by("period_kind", "period_start")
        .agg(pl.col("open_deals", *money).sum())
        .sort("period_kind", "period_start")
    )
    return [
        {
            **row,
            "period": period_of(row["period_start"], PeriodKind(row["period_kind"])).label,
            "connection": ALL,
        }
        for row in summed.iter_rows(named=True)
    ]


def _converted(rates: Mapping[str, Decimal | None], into: str) -> str:
    used = [f"1 {currency} = {rate} {into}" for currency, rate in rates.items() if currency != into]
    return f"Converted at {', '.join(used)}." if used else "Nothing had to be converted."


def _report(
    basis: tuple[Mapping[str, object], str],
    into: str | None,
    rows: Sequence[Mapping[str, object]],
    note: str,
) -> Report:
    facts, told = basis
    return Report(
        title=f"{ALL}: forecast, {into}" if into else f"{ALL}: forecast",
        columns=_COLUMNS,
        rows=rows,
        facts={"connection": ALL, "currency": into, **facts},
        notes=[
            note,
            told,
            f"{DEFINITION[0].upper()}{DEFINITION[1:]}.",
        ],
    )
