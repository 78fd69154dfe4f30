"""Records as an adapter would hand them over, with everything filled in that a test leaves out."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Engine, Table, select

from sync.crm.base import (
    Account,
    Change,
    ChangeSource,
    Deal,
    DealPage,
    DealStatus,
    Field,
    Pipeline,
    Stage,
)
from sync.mirror.engine import reading
from sync.mirror.write import PageCounts, save_page

T0 = datetime(2026, 1, 5, 8, 30, tzinfo=UTC)
HISTORY = frozenset({Field.STAGE, Field.AMOUNT, Field.CLOSE_DATE, Field.OWNER})
ACCOUNT = Account("147", "Europe/Oslo", "NOK", ("NOK", "EUR"), "https://crm.test/deals/{deal_id}")


def minutes(count: float) -> datetime:
    """An instant that many minutes after T0."""
    return T0 + timedelta(minutes=count)


def deal(deal_id: str = "1", **values: Any) -> Deal:
    plain: dict[str, Any] = {
        "name": f"Avtale {deal_id}",
        "pipeline_id": "sales",
        "stage_id": "offer",
        "owner_id": "77",
        "status": DealStatus.OPEN,
        "amount": Decimal("1234.50"),
        "currency": "NOK",
        "amount_home": None,
        "close_date": minutes(50_000),
        "closed_at": None,
        "created_at": T0,
        "modified_at": T0,
        "own": {"dealpulse_quality_score": "80", "dealpulse_stale_days": None},
    }
    return Deal(deal_id=deal_id, **plain | values)


def moved(deal_id: str, old: str | None, new: str, at: datetime, ordinal: int = 0) -> Change:
    return Change(deal_id, Field.STAGE, old, new, at, ChangeSource.HUMAN, ordinal)


def stage(stage_id: str, position: int = 0, **values: Any) -> Stage:
    plain: dict[str, Any] = {
        "label": stage_id.title(),
        "probability": Decimal("0.4"),
        "is_closed": False,
        "is_won": False,
    }
    return Stage(stage_id=stage_id, position=position, **plain | values)


def pipeline(*stages: Stage, pipeline_id: str = "sales", **values: Any) -> Pipeline:
    return Pipeline(pipeline_id, values.pop("label", "Salg"), 0, stages, **values)


def save(
    engine: Engine,
    *deals: Deal,
    at: datetime = T0,
    connection: str = "acme",
    history: frozenset[Field] = HISTORY,
    **page: Any,
) -> PageCounts:
    """Save a page of `deals` as pull does."""
    cursor = page.pop("cursor", {"after": "100"})
    return save_page(
        engine, connection, "deals", DealPage(cursor, deals, **page), history=history, at=at
    )


def rows(engine: Engine, table: Table, *without: str) -> list[dict[str, Any]]:
    """All rows of `table` in order of its key."""
    columns = [column for column in table.c if column.name not in without]
    with reading(engine) as snapshot:
        found: Sequence[Any] = snapshot.execute(select(*columns).order_by(*table.primary_key)).all()
    return [row._asdict() for row in found]
