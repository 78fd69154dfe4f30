"""Sales velocity: drivers by segment, month by month, and what made it change."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, cast

from sqlalchemy import Engine

from forecasting.sizes import size_names
from forecasting.velocity import DRIVER_COLUMNS
from sync.report.basis import Basis, measured
from sync.report.naming import ForecastSegment, name_order, segment_names
from sync.report.table import Column, Kind, Report


class VelocitySegment(StrEnum):
    TOTAL = "total"
    PIPELINE = "pipeline"
    TEAM = "team"
    OWNER = "owner"
    TYPE = "type"
    SIZE = "size"


DEFINITION: Final = (
    "velocity = opportunities (open deals) x average value x win rate / cycle length in days "
    "= money per day; win rate and cycle count deals still open for as long as they were watched"
)
BY_HAND: Final = (
    "By hand: the same from ended deals alone, won / (won + lost) and the mean days of won deals."
)
_WHY: Final[Mapping[str, str]] = {
    "nothing_decided": "nothing ended in the window",
    "nothing_won": "nothing was won: no cycle, no value",
    "no_amount": "no won deal has an amount",
    "too_few": "too few",
}
_SHOWN: Final = (
    Column("opportunities", "Open deals", Kind.COUNT),
    Column("average_value", "Mean value", Kind.MONEY),
    Column("median_value", "Median", Kind.MONEY),
    Column("win_rate", "Win rate", Kind.SHARE),
    Column("cycle_days", "Cycle, days", Kind.DAYS),
    Column("median_cycle_days", "Median", Kind.DAYS),
    Column("sales_velocity", "Velocity per day", Kind.MONEY),
    Column("sales_velocity_low", "from", Kind.MONEY),
    Column("sales_velocity_high", "to", Kind.MONEY),
    Column("textbook_velocity", "By hand", Kind.MONEY),
    Column("won_deals", "Won", Kind.COUNT),
    Column("decided_deals", "Ended", Kind.COUNT),
)
_KINDS: Final = {"rate": Kind.SHARE, "value": Kind.MONEY, "velocity": Kind.MONEY, "days": Kind.DAYS}
_HIDDEN: Final = tuple(
    Column(name, kind=next((kind for end, kind in _KINDS.items() if end in name), Kind.COUNT),
           on_screen=False)
    for name in DRIVER_COLUMNS
    if name not in {column.key for column in _SHOWN} | {"note"}
)  # fmt: skip


def velocity_report(engine: Engine, connection: str, by: VelocitySegment) -> Report:
    """The drivers of the last run by segment. Raises ConfigError where there is none yet."""
    found, basis = measured(engine, connection)
    names = names_of(engine, basis, by)
    rows = [row for row in found.of("velocity") if row["segment_kind"] == by.value]
    lines: list[dict[str, object]] = [
        {
            "segment": names.get(row["segment"], row["segment"]),
            "segment_id": row["segment"],
            **{name: row[name] for name in DRIVER_COLUMNS},
            "note": _WHY.get(row["note"] or "", ""),
        }
        for row in rows
    ]
    if by is not VelocitySegment.SIZE:
        lines.sort(key=lambda line: name_order(str(line["segment_id"]), str(line["segment"])))
    noted = any(line["note"] for line in lines)
    return Report(
        title=f"{connection}: sales velocity, {basis.currency}",
        columns=(
            Column("segment", by.value.capitalize(), on_screen=by is not VelocitySegment.TOTAL),
            Column("segment_id", on_screen=False),
            *_SHOWN,
            Column("note", "But", on_screen=noted),
            *_HIDDEN,
        ),
        rows=lines,
        facts=basis.facts(DEFINITION),
        notes=[*basis.notes(f"{DEFINITION}."), BY_HAND, *_honest(lines)],
        zone=basis.zone,
    )


def _honest(lines: list[dict[str, object]]) -> list[str]:
    told = ["from and to: 95 % interval, the open deals taken as counted."]
    if any(line["note"] == _WHY["too_few"] for line in lines):
        told.append("Too few: below 5 won or 20 ended deals a figure is a hint at best.")
    if lines and all(line["won_deals"] == 0 for line in lines):
        high = lines[0]["win_rate_high"]
        told.append(
            "Nothing was won in the window, so there is no velocity."
            + (f" The win rate lies below {float(str(high)):.0%}." if high is not None else "")
        )
    return told


def names_of(engine: Engine, basis: Basis, by: VelocitySegment) -> dict[str, str]:
    """What people call the segments of that kind."""
    if by is VelocitySegment.SIZE:
        return size_names(basis.size_bounds)
    return segment_names(engine, basis.connection, ForecastSegment(by.value))


_MONTH: Final = (
    Column("month", "Month"),
    Column("opportunities", "Open deals", Kind.COUNT),
    Column("average_value", "Mean value", Kind.MONEY),
    Column("win_rate", "Win rate", Kind.SHARE),
    Column("cycle_days", "Cycle, days", Kind.DAYS),
    Column("sales_velocity", "Velocity per day", Kind.MONEY),
    Column("change", "Change", Kind.MONEY),
    Column("by_opportunities", "Open deals", Kind.MONEY),
    Column("by_average_value", "Value", Kind.MONEY),
    Column("by_win_rate", "Win rate", Kind.MONEY),
    Column("by_cycle_days", "Cycle", Kind.MONEY),
    Column("by_mix", "Mix", Kind.MONEY),
    Column("won_deals", "Won", Kind.COUNT),
    Column("decided_deals", "Ended", Kind.COUNT),
    Column("note", "But"),
)
_MONTHLY: Final = (
    "each month's own: deals open at its end, won and ended in it; the change from the month "
    "before is the sum of what each driver and the mix did"
)


def monthly_report(engine: Engine, connection: str, mix: VelocitySegment) -> Report:
    """Velocity month by month, each change taken apart. `mix`: of which segments."""
    found, basis = measured(engine, connection)
    mixed = VelocitySegment.PIPELINE if mix is VelocitySegment.TOTAL else mix
    changes = {row["month"]: row for row in found.of("change") if row["mix_of"] == mixed.value}
    lines = [_month_line(row, changes.get(row["month"])) for row in found.of("month")]
    return Report(
        title=f"{connection}: sales velocity by month, {basis.currency} per day",
        columns=_MONTH,
        rows=lines,
        facts=basis.facts(_MONTHLY) | {"mix_of": mixed.value},
        notes=[
            *basis.notes(f"{_MONTHLY}.", seen="in each month"),
            f"Mix: what other shares of each {mixed.value} than in the month before did. "
            "The last month is not over.",
            "Textbook win rate and cycle, so that months can be added up; see --by for the ones "
            "that respect open deals.",
        ],
        zone=basis.zone,
    )


def _month_line(row: Mapping[str, Any], change: Mapping[str, Any] | None) -> dict[str, object]:
    told = change or {}
    before, after = told.get("before"), told.get("after")
    known = before is not None and after is not None
    return {
        **row,
        "month": str(row["month"])[:7],
        "note": _WHY.get(row["note"] or "", ""),
        "change": cast(float, after) - cast(float, before) if known else None,
        **{
            f"by_{name}": told.get(name)
            for name in ("opportunities", "average_value", "win_rate", "cycle_days", "mix")
        },
    }
