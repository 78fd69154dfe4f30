"""The sales process: stages, cycle lengths, size classes, exit criteria, cohorts."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Engine

from forecasting.sizes import size_names
from sync.mirror import frames
from sync.mirror.process_results import Measured
from sync.report.basis import Basis, measured
from sync.report.table import Column, Kind, Report

STAGES: Final = (
    "of the deals that were in a stage, those still in it counted for as long as they were: the "
    "share that goes on to a later stage or is won, and the days that takes from the first entry"
)
CYCLES: Final = "creation to closing of the deals that ended in the window, in days"
SIZES: Final = (
    "deal-days are the days that deals were open in the window; cost shares out what sales work "
    "costs by deal-days, as if every open deal took equal time of its owner"
)
CRITERIA: Final = (
    "of the deals that left the stage upwards, those that lacked a required field then, and what "
    "became of them from there against the others"
)
COHORTS: Final = (
    "deals by the quarter in which they first entered the stage; conversion respects those still in"
)

_STAGE: Final = (
    Column("pipeline", "Pipeline"),
    Column("stage", "Stage"),
    Column("entered", "Entered", Kind.COUNT),
    Column("conversion", "Goes on", Kind.SHARE),
    Column("conversion_low", "from", Kind.SHARE),
    Column("conversion_high", "to", Kind.SHARE),
    Column("days_median", "Median days", Kind.DAYS),
    Column("days_p75", "p75", Kind.DAYS),
    Column("days_p90", "p90", Kind.DAYS),
    Column("won_median_days", "Won deals", Kind.DAYS),
    Column("lost_median_days", "Lost deals", Kind.DAYS),
    Column("still_in", "Still in", Kind.COUNT),
    Column("skipped", "Skipped", Kind.COUNT),
    Column("taken_back", "Taken back", Kind.COUNT),
    *(
        Column(name, kind=kind, on_screen=False)
        for name, kind in (
            ("pipeline_id", Kind.TEXT), ("stage_id", Kind.TEXT), ("went_on", Kind.COUNT),
            ("lost", Kind.COUNT), ("days_mean", Kind.DAYS), ("days_low", Kind.DAYS),
            ("days_high", Kind.DAYS), ("win_rate", Kind.SHARE), ("win_rate_low", Kind.SHARE),
            ("win_rate_high", Kind.SHARE), ("won_p75_days", Kind.DAYS),
            ("won_p90_days", Kind.DAYS), ("lost_p75_days", Kind.DAYS),
            ("lost_p90_days", Kind.DAYS),
        )
    ),
)  # fmt: skip
_CYCLE: Final = (
    Column("size", "Size"),
    Column("outcome", "Outcome"),
    Column("deals", "Deals", Kind.COUNT),
    Column("mean_days", "Mean days", Kind.DAYS),
    Column("median_days", "Median", Kind.DAYS),
    Column("p75_days", "p75", Kind.DAYS),
    Column("p90_days", "p90", Kind.DAYS),
)
_SIZE: Final = (
    Column("size", "Size"),
    Column("deals", "Deals", Kind.COUNT),
    Column("deal_share", "of deals", Kind.SHARE),
    Column("days_share", "of deal-days", Kind.SHARE),
    Column("amount_share", "of money won", Kind.SHARE),
    Column("won_deals", "Won", Kind.COUNT),
    Column("won_amount", "Won amount", Kind.MONEY),
    Column("amount_per_deal_day", "per deal-day", Kind.MONEY),
    Column("cost", "Cost", Kind.MONEY),
    Column("deal_days", kind=Kind.DAYS, on_screen=False),
)
_CRITERION: Final = (
    Column("stage", "Stage"),
    Column("required", "Required"),
    Column("passed", "Left it", Kind.COUNT),
    Column("missed", "Missed", Kind.COUNT),
    Column("win_rate", "Win rate then", Kind.SHARE),
    Column("win_rate_of_others", "of the others", Kind.SHARE),
    Column("difference_low", "from", Kind.SHARE),
    Column("difference_high", "to", Kind.SHARE),
    Column("days_longer", "Days longer", Kind.DAYS),
    Column("verdict", "So"),
)
_COHORT: Final = (
    Column("pipeline", "Pipeline"),
    Column("stage", "Stage"),
    Column("cohort", "Entered from", Kind.DAY),
    Column("entered", "Deals", Kind.COUNT),
    Column("went_on", "Went on", Kind.COUNT),
    Column("lost", "Lost", Kind.COUNT),
    Column("still_in", "Still in", Kind.COUNT),
    Column("went_on_share", "Share", Kind.SHARE),
    Column("conversion", "Conversion", Kind.SHARE),
    Column("conversion_low", "from", Kind.SHARE),
    Column("conversion_high", "to", Kind.SHARE),
)

Names = dict[tuple[str, str], tuple[str, str]]


def stage_names(engine: Engine, connection: str) -> Names:
    """(pipeline id, stage id) to their labels."""
    table = frames.stage_frame(engine, connection)
    columns = ("pipeline_id", "stage_id", "pipeline", "stage")
    return {(row[0], row[1]): (row[2], row[3]) for row in table.select(columns).iter_rows()}


def process_reports(engine: Engine, connection: str, *, cohorts: bool = False) -> list[Report]:
    """The last run's stages, cycle lengths, size classes and exit criteria; with `cohorts` stage
    conversion by quarter instead. Raises ConfigError where there is none yet.
    """
    found, basis = measured(engine, connection)
    names = stage_names(engine, connection)
    if cohorts:
        return [_cohorts(found, basis, names)]
    sizes = size_names(basis.size_bounds)
    reports = [_stages(found, basis), _cycle(found, basis, sizes), _sizes(found, basis, sizes)]
    if found.of("criterion"):
        reports.append(_criteria(found, basis, names))
    return reports


def _stages(found: Measured, basis: Basis) -> Report:
    detours = {(row["pipeline_id"], row["stage_id"]): row for row in found.of("detour")}
    rows = [
        row | {name: detours[row["pipeline_id"], row["stage_id"]][name]
               for name in ("skipped", "taken_back")}
        for row in found.of("stage")
    ]  # fmt: skip
    notes = basis.notes(f"{STAGES}.")
    if not any(row["entered"] for row in rows):
        notes.append(
            "No deal's way through the stages is known for the window: stage figures need the "
            "CRM's history, or runs over some weeks. Cycle lengths are known without it."
        )
    notes.append("Won and lost deals: median days of their finished stays. from and to: 95 %.")
    return Report(
        f"{basis.connection}: stages",
        _STAGE,
        [{column.key: row.get(column.key) for column in _STAGE} for row in rows],
        basis.facts(STAGES),
        notes,
        basis.zone,
    )


def _cycle(found: Measured, basis: Basis, sizes: Mapping[str, str]) -> Report:
    rows = [row | {"size": sizes.get(row["size_class"], "all")} for row in found.of("cycle")]
    notes = [f"{CYCLES[0].upper()}{CYCLES[1:]}."]
    return Report(
        f"{basis.connection}: cycle length", _CYCLE, rows, basis.facts(CYCLES), notes, basis.zone
    )


def _sizes(found: Measured, basis: Basis, sizes: Mapping[str, str]) -> Report:
    rows = [row | {"size": sizes.get(row["size_class"])} for row in found.of("size")]
    notes = [f"{SIZES[0].upper()}{SIZES[1:]}."]
    if rows and rows[0]["cost"] is None:
        notes.append("Set process.cost_per_rep_day to see what each size costs.")
    title = f"{basis.connection}: what each size of deal takes and gives, {basis.currency}"
    return Report(title, _SIZE, rows, basis.facts(SIZES), notes, basis.zone)


VERDICTS: Final[Mapping[str, str]] = {
    "better": "better",
    "worse": "worse",
    "no_difference_shown": "no difference shown",
    "too_few": "too few",
}


def _criteria(found: Measured, basis: Basis, names: Names) -> Report:
    rows = [_criterion(row, names) for row in found.of("criterion")]
    notes = [f"{CRITERIA[0].upper()}{CRITERIA[1:]}. from and to: 95 % interval of the difference."]
    judged = sorted({name for row in found.of("criterion") for name in row["judged_now"]})
    if judged:
        notes.append(
            f"The past of {', '.join(judged)} is not kept: judged as it is today, a hint only."
        )
    unknown = sum(row.get("not_known", 0) for row in found.of("criterion"))
    if unknown:
        notes.append(f"Left out, their contacts' roles are not known: {unknown:,} passages.")
    title = f"{basis.connection}: exit criteria"
    return Report(title, _CRITERION, rows, basis.facts(CRITERIA), notes, basis.zone)


def _criterion(row: Mapping[str, Any], names: Names) -> dict[str, object]:
    criterion, comparison = row["criterion"], row["comparison"]
    rate, place = comparison["win_rate"], (criterion["pipeline_id"], criterion["stage_id"])
    verdict = "too_few"
    if rate["low"] is not None:
        inside = rate["low"] <= 0 <= rate["high"]
        verdict = "no_difference_shown" if inside else "worse" if rate["high"] < 0 else "better"
    return {
        "pipeline": names.get(place, place)[0],
        "stage": names.get(place, place)[1],
        "required": ", ".join([*criterion["required"], *_roles(criterion)]),
        "passed": row["passed"],
        "missed": row["missed"],
        "missed_by": row["missed_by"],
        "not_known": row.get("not_known", 0),
        "win_rate": rate["with_trait"],
        "win_rate_of_others": rate["others"],
        "difference_low": rate["low"],
        "difference_high": rate["high"],
        "days_longer": comparison["days"]["estimate"],
        "ended": comparison["ended"],
        "ended_of_others": comparison["other_ended"],
        "verdict": VERDICTS[verdict],
    }


def _roles(criterion: Mapping[str, Any]) -> list[str]:
    """In words; a result that was kept before roles could be required has none."""
    roles = criterion.get("contact_roles") or ()
    return [f"contact as {' or '.join(roles)}"] if roles else []


def _cohorts(found: Measured, basis: Basis, names: Names) -> Report:
    rows = []
    for row in found.of("cohort"):
        place = (row["pipeline_id"], row["stage_id"])
        pipeline, stage = names.get(place, place)
        rows.append(row | {"pipeline": pipeline, "stage": stage})
    order = {(row["pipeline_id"], row["stage_id"]): n for n, row in enumerate(found.of("stage"))}
    rows.sort(
        key=lambda row: (
            order.get((row["pipeline_id"], row["stage_id"]), len(order)),
            row["cohort"],
        )
    )
    return Report(
        f"{basis.connection}: stage conversion by quarter of entry",
        _COHORT,
        rows,
        basis.facts(COHORTS),
        basis.notes(f"{COHORTS}.", seen="since the first deal"),
        basis.zone,
    )
