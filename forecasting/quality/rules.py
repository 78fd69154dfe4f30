"""The registry of rules, and what they find. How it is said: `rule_words`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

import polars as pl

from forecasting.quality import completeness, consistency, timeliness
from forecasting.quality.account import habits
from forecasting.quality.decided import decided_facts
from forecasting.quality.facts import open_deal_facts
from forecasting.quality.rule import Rule
from forecasting.quality.settings import QualitySettings

RULES: Final[tuple[Rule, ...]] = (*completeness.RULES, *consistency.RULES, *timeliness.RULES)

BY_CODE: Final[Mapping[str, Rule]] = {rule.code: rule for rule in RULES}

FINDING_SCHEMA: Final[dict[str, pl.DataType | type[pl.DataType]]] = {
    "connection": pl.String,
    "deal_id": pl.String,
    "rule": pl.String,
    "evidence": pl.String,  # a JSON object: numbers, days (ISO) and names the message shows
}
"""One row per deal and rule that found something."""


RESULT_SCHEMA: Final[dict[str, pl.DataType | type[pl.DataType]]] = {
    "connection": pl.String,
    "rule": pl.String,
    "looked_at": pl.Int64,  # 0: the account gives the rule nothing to judge by, see `Words.needs`
    "found": pl.Int64,
}
"""One row per connection and rule: how many deals it was held against."""


@dataclass(frozen=True, slots=True)
class Examined:
    """`findings`: FINDING_SCHEMA, sorted by deal and rule. `results`: RESULT_SCHEMA. `facts`: what
    the rules looked at, a row per open deal; its staleness is in it.
    """

    findings: pl.DataFrame
    results: pl.DataFrame
    facts: pl.DataFrame


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
    """What is wrong with the deals, as `FINDING_SCHEMA`, sorted by deal and rule."""
    return examine(
        deals,
        changes,
        stages,
        owners,
        as_of=as_of,
        today=today,
        zone=zone,
        settings=settings,
        norms=norms,
    ).findings


def examine(
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
    stays: pl.DataFrame | None = None,
    chances: pl.DataFrame | None = None,
) -> Examined:
    """Every rule over every open deal and those decided lately. Arguments as `open_deal_facts`."""
    settings = settings or QualitySettings()
    known = habits(deals)
    facts = open_deal_facts(
        deals,
        changes,
        stages,
        owners,
        as_of=as_of,
        today=today,
        zone=zone,
        settings=settings,
        norms=norms,
        stays=stays,
        known=known,
        chances=chances,
    )
    decided = decided_facts(deals, today=today, settings=settings, known=known)
    pairs = [(rule, frame) for rule in RULES for frame in _looked_at(rule, facts, decided)]
    findings = pl.concat([_findings(rule, frame) for rule, frame in pairs])
    return Examined(
        findings.sort("connection", "deal_id", "rule"),
        _results(pairs, findings, known.select("connection")),
        facts,
    )


def _looked_at(rule: Rule, facts: pl.DataFrame, decided: pl.DataFrame) -> list[pl.DataFrame]:
    wanted = {"open": [facts], "decided": [decided], "any": [facts, decided]}
    return wanted[rule.about]


def _findings(rule: Rule, facts: pl.DataFrame) -> pl.DataFrame:
    shown = [expression.alias(name) for name, expression in rule.evidence.items()]
    evidence = pl.struct(shown).struct.json_encode() if shown else pl.lit("{}")
    return facts.filter(rule.when & rule.applies).select(
        "connection", "deal_id", pl.lit(rule.code).alias("rule"), evidence.alias("evidence")
    )


def _results(
    pairs: Sequence[tuple[Rule, pl.DataFrame]], findings: pl.DataFrame, connections: pl.DataFrame
) -> pl.DataFrame:
    counts = [
        frame.filter(rule.applies)
        .group_by("connection")
        .agg(pl.len().cast(pl.Int64).alias("looked_at"))
        .with_columns(pl.lit(rule.code).alias("rule"))
        for rule, frame in pairs
    ]
    looked_at = pl.concat(counts).group_by("connection", "rule").agg(pl.col("looked_at").sum())
    found = findings.group_by("connection", "rule").agg(pl.len().cast(pl.Int64).alias("found"))
    rules = pl.DataFrame({"rule": [rule.code for rule in RULES]})
    return (
        connections.join(rules, how="cross")
        .join(looked_at, on=("connection", "rule"), how="left")
        .join(found, on=("connection", "rule"), how="left")
        .with_columns(pl.col("looked_at", "found").fill_null(0))
        .select(RESULT_SCHEMA.keys())
        .sort("connection", "rule")
    )
