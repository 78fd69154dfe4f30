"""Why a deal has the chance it has, in words whose numbers add up to it; and what is likely next.

The stated probability is the account's base rate plus one contribution per attribute, in
probability points: each attribute's log-odds times what log-odds are worth on the straight path
from the base to the deal, so the parts sum exactly.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

import numpy as np
import polars as pl

from forecasting.features import open_facts
from forecasting.findings_then import FINDINGS
from forecasting.history import KEY
from forecasting.logistic import in_points, logit
from forecasting.methods.multivariable import EVENTUALLY, Multivariable
from forecasting.rule_words import WORDS
from forecasting.snapshot import Snapshot
from forecasting.stage_chain import GRID
from forecasting.tracks import Floats
from forecasting.wording import Language, capitalised, sentence

LARGEST: Final = 3
"""How many reasons are told; the rest are summed."""

NOTICEABLE: Final = 0.005
_EVEN: Final = 0.5

REASONS: Final[Mapping[str, Mapping[Language, str]]] = {
    "stage": {
        "en": "{stage_days:days} in {stage}",
        "nb": "{stage_days:days} i {stage}",
    },
    "stage_norm": {
        "en": "{stage_days:days} in {stage}, won deals leave after {norm:number}",
        "nb": "{stage_days:days} i {stage}, vunne avtaler går videre etter {norm:number}",
    },
    "stage_only": {"en": "stage {stage}", "nb": "fase {stage}"},
    "owner": {"en": "deals of this owner", "nb": "avtalene til denne eieren"},
    "type": {"en": "deals of type {deal_type}", "nb": "avtaler av typen {deal_type}"},
    "source": {"en": "deals from {lead_source}", "nb": "avtaler fra {lead_source}"},
    "category": {
        "en": "forecast category {forecast_category}",
        "nb": "prognosekategori {forecast_category}",
    },
    "route": {
        "en": "{moves:number} stage changes to get here",
        "nb": "{moves:number} faseskifter for å komme hit",
    },
    "age": {"en": "created {age_days:days} ago", "nb": "opprettet for {age_days:days} siden"},
    "quiet": {
        "en": "no change by a person for {quiet_days:days}",
        "nb": "ingen endring gjort av noen på {quiet_days:days}",
    },
    "pushes": {
        "en": "close date pushed {pushes:times}",
        "nb": "lukkedato skjøvet {pushes:times}",
    },
    "never_pushed": {"en": "close date never pushed", "nb": "lukkedato aldri skjøvet"},
    "moves": {"en": "{moves:number} stage changes", "nb": "{moves:number} faseskifter"},
    "due": {"en": "close date in {due_days:days}", "nb": "lukkedato om {due_days:days}"},
    "overdue": {"en": "overdue by {late_days:days}", "nb": "{late_days:days} over lukkedato"},
    "amount": {"en": "the deal's size", "nb": "avtalens størrelse"},
    "next_step": {"en": "a next step is set", "nb": "neste steg er satt"},
    "no_next_step": {"en": "no next step", "nb": "ingen neste steg"},
    "stage_moved_back": {"en": "moved back to an earlier stage", "nb": "flyttet tilbake en fase"},
}
"""Findings that are not here are told by their rule's own words."""

_TOLD: Final[Mapping[Language, str]] = {
    "en": "{chance} chance: {base} on average{parts}.",
    "nb": "{chance} sjanse: {base} i snitt{parts}.",
}
_OTHER: Final[Mapping[Language, str]] = {"en": "everything else", "nb": "alt annet"}

REASON_SCHEMA: Final[dict[str, pl.DataType | type[pl.DataType]]] = {
    "connection": pl.String,
    "deal_id": pl.String,
    "win_probability": pl.Float64,
    "base_rate": pl.Float64,
    "attribute": pl.String,  # of Classes, "stage" for the table, "general" for the overall level
    "points": pl.Float64,  # probability, not percent; with base_rate they sum to win_probability
}


def contributions(
    method: Multivariable, snapshot: Snapshot, horizon: float = EVENTUALLY
) -> pl.DataFrame:
    """`REASON_SCHEMA`: a row per open deal and attribute, largest first within a deal.

    `horizon`: paced days within which the deal is to be won; by default whether it ever is. Empty
    where the method had nothing to learn from.
    """
    if method.instead_ is not None:
        return pl.DataFrame(schema=REASON_SCHEMA)
    facts = open_facts(snapshot)
    chance = method.chances(facts, horizon)
    parts: dict[str, Floats] = {}
    table = logit(method.table_.chances(facts, horizon))
    base = method.table_.usual(horizon)
    parts["stage"] = table - float(logit(np.array([base]))[0])
    adjustment = method.adjustment(horizon)
    if adjustment is not None:
        parts.update(adjustment.contributions(facts, horizon))
    names, effects = list(parts), np.column_stack(list(parts.values()))
    points = in_points(effects, base, chance)
    count = len(names)
    return (
        pl.DataFrame(
            {
                "connection": np.repeat(facts["connection"].to_numpy(), count),
                "deal_id": np.repeat(facts["deal_id"].to_numpy(), count),
                "win_probability": np.repeat(chance, count),
                "base_rate": np.full(facts.height * count, base),
                "attribute": np.tile(names, facts.height),
                "points": points.ravel(),
            },
            schema=REASON_SCHEMA,
        )
        .with_columns(size=pl.col("points").abs())
        .sort(*KEY, "size", "attribute", descending=[False, False, True, False])
        .drop("size")
    )


def reasons(
    method: Multivariable,
    snapshot: Snapshot,
    norms: pl.DataFrame,
    language: Language,
    horizon: float = EVENTUALLY,
) -> pl.DataFrame:
    """connection, deal_id, win_probability, reasons: a sentence per open deal, such as "23 %
    chance: 31 % on average, -5 41 days in Proposal, won deals leave after 18; -3 close date pushed
    3 times."

    `norms`: of `process.stage_norms`. Points are rounded so that the printed ones add up.
    """
    told = contributions(method, snapshot, horizon)
    labels = norms.unique(("connection", "pipeline_id", "stage_id"), keep="first").select(
        "connection", "pipeline_id", "stage_id", "stage", "median_days", norm_sample="sample"
    )
    facts = (
        open_facts(snapshot)
        .join(labels, on=("connection", "pipeline_id", "stage_id"), how="left")
        .with_columns(stage=pl.coalesce("stage", "stage_id"))
    )
    grouped = told.group_by(KEY, maintain_order=True).agg(
        pl.col("win_probability", "base_rate").first(), pl.col("attribute", "points")
    )
    rows = facts.join(grouped, on=KEY, how="inner").sort(*KEY)
    return rows.select(
        *KEY,
        "win_probability",
        pl.Series(
            "reasons", [_sentence(row, language) for row in rows.iter_rows(named=True)], pl.String
        ),
    )


def _sentence(row: Mapping[str, Any], language: Language) -> str:
    named: list[tuple[str, float]] = []
    other = 0.0
    for attribute, points in zip(row["attribute"], row["points"], strict=True):
        words = _words(attribute, row, language)
        if words and len(named) < LARGEST and abs(points) >= NOTICEABLE:
            named.append((words, points))
        else:
            other += points
    base, chance = round(row["base_rate"] * 100), round(row["win_probability"] * 100)
    parts = adding_up(named, other, chance - base, language)
    values = {"chance": f"{chance} %", "base": f"{base} %", "parts": f", {parts}" if parts else ""}
    return capitalised(sentence(_TOLD, values, language))


def adding_up(
    named: Sequence[tuple[str, float]],
    other: float,
    whole: float,
    language: Language,
    decimals: int = 0,
) -> str:
    """`-5 41 days in Proposal; -3 close date pushed 3 times`: points in percent, rounded so that
    the printed ones add up to `whole`, in percent too. named: words and probability; other: of all
    the rest.
    """
    scale = 10**decimals
    shown = [(words, round(points * 100 * scale)) for words, points in named]
    left = round(whole * scale) - sum(points for _, points in shown)
    if left and abs(other) < NOTICEABLE / scale and shown:
        words, points = shown[0]
        shown[0], left = (words, points + left), 0
    if left:
        shown.append((_OTHER[language], left))
    comma = "," if language == "nb" else "."
    return "; ".join(
        f"{points / scale:+.{decimals}f}".replace(".", comma) + f" {words}"
        for words, points in shown
        if points
    )


def _words(attribute: str, row: Mapping[str, Any], language: Language) -> str | None:
    """What an attribute is called for this deal; None for one that has no words."""
    key: str | None = attribute
    match attribute:
        case "general":
            key = None
        case "stage" if row["stage"] is None:
            key = None
        case "stage" if row["stage_days"] is None:
            key = "stage_only"
        case "stage" if row["norm_sample"] and row["stage_days"] > row["median_days"]:
            key = "stage_norm"
        case "pushes" if not row["pushes"]:
            key = "never_pushed"
        case "due" if row["due_days"] is not None and row["due_days"] < 0:
            key = "overdue"
        case "next_step" if not row["next_step"]:
            key = "no_next_step"
        case _ if attribute in FINDINGS:
            key = FINDINGS[attribute][row[attribute] - 1] if row[attribute] else None
    if key is None:
        return None
    values = {
        **row,
        "stage_days": int(row["stage_days"] or 0),
        "age_days": int(row["age_days"]),
        "quiet_days": int(row["quiet_days"] or 0),
        "due_days": max(int(row["due_days"] or 0), 0),
        "late_days": max(-int(row["due_days"] or 0), 0),
        "norm": round(row["median_days"] or 0),
    }
    return sentence(REASONS.get(key) or WORDS[key].brief, values, language)


def calls(method: Multivariable, snapshot: Snapshot, period_end: date) -> pl.DataFrame:
    """Per open deal: connection, deal_id, call, win_probability, win_probability_by,
    predicted_close_date and close_date, the salesperson's own.

    `call`: WIN, LOSE or SLIP, the likeliest of won before `period_end`, never won, and won later;
    null with the method's other answers where it had nothing to learn from. The predicted date is
    the median of the days on which the deal would be won, if it is.
    """
    opened = snapshot.deals.filter(pl.col("status") == "open").sort(*KEY)
    if method.instead_ is not None:
        return opened.select(
            *KEY,
            pl.lit(None, pl.String).alias("call"),
            pl.lit(None, pl.Float64).alias("win_probability"),
            pl.lit(None, pl.Float64).alias("win_probability_by"),
            pl.lit(None, pl.Date).alias("predicted_close_date"),
            "close_date",
        )
    facts = open_facts(snapshot)
    horizon = method.days_to(period_end, snapshot)
    by = method.chances(facts, horizon)
    ever = np.maximum(method.chances(facts, EVENTUALLY), by)
    options = np.column_stack([by, 1 - ever, ever - by])
    call = np.array(["WIN", "LOSE", "SLIP"])[options.argmax(axis=1)]
    curve = method.table_.curves(facts)
    reached = curve >= _EVEN * curve[:, -1:]
    expected = method.after(GRID[reached.argmax(axis=1)], snapshot)
    predicted = expected.set(pl.Series(curve[:, -1] <= 0), None)
    return facts.select(
        *KEY,
        call=pl.Series(call, dtype=pl.String),
        win_probability=pl.Series(ever),
        win_probability_by=pl.Series(by),
        predicted_close_date=predicted,
    ).join(opened.select(*KEY, "close_date"), on=KEY, how="left", maintain_order="left")
