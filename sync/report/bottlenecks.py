"""What holds the sale up, in money; and whether what was done about it worked."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Engine

from forecasting.bottlenecks.bottleneck import SHOWN
from forecasting.bottlenecks.wording import CERTAINTIES, NEXT_STEPS, TITLES, finding
from forecasting.wording import Language
from sync.errors import ConfigError
from sync.report.basis import measured
from sync.report.last_win import last_won_on, long_without_a_win
from sync.report.process import Names, stage_names
from sync.report.table import Column, Kind, Report

DEFINITION: Final = (
    "money per day = what the account would turn out more if the bottleneck were gone and nothing "
    "else changed, with its 99 % interval; costs overlap and must not be added up"
)
EFFECT: Final = (
    "effect = the group's change from before to after, less that of the others over the same time, "
    "with its 95 % interval; deals still open count for as long as they were watched"
)
_BOTTLENECK: Final = (
    Column("title", "Bottleneck"),
    Column("where", "Where"),
    Column("finding", "Measure"),
    Column("cost_per_day", "Costs per day", Kind.MONEY),
    Column("cost_low", "from", Kind.MONEY),
    Column("cost_high", "to", Kind.MONEY),
    Column("sure", "How sure"),
    Column("next_step", "Next step"),
    Column("sample", "Deals", Kind.COUNT),
)
_EFFECT: Final = (
    Column("name", "Improvement"),
    Column("started_on", "Since", Kind.DAY),
    Column("measure", "Measure"),
    Column("before", "Before"),
    Column("after", "After"),
    Column("others_before", "Others before"),
    Column("others_after", "after"),
    Column("effect", "Effect"),
    Column("low", "from"),
    Column("high", "to"),
    Column("verdict", "Did it work?"),
)
_VERDICTS: Final = {
    "better": "yes",
    "worse": "no, it got worse",
    "no_change_shown": "no change shown",
    "too_early": "too early to tell",
}


def bottleneck_report(engine: Engine, connection: str, language: Language) -> Report:
    """Every suspect of the last run. Raises ConfigError where there is none yet."""
    found, basis = measured(engine, connection)
    names = stage_names(engine, connection)
    rows = [_line(row, names, language) for row in found.of("bottleneck")]
    notes = basis.notes(f"{DEFINITION}.")
    won_on = last_won_on(engine, connection, basis.as_of, basis.zone)
    notes += long_without_a_win(won_on, basis.as_of, language)
    assumptions = {
        str(row["evidence"]["assumption"])
        for row in found.of("bottleneck")
        if row["certainty"] == "assumed"
    }
    notes += [f"Assumed: {each}." for each in sorted(assumptions)]
    if not any(row["certainty"] in SHOWN for row in found.of("bottleneck")):
        notes.append("Nothing is shown to hold the sale up.")
    title = f"{connection}: bottlenecks, {basis.currency} per day"
    facts = basis.facts(DEFINITION) | {"last_won_on": won_on}
    return Report(title, _BOTTLENECK, rows, facts, notes, basis.zone)


def _line(row: Mapping[str, Any], names: Names, language: Language) -> dict[str, object]:
    place = (row["pipeline_id"], row["stage_id"])
    shown = row["certainty"] in (*SHOWN, "hint")
    return {
        **row,
        "title": TITLES[row["code"]][language],
        "where": names.get(place, place)[1] or "",
        "finding": finding(row["measure"], row["value"], row["evidence"], language),
        "sure": CERTAINTIES[row["certainty"]][language],
        "next_step": NEXT_STEPS[row["code"]][language] if shown else "",
    }


def improvement_report(engine: Engine, connection: str, name: str | None) -> Report:
    """The effect of each configured improvement, or of the one of that name.

    Raises ConfigError where none is configured, or none has that name.
    """
    found, basis = measured(engine, connection)
    rows = [row for row in found.of("improvement") if name is None or row["name"] == name]
    if not rows:
        known = sorted({str(row["name"]) for row in found.of("improvement")})
        said = f"known are {', '.join(known)}" if known else "none is measured yet"
        raise ConfigError(
            f"{connection}: no improvement{f' {name!r}' if name else ''} to judge, {said}. Add it "
            "to process.improvements with its first day, then run `dealpulse sync`."
        )
    return Report(
        title=f"{connection}: did it work?",
        columns=_EFFECT,
        rows=[_effect(row) for row in rows],
        facts=basis.facts(EFFECT),
        notes=[
            *basis.notes(f"{EFFECT}."),
            *(f"{row['name']}, {_name(row)}: {row['reason']}." for row in rows if row["reason"]),
            "Before: the year up to the first day. For everyone there are no others, and whatever "
            "else changed is in the effect.",
        ],
        zone=basis.zone,
    )


def _effect(row: Mapping[str, Any]) -> dict[str, object]:
    cells, measure = row["cells"], row["measure"]

    def told(value: float | None, *, signed: bool = False) -> str:
        if value is None:
            return "–"
        sign = "+" if signed and value > 0 else ""
        if measure == "win_rate":
            points = f"{value * 100:.1f}"
            return f"{sign}{points} pp" if signed else f"{points} %"
        return f"{sign}{value:,.0f}"

    return {
        "name": row["name"],
        "started_on": row["started_on"],
        "measure": _name(row),
        "before": told(cells.get("group_before")),
        "after": told(cells.get("group_after")),
        "others_before": told(cells.get("others_before")),
        "others_after": told(cells.get("others_after")),
        "effect": told(row["estimate"], signed=True),
        "low": told(row["low"], signed=True),
        "high": told(row["high"], signed=True),
        "verdict": _VERDICTS[row["verdict"]],
        "verdict_code": row["verdict"],
        "estimate": row["estimate"],
        "estimate_low": row["low"],
        "estimate_high": row["high"],
        "cells": cells,
        "samples": row["samples"],
        "reason": row["reason"],
    }


def _name(row: Mapping[str, Any]) -> str:
    return str(row["measure"]).replace("_", " ")
