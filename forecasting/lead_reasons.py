"""Why a lead has the score it has, in words whose numbers add up to it."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import polars as pl

from forecasting import lead_classes
from forecasting.lead_facts import RECENT_DAYS
from forecasting.lead_score import LeadModel, chances, contributions
from forecasting.logistic import expit, in_points
from forecasting.reasons import LARGEST, NOTICEABLE, adding_up
from forecasting.wording import Language, capitalised, sentence

WORDS: Final[Mapping[str, Mapping[Language, str]]] = {
    "stage": {"en": "stage {stage}", "nb": "fase {stage}"},
    "source": {"en": "came from {source}", "nb": "kom fra {source}"},
    "views": {
        "en": "page views in {recent:days}: {views:number}",
        "nb": "sidevisninger på {recent:days}: {views:number}",
    },
    "no_views": {
        "en": "no page view in {recent:days}",
        "nb": "ingen sidevisninger på {recent:days}",
    },
    "submissions": {
        "en": "sent a form {submissions:times}",
        "nb": "sendte skjema {submissions:times}",
    },
    "no_submissions": {"en": "sent no form", "nb": "har ikke sendt skjema"},
    "clicks": {
        "en": "clicked in our mails {clicks:times}",
        "nb": "klikket i e-postene våre {clicks:times}",
    },
    "no_clicks": {
        "en": "never clicked in our mails",
        "nb": "har aldri klikket i e-postene våre",
    },
    "opens": {
        "en": "opened our mails {opens:times}",
        "nb": "åpnet e-postene våre {opens:times}",
    },
    "no_opens": {
        "en": "never opened our mails",
        "nb": "har aldri åpnet e-postene våre",
    },
    "replied": {
        "en": "answered {replied_days:ago}",
        "nb": "svarte {replied_days:ago}",
    },
    "no_replied": {"en": "never answered", "nb": "har aldri svart"},
    "met": {"en": "a meeting {met_days:ago}", "nb": "møte {met_days:ago}"},
    "no_met": {"en": "no meeting", "nb": "ikke noe møte"},
    "seen": {
        "en": "last sign of interest {seen_days:ago}",
        "nb": "siste tegn på interesse {seen_days:ago}",
    },
    "no_seen": {"en": "no sign of interest", "nb": "ingen tegn på interesse"},
    "age": {"en": "created {age_days:ago}", "nb": "opprettet {age_days:ago}"},
}
_LEARNED: Final[Mapping[Language, str]] = {
    "en": "{chance} % chance of becoming {goal} within {horizon:days}: {base} % for a typical lead"
    "{parts}.",
    "nb": "{chance} % sjanse for å bli {goal} innen {horizon:days}: {base} % for en typisk lead"
    "{parts}.",
}
_POINTS: Final[Mapping[Language, str]] = {
    "en": "{total} of 100 points{parts}.",
    "nb": "{total} av 100 poeng{parts}.",
}


def explained(model: LeadModel, known: pl.DataFrame, language: Language) -> pl.DataFrame:
    """lead_id, reasons (a sentence), parts: a list of {code, points} by attribute, largest first.

    points: probability, which with the middle's (code `base`) sum to the lead's; by the points
    table whole points that sum to the score.
    """
    coded = lead_classes.codes(known, model.names)
    if model.basis == "points":
        table = lead_classes.points(coded)
        told = np.column_stack(list(table.values())).astype(np.float64)
        names, base = list(table), 0.0
    else:
        effects = contributions(model, coded)
        names = list(effects)
        base = float(expit(np.array([model.intercept]))[0])
        told = in_points(np.column_stack(list(effects.values())), base, chances(model, coded))
    rows = [
        _one(model, row, dict(zip(names, points, strict=True)), base, language)
        for row, points in zip(known.iter_rows(named=True), told.tolist(), strict=True)
    ]
    return known.select(
        "lead_id",
        reasons=pl.Series([text for text, _ in rows], dtype=pl.String),
        parts=pl.Series(
            [parts for _, parts in rows],
            dtype=pl.List(pl.Struct({"code": pl.String, "points": pl.Float64})),
        ),
    )


def _one(
    model: LeadModel,
    row: Mapping[str, Any],
    points: Mapping[str, float],
    base: float,
    language: Language,
) -> tuple[str, list[dict[str, Any]]]:
    ordered = sorted(points.items(), key=lambda part: (-abs(part[1]), part[0]))
    largest = [part for part in ordered if part[1]]
    if model.basis == "points":
        total = round(sum(points.values()))
        texts = "; ".join(f"+{round(n)} {_words(name, row, language)}" for name, n in largest)
        text = sentence(_POINTS, {"total": total, "parts": f": {texts}" if texts else ""}, language)
        return text, [{"code": name, "points": float(n)} for name, n in largest]
    named: list[tuple[str, float]] = []
    for name, value in ordered:
        if len(named) < LARGEST and abs(value) >= NOTICEABLE / 10:
            named.append((_words(name, row, language), value))
    other = sum(points.values()) - sum(value for _, value in named)
    chance, middle = (round(share * 100, 1) for share in (base + sum(points.values()), base))
    parts = adding_up(named, other, chance - middle, language, decimals=1)
    values = {
        "chance": _tenths(chance, language),
        "goal": model.goal,
        "horizon": model.horizon_days,
        "base": _tenths(middle, language),
        "parts": f", {parts}" if parts else "",
    }
    text = capitalised(sentence(_LEARNED, values, language))
    told = [{"code": "base", "points": base}, *({"code": n, "points": v} for n, v in largest)]
    return text, told


def _words(name: str, row: Mapping[str, Any], language: Language) -> str:
    column = f"{name}_days" if name in lead_classes.SINCE or name == "age" else name
    value = row[column]
    nothing = value is None or (name in lead_classes.COUNTS and not value)
    key = f"no_{name}" if nothing and f"no_{name}" in WORDS else name
    whole = {
        key: int(number) if isinstance(number, float) else number for key, number in row.items()
    }
    return sentence(WORDS[key], {**whole, "recent": RECENT_DAYS}, language)


def _tenths(percent: float, language: Language) -> str:
    return f"{percent:.1f}".replace(".", "," if language == "nb" else ".")
