"""Funnel: conversion of leads by cohort and source, first responses, into their table."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date, datetime
from typing import Any

import polars as pl

from forecasting import funnel
from forecasting.funnel import Definition, FunnelStage
from sync.config.funnel import Funnel
from sync.errors import ConfigError
from sync.jobs.context import Counts, JobContext
from sync.mirror import funnel_results, lead_frames, read

Rows = dict[str, list[dict[str, Any]]]


def measure_funnel(ctx: JobContext, run_id: int) -> Counts:
    """Measure the funnel as of now, under the configured definition, and keep it with this run."""
    account = read.account(ctx.engine, ctx.connection)
    if account is None:
        raise ConfigError(f"{ctx.connection} has never been pulled: run `dealpulse sync` first.")
    zone = ctx.config.time_zone or account.time_zone
    as_of = ctx.clock.now()
    held = lead_frames.lead_frame(ctx.engine, ctx.connection)
    changes = lead_frames.lead_change_frame(ctx.engine, ctx.connection)
    definition = definition_of(ctx.config.funnel)
    rows = measured(held, changes, definition, as_of=as_of, zone=zone)
    funnel_results.save(
        ctx.engine,
        run_id,
        ctx.connection,
        definition=asdict(definition),
        as_of=as_of,
        zone=zone,
        rows=rows,
    )
    return {"leads": held.height, "untouched": len(rows["untouched"])}


def definition_of(settings: Funnel) -> Definition:
    stages = tuple(FunnelStage(stage.name, tuple(stage.among)) for stage in settings.defined)
    return Definition(stages, settings.within_days, settings.answered_from)


def measured(
    held: pl.DataFrame,
    changes: pl.DataFrame,
    definition: Definition,
    *,
    as_of: datetime,
    zone: str,
) -> Rows:
    """Every subject's rows, as JSON values."""
    passed = funnel.passages(changes, definition, as_of)
    answers = funnel.responses(passed, held, changes, definition, as_of)
    stages = {
        f"stage_{by}": funnel.conversion(
            passed, held, definition, as_of=as_of, zone=zone, by=by
        ).to_dicts()
        for by in funnel.SEGMENTS
    }
    waiting = answers.filter("waiting").select("lead_id", "owner_id", "owner", "source", "due_at")
    rows = {
        "basis": [_basis(held, passed, answers, definition, zone)],
        **stages,
        "response": funnel.response_times(answers).to_dicts(),
        "response_owner": funnel.response_times(answers, ["owner"]).to_dicts(),
        "untouched": waiting.to_dicts(),
    }
    return {subject: [_plain(row) for row in each] for subject, each in rows.items()}


def _basis(
    held: pl.DataFrame,
    passed: pl.DataFrame,
    answers: pl.DataFrame,
    definition: Definition,
    zone: str,
) -> dict[str, Any]:
    known = passed["lead_id"].n_unique()
    return {
        "zone": zone,
        "sample": held.height,
        "in_funnel": known,
        "within_days": definition.within_days,
        "answered_from": definition.answered_from,
        "stages": [stage.name for stage in definition.stages],
        "left_out": {
            "never_in_funnel": held.height - known,
            "touched_before": int(answers["before"].sum()),
            "past_not_known": held.height - held["known_since"].null_count(),
        },
    }


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """Instants and days as ISO text."""
    return {
        name: value.isoformat() if isinstance(value, datetime | date) else value
        for name, value in row.items()
    }
