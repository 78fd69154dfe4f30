"""Public deal data in the shape of the core's frames, without a CRM in between.

What a data set does not know stays unknown: no field is given a past that the source does not
show. Whatever was known from the start (owner, type, amount while open) has a change row at the
deal's creation, as a CRM's own history has.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from forecasting.deals import CHANGE_SCHEMA, DEAL_SCHEMA, INSTANT, OWNER_SCHEMA, STAGE_SCHEMA

SHARED: Final = Path(
    os.environ.get("DEALPULSE_DATA", Path(__file__).parents[2] / "shared" / "data")
)
FIXTURES: Final = Path(__file__).parents[1] / "tests" / "fixtures"
ZONE: Final = "UTC"


@dataclass(frozen=True, slots=True)
class Account:
    """A data set as the frames that a connection gives; `first`, `last`: days it watches,
    both included; `zone`: whose days.
    """

    name: str
    deals: pl.DataFrame
    changes: pl.DataFrame
    stages: pl.DataFrame
    owners: pl.DataFrame
    first: date
    last: date
    zone: str = ZONE


def available() -> list[str]:
    """The data sets whose files are present."""
    folders = {"bpic2012": SHARED, "maven": SHARED, "series": SHARED, "olga": FIXTURES}
    return [name for name, folder in folders.items() if (folder / name).is_dir()]


def bpic2012() -> Account:
    """13,087 loan applications as deals; every step of an application or its offer is a stage.

    Published are those filed by 2012-02-29, with what became of them until 2012-03-14: in the two
    weeks between nothing new comes in, so these are no weeks of that bank.
    """
    deals = _read(SHARED / "bpic2012" / "deals.csv.gz").select(
        pl.col("id").alias("deal_id"),
        _instant("created_at"),
        _instant("closed_at"),
        "status",
        pl.col("amount").cast(pl.Float64),
    )
    events = (
        _read(SHARED / "bpic2012" / "stage_events.csv.gz")
        .select(
            pl.col("id").alias("deal_id"),
            _instant("time").alias("at"),
            pl.col("activity").alias("stage"),
            pl.col("resource").alias("owner"),
        )
        .join(deals.select("deal_id", "closed_at"), on="deal_id", how="inner")
        # what is written after the decision is no step towards it
        .filter(pl.col("closed_at").is_null() | (pl.col("at") <= pl.col("closed_at")))
        .with_row_index("ordinal")
        .sort("deal_id", "at", "ordinal")
    )
    ended = {"A_APPROVED": "won", "A_DECLINED": "lost", "A_CANCELLED": "lost"}
    changes = [
        _moves(events, "stage"),
        _moves(events.filter(pl.col("owner").is_not_null()), "owner"),
        *_life(deals, known={"amount": "amount"}),
    ]
    order = events.group_by("stage").agg(pl.len().alias("n")).sort("n", "stage", descending=True)
    stages = [(stage, ended.get(stage, "open")) for stage in order["stage"]]
    latest = events.group_by("deal_id").agg(
        pl.col("stage").last().alias("stage_id"),
        pl.col("at").last().alias("stage_entered_at"),
        pl.col("owner").drop_nulls().last().alias("owner_id"),
    )
    frame = deals.join(latest, on="deal_id", how="left")
    return _account("bpic2012", frame, changes, stages, date(2011, 10, 1), date(2012, 2, 29))


def maven() -> Account:
    """8,300 hardware deals with one stage; the account is left out, for it tells the outcome."""
    deals = _read(SHARED / "maven" / "deals.csv.gz").select(
        pl.col("id").alias("deal_id"),
        _instant("created_at"),
        _instant("closed_at"),
        "status",
        # a lost deal is published with 0; it was for its list price
        pl.when(pl.col("status") == "won")
        .then("amount")
        .otherwise("amount_open")
        .cast(pl.Float64)
        .alias("amount"),
        pl.col("amount_open").cast(pl.Float64),
        pl.col("owner").alias("owner_id"),
        pl.col("type").alias("deal_type"),
        pl.col("status").replace({"open": "engaging"}).alias("stage_id"),
        pl.coalesce(_instant("closed_at"), _instant("created_at")).alias("stage_entered_at"),
    )
    won_for = deals.filter(pl.col("status") == "won")
    changes = [
        *_life(
            deals,
            known={"amount": "amount_open", "owner": "owner_id", "stage": pl.lit("engaging")},
        ),
        _changed(won_for, "amount", "amount", "closed_at", old="amount_open"),
        _changed(deals.filter(pl.col("status") != "open"), "stage", "status", "closed_at"),
    ]
    teams = _read(SHARED / "maven" / "sales_teams.csv.gz")
    stages = [("engaging", "open"), ("won", "won"), ("lost", "lost")]
    return _account(
        "maven",
        deals.drop("amount_open"),
        changes,
        stages,
        date(2016, 10, 20),
        date(2017, 12, 31),
        team_of=dict(zip(teams["sales_agent"], teams["manager"], strict=True)),
    )


def olga() -> Account:
    """6,000 opportunities; the stages that a decided one passed are not known."""
    read = _read(FIXTURES / "olga" / "opportunities.csv.gz")
    decided = pl.col("is_closed") == "True"
    deals = read.select(
        pl.col("opportunity_id").alias("deal_id"),
        _instant("created_date").alias("created_at"),
        pl.when(decided).then(_instant("close_date") + pl.duration(hours=8)).alias("closed_at"),
        pl.when(~decided)
        .then(pl.lit("open"))
        .when(pl.col("is_won") == "True")
        .then(pl.lit("won"))
        .otherwise(pl.lit("lost"))
        .alias("status"),
        pl.col("amount").cast(pl.Float64),
        pl.col("owner").alias("owner_id"),
        pl.col("segment").alias("deal_type"),
        pl.col("lead_source"),
        pl.col("stage").alias("stage_id"),
        pl.col("close_date").str.to_date(strict=False),
    )
    changes = _life(deals, known={"amount": "amount", "owner": "owner_id"})
    closing = deals.filter(pl.col("status") != "open")
    changes.append(_changed(closing, "stage", "stage_id", "closed_at"))
    order = ("Prospecting", "Qualification", "Proposal", "Negotiation")
    stages = [*((stage, "open") for stage in order), ("Closed Won", "won"), ("Closed Lost", "lost")]
    return _account("olga", deals, changes, stages, date(2023, 1, 1), date(2026, 6, 30))


def series(name: str) -> Account:
    """A monthly series of sales: each month one deal, won on the 15th."""
    read = _read(SHARED / "series" / f"{name}.csv").select(
        pl.col("time").cast(pl.Float64), pl.col("value").cast(pl.Float64)
    )
    month = (read["time"] * 12).round().cast(pl.Int64)
    won_at = pl.datetime(pl.col("year"), pl.col("month"), 15, 12, time_zone="UTC")
    deals = (
        pl.DataFrame({"year": month // 12, "month": month % 12 + 1, "amount": read["value"]})
        .with_columns(won_at.dt.cast_time_unit("us").alias("closed_at"))
        .select(
            pl.format("{}-{}", "year", "month").alias("deal_id"),
            (pl.col("closed_at") - pl.duration(hours=1)).alias("created_at"),
            "closed_at",
            pl.lit("won").alias("status"),
            "amount",
            pl.lit("won").alias("stage_id"),
        )
    )
    changes = _life(deals, known={"amount": "amount"})
    first = deals["closed_at"].min().date().replace(day=1)  # type: ignore[union-attr]
    last = deals["closed_at"].max().date() + timedelta(days=13)  # type: ignore[union-attr]
    return _account(name, deals, changes, [("open", "open"), ("won", "won")], first, last)


SERIES: Final = ("a10", "auscafe", "wineind")
ACCOUNTS: Final[Mapping[str, Callable[[], Account]]] = {
    "bpic2012": bpic2012,
    "maven": maven,
    "olga": olga,
}


def left_open(account: Account, share: float, *, seed: int) -> Account:
    """The account as if that share of its lost deals had never been closed in the CRM."""
    lost = account.deals.filter(pl.col("status") == "lost").select("deal_id").sort("deal_id")
    chosen = np.random.default_rng(seed).random(lost.height) < share
    forgotten = lost.filter(pl.Series(chosen))
    dated = forgotten.join(account.deals.select("deal_id", "closed_at"), on="deal_id")
    closing = pl.col("changed_at") >= pl.col("closed_at")
    changes = (
        account.changes.join(dated, on="deal_id", how="left", maintain_order="left")
        .filter(~closing.fill_null(False))
        .select(*CHANGE_SCHEMA)
    )
    last = (
        changes.filter(pl.col("field") == "stage")
        .group_by("deal_id", maintain_order=True)
        .agg(pl.col("new").last().alias("stage_then"), pl.col("changed_at").last().alias("then"))
    )
    again = pl.col("forgotten").fill_null(False)
    nothing = ("closed_at", "closed_on")
    deals = (
        account.deals.join(forgotten.with_columns(forgotten=True), on="deal_id", how="left")
        .join(last, on="deal_id", how="left")
        .with_columns(
            pl.when(again).then(pl.lit("open")).otherwise("status").alias("status"),
            pl.when(again).then("stage_then").otherwise("stage_id").alias("stage_id"),
            pl.when(again).then("then").otherwise("stage_entered_at").alias("stage_entered_at"),
            *(pl.when(~again).then(column).alias(column) for column in nothing),
        )
        .select(*DEAL_SCHEMA)
    )
    return replace(
        account, name=f"{account.name}, {share:.0%} left open", deals=deals, changes=changes
    )


def _read(path: Path) -> pl.DataFrame:
    return pl.read_csv(path, infer_schema=False)


def _instant(column: str) -> pl.Expr:
    """UTC instants as published: a day and a time with or without fractions, or a day alone. That
    is taken at noon, so that a snapshot of the morning does not know it yet.
    """
    return (
        pl.col(column)
        .str.replace("T", " ")
        .str.pad_end(10)
        .str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", strict=False)
        .fill_null(
            pl.col(column).str.to_datetime("%Y-%m-%d", time_unit="us", strict=False)
            + pl.duration(hours=12)
        )
        .dt.replace_time_zone("UTC")
    )


def _life(deals: pl.DataFrame, known: Mapping[str, str | pl.Expr]) -> list[pl.DataFrame]:
    """Change rows of the birth (`known`: field -> its first value) and of the decision."""
    born = deals.with_columns(pl.lit("open").alias("birth"))
    return [
        _changed(born, "status", "birth", "created_at"),
        _changed(deals.filter(pl.col("status") != "open"), "status", "status", "closed_at"),
        *(_changed(deals, field, value, "created_at") for field, value in known.items()),
    ]


def _changed(
    deals: pl.DataFrame, field: str, new: str | pl.Expr, at: str, *, old: str | None = None
) -> pl.DataFrame:
    value = pl.col(new) if isinstance(new, str) else new
    return deals.select(
        "deal_id",
        pl.lit(field).alias("field"),
        (pl.col(old).cast(pl.String) if old else pl.lit(None, pl.String)).alias("old"),
        value.cast(pl.String).alias("new"),
        pl.col(at).alias("changed_at"),
        pl.lit(0, pl.Int64).alias("ordinal"),
    ).filter(pl.col("new").is_not_null())


def _moves(events: pl.DataFrame, field: str) -> pl.DataFrame:
    """Change rows of a field's sequence of values, repeated values left out."""
    before = pl.col(field).shift().over("deal_id")
    return events.filter(pl.col(field).ne_missing(before)).select(
        "deal_id",
        pl.lit(field).alias("field"),
        pl.col(field).shift().over("deal_id").alias("old"),
        pl.col(field).alias("new"),
        pl.col("at").alias("changed_at"),
        pl.col("ordinal").cast(pl.Int64),
    )


def _account(
    name: str,
    deals: pl.DataFrame,
    changes: list[pl.DataFrame],
    stages: list[tuple[str, str]],
    first: date,
    last: date,
    *,
    team_of: Mapping[str, str] | None = None,
) -> Account:
    full = deals.with_columns(
        pl.lit(name).alias("connection"),
        pl.col("deal_id").alias("name"),
        pl.lit("sales").alias("pipeline_id"),
        pl.lit("EUR").alias("currency"),
        pl.col("created_at").dt.date().alias("created_on"),
        pl.col("closed_at").dt.date().alias("closed_on"),
        pl.when(pl.col("amount").is_null()).then(pl.lit("missing")).alias("amount_problem"),
    )
    if team_of is not None:
        full = full.with_columns(
            pl.col("owner_id").replace_strict(team_of, default=None).alias("team")
        )
    absent = [
        pl.lit(None, dtype).alias(column)
        for column, dtype in DEAL_SCHEMA.items()
        if column not in full.columns
    ]
    frame = full.with_columns(absent).select(*DEAL_SCHEMA).cast(DEAL_SCHEMA)  # type: ignore[arg-type]
    history = pl.concat(
        [
            rows.with_columns(
                pl.lit(name).alias("connection"), pl.lit("human").alias("source")
            ).select(*CHANGE_SCHEMA)
            for rows in changes
        ]
    ).cast(CHANGE_SCHEMA)  # type: ignore[arg-type]
    return Account(
        name,
        frame,
        history.sort("changed_at", "ordinal"),
        _stages(name, stages),
        _owners(name, frame),
        first,
        last,
    )


def _stages(name: str, stages: list[tuple[str, str]]) -> pl.DataFrame:
    rows = [
        (name, "sales", stage, "Sales", stage, n, None, kind != "open", kind == "won", True)
        for n, (stage, kind) in enumerate(stages)
    ]
    return pl.DataFrame(rows, schema=STAGE_SCHEMA, orient="row")


def _owners(name: str, deals: pl.DataFrame) -> pl.DataFrame:
    known = deals.drop_nulls("owner_id").unique("owner_id").sort("owner_id")
    return known.select(
        pl.lit(name).alias("connection"),
        "owner_id",
        pl.col("owner_id").alias("owner"),
        "team",
        pl.lit(True).alias("active"),
    ).cast(OWNER_SCHEMA)  # type: ignore[arg-type]


__all__ = ["ACCOUNTS", "INSTANT", "SERIES", "Account", "available", "left_open", "series"]
