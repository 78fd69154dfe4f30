"""The registry of rules, what they find, and how it is said."""

import json
from collections.abc import Mapping
from datetime import date, datetime
from typing import Final

import polars as pl

from forecasting.quality import completeness, consistency, timeliness
from forecasting.quality.facts import open_deal_facts
from forecasting.quality.rule import Rule
from forecasting.quality.settings import QualitySettings
from forecasting.wording import Language, sentence

RULES: Final[tuple[Rule, ...]] = (*completeness.RULES, *consistency.RULES, *timeliness.RULES)

BY_CODE: Final[Mapping[str, Rule]] = {rule.code: rule for rule in RULES}

FINDING_SCHEMA: Final[dict[str, pl.DataType | type[pl.DataType]]] = {
    "connection": pl.String,
    "deal_id": pl.String,
    "rule": pl.String,
    "evidence": pl.String,  # a JSON object: numbers, days (ISO) and names the message shows
}
"""One row per open deal and rule that found something."""


def find(
    deals: pl.DataFrame,
    changes: pl.DataFrame,
    stages: pl.DataFrame,
    owners: pl.DataFrame,
    *,
    as_of: datetime,
    today: date,
    zone: str,
    settings: QualitySettings | None = None,
    norms: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """What is wrong with the open deals, as `FINDING_SCHEMA`, sorted by deal and rule.

    `norms`: of `process.stage_norms`, where already learned.
    """
    facts = open_deal_facts(
        deals,
        changes,
        stages,
        owners,
        as_of=as_of,
        today=today,
        zone=zone,
        settings=settings or QualitySettings(),
        norms=norms,
    )
    return pl.concat([_findings(rule, facts) for rule in RULES]).sort(
        "connection", "deal_id", "rule"
    )


def _findings(rule: Rule, facts: pl.DataFrame) -> pl.DataFrame:
    shown = [expression.alias(name) for name, expression in rule.evidence.items()]
    evidence = pl.struct(shown).struct.json_encode() if shown else pl.lit("{}")
    return facts.filter(rule.when).select(
        "connection", "deal_id", pl.lit(rule.code).alias("rule"), evidence.alias("evidence")
    )


def messages(rule: str, evidence: str | Mapping[str, object], language: Language) -> str:
    """One finding as a sentence. `evidence`: as found, JSON text or read from it."""
    return sentence(BY_CODE[rule].message, evidence_of(evidence), language)


def fix(rule: str, language: Language) -> str:
    """What the salesperson can do about it, in one sentence."""
    return BY_CODE[rule].fix[language]


def evidence_of(evidence: str | Mapping[str, object]) -> Mapping[str, object]:
    """Evidence as a mapping, whichever way it is stored."""
    if not isinstance(evidence, str):
        return evidence
    read: Mapping[str, object] = json.loads(evidence)
    return read
