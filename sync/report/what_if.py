"""What if: levers, bounds from the account's own history, sensitivity, and what a target takes."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import polars as pl
from sqlalchemy import Engine

from forecasting import what_if
from forecasting.velocity import Drivers
from forecasting.what_if import Bound, Lever, Outcome
from sync.errors import ConfigError
from sync.report.basis import measured
from sync.report.table import Column, Kind, Report
from sync.report.velocity import DEFINITION

PERIOD_DAYS: Final = {"month": 365.25 / 12, "quarter": 365.25 / 4, "year": 365.25}

_OUTCOMES: Final = (
    Column("what_if", "What if"),
    Column("opportunities", "Open deals", Kind.COUNT),
    Column("average_value", "Value", Kind.MONEY),
    Column("win_rate", "Win rate", Kind.SHARE),
    Column("cycle_length_days", "Cycle, days", Kind.DAYS),
    Column("sales_velocity", "Velocity per day", Kind.MONEY),
    Column("gain", "Gain per day", Kind.MONEY),
    Column("gain_per_quarter", "per quarter", Kind.MONEY),
    Column("beyond", "Beyond your own best quartile"),
)
_STEPS: Final = (
    Column("step", "One step"),
    Column("gain", "is worth per day", Kind.MONEY),
    Column("gain_per_quarter", "per quarter", Kind.MONEY),
)
_NEEDED: Final = (
    Column("alone", "This alone"),
    Column("today", "Today"),
    Column("needed", "Needed"),
)


def what_if_reports(
    engine: Engine,
    connection: str,
    levers: Sequence[Lever],
    *,
    target: float | None,
    period: str,
) -> list[Report]:
    """The last run's drivers with `levers`, and what `target` per `period` takes.

    Raises ConfigError where a driver is not known, or a lever is impossible.
    """
    found, basis = measured(engine, connection)
    total = next(row for row in found.of("velocity") if row["segment_kind"] == "total")
    drivers = what_if.drivers_of(total)
    if drivers is None:
        raise ConfigError(
            f"{connection}: velocity is not known, because nothing was won in the window or no "
            "won deal has an amount; `dealpulse velocity --example` shows the arithmetic."
        )
    owners = [row for row in found.of("velocity") if row["segment_kind"] == "owner"]
    frames = [pl.DataFrame(rows, infer_schema_length=None) for rows in (found.of("month"), owners)]
    known = what_if.bounds(*(_with_columns(frame) for frame in frames))
    reports = reports_of(connection, basis.currency, drivers, known, levers, target, period)
    notes = basis.notes(f"{DEFINITION}.")
    return [
        Report(
            each.title, each.columns, each.rows, basis.facts(DEFINITION) | dict(each.facts),
            [*each.notes, *(notes if number == 0 else [])], basis.zone,
        )
        for number, each in enumerate(reports)
    ]  # fmt: skip


def _with_columns(frame: pl.DataFrame) -> pl.DataFrame:
    """Numbers as such, though a whole column may be unknown."""
    numbers = ("average_value", "win_rate", "cycle_days")
    absent = [pl.lit(None, pl.Float64).alias(name) for name in numbers if name not in frame.columns]
    if "note" not in frame.columns:
        absent.append(pl.lit("too_few").alias("note"))
    return frame.with_columns(absent).with_columns(pl.col(numbers).cast(pl.Float64))


def example_reports(levers: Sequence[Lever], target: float | None, period: str) -> list[Report]:
    """The textbook's own numbers: 100 x 50,000 x 20 % / 90 days."""
    reports = reports_of("example", "", what_if.EXAMPLE, [], levers, target, period)
    return [replace(each, facts={**_OF_NO_ACCOUNT, **each.facts}) for each in reports]


_OF_NO_ACCOUNT: Final[dict[str, object]] = {
    "connection": "example",
    "definition": DEFINITION,
    "as_of": None,
    "cut_off": None,
    "sample": 0,
    "left_out": {},
}


def reports_of(
    connection: str,
    currency: str,
    drivers: Drivers,
    known: Sequence[Bound],
    levers: Sequence[Lever],
    target: float | None,
    period: str,
) -> list[Report]:
    try:
        tried = what_if.outcomes(drivers, levers)
    except ValueError as error:
        raise ConfigError(f"--what-if: {error}.") from None
    unit = f", {currency}" if currency else ""
    reports = [_outcomes(f"{connection}: what if{unit}", drivers, tried, known)]
    reports.append(_sensitivity(f"{connection}: what one step is worth{unit}", drivers))
    if target is not None:
        reports.append(_needed(connection, currency, drivers, target, period))
    return reports


def _outcomes(
    title: str, drivers: Drivers, tried: Sequence[Outcome], known: Sequence[Bound]
) -> Report:
    rows = [
        {
            "what_if": each.label,
            **{name: getattr(each.drivers, name) for name in what_if.DRIVERS},
            "opportunities": round(each.drivers.opportunities),
            "sales_velocity": each.drivers.sales_velocity,
            "gain": each.gain,
            "gain_per_quarter": each.gain * PERIOD_DAYS["quarter"],
            "beyond": "; ".join(_beyond(bound) for bound in what_if.exceeded(each, drivers, known)),
        }
        for each in tried
    ]
    notes = [
        "All else is taken as unchanged, though drivers hang together: a lower price wins more "
        "often, more deals for the same people win less often."
    ]
    if not known and title != "example: what if":
        notes.append("Too few months and owners with enough deals to say what would be feasible.")
    return Report(title, _OUTCOMES, rows, {"definition": DEFINITION}, notes)


def _beyond(bound: Bound) -> str:
    value = f"{bound.value:.0%}" if bound.driver == "win_rate" else f"{bound.value:,.0f}"
    name = bound.driver.replace("_", " ")
    return f"{name}: best quartile of {bound.sample} {bound.of} is {value}"


def _sensitivity(title: str, drivers: Drivers) -> Report:
    rows = [
        {
            "step": each.step,
            "gain": each.gain,
            "gain_per_quarter": (None if each.gain is None else each.gain * PERIOD_DAYS["quarter"]),
        }
        for each in what_if.sensitivity(drivers)
    ]
    return Report(title, _STEPS, rows, {"definition": DEFINITION})


def _needed(connection: str, currency: str, drivers: Drivers, target: float, period: str) -> Report:
    try:
        needed = what_if.back_solve(drivers, target, PERIOD_DAYS[period])
    except ValueError as error:
        raise ConfigError(f"--target: {error}.") from None

    def told(name: str, value: float | None) -> str:
        if value is None:
            return "impossible"
        return f"{value:.0%}" if name == "win_rate" else f"{value:,.0f}"

    rows: list[dict[str, object]] = [
        {
            "alone": name.replace("_", " "),
            "today": told(name, getattr(drivers, name)),
            "needed": told(name, getattr(needed, name)),
        }
        for name in what_if.DRIVERS
    ]
    weekly = needed.new_deals_per_week
    sentence = (
        f"To reach {target:,.0f} {currency} a {period} at today's rates, "
        f"{weekly:,.0f} new deals a week."
        if weekly is not None
        else "No number of new deals reaches it at today's rates: nothing is won."
    )
    return Report(
        title=f"{connection}: what {target:,.0f} a {period} takes",
        columns=_NEEDED,
        rows=rows,
        facts={
            "target": target,
            "period": period,
            "per_day": needed.per_day,
            "new_deals_per_week": weekly,
        },
        notes=[" ".join(sentence.split()), f"That is {needed.per_day:,.0f} a day."],
    )
