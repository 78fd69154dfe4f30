"""Deals by how long nobody has touched them, and which have no chance left."""

from collections.abc import Sequence
from datetime import datetime

import polars as pl
from sqlalchemy import Engine

from forecasting.staleness import ENOUGH_TO_COMPARE, STATES
from sync.config.calendar import country_of
from sync.config.model import Config
from sync.errors import ConfigError
from sync.mirror import quality_rows, read
from sync.report.naming import local_time
from sync.report.quality import priced_deals
from sync.report.table import Column, Kind, Report

_STATES = (
    Column("state", "State"),
    Column("deals", "Deals", Kind.COUNT),
    Column("amount", "Their amount", Kind.MONEY),
)
_DEALS = (
    Column("deal_id", on_screen=False),
    Column("state", "State"),
    Column("name", "Deal"),
    Column("stage", "Stage"),
    Column("owner", "Owner"),
    Column("amount", "Amount", Kind.MONEY),
    Column("silent_days", "Silent", Kind.DAYS),
    Column("norm_days", "Norm", Kind.DAYS),
    Column("dead_days", "Dead after", Kind.DAYS, on_screen=False),
    Column("last_activity_on", "Last activity", Kind.DAY),
    Column("planned", on_screen=False),
)
_EVIDENCE = (
    Column("days_in_stage", "In stage", Kind.DAYS),
    Column("earlier", "As long", Kind.COUNT),
    Column("earlier_won", "Won", Kind.COUNT),
    Column("chance_at_most", "At most", Kind.SHARE),
    Column("compared_with", "Compared", on_screen=False),
    Column("archive", on_screen=False),
)
_DEFINITIONS = {
    "silent_days": "working days since a person last did something about the deal",
    "norm_days": "working days: won deals' median stay in the stage, shrunk; longer is stale",
    "dead_days": "working days: won deals' 90th percentile there, shrunk; longer is dead",
    "cooling": "silent for more than half the norm",
    "earlier": "deals that stood in the stage (or the pipeline's stages, or without stage history "
    "from creation to closing) for at least as long: decided ones, and open ones half a year after",
    "chance_at_most": "upper end of the 95 % Wilson interval of their win rate",
}


def staleness_report(
    engine: Engine, connection: str, config: Config, *, only_archive: bool, limit: int
) -> list[Report]:
    """Deals by state, and those past their norm, the longest over it first; `limit` 0 = all.

    Raises ConfigError where nothing is assessed yet.
    """
    account = read.account(engine, connection)
    rows = quality_rows.staleness_rows(engine, connection)
    if account is None or rows.is_empty():
        raise ConfigError(f"{connection}: no open deal is assessed. Run `dealpulse sync` first.")
    zone = config.time_zone or account.time_zone
    country = country_of(config, time_zone=zone, home_currency=account.home_currency)
    deals = rows.join(priced_deals(engine, connection, config), on="deal_id", how="inner")
    candidates = int(deals["archive"].sum())
    as_of: datetime = rows["as_of"].max()  # type: ignore[assignment]
    facts: dict[str, object] = {
        "connection": connection,
        "as_of": as_of,
        "cut_off": as_of,
        "currency": account.home_currency,
        "open_deals": deals.height,
        "country": country,
        "archive_candidates": candidates,
        "definition": _DEFINITIONS,
        "sample": deals.height,
        "left_out": {"amount_unknown": int(deals["amount"].is_null().sum())},
    }
    holidays = f"public holidays of {country}" if country else "weekends only"
    reports = [
        Report(
            title=f"{connection}: {deals.height} open deals by silence",
            columns=_STATES,
            rows=_by_state(deals),
            facts=facts,
            notes=[
                f"As of {local_time(as_of, zone)}. Working days ({holidays}).",
                f"{candidates} candidates for the archive: dead, and of the deals that stood "
                f"as long surely less than {config.staleness.archive_below:.0%} were won.",
                *dead_but_kept(rows, config.staleness.archive_below),
            ],
            zone=zone,
        )
    ]
    chosen = deals.filter(
        pl.col("archive") if only_archive else pl.col("state").is_in(("stale", "dead"))
    )
    return [*reports, _listed(connection, chosen, facts, only_archive=only_archive, limit=limit)]


def dead_but_kept(rows: pl.DataFrame, archive_below: float) -> list[str]:
    """Why the other dead deals are no candidates, for a reader who expected them to be.

    `rows`: of `quality_rows.staleness_rows`.
    """
    kept = rows.filter((pl.col("state") == "dead") & ~pl.col("archive"))
    unsure = pl.col("chance_at_most").fill_null(1.0) > archive_below
    few = pl.col("earlier") < ENOUGH_TO_COMPARE
    reasons = (
        (unsure & few, f"fewer than {ENOUGH_TO_COMPARE} deals are known to compare with"),
        (unsure & ~few, "of the deals that stood as long, or longest, too many were won"),
        (~unsure, "the forecast gives them a higher chance"),
    )
    counted = [(kept.filter(which).height, why) for which, why in reasons]
    told = "; ".join(f"{count:,} ({why})" for count, why in counted if count)
    return [f"Dead, yet no candidates: {told}."] if told else []


def _by_state(deals: pl.DataFrame) -> list[dict[str, object]]:
    order = pl.DataFrame({"state": STATES}).with_row_index("place")
    return (
        order.join(
            deals.group_by("state").agg(pl.len().alias("deals"), pl.col("amount").sum()),
            on="state",
            how="left",
        )
        .sort("place")
        .select("state", pl.col("deals").fill_null(0), pl.col("amount").fill_null(0.0))
        .to_dicts()
    )


def _listed(
    connection: str,
    chosen: pl.DataFrame,
    facts: dict[str, object],
    *,
    only_archive: bool,
    limit: int,
) -> Report:
    columns: Sequence[Column] = (*_DEALS, *_EVIDENCE) if only_archive else _DEALS
    ordered = chosen.sort(
        pl.col("silent_days") - pl.col("norm_days"),
        pl.col("amount").fill_null(0.0),
        "deal_id",
        descending=[True, True, False],
    )
    shown = ordered.head(limit) if limit else ordered
    what = "candidates for the archive" if only_archive else "stale or dead"
    left = ordered.height - shown.height
    return Report(
        title=f"{connection}: {ordered.height} deals {what}, the longest over their norm first",
        columns=columns,
        rows=shown.select(column.key for column in columns).to_dicts(),
        facts=facts,
        notes=[f"{left} more not shown; --deals 0 shows all."] if left else [],
    )
