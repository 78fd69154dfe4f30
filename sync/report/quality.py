"""Findings by rule, and the deals that need most."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import polars as pl
from sqlalchemy import Engine, select

from forecasting.quality import RULES
from sync.config.model import Config
from sync.config.rates import rates_for
from sync.errors import ConfigError
from sync.mirror import frames, read, schema
from sync.mirror.engine import reading
from sync.report.naming import local_time, zone_of
from sync.report.table import Column, Kind, Report

_RULES = (
    Column("rule", "Rule"),
    Column("title", "What is wrong"),
    Column("deals", "Deals", Kind.COUNT),
    Column("amount", "Their amount", Kind.MONEY),
)
_DEALS = (
    Column("deal_id", on_screen=False),
    Column("quality_score", "Score", Kind.COUNT),
    Column("name", "Deal"),
    Column("owner", "Owner"),
    Column("amount", "Amount", Kind.MONEY),
    Column("findings", "Findings"),
)


def quality_report(engine: Engine, connection: str, config: Config, *, worst: int) -> list[Report]:
    """Two tables: findings by rule, and the `worst` open deals, the lowest score first.

    Raises ConfigError where nothing is assessed yet.
    """
    scores, findings = _assessed(engine, connection)
    if scores.is_empty():
        raise ConfigError(
            f"{connection}: no open deal is assessed. Run `dealpulse sync`; if you did, "
            "the CRM has no open deals that the token can see."
        )
    deals = scores.join(_deals(engine, connection, config), on="deal_id", how="left")
    titles = {rule.code: rule.title[config.language] for rule in RULES}
    found = findings.with_columns(title=pl.col("rule").replace(titles)).join(
        deals.select("deal_id", "amount"), on="deal_id"
    )
    as_of: datetime = scores["as_of"].max()  # type: ignore[assignment]
    account = read.account(engine, connection)
    zone = zone_of(engine, connection, config.time_zone)
    facts = {
        "connection": connection,
        "as_of": as_of,
        "currency": account.home_currency if account else None,
        "open_deals": deals.height,
        "mean_score": deals["quality_score"].mean(),
    }
    reports = [_by_rule(connection, found, facts, zone)]
    if worst:
        reports.append(_worst(connection, deals, found, facts, worst))
    return reports


def _by_rule(
    connection: str, found: pl.DataFrame, facts: Mapping[str, object], zone: str
) -> Report:
    amount = pl.col("amount")
    known = pl.when(amount.is_not_null().any()).then(amount.sum()).alias("amount")
    rows = (
        found.group_by("rule", "title")
        .agg(pl.len().alias("deals"), known)
        .sort(["deals", "rule"], descending=[True, False])
    )
    as_of: datetime = facts["as_of"]  # type: ignore[assignment]
    return Report(
        title=f"{connection}: data quality of {facts['open_deals']} open deals, "
        f"mean score {facts['mean_score']:.0f} of 100",
        columns=_RULES,
        rows=rows.to_dicts(),
        facts=facts,
        notes=[
            f"As of {local_time(as_of, zone)}. Score: 100 less the weights of a deal's findings "
            "(docs/quality-rules.md).",
            f"A deal can have several findings; amounts in {facts['currency']}, where known.",
        ],
        zone=zone,
    )


def _worst(
    connection: str,
    deals: pl.DataFrame,
    found: pl.DataFrame,
    facts: Mapping[str, object],
    worst: int,
) -> Report:
    titles = found.group_by("deal_id").agg(pl.col("title").sort().str.join("; ").alias("findings"))
    rows: Sequence[Mapping[str, object]] = (
        deals.sort(
            ["quality_score", "amount", "deal_id"],
            descending=[False, True, False],
            nulls_last=True,
        )
        .head(worst)
        .join(titles, on="deal_id", how="left", maintain_order="left")
        .select(column.key for column in _DEALS)
        .to_dicts()
    )
    return Report(
        title=f"{connection}: put these right first, the lowest score first",
        columns=_DEALS,
        rows=rows,
        facts=facts,
    )


def _assessed(engine: Engine, connection: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    score, finding = schema.deal_assessment.c, schema.finding.c
    with reading(engine) as database:
        scores = database.execute(
            select(score.deal_id, score.quality_score, score.as_of).where(
                score.connection == connection
            )
        ).all()
        findings = database.execute(
            select(finding.deal_id, finding.rule).where(finding.connection == connection)
        ).all()
    return (
        pl.DataFrame(
            scores,
            schema={
                "deal_id": pl.String,
                "quality_score": pl.Int64,
                "as_of": pl.Datetime("us", "UTC"),
            },
            orient="row",
        ),
        pl.DataFrame(findings, schema={"deal_id": pl.String, "rule": pl.String}, orient="row"),
    )


def _deals(engine: Engine, connection: str, config: Config) -> pl.DataFrame:
    """Name, owner's name and amount in home currency of each deal."""
    account = read.account(engine, connection)
    if account is None:
        raise ConfigError(f"{connection} has never been pulled: run `dealpulse sync` first.")
    owners = frames.owner_frame(engine, connection).select("owner_id", "owner")
    return (
        frames.deal_frame(
            engine,
            connection,
            zone=config.time_zone or account.time_zone,
            home_currency=account.home_currency,
            rates=rates_for(config, account.home_currency),
            rates_win=config.exchange_rates_win,
        )
        .select("deal_id", "name", "owner_id", "amount")
        .join(owners, on="owner_id", how="left")
        .with_columns(pl.col("owner").fill_null("(nobody)"))
    )
