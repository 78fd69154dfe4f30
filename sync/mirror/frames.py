"""The mirror as the core's frames: amounts in home currency, days in the account's time zone."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

import polars as pl
from sqlalchemy import Engine, and_, or_, select

from forecasting.deals import CHANGE_SCHEMA, DEAL_SCHEMA, INSTANT, OWNER_SCHEMA, STAGE_SCHEMA
from sync.crm.base import Field
from sync.errors import ConfigError
from sync.mirror.columns import frame
from sync.mirror.schema import (
    deal,
    deal_change,
    exchange_rate,
    owner,
    pipeline,
    stage,
    stage_version,
)

_NOT_IN_FRAME = (
    "own",
    "extra",
    "first_seen_at",
    "pulled_at",
    "removed_at",
    "removed_reason",
    "survivor_id",
)


def deal_frame(
    engine: Engine,
    connection: str,
    *,
    zone: str,
    home_currency: str,
    rates: Mapping[str, Decimal],
    rates_win: bool = False,
    removed: bool = False,
) -> pl.DataFrame:
    """The deals that are in the CRM, in the shape of DEAL_SCHEMA; with `removed`, those that were.

    `zone`: where days are counted. `rates`: one unit of a currency in `home_currency`, for deals
    that the CRM gives neither a rate nor a converted amount for; with `rates_win`, for all in these
    currencies. An open deal is worth what its currency is now, a closed one what it was then. A
    deal without a currency is in the home currency.
    """
    check_zone(zone)
    entered = (
        select(deal_change.c.changed_at)
        .where(
            deal_change.c.connection == deal.c.connection,
            deal_change.c.deal_id == deal.c.deal_id,
            deal_change.c.field == Field.STAGE.value,
            deal_change.c.new == deal.c.stage_id,
            or_(deal_change.c.old.is_(None), deal_change.c.old != deal_change.c.new),
        )
        .order_by(deal_change.c.changed_at.desc())
        .limit(1)
        .scalar_subquery()
    )
    columns = [column for column in deal.c if column.name not in _NOT_IN_FRAME]
    query = select(*columns, entered.label("stage_entered_at")).where(
        deal.c.connection == connection, *([] if removed else [deal.c.removed_at.is_(None)])
    )
    teams = owner_frame(engine, connection).select("owner_id", "team")
    deals = frame(engine, query).join(teams, on="owner_id", how="left")
    told = rate_frame(engine, connection, home_currency)
    return (
        _in_home_currency(deals, home_currency, rates, told, rates_win=rates_win)
        .with_columns(
            _day("close_date", zone).alias("close_date"),
            _day("closed_at", zone).alias("closed_on"),
            _day("created_at", zone).alias("created_on"),
        )
        .select(DEAL_SCHEMA.keys())
        .cast(pl.Schema(DEAL_SCHEMA))
        .sort("deal_id")
    )


def change_frame(engine: Engine, connection: str, *, removed: bool = False) -> pl.DataFrame:
    """The history of the deals that are in the CRM, in the shape of CHANGE_SCHEMA; with `removed`,
    of those that were, too.
    """
    living = and_(
        deal.c.connection == deal_change.c.connection,
        deal.c.deal_id == deal_change.c.deal_id,
        *([] if removed else [deal.c.removed_at.is_(None)]),
    )
    told = [deal_change.c[name] for name in CHANGE_SCHEMA if name != "connection"]
    order = [deal_change.c[name] for name in ("deal_id", "changed_at", "field", "ordinal")]
    query = select(*told).join(deal, living).where(deal_change.c.connection == connection)
    sqlite = engine.dialect.name == "sqlite"
    # the key has it nearly in order; other databases order words in ways of their own
    found = frame(engine, query.order_by(*order) if sqlite else query)
    found = found if sqlite else found.sort(*(column.name for column in order))
    return (
        found.with_columns(connection=pl.lit(connection))
        .select(CHANGE_SCHEMA.keys())
        .cast(pl.Schema(CHANGE_SCHEMA))
    )


def removal_frame(engine: Engine, connection: str) -> pl.DataFrame:
    """The deals that left the CRM: deal_id, removed_at, removed_reason."""
    query = select(deal.c.deal_id, deal.c.removed_at, deal.c.removed_reason)
    gone = query.where(deal.c.connection == connection, deal.c.removed_at.is_not(None))
    return frame(engine, gone.order_by(deal.c.deal_id))


def stage_version_frame(engine: Engine, connection: str) -> pl.DataFrame:
    """Every probability a stage ever had: pipeline_id, stage_id, valid_from, probability."""
    columns = ("pipeline_id", "stage_id", "valid_from", "probability")
    query = select(*(stage_version.c[name] for name in columns))
    return frame(engine, query.where(stage_version.c.connection == connection))


def stage_frame(engine: Engine, connection: str) -> pl.DataFrame:
    """All stages that ever were, in the shape of STAGE_SCHEMA."""
    query = (
        select(
            stage.c.connection,
            stage.c.pipeline_id,
            stage.c.stage_id,
            pipeline.c.label.label("pipeline"),
            stage.c.label.label("stage"),
            stage.c.position,
            stage.c.probability,
            stage.c.is_closed,
            stage.c.is_won,
            and_(stage.c.missing_since.is_(None), pipeline.c.missing_since.is_(None)).label(
                "exists"
            ),
        )
        .join(
            pipeline,
            and_(
                pipeline.c.connection == stage.c.connection,
                pipeline.c.pipeline_id == stage.c.pipeline_id,
            ),
        )
        .where(stage.c.connection == connection)
        .order_by(pipeline.c.position, stage.c.pipeline_id, stage.c.position, stage.c.stage_id)
    )
    return frame(engine, query).cast(pl.Schema(STAGE_SCHEMA))


def owner_frame(engine: Engine, connection: str) -> pl.DataFrame:
    """Owners past and present, in the shape of OWNER_SCHEMA. `team`: an owner's first one."""
    query = select(
        owner.c.connection,
        owner.c.owner_id,
        owner.c.name.label("owner"),
        owner.c.teams,
        owner.c.active,
    ).where(owner.c.connection == connection)
    teams = pl.col("teams").str.json_decode(pl.List(pl.String))
    return (
        frame(engine, query.order_by(owner.c.owner_id))
        .with_columns(teams.list.get(0, null_on_oob=True).alias("team"))
        .select(OWNER_SCHEMA.keys())
        .cast(pl.Schema(OWNER_SCHEMA))
    )


def check_zone(zone: str) -> None:
    """Raise ConfigError for a time zone that days cannot be counted in."""
    try:
        pl.Series([datetime(2000, 1, 1, tzinfo=UTC)], dtype=INSTANT).dt.convert_time_zone(zone)
    except pl.exceptions.ComputeError:
        raise ConfigError(
            f"The time zone {zone!r} is unknown: set `time_zone` in the configuration to one "
            "like Europe/Oslo."
        ) from None


def _day(instant: str, zone: str) -> pl.Expr:
    return pl.col(instant).dt.convert_time_zone(zone).dt.date()


def _in_home_currency(
    deals: pl.DataFrame,
    home_currency: str,
    rates: Mapping[str, Decimal],
    told: pl.DataFrame,
    *,
    rates_win: bool,
) -> pl.DataFrame:
    """`amount` and `rep_amount` converted, and `amount_problem` where that could not be."""
    known = {currency: float(rate) for currency, rate in rates.items()} | {home_currency: 1.0}
    ours = (
        pl.col("currency")
        .fill_null(home_currency)
        .replace_strict(known, default=None, return_dtype=pl.Float64)
    )
    # what the CRM itself reckoned with, where it converted this deal's amount
    stated = pl.when(pl.col("amount") != 0).then(pl.col("amount_home") / pl.col("amount"))
    theirs = pl.coalesce("rate", stated)
    converted = pl.coalesce(pl.col("amount") * pl.col("rate"), "amount_home")
    if rates_win:
        foreign = pl.when(pl.col("currency") != home_currency).then(ours)
        rate = pl.coalesce(foreign, theirs, ours)
        amount = pl.coalesce(pl.col("amount") * foreign, converted, pl.col("amount") * ours)
    else:
        rate = pl.coalesce(theirs, ours)
        amount = pl.coalesce(converted, pl.col("amount") * ours)
    missing = pl.all_horizontal(pl.col("amount", "amount_home").is_null())
    return _with_rates(deals, told).with_columns(
        amount.alias("amount"),
        (pl.col("rep_amount") * rate).alias("rep_amount"),
        pl.when(missing)
        .then(pl.lit("missing"))
        .when(amount.is_null())
        .then(pl.lit("no_rate"))
        .alias("amount_problem"),
    )


def _with_rates(deals: pl.DataFrame, told: pl.DataFrame) -> pl.DataFrame:
    """`rate`: the account's own for the deal's currency, of the instant at which it was closed, or
    the latest; null where there was none."""
    latest = told.group_by("currency").agg(pl.col("rate").last().alias("now"))
    then = (
        deals.select("deal_id", "currency", "closed_at")
        .filter(pl.col("closed_at").is_not_null())
        .sort("closed_at")
        .join_asof(
            told.sort("valid_from"),
            left_on="closed_at",
            right_on="valid_from",
            by="currency",
            check_sortedness=False,
        )
        .select("deal_id", pl.col("rate").alias("then"))
    )
    return (
        deals.join(latest, on="currency", how="left")
        .join(then, on="deal_id", how="left")
        .with_columns(
            pl.when(pl.col("closed_at").is_null()).then("now").otherwise("then").alias("rate")
        )
    )


def rate_frame(engine: Engine, connection: str, home_currency: str) -> pl.DataFrame:
    """Every version into `home_currency`: currency, valid_from, rate; in order of time."""
    table = exchange_rate
    query = (
        select(table.c.currency, table.c.valid_from, table.c.rate)
        .where(table.c.connection == connection, table.c.into == home_currency)
        .order_by(table.c.valid_from, table.c.currency)
    )
    return frame(engine, query)
