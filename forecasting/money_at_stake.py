"""What bad data holds: how far a forecast would move if a finding were true."""

from collections.abc import Mapping, Sequence
from typing import Final

import polars as pl

from forecasting.history import KEY
from forecasting.periods import Period, PeriodKind
from forecasting.quality.rules import BY_CODE
from forecasting.rule_words import WORDS
from forecasting.wording import Language, number, sentence

ENOUGH_WON: Final = 5
"""Won deals of a pipeline from which on their median says what a deal there is worth."""

STAKE_SCHEMA: Final[dict[str, pl.DataType | type[pl.DataType]]] = {
    "connection": pl.String,
    "deal_id": pl.String,
    "rule": pl.String,
    "amount": pl.Float64,  # home currency; null = unknown
    "dated_month": pl.Float64,  # the amount where the CRM's close date is in the month, else 0
    "dated_quarter": pl.Float64,
    "moves_month": pl.Float64,  # what the forecast would change by; null = cannot be said
    "moves_quarter": pl.Float64,
}
"""One row per finding of an open deal."""

_PERIODS: Final = ("month", "quarter")

_TOLD: Final[Mapping[Language, str]] = {
    "en": "{title}: {deals} open deals; those dated in {period} hold {dated} {currency}. If that "
    "is true, the forecast {moves}.",
    "nb": "{title}: {deals} åpne avtaler; de som er datert i {period}, utgjør {dated} {currency}. "
    "Stemmer det, {moves}.",
}
_MOVES: Final[Mapping[Language, Mapping[str, str]]] = {
    "en": {"down": "falls by {by}", "up": "rises by {by}", "none": "stays as it is"},
    "nb": {
        "down": "faller prognosen med {by}",
        "up": "stiger prognosen med {by}",
        "none": "står prognosen som den er",
    },
}


def stakes(
    deals: pl.DataFrame, findings: pl.DataFrame, chances: pl.DataFrame, periods: Sequence[Period]
) -> pl.DataFrame:
    """STAKE_SCHEMA. `chances`: connection, deal_id, win_probability_by_month and _by_quarter, as
    given to each open deal. `periods`: this month and this quarter; others are passed over.

    By the rule's `effect`: a deal that is not there, or closes on another date, takes amount x
    chance out of the period (the latter at most, for its real date may lie in it too); another
    amount puts the pipeline's median won amount in its place.
    """
    effects = {code: rule.effect for code, rule in BY_CODE.items()}
    typical = (
        deals.filter((pl.col("status") == "won") & (pl.col("amount") > 0))
        .group_by("connection", "pipeline_id")
        .agg(pl.col("amount").median().alias("typical"), pl.len().alias("won"))
        .filter(pl.col("won") >= ENOUGH_WON)
        .drop("won")
    )
    rows = (
        findings.join(
            deals.filter(pl.col("status") == "open").select(
                *KEY, "pipeline_id", "amount", "close_date"
            ),
            on=KEY,
        )
        .join(typical, on=("connection", "pipeline_id"), how="left", nulls_equal=True)
        .join(chances, on=KEY, how="left")
        .with_columns(effect=pl.col("rule").replace_strict(effects, default="none"))
    )
    known = {period.kind: period for period in periods}
    return rows.select(
        *KEY,
        "rule",
        "amount",
        *(_dated(known[PeriodKind(kind)]).alias(f"dated_{kind}") for kind in _PERIODS),
        *(_moves(f"win_probability_by_{kind}").alias(f"moves_{kind}") for kind in _PERIODS),
    ).cast(pl.Schema(STAKE_SCHEMA))


def _dated(period: Period) -> pl.Expr:
    inside = (pl.col("close_date") >= period.start) & (pl.col("close_date") < period.end)
    return pl.when(inside.fill_null(False)).then("amount").otherwise(0.0)


def _moves(chance: str) -> pl.Expr:
    amount, p = pl.col("amount"), pl.col(chance)
    return (
        pl.when(pl.col("effect") == "none")
        .then(pl.lit(0.0))
        .when(pl.col("effect") == "amount")
        .then((pl.col("typical") - amount.fill_null(0.0)) * p)
        .otherwise(-amount * p)
    )


def by_rule(found: pl.DataFrame) -> pl.DataFrame:
    """The sums of STAKE_SCHEMA per rule, what moves most first: connection, rule, deals, amount,
    dated_*, moves_* (null where no deal's can be said), unsaid: deals of which it cannot.
    """
    sums = ("amount", "dated_month", "dated_quarter", "moves_month", "moves_quarter")
    return (
        found.group_by("connection", "rule")
        .agg(
            pl.len().cast(pl.Int64).alias("deals"),
            *(
                pl.when(pl.col(name).is_not_null().any()).then(pl.col(name).sum()).alias(name)
                for name in sums
            ),
            pl.col("moves_quarter").is_null().sum().cast(pl.Int64).alias("unsaid"),
        )
        .sort(
            pl.col("moves_quarter").abs().fill_null(0.0),
            "deals",
            "rule",
            descending=[True, True, False],
        )
    )


def fix_first(found: pl.DataFrame) -> pl.DataFrame:
    """A row per deal, the one that moves most first: connection, deal_id, rule (its finding that
    moves most), moves_month, moves_quarter. A deal with several findings counts once.
    """
    return (
        found.sort(
            pl.col("moves_quarter").abs().fill_null(0.0),
            "deal_id",
            "rule",
            descending=[True, False, False],
        )
        .group_by(KEY, maintain_order=True)
        .first()
        .select(*KEY, "rule", "moves_month", "moves_quarter")
    )


def told(row: Mapping[str, object], period: Period, currency: str, language: Language) -> str:
    """A row of `by_rule` as a sentence about a month or a quarter."""
    kind = period.kind.value
    moves = row[f"moves_{kind}"]
    by = 0.0 if moves is None else float(str(moves))
    way = "none" if round(by) == 0 else "down" if by < 0 else "up"
    values = {
        "deals": row["deals"],
        "dated": number(round(float(str(row[f"dated_{kind}"] or 0.0))), language),
        "currency": currency,
        "period": period.label,
        "title": WORDS[str(row["rule"])].title[language],
        "moves": _MOVES[language][way].format(by=f"{number(round(abs(by)), language)} {currency}"),
    }
    return sentence(_TOLD, values, language)
