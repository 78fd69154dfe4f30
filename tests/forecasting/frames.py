"""Small frames by hand: a clean deal to start from, and what differs from it."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from forecasting.deals import CHANGE_SCHEMA, DEAL_SCHEMA, OWNER_SCHEMA, STAGE_SCHEMA
from forecasting.snapshot import Snapshot, snapshot_now

ZONE = "Europe/Oslo"
AS_OF = datetime(2026, 3, 16, 9, 0, tzinfo=UTC)
TODAY = date(2026, 3, 16)

CLEAN: dict[str, Any] = {
    "connection": "main",
    "name": "Fjord Shipping, 40 seats",
    "pipeline_id": "sales",
    "stage_id": "proposal",
    "owner_id": "1",
    "status": "open",
    "amount": 1000.0,
    "currency": "NOK",
    "close_date": date(2026, 3, 27),
    "created_at": datetime(2026, 2, 2, 10, 0, tzinfo=UTC),
    "next_activity_at": AS_OF + timedelta(days=2),
    "last_activity_at": AS_OF - timedelta(days=1),
    "contact_count": 1,
    "company_count": 1,
}


def day_of(instant: datetime | None) -> date | None:
    return None if instant is None else instant.astimezone(ZoneInfo(ZONE)).date()


def deals(*differences: dict[str, Any]) -> pl.DataFrame:
    """One deal per argument: `CLEAN` with that much changed; ids d1, d2, ... where none is given.

    closed_at of a decided deal follows closed_on at noon, the days follow the instants.
    """
    rows = []
    for index, difference in enumerate(differences, 1):
        row = {**CLEAN, "deal_id": f"d{index}", **difference}
        row.setdefault("created_on", day_of(row["created_at"]))
        row.setdefault("closed_on", day_of(row.get("closed_at")))
        if row["closed_on"] and not row.get("closed_at"):
            row["closed_at"] = datetime.combine(row["closed_on"], datetime.min.time(), UTC).replace(
                hour=12
            )
        rows.append({column: row.get(column) for column in DEAL_SCHEMA})
    return pl.DataFrame(rows, schema=DEAL_SCHEMA)


def change(
    field: str,
    new: str | None,
    at: datetime,
    *,
    old: str | None = None,
    deal_id: str = "d1",
    source: str = "human",
    ordinal: int = 0,
    connection: str = "main",
) -> dict[str, Any]:
    return {
        "connection": connection,
        "deal_id": deal_id,
        "field": field,
        "old": old,
        "new": new,
        "changed_at": at,
        "ordinal": ordinal,
        "source": source,
    }


def changes(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=CHANGE_SCHEMA)


def stage(
    stage_id: str,
    probability: float | None,
    *,
    pipeline_id: str = "sales",
    outcome: str = "open",
    exists: bool = True,
    position: int = 0,
    label: str | None = None,
) -> dict[str, Any]:
    return {
        "connection": "main",
        "pipeline_id": pipeline_id,
        "stage_id": stage_id,
        "pipeline": pipeline_id.capitalize(),
        "stage": label or stage_id.capitalize(),
        "position": position,
        "probability": probability,
        "is_closed": outcome != "open",
        "is_won": outcome == "won",
        "exists": exists,
    }


def stages(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=STAGE_SCHEMA)


STAGES = stages(
    stage("qualified", 0.2, position=0),
    stage("proposal", 0.4, position=1),
    stage("won", 1.0, outcome="won", position=2),
    stage("lost", 0.0, outcome="lost", position=3),
)

OWNERS = pl.DataFrame(
    [
        {"connection": "main", "owner_id": "1", "owner": "Kari Nordmann", "active": True},
        {"connection": "main", "owner_id": "2", "owner": "Ola Hansen", "active": False},
    ],
    schema=OWNER_SCHEMA,
)

NO_CHANGES = changes()


def now(
    frame: pl.DataFrame,
    history: pl.DataFrame = NO_CHANGES,
    known_stages: pl.DataFrame = STAGES,
    *,
    as_of: datetime = AS_OF,
    owners: pl.DataFrame = OWNERS,
) -> Snapshot:
    """The account as the frame states it."""
    return snapshot_now(frame, history, known_stages, owners, as_of=as_of, zone=ZONE)


def won_stays(count: int, days: float, stage_id: str = "proposal") -> tuple[list[Any], list[Any]]:
    """`count` won deals (w1, ...) that were `days` in a stage, as deals and change rows."""
    entered = datetime(2025, 6, 2, 8, 0, tzinfo=UTC)
    rows, moves = [], []
    for index in range(1, count + 1):
        deal_id = f"w{index}"
        left = entered + timedelta(days=days)
        rows.append(
            {
                "deal_id": deal_id,
                "status": "won",
                "stage_id": "won",
                "created_at": entered,
                "closed_at": left,
            }
        )
        moves += [
            change("stage", stage_id, entered, deal_id=deal_id),
            change("stage", "won", left, old=stage_id, deal_id=deal_id),
        ]
    return rows, moves
