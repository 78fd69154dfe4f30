"""The funnel and its leads as tables that say what they rest on."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Engine

from forecasting.funnel import Segment
from sync.errors import ConfigError
from sync.mirror import funnel_results
from sync.mirror.funnel_results import FunnelMeasured
from sync.report.naming import local_time
from sync.report.table import Column, Kind, Report

_STAGE: Final = (
    Column("stage", "Stage"),
    Column("entered", "Entered", Kind.COUNT),
    Column("went_on", "Went on", Kind.COUNT),
    Column("fell_out", "Fell out", Kind.COUNT),
    Column("still_in", "Still in", Kind.COUNT),
    Column("followed", "Followed", Kind.COUNT),
    Column("converted", "Converted", Kind.COUNT, on_screen=False),
    Column("conversion", "Conversion", Kind.SHARE),
    Column("low", "from", Kind.SHARE),
    Column("high", "to", Kind.SHARE),
    Column("median_days", "Median days", Kind.DAYS),
    Column("p75_days", "p75", Kind.DAYS),
)
_HEADINGS: Final[Mapping[Segment, str]] = {"total": "", "cohort": "Month", "source": "Source"}
_RESPONSE: Final = (
    Column("owner", "Owner"),
    Column("due", "Due", Kind.COUNT),
    Column("answered", "Answered", Kind.COUNT),
    Column("waiting", "Waiting", Kind.COUNT),
    Column("median_hours", "Median hours", Kind.DAYS),
    Column("p90_hours", "p90", Kind.DAYS),
    Column("within_day", "Within 24 h", Kind.SHARE),
    Column("low", "from", Kind.SHARE),
    Column("high", "to", Kind.SHARE),
)
_UNTOUCHED: Final = (
    Column("lead_id", "Lead"),
    Column("owner", "Owner"),
    Column("source", "Source"),
    Column("due_at", "Since", Kind.INSTANT),
    Column("waiting_days", "Days", Kind.DAYS),
    Column("owner_id", on_screen=False),
)


def funnel_reports(
    engine: Engine, connection: str, by: Segment, version: int | None = None
) -> list[Report]:
    """The stages of the last run, or of the last under that version of the definition. Raises
    ConfigError where there is none."""
    found, basis = _measured(engine, connection, version)
    definition = (
        f"conversion: went on to a later stage within {basis['within_days']} days of entering, of "
        "those who entered at least that long ago; from and to: its 95 % interval. Days: of those "
        "who went on"
    )
    shown = by != "total"
    columns = (Column("segment", _HEADINGS[by], on_screen=shown), *_STAGE)
    title = f"{connection}: funnel" + (f" by {_HEADINGS[by].lower()}" if shown else "")
    rows = found.of(f"stage_{by}")
    return [_report(title, columns, rows, found, basis, connection, definition)]


def lead_reports(engine: Engine, connection: str, *, untouched: bool, limit: int) -> list[Report]:
    """How soon leads were answered, by owner, and who still waits; with `untouched` the latter
    alone. `limit`: how many of those that wait, 0 = all. Raises ConfigError where there is no run
    yet."""
    found, basis = _measured(engine, connection, None)
    waiting = [_waiting(row, found.as_of) for row in found.of("untouched")]
    definition = (
        f"untouched: entered {basis['answered_from']} or a later stage, is in an open one, and "
        "no call, mail or meeting of ours is known"
    )
    title = f"{connection}: leads that nobody has touched"
    shown = waiting[:limit] if limit else waiting
    listed = _report(title, _UNTOUCHED, shown, found, basis, connection, definition)
    if left := len(waiting) - len(shown):
        more = f"{left} more not shown; --top 0 shows all."
        listed = replace(listed, notes=[*listed.notes, more])
    if untouched:
        return [listed]
    answered = (
        f"hours from entering {basis['answered_from']} or a later stage to our first call, mail or "
        "meeting, by the clock, nights and weekends included; of all that are due one"
    )
    rows = [{**row, "owner": "all"} for row in found.of("response")] + found.of("response_owner")
    title = f"{connection}: first response to leads"
    return [_report(title, _RESPONSE, rows, found, basis, connection, answered), listed]


def _waiting(row: Mapping[str, Any], as_of: datetime) -> dict[str, object]:
    since = datetime.fromisoformat(row["due_at"])
    days = (as_of - since).total_seconds() / 86_400
    return {**row, "owner": row["owner"] or "(nobody)", "due_at": since, "waiting_days": days}


def _measured(
    engine: Engine, connection: str, version: int | None
) -> tuple[FunnelMeasured, Mapping[str, Any]]:
    found = funnel_results.latest(engine, connection, version)
    if found is None:
        which = "" if version is None else f" under version {version} of the definition"
        raise ConfigError(
            f"No funnel is measured for {connection}{which}: set leads.enabled for it, then run "
            "`dealpulse sync`."
        )
    (basis,) = found.of("basis")
    return found, basis


_LEFT_OUT: Final = {
    "never_in_funnel": "{} contacts never were in a stage of the funnel",
    "past_not_known": "what {} leads went through before they were first read, as far as the CRM "
    "does not tell it",
    "touched_before": "{} leads had been in touch before they were due: owed no first response",
}


def _report(
    title: str,
    columns: tuple[Column, ...],
    rows: list[dict[str, Any]],
    found: FunnelMeasured,
    basis: Mapping[str, Any],
    connection: str,
    definition: str,
) -> Report:
    facts = {
        "connection": connection,
        "definition": definition,
        "definition_version": found.version,
        "stages": basis["stages"],
        "as_of": found.as_of,
        "cut_off": found.as_of,
        "sample": basis["sample"],
        "left_out": basis["left_out"],
    }
    notes = [
        f"As of {local_time(found.as_of, basis['zone'])}, definition version {found.version}: "
        f"{definition}.",
        f"The mirror holds {basis['sample']} contacts; {basis['in_funnel']} were in the funnel.",
        *(
            f"Left out: {_LEFT_OUT[reason].format(number)}."
            for reason, number in basis["left_out"].items()
            if number
        ),
    ]
    return Report(title, columns, rows, facts, notes, basis["zone"])
