"""The lead score: learned once a day, and every open lead scored by it, into their tables."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final

import orjson
import polars as pl

from forecasting import lead_score
from forecasting.funnel import Definition
from forecasting.lead_facts import facts, standing
from forecasting.lead_reasons import explained
from forecasting.lead_score import LeadModel
from sync.jobs.context import Counts, JobContext
from sync.jobs.funnel import definition_of
from sync.mirror import lead_frames, lead_scores

METHOD: Final = "1"
"""Raised whenever it is learned otherwise: what was learned before is then learned anew."""

LEARN_EVERY: Final = timedelta(days=1)


def score_leads(ctx: JobContext, run_id: int) -> Counts:
    """Learn anew where the last time is a day ago or something else is asked; score as of now."""
    as_of = ctx.clock.now()
    held = lead_frames.lead_frame(ctx.engine, ctx.connection)
    changes = lead_frames.lead_change_frame(ctx.engine, ctx.connection)
    definition = definition_of(ctx.config.funnel)
    model, learned = _model(ctx, run_id, held, changes, definition, as_of)
    scored = _scored(model, held, changes, definition, as_of, ctx)
    lead_scores.save_scores(ctx.engine, ctx.connection, scored, as_of=as_of, basis=model.basis)
    return {"scored": scored.height, "learned": int(learned)}


def asked(ctx: JobContext, definition: Definition) -> dict[str, Any]:
    """All that what is learned depends on besides the leads; as JSON."""
    settings = ctx.config.lead_score
    held = {
        "method": METHOD,
        "stages": [asdict(stage) for stage in definition.stages],
        "goal": settings.goal_in(ctx.config.funnel),
        "horizon_days": settings.horizon_days,
    }
    plain: dict[str, Any] = orjson.loads(orjson.dumps(held))
    return plain


def _model(
    ctx: JobContext,
    run_id: int,
    held: pl.DataFrame,
    changes: pl.DataFrame,
    definition: Definition,
    as_of: datetime,
) -> tuple[LeadModel, bool]:
    wanted: Mapping[str, Any] = asked(ctx, definition)
    last = lead_scores.latest_model(ctx.engine, ctx.connection)
    if last is not None and last.asked == wanted and as_of - last.as_of < LEARN_EVERY:
        return LeadModel.from_json(last.model), False
    model = lead_score.learn(
        held,
        changes,
        definition,
        goal=wanted["goal"],
        horizon_days=wanted["horizon_days"],
        as_of=as_of,
    )
    lead_scores.save_model(
        ctx.engine, run_id, ctx.connection, as_of=as_of, asked=wanted, model=model.as_json()
    )
    return model, True


def _scored(
    model: LeadModel,
    held: pl.DataFrame,
    changes: pl.DataFrame,
    definition: Definition,
    as_of: datetime,
    ctx: JobContext,
) -> pl.DataFrame:
    stood = standing(held, changes, definition, model.goal, [as_of])
    known = facts(held, changes, stood)
    told = explained(model, known, ctx.config.language)
    return lead_score.score(model, known).hstack(told.select("reasons", "parts"))
