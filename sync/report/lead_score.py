"""Open leads by their score, with reasons, and how far the score can be trusted."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Engine

from forecasting.lead_score import FEWEST_CONVERTED, LeadModel, Tested
from sync.config.model import Config
from sync.errors import ConfigError
from sync.mirror import lead_scores, read
from sync.report.naming import local_time
from sync.report.table import Column, Kind, Report

_RANKED: Final = (
    Column("lead_id", "Lead"),
    Column("score", "Score", Kind.COUNT),
    Column("probability", "Chance", Kind.SHARE),
    Column("owner", "Owner"),
    Column("reasons", "Why"),
    Column("source", on_screen=False),
    Column("owner_id", on_screen=False),
    Column("created_at", kind=Kind.INSTANT, on_screen=False),
)
_WHY: Final = {
    "learned_better": "Learned from your own leads: on later ones it was closer to what came than "
    "the points table",
    "few_converted": f"By the points table, because fewer than {FEWEST_CONVERTED} leads are known "
    "to have converted",
    "little_to_test": "By the points table, because there are too few conversions yet to test what "
    "could be learned",
    "points_as_good": "By the points table, because what could be learned was no better on later "
    "leads",
}


def score_reports(engine: Engine, connection: str, config: Config, *, limit: int) -> list[Report]:
    """The best first; `limit` 0 = all. Raises ConfigError where nothing is scored yet."""
    learned = lead_scores.latest_model(engine, connection)
    account = read.account(engine, connection)
    if learned is None or account is None:
        raise ConfigError(
            f"No lead is scored for {connection}: set leads.enabled for it, then run "
            "`dealpulse sync`."
        )
    model = LeadModel.from_json(learned.model)
    scored = lead_scores.scores(engine, connection)
    shown = scored.head(limit) if limit else scored
    zone = config.time_zone or account.time_zone
    as_of = scored["as_of"][0] if scored.height else model.as_of
    facts = {
        "connection": connection,
        "as_of": as_of,
        "definition": _definition(model),
        "method": model.basis,
        "why": model.why,
        "goal": model.goal,
        "horizon_days": model.horizon_days,
        "cut_off": model.as_of,
        "sample": {"leads": model.leads, "converted": model.converted, "rows": model.rows},
        "left_out": {"rows_with_forgotten_counters": model.forgotten},
        "tested": learned.model["tested"],
        "leads": scored.height,
    }
    left = scored.height - shown.height
    notes = [
        f"As of {local_time(as_of, zone)}: {_definition(model)}.",
        f"{_WHY[model.why]}. Learned from {model.leads} leads known until "
        f"{local_time(model.as_of, zone)}, of which {model.converted} reached {model.goal}.",
        *(_told(model.tested[model.basis]) if model.tested else ()),
        *([f"{left} more not shown; --top 0 shows all."] if left else []),
    ]
    rows: list[Mapping[str, Any]] = [
        {**row, "owner": row["owner"] or "(nobody)"} for row in shown.iter_rows(named=True)
    ]
    columns = (*_RANKED, Column("parts", on_screen=False))
    return [Report(f"{connection}: open leads by score", columns, rows, facts, notes, zone)]


def _definition(model: LeadModel) -> str:
    chance = f"chance: of reaching {model.goal} within {model.horizon_days} days"
    if model.basis == "learned":
        return f"{chance}; score: the percentage of past leads that were less likely to"
    return f"{chance}, as leads with so many points did; score: points, of 100"


def _told(tested: Tested) -> list[str]:
    """On leads that it had not seen."""
    ranked = "" if tested.auc is None else f", AUC {tested.auc:.2f}"
    return [
        f"Tested on {tested.leads} later leads: it said {tested.said:.1%}, {tested.came:.1%} came "
        f"({tested.low:.1%} to {tested.high:.1%}){ranked}."
    ]
