"""What is wrong with the deals, the money that rests on it, and what to put right first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
from sqlalchemy import Engine

from forecasting import money_at_stake
from forecasting.history import KEY
from forecasting.periods import Period, PeriodKind, period_of
from forecasting.quality import RULES
from forecasting.rule_words import WORDS, fix, titles
from sync.config.model import Config
from sync.config.rates import rates_for
from sync.errors import ConfigError
from sync.mirror import assessments, frames, quality_rows, read
from sync.report.naming import local_time, name_order
from sync.report.table import Column, Kind, Report

TREND_DAYS = 30
"""A score is shown beside the one of so many days ago, or of the first day since that is known."""

_RULES = (
    Column("rule", "Rule"),
    Column("family", on_screen=False),
    Column("title", "What is wrong"),
    Column("fix", on_screen=False),
    Column("deals", "Deals", Kind.COUNT),
    Column("amount", "Their amount", Kind.MONEY),
    Column("dated_month", "", Kind.MONEY, on_screen=False),
    Column("dated_quarter", "Dated in quarter", Kind.MONEY),
    Column("moves_month", "Month moves by", Kind.MONEY),
    Column("moves_quarter", "Quarter moves by", Kind.MONEY),
    Column("unsaid", on_screen=False),
    Column("sentence", on_screen=False),
)
_DEALS = (
    Column("deal_id", on_screen=False),
    Column("quality_score", "Score", Kind.COUNT),
    Column("name", "Deal"),
    Column("owner", "Owner"),
    Column("amount", "Amount", Kind.MONEY),
    Column("moves_month", on_screen=False),
    Column("moves_quarter", "Quarter moves by", Kind.MONEY),
    Column("findings", "Findings"),
    Column("fix", on_screen=False),
)
_DEFINITIONS = {
    "quality_score": "100 less the weights of a deal's findings, not below 0",
    "mean_score": "plain mean over the open deals",
    "dated": "amount of the deals whose close date in the CRM is in the period",
    "moves": "what the period's forecast would change by if the finding were true: a deal that is "
    "not there, or closes later, takes amount x chance out of it; an amount that is a guess is "
    "replaced by the pipeline's median win",
}


@dataclass(frozen=True, slots=True)
class _Assessed:
    """What the mirror holds of one connection. `deals`: deal frame with owner's name and scores of
    the open ones; `found`: STAKE_SCHEMA.
    """

    connection: str
    as_of: datetime
    today: date
    zone: str
    currency: str
    deals: pl.DataFrame
    found: pl.DataFrame
    findings: pl.DataFrame

    @property
    def open_deals(self) -> pl.DataFrame:
        return self.deals.filter(pl.col("quality_score").is_not_null())


def quality_report(engine: Engine, connection: str, config: Config, *, worst: int) -> list[Report]:
    """Findings by rule with the money on them, and the `worst` deals, what moves most first.

    Raises ConfigError where nothing is assessed yet.
    """
    assessed = _read(engine, connection, config)
    facts = _facts(assessed)
    results = quality_rows.latest_results(engine, connection)
    reports = [_by_rule(assessed, facts, results, config)]
    if worst:
        reports.append(_worst(assessed, facts, config, worst))
    return reports


def score_report(
    engine: Engine, connection: str, config: Config, by: str, names: Mapping[str, str]
) -> Report:
    """The score of each segment with its trend. `by`: a segment of table quality_score; `names`:
    of `segment_names`. Raises ConfigError where nothing is assessed yet.
    """
    assessed = _read(engine, connection, config)
    since = assessed.today - timedelta(days=TREND_DAYS)
    rows = quality_rows.score_rows(engine, connection, since=since).filter(pl.col("segment") == by)
    now = rows.filter(pl.col("day") == rows["day"].max())
    first = rows.sort("day").group_by("name", maintain_order=True).first()
    told = now.join(
        first.select("name", before="score", before_on="day"), on="name", how="left"
    ).to_dicts()
    shown = [
        {
            "segment_id": row["name"],
            "segment": names.get(row["name"], row["name"]) or "(none)",
            "deals": row["deals"],
            "findings": row["findings"],
            "score": row["score"],
            **_change(row),
        }
        for row in sorted(told, key=lambda row: name_order(row["name"], row["name"]))
    ]
    return Report(
        title=f"{connection}: data quality by {by}",
        columns=(
            Column("segment", by.capitalize()),
            Column("segment_id", on_screen=False),
            Column("deals", "Open deals", Kind.COUNT),
            Column("findings", "Findings", Kind.COUNT),
            Column("score", "Score", Kind.COUNT),
            Column("change", "Change", Kind.COUNT),
            Column("before_on", "since", Kind.DAY),
        ),
        rows=[{**row, "score": round(row["score"])} for row in shown],
        facts={**_facts(assessed), "by": by},
        notes=[
            f"As of {local_time(assessed.as_of, assessed.zone)}, "
            f"{assessed.open_deals.height} open deals.",
            f"Score: {_DEFINITIONS['mean_score']}; change against the first day known of the last "
            f"{TREND_DAYS}.",
        ],
        zone=assessed.zone,
    )


def _change(row: Mapping[str, object]) -> dict[str, object]:
    if row["before_on"] == row["day"]:
        return {"change": None, "before_on": None}
    change = float(str(row["score"])) - float(str(row["before"]))
    return {"change": round(change), "before_on": row["before_on"]}


def _facts(assessed: _Assessed) -> dict[str, object]:
    month, quarter = _periods(assessed.today)
    open_deals = assessed.open_deals
    return {
        "connection": assessed.connection,
        "as_of": assessed.as_of,
        "cut_off": assessed.as_of,
        "currency": assessed.currency,
        "month": month.label,
        "quarter": quarter.label,
        "open_deals": open_deals.height,
        "mean_score": open_deals["quality_score"].mean(),
        "definition": _DEFINITIONS,
        "sample": open_deals.height,
        "left_out": {
            "no_amount": open_deals.filter(pl.col("amount_problem") == "missing").height,
            "no_rate": open_deals.filter(pl.col("amount_problem") == "no_rate").height,
        },
    }


def _by_rule(
    assessed: _Assessed, facts: Mapping[str, object], results: pl.DataFrame, config: Config
) -> Report:
    language = config.language
    rules = {rule.code: rule for rule in RULES}
    month, quarter = _periods(assessed.today)
    open_rows = [
        {**row, "sentence": money_at_stake.told(row, quarter, assessed.currency, language)}
        for row in money_at_stake.by_rule(assessed.found).drop("connection").to_dicts()
    ]
    rows: list[Mapping[str, object]] = [
        {
            **row,
            "family": rules[str(row["rule"])].family,
            "title": WORDS[str(row["rule"])].title[language],
            "fix": fix(str(row["rule"]), language),
        }
        for row in (*open_rows, *_decided(assessed))
    ]
    silent = results.filter(pl.col("looked_at") == 0)["rule"].to_list()
    needs = {code: _needs(code, language) for code in silent}
    heaviest = [str(row["sentence"]) for row in rows if row.get("moves_quarter")][:3]
    return Report(
        title=f"{assessed.connection}: data quality of {facts['open_deals']} open deals, "
        f"mean score {facts['mean_score']:.0f} of 100",
        columns=_RULES,
        rows=[{column.key: row.get(column.key) for column in _RULES} for row in rows],
        facts={**facts, "not_applicable": needs},
        notes=[
            *heaviest,
            f"As of {local_time(assessed.as_of, assessed.zone)}. Score: 100 less the weights of a "
            "deal's findings (docs/quality-rules.md).",
            f"Month {month.label} and quarter {quarter.label} move by so much if the finding is "
            f"true. A deal can have several findings; amounts in {assessed.currency}, where known.",
            *([f"Not applicable here: {', '.join(silent)}."] if silent else ()),
        ],
        zone=assessed.zone,
    )


def _needs(code: str, language: str) -> str | None:
    needs = WORDS[code].needs
    return None if needs is None else needs["nb" if language == "nb" else "en"]


def _decided(assessed: _Assessed) -> list[dict[str, object]]:
    """Findings of deals that were decided: they move no forecast, but teach it wrongly."""
    over = assessed.deals.filter(pl.col("status") != "open").select("deal_id", "amount")
    return (
        assessed.findings.join(over, on="deal_id")
        .group_by("rule")
        .agg(pl.len().alias("deals"), pl.col("amount").sum())
        .with_columns(rule=pl.col("rule"))
        .sort(["deals", "rule"], descending=[True, False])
        .to_dicts()
    )


def _worst(assessed: _Assessed, facts: Mapping[str, object], config: Config, worst: int) -> Report:
    fixes = {code: words.fix[config.language] for code, words in WORDS.items()}
    listed = assessed.findings.group_by("deal_id").agg(
        pl.col("rule")
        .replace_strict(titles(config.language))
        .sort()
        .str.join("; ")
        .alias("findings")
    )
    first = money_at_stake.fix_first(assessed.found).with_columns(
        fix=pl.col("rule").replace_strict(fixes)
    )
    rows: Sequence[Mapping[str, object]] = (
        assessed.open_deals.join(first.drop("connection"), on="deal_id", how="left")
        .sort(
            pl.col("moves_quarter").abs().fill_null(0.0),
            "quality_score",
            pl.col("amount").fill_null(0.0),
            "deal_id",
            descending=[True, False, True, False],
        )
        .head(worst)
        .join(listed, on="deal_id", how="left", maintain_order="left")
        .select(column.key for column in _DEALS)
        .to_dicts()
    )
    return Report(
        title=f"{assessed.connection}: put these right first, what moves the quarter most",
        columns=_DEALS,
        rows=rows,
        facts=facts,
        notes=["A deal counts once, by the finding that moves most; then the lowest score first."],
    )


def _periods(today: date) -> tuple[Period, Period]:
    return period_of(today, PeriodKind.MONTH), period_of(today, PeriodKind.QUARTER)


def _read(engine: Engine, connection: str, config: Config) -> _Assessed:
    account = read.account(engine, connection)
    if account is None:
        raise ConfigError(f"{connection} has never been pulled: run `dealpulse sync` first.")
    assessed = assessments.assessment_rows(engine, connection)
    if assessed.is_empty():
        raise ConfigError(
            f"{connection}: no open deal is assessed. Run `dealpulse sync`; if you did, "
            "the CRM has no open deals that the token can see."
        )
    zone = config.time_zone or account.time_zone
    as_of: datetime = assessed["as_of"].max()  # type: ignore[assignment]
    today = as_of.astimezone(ZoneInfo(zone)).date()
    deals = priced_deals(engine, connection, config).join(
        assessed.select("deal_id", "quality_score"), on="deal_id", how="left"
    )
    of_connection = pl.lit(connection).alias("connection")
    findings = assessments.open_findings(engine, connection).with_columns(of_connection)
    chances = assessed.with_columns(of_connection).select(
        *KEY, "win_probability_by_month", "win_probability_by_quarter"
    )
    found = money_at_stake.stakes(deals, findings.select(*KEY, "rule"), chances, _periods(today))
    return _Assessed(connection, as_of, today, zone, account.home_currency, deals, found, findings)


def priced_deals(engine: Engine, connection: str, config: Config) -> pl.DataFrame:
    """The deal frame with the owner's name and the stage's label. ConfigError before a pull."""
    account = read.account(engine, connection)
    if account is None:
        raise ConfigError(f"{connection} has never been pulled: run `dealpulse sync` first.")
    owners = frames.owner_frame(engine, connection).select("owner_id", "owner")
    place = ("pipeline_id", "stage_id")
    stages = frames.stage_frame(engine, connection).select(*place, "stage")
    return (
        frames.deal_frame(
            engine,
            connection,
            zone=config.time_zone or account.time_zone,
            home_currency=account.home_currency,
            rates=rates_for(config, account.home_currency),
            rates_win=config.exchange_rates_win,
        )
        .join(owners, on="owner_id", how="left")
        .join(stages.unique(place, keep="first"), on=place, how="left")
        .with_columns(pl.col("owner").fill_null("(nobody)"))
    )
