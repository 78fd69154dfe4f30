"""Process: velocity, stages, cycle, criteria, bottlenecks, improvements, into their table."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import date, datetime
from typing import Any, Final

import polars as pl

from forecasting import cycle, exit_criteria, improvement, passages, velocity_change
from forecasting.bottlenecks import Process, examine
from forecasting.bottlenecks.bottleneck import SHOWN
from forecasting.exit_criteria import CriterionResult, ExitCriterion
from forecasting.history import KEY, stage_stays
from forecasting.sizes import size_bounds, with_size_class
from forecasting.velocity import drivers
from sync.config.process import Improvement
from sync.config.process import Process as Settings
from sync.jobs.context import Counts, JobContext
from sync.jobs.inputs import Inputs, read_inputs
from sync.mirror import history_reads, process_results

MONTHS: Final = 13
MIXES: Final = ("pipeline", "team", "owner", "type", "size")
_SEGMENTS: Final = ("total", *MIXES)
_WORKING_DAYS: Final = 5 / 7

ROLES_UNKNOWN: Final = (
    "process.exit_criteria: no deal's contacts have a known role, so contact_roles are left out. "
    "HubSpot tells them with the next sweep (`dealpulse sync --sweep`); Pipedrive keeps none: "
    "require contact there; in files a column has to be mapped to contact_roles."
)

Rows = dict[str, list[dict[str, Any]]]


def measure_process(ctx: JobContext, run_id: int) -> Counts:
    """Measure the sales process as of now and keep what was found with this run."""
    inputs = read_inputs(ctx)
    keeps_history = ctx.source.capabilities.history
    unread = history_reads.all_unread(ctx.engine, ctx.connection) if keeps_history else frozenset()
    rows = measured(inputs, ctx.config.process, ctx.notes, unread)
    process_results.save(
        ctx.engine, run_id, ctx.connection, as_of=inputs.as_of, zone=inputs.zone, rows=rows
    )
    shown = [row for row in rows["bottleneck"] if row["certainty"] in SHOWN]
    return {"measured": inputs.deals.height, "bottlenecks": len(shown)}


def measured(
    inputs: Inputs, settings: Settings, notes: list[str], unread: Collection[str] = frozenset()
) -> Rows:
    """Every subject's rows, as JSON values. `notes`: told what the settings name in vain.
    `unread`: deals whose past the CRM has and the mirror has not yet.
    """
    bounds = size_bounds(inputs.deals, [float(bound) for bound in settings.size_classes])
    process = _process(inputs, bounds, settings.window_days, unread)
    velocities = drivers(
        process.deals,
        as_of=inputs.as_of,
        today=inputs.today,
        zone=inputs.zone,
        window_days=settings.window_days,
        segments=_SEGMENTS,
    )
    criteria = _criteria(inputs, settings, process, notes)
    cost = _cost_of_sales(inputs, process, settings)
    found = examine(process, velocities, criteria, cost_of_sales_per_day=cost)
    efforts = cycle.effort_by_size(
        process.deals, bounds, since=process.since, as_of=inputs.as_of, today=inputs.today,
        cost_per_day=cost,
    )  # fmt: skip
    times = cycle.cycle_table(process.deals, bounds, since=process.since_day, today=inputs.today)
    table = process.stage_table(process.since_day, inputs.today)
    subjects: dict[str, Iterable[Mapping[str, Any]]] = {
        "basis": [_basis(inputs, process, bounds, cost)],
        "velocity": velocities.to_dicts(),
        **_months(process),
        "stage": table.drop("connection").to_dicts(),
        "cohort": passages.cohorts(process.passed, zone=inputs.zone).drop("connection").to_dicts(),
        "detour": passages.detours(process.visited, inputs.stages, since=process.since)
        .drop("connection")
        .to_dicts(),
        "cycle": times.to_dicts(),
        "size": efforts.to_dicts(),
        "criterion": [asdict(each) for each in criteria],
        "bottleneck": [asdict(each) for each in found],
        "improvement": [
            row for each in settings.improvements for row in _improvement(each, inputs, notes)
        ],
    }
    return {subject: [plain(row) for row in rows] for subject, rows in subjects.items()}


def _process(
    inputs: Inputs, bounds: Sequence[float], window_days: int, unread: Collection[str]
) -> Process:
    """Of a deal whose past is not read the last stage is known at most: the lost would seem to have
    come no further than the stage that they were lost in, and the won to have been in one alone.
    """
    deals = with_size_class(inputs.deals, bounds)
    waits = pl.col("deal_id").is_in(pl.Series(sorted(unread), dtype=pl.String).implode())
    unseen = passages.begun_unseen(deals, inputs.changes) | deals.select(waits).to_series()
    stays = stage_stays(inputs.changes, deals, inputs.stages, inputs.as_of)
    seen = stays.join(deals.filter(unseen).select(*KEY), on=KEY, how="anti", maintain_order="left")
    visited = passages.visits(seen, deals, inputs.stages)
    return Process(
        deals=deals,
        changes=inputs.changes,
        stages=inputs.stages,
        stays=seen,
        visited=visited,
        passed=passages.passages(visited, inputs.as_of),
        as_of=inputs.as_of,
        today=inputs.today,
        zone=inputs.zone,
        window_days=window_days,
        unseen=unseen,
    )


def _basis(
    inputs: Inputs, process: Process, bounds: Sequence[float], cost: float | None
) -> dict[str, Any]:
    """What all figures rest on, and what could not be counted."""
    decided = pl.col("status").is_in(("won", "lost"))
    undated = decided & pl.col("closed_on").is_null()
    backwards = decided & (pl.col("closed_on") < pl.col("created_on"))
    problem = pl.col("amount_problem")
    counts = process.deals.select(
        pl.len().alias("deals"),
        undated.sum().alias("closed_without_a_day"),
        backwards.sum().alias("closed_before_created"),
        (problem == "missing").sum().alias("no_amount"),
        (problem == "no_rate").sum().alias("no_rate"),
    ).row(0, named=True)
    without = counts["deals"] - process.visited["deal_id"].n_unique()
    unseen = 0 if process.unseen is None else int(process.unseen.sum())
    left_out = {**counts, "history_unread": unseen, "no_stage_history": without - unseen}
    deals = left_out.pop("deals")
    return {
        "currency": inputs.currency,
        "zone": inputs.zone,
        "window_start": process.since_day,
        "window_end": inputs.today,
        "window_days": process.window_days,
        "deals": deals,
        "left_out": {reason: count for reason, count in left_out.items() if count},
        "size_bounds": list(bounds),
        "cost_of_sales_per_day": cost,
    }


def _months(process: Process) -> Rows:
    """Each month's drivers, and its change against the one before for every kind of mix."""
    rows: Rows = {"month": [], "change": []}
    for kind in MIXES:
        months = velocity_change.monthly(
            process.deals, today=process.today, months=MONTHS, kind=kind
        )
        if not rows["month"]:
            rows["month"] = velocity_change.month_drivers(months).to_dicts()
        changed = velocity_change.changes(months).to_dicts()
        rows["change"] += [{"mix_of": kind, **row} for row in changed]
    return rows


def _cost_of_sales(inputs: Inputs, process: Process, settings: Settings) -> float | None:
    """What sales work costs per calendar day: active owners who have deals, and a day of each."""
    if settings.cost_per_rep_day is None:
        return None
    working = process.deals.filter(
        (pl.col("status") == "open") | (pl.col("closed_on") >= process.since_day)
    )["owner_id"]
    active = inputs.owners.filter(pl.col("active") & pl.col("owner_id").is_in(working.to_list()))
    return float(settings.cost_per_rep_day) * active.height * _WORKING_DAYS


def _criteria(
    inputs: Inputs, settings: Settings, process: Process, notes: list[str]
) -> list[CriterionResult]:
    known = passages.ranked(inputs.stages)
    told = inputs.deals["contact_roles"].is_not_null().any()
    if settings.asks_for_contact_roles and not told:
        notes.append(ROLES_UNKNOWN)
    criteria = []
    for each in settings.exit_criteria:
        roles = tuple(each.contact_roles) if told else ()
        named = known.filter(
            _is(each.stage, "stage_id", "stage")
            & (
                pl.lit(True)
                if each.pipeline is None
                else _is(each.pipeline, "pipeline_id", "pipeline")
            )
        )
        if named.is_empty():
            where = f" of pipeline {each.pipeline}" if each.pipeline else ""
            notes.append(
                f"process.exit_criteria: there is no open stage {each.stage!r}{where}; known are "
                f"{', '.join(known['stage'].unique(maintain_order=True).to_list()) or 'none'}."
            )
        criteria += [
            ExitCriterion(row["pipeline_id"], row["stage_id"], tuple(each.required), roles)
            for row in named.to_dicts()
            if each.required or roles
        ]
    return exit_criteria.check(
        criteria, process.passed, process.deals, inputs.changes, since=process.since,
        as_of=inputs.as_of,
    )  # fmt: skip


def _is(name: str, key: str, label: str) -> pl.Expr:
    same = pl.col(label).str.to_lowercase() == name.strip().lower()
    return ((pl.col(key) == name) | same).fill_null(False)


_COLUMN: Final[dict[str, improvement.GroupColumn]] = {
    "owner": "owner_id", "team": "team", "pipeline": "pipeline_id", "type": "deal_type",
    "source": "lead_source",
}  # fmt: skip


def _improvement(settings: Improvement, inputs: Inputs, notes: list[str]) -> list[dict[str, Any]]:
    among = _ids(settings, inputs)
    by = None if settings.by == "everyone" else _COLUMN[settings.by]
    if by is not None:
        present = set(inputs.deals[by].drop_nulls().unique().to_list())
        if not present & set(among):
            notes.append(
                f"process.improvements: no deal has {settings.by} {', '.join(settings.among)}, "
                f"so {settings.name!r} has no group to measure."
            )
    change = improvement.Improvement(
        settings.name,
        settings.started_on,
        by,
        among,
        settings.new_deals,
    )
    effects = improvement.evaluate(
        change, inputs.deals, as_of=inputs.as_of, today=inputs.today, zone=inputs.zone
    )
    context = {"name": settings.name, "started_on": settings.started_on, "by": settings.by}
    return [{**context, "among": settings.among, **asdict(effect)} for effect in effects]


def _ids(settings: Improvement, inputs: Inputs) -> tuple[str, ...]:
    """The named owners' or pipelines' ids; teams, types and sources are their own names."""
    told = set(settings.among)
    if settings.by == "owner":
        frame, key, label = inputs.owners, "owner_id", "owner"
    elif settings.by == "pipeline":
        frame, key, label = inputs.stages, "pipeline_id", "pipeline"
    else:
        return tuple(settings.among)
    named = frame.filter(pl.col(key).is_in(told) | pl.col(label).is_in(told))[key]
    return tuple(sorted(set(named.to_list())))


def plain(value: Any) -> Any:
    """A JSON value: days and instants as ISO text, what is not a number as null."""
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, date | datetime):
        return value.isoformat()
    return value
