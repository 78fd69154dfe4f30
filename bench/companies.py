"""Generated companies as accounts: a second test-bed, on which choices may be made.

Each is drawn by the sandbox's generator from a seed and settings of its own: small and large, short
and long cycles, steady, growing and shrinking, with and without a rush at the quarter's end. What
was chosen on them can then be confirmed on the public sets, which it has not seen.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

import polars as pl

from bench.datasets import Account
from forecasting.deals import CHANGE_SCHEMA, DEAL_SCHEMA, OWNER_SCHEMA, STAGE_SCHEMA
from sync.sandbox.company import Company, CompanyDeal
from sync.sandbox.generator.company import TIME_ZONE, generate
from sync.sandbox.generator.settings import CompanySettings

UNTIL: Final = datetime(2026, 3, 2, 6, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Character:
    """What kind of company: `deals` made in `years`, and the generator's settings."""

    deals: int
    years: float = 3.0
    settings: Mapping[str, Any] = field(default_factory=dict)


CHARACTERS: Final[Mapping[str, Character]] = {
    "usual": Character(3000),
    "small": Character(500),
    "large": Character(9000),
    "young": Character(1200, years=1.2),
    "short cycle": Character(4000, settings={"cycle_length": 0.15}),
    "long cycle": Character(3000, years=5, settings={"cycle_length": 2.5}),
    "growing": Character(4000, settings={"growth_per_year": 1.0}),
    "shrinking": Character(3000, settings={"growth_per_year": -0.35}),
    "no quarter ends": Character(3000, settings={"quarter_end_rush": 0.0}),
    "seasonal": Character(
        4000, years=4, settings={"july_pace": 0.1, "quarter_end_rush": 0.9, "cycle_length": 0.5}
    ),
    "neglected": Character(3000, settings={"zombies": 0.4, "close_date_missing": 0.4}),
}


def account(name: str, *, seed: int) -> Account:
    """The company of that character in the shape of the core's frames, in its home currency."""
    character = CHARACTERS[name]
    company = generate(
        seed=seed,
        until=UNTIL,
        years=character.years,
        deals=character.deals,
        settings=CompanySettings(**character.settings),
    )
    return framed(company, f"{name} {seed}")


def framed(company: Company, name: str) -> Account:
    """A company's facts as frames; deals deleted in its CRM are absent, as they are in a mirror."""
    living = [deal for deal in company.deals if deal.archived_at is None]
    rows = pl.DataFrame(_rows(name, living), schema=_ROW, orient="row")
    stages = _stages(company, name)
    ends = {
        stage.id: "won" if stage.is_won else "lost"
        for pipeline in company.pipelines
        for stage in pipeline.stages
        if stage.is_closed
    }
    status = (
        pl.when(pl.col("field") == "stage")
        .then(pl.col("new").replace_strict(ends, default="open"))
        .alias("status")
    )
    told = rows.with_columns(status)
    turned = (
        told.filter(pl.col("status").is_not_null())
        .with_columns(before=pl.col("status").shift().over("deal_id"))
        .filter(pl.col("status").ne_missing(pl.col("before")))
        .with_columns(pl.lit("status").alias("field"), pl.col("status").alias("new"))
        .select(*_ROW)
    )
    changes = pl.concat([rows, turned]).sort("changed_at", "ordinal").select(*CHANGE_SCHEMA)
    owners = pl.DataFrame(
        [(name, o.id, f"{o.first_name} {o.last_name}", o.team, o.active) for o in company.owners],
        schema=OWNER_SCHEMA,
        orient="row",
    )
    deals = _deals(company, living, rows, turned, owners, name)
    first = deals["created_on"].min()
    assert isinstance(first, date)
    return Account(name, deals, changes, stages, owners, first, UNTIL.date(), company.time_zone)


_ROW: Final = pl.Schema(CHANGE_SCHEMA)


def _rows(name: str, deals: Iterable[CompanyDeal]) -> Iterator[tuple[Any, ...]]:
    for deal in deals:
        before: dict[str, str | None] = {}
        for ordinal, event in enumerate(deal.events):
            yield (
                name,
                deal.key,
                event.field,
                before.get(event.field),
                event.value,
                event.at,
                ordinal,
                event.who,
            )
            before[event.field] = event.value


def _deals(
    company: Company,
    living: list[CompanyDeal],
    rows: pl.DataFrame,
    turned: pl.DataFrame,
    owners: pl.DataFrame,
    name: str,
) -> pl.DataFrame:
    """The latest value of every field; amounts at the company's own rates."""
    latest = (
        rows.group_by("deal_id", "field")
        .agg(pl.col("new").last())
        .pivot("field", index="deal_id", values="new")
    )
    closing = turned.group_by("deal_id").agg(
        pl.col("new").last().alias("status"), pl.col("changed_at").last().alias("turned_at")
    )
    moved = rows.filter(pl.col("field") == "stage")
    entered = moved.group_by("deal_id").agg(pl.col("changed_at").last().alias("stage_entered_at"))
    facts = pl.DataFrame(
        [
            (
                deal.key,
                deal.created_at,
                deal.next_activity_at,
                deal.activities[-1] if deal.activities else None,
                deal.contacts,
                deal.companies,
            )
            for deal in living
        ],
        schema={
            "deal_id": pl.String,
            **{column: DEAL_SCHEMA[column] for column in _FACTS},
        },
        orient="row",
    )
    rates = {company.home_currency: Decimal(1), **company.exchange_rates}
    rate = pl.col("currency").replace_strict(
        {code: float(value) for code, value in rates.items()}, default=None
    )
    closed = pl.when(pl.col("status") != "open").then("turned_at")
    frame = (
        facts.join(latest, on="deal_id", how="left")
        .join(closing, on="deal_id", how="left")
        .join(entered, on="deal_id", how="left")
        .rename({"pipeline": "pipeline_id", "stage": "stage_id", "owner": "owner_id"})
        .join(owners.select("owner_id", "team"), on="owner_id", how="left")
        .with_columns(
            pl.lit(name).alias("connection"),
            closed.alias("closed_at"),
            _day(closed, company.time_zone).alias("closed_on"),
            _day(pl.col("created_at"), company.time_zone).alias("created_on"),
            _day(
                pl.col("close_date").str.to_datetime(time_zone="UTC", strict=False),
                company.time_zone,
            ).alias("close_date"),
            (pl.col("amount").cast(pl.Float64) * rate).alias("amount"),
            pl.when(pl.col("amount").is_null()).then(pl.lit("missing")).alias("amount_problem"),
            pl.col("rep_probability").cast(pl.Float64),
        )
    )
    absent = [
        pl.lit(None, dtype).alias(column)
        for column, dtype in DEAL_SCHEMA.items()
        if column not in frame.columns
    ]
    return frame.with_columns(absent).select(*DEAL_SCHEMA).cast(pl.Schema(DEAL_SCHEMA))


_FACTS: Final = (
    "created_at",
    "next_activity_at",
    "last_activity_at",
    "contact_count",
    "company_count",
)


def _day(instant: pl.Expr, zone: str) -> pl.Expr:
    return instant.dt.convert_time_zone(zone).dt.date()


def _stages(company: Company, name: str) -> pl.DataFrame:
    rows = [
        (
            name,
            pipeline.id,
            stage.id,
            pipeline.label,
            stage.label,
            place,
            float(stage.probability),
            stage.is_closed,
            stage.is_won,
            True,
        )
        for pipeline in company.pipelines
        for place, stage in enumerate(pipeline.stages)
    ]
    return pl.DataFrame(rows, schema=STAGE_SCHEMA, orient="row")


__all__ = ["CHARACTERS", "TIME_ZONE", "account", "framed"]
