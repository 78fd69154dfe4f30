"""What is said of each open deal in the CRM: its chance, why, and what is wrong with it."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import polars as pl

from forecasting.history import KEY
from forecasting.quality.rules import BY_CODE
from forecasting.rule_words import WORDS, evidence_of
from forecasting.wording import Language, capitalised, percent, sentence

LONGEST: Final = 400
_LONGEST_LABEL: Final = 60
_NOTICEABLE: Final = 0.02
"""A learned chance further than this from the plain share needs a word on why."""

_CHANCES: Final[Mapping[str, Mapping[Language, str]]] = {
    "learned_stage": {
        "en": "{chance} chance of winning: {won:number} of {sample:number} decided deals that "
        "reached {stage} were won.",
        "nb": "{chance} sjanse for å vinne: {won:number} av {sample:number} avgjorte avtaler som "
        "nådde {stage}, ble vunnet.",
    },
    "learned_stage_few": {
        "en": "{chance} chance of winning: {won:number} of {sample:number} decided deals that "
        "reached {stage} were won; with so few, the pipeline's average counts too.",
        "nb": "{chance} sjanse for å vinne: {won:number} av {sample:number} avgjorte avtaler som "
        "nådde {stage}, ble vunnet; med så få teller også pipelinens snitt.",
    },
    "learned_pipeline": {
        "en": "{chance} chance of winning: {won:number} of {sample:number} decided deals in this "
        "pipeline were won; none of them is known to have reached {stage}.",
        "nb": "{chance} sjanse for å vinne: {won:number} av {sample:number} avgjorte avtaler i "
        "denne pipelinen ble vunnet; ingen av dem har så vidt vi vet nådd {stage}.",
    },
    "learned_account": {
        "en": "{chance} chance of winning: {won:number} of {sample:number} decided deals were won, "
        "none of them in this pipeline.",
        "nb": "{chance} sjanse for å vinne: {won:number} av {sample:number} avgjorte avtaler ble "
        "vunnet, ingen av dem i denne pipelinen.",
    },
    "crm_deal": {
        "en": "{chance} chance of winning, as the CRM states for this deal.",
        "nb": "{chance} sjanse for å vinne, slik CRM-et oppgir for denne avtalen.",
    },
    "crm_stage": {
        "en": "{chance} chance of winning, as the CRM states for {stage}.",
        "nb": "{chance} sjanse for å vinne, slik CRM-et oppgir for {stage}.",
    },
    "unknown": {
        "en": "No chance of winning can be stated: the CRM gives none and no deal is decided yet.",
        "nb": "Vi kan ikke oppgi noen sjanse for å vinne: CRM-et har ingen, og ingen avtaler er "
        "avgjort ennå.",
    },
}
_REASONS: Final = {"connection": pl.String, "deal_id": pl.String, "reasons": pl.String}
_MORE: Final[Mapping[Language, str]] = {"en": "{count} more", "nb": "{count} til"}


def explain(
    deals: pl.DataFrame,
    findings: pl.DataFrame,
    predictions: pl.DataFrame,
    norms: pl.DataFrame,
    language: Language,
    reasons: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """connection, deal_id, explanation of every open deal, at most `LONGEST` characters.

    First the chance and what it rests on, then the findings, the heaviest first; those that do
    not fit are counted, those that are among the reasons not repeated. `norms`: of
    `process.stage_norms`, for the stages' labels. `reasons`: of `reasons.reasons`, which then say
    what the chance rests on.
    """
    told = reasons if reasons is not None else pl.DataFrame(schema=_REASONS)
    labels = norms.unique(("connection", "pipeline_id", "stage_id"), keep="first").select(
        "connection", "pipeline_id", "stage_id", "stage"
    )
    rows = (
        deals.filter(pl.col("status") == "open")
        .select(*KEY, "pipeline_id", "stage_id")
        .join(labels, on=("connection", "pipeline_id", "stage_id"), how="left")
        .join(predictions, on=KEY, how="left")
        .join(told.select(*KEY, "reasons"), on=KEY, how="left")
        .join(_gathered(findings), on=KEY, how="left")
        .select(
            *KEY,
            pl.coalesce("stage", "stage_id").alias("stage"),
            "win_probability",
            pl.col("probability_source").fill_null("unknown"),
            "sample",
            "sample_won",
            "reasons",
            "rules",
            "evidences",
        )
        .sort(*KEY)
    )
    return rows.select(
        *KEY,
        pl.Series(
            "explanation",
            [_explanation(row, language) for row in rows.iter_rows(named=True)],
            pl.String,
        ),
    )


def _gathered(findings: pl.DataFrame) -> pl.DataFrame:
    """Per deal its findings as two lists, the heaviest first."""
    weights = {code: float(rule.weight) for code, rule in BY_CODE.items()}
    return (
        findings.with_columns(
            weight=pl.col("rule").replace_strict(weights, default=0.0, return_dtype=pl.Float64)
        )
        .sort(*KEY, "weight", "rule", descending=[False, False, True, False])
        .group_by(KEY, maintain_order=True)
        .agg(pl.col("rule").alias("rules"), pl.col("evidence").alias("evidences"))
    )


def _explanation(row: Mapping[str, Any], language: Language) -> str:
    probability, sample, won = row["win_probability"], row["sample"], row["sample_won"]
    source = row["probability_source"]
    if source == "learned_stage" and abs(probability - won / sample) > _NOTICEABLE:
        source = "learned_stage_few"
    values = {
        "chance": None if probability is None else percent(probability),
        "sample": sample,
        "won": won,
        "stage": _shortened(row["stage"]),
    }
    chance = row["reasons"] or sentence(_CHANCES[source], values, language)
    told = _briefs(row["rules"] or [], row["evidences"] or [], language)
    briefs = [brief for brief in told if brief not in chance]
    return _fitted(chance, briefs, language)


def _briefs(rules: list[str], evidences: list[str], language: Language) -> Iterator[str]:
    for code, evidence in zip(rules, evidences, strict=True):
        values = {
            name: _shortened(value) if isinstance(value, str) else value
            for name, value in evidence_of(evidence).items()
        }
        yield sentence(WORDS[code].brief, values, language)


def _fitted(chance: str, briefs: list[str], language: Language) -> str:
    """The chance and as many of the findings as there is room for."""
    for kept in range(len(briefs), 0, -1):
        left = len(briefs) - kept
        told = briefs[:kept] + ([_MORE[language].format(count=left)] if left else [])
        text = f"{chance} {capitalised('; '.join(told))}."
        if len(text) <= LONGEST:
            return text
    return chance


def _shortened(label: str | None) -> str | None:
    if label is None or len(label) <= _LONGEST_LABEL:
        return label
    return label[: _LONGEST_LABEL - 1].rstrip() + "…"
