"""What the lead score was learned to be, and what each open lead came to."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
import polars as pl
from sqlalchemy import Engine, delete, insert, select, true

from sync.mirror.columns import frame
from sync.mirror.engine import reading, writing
from sync.mirror.schema import lead, lead_model, lead_score, owner


@dataclass(frozen=True, slots=True)
class Learned:
    """The last thing learned. asked: for which funnel, goal and horizon; model: its JSON."""

    as_of: datetime
    asked: Mapping[str, Any]
    model: Mapping[str, Any]


def save_model(
    engine: Engine,
    run_id: int,
    connection: str,
    *,
    as_of: datetime,
    asked: Mapping[str, Any],
    model: Mapping[str, Any],
) -> None:
    row = {
        "job_run_id": run_id,
        "connection": connection,
        "as_of": as_of,
        "asked": dict(asked),
        "model": dict(model),
    }
    with writing(engine) as transaction:
        transaction.execute(insert(lead_model), [row])


def latest_model(
    engine: Engine, connection: str, *, until: datetime | None = None
) -> Learned | None:
    """The last, or the one that was in force then."""
    in_time = true() if until is None else lead_model.c.as_of <= until
    query = (
        select(lead_model.c.as_of, lead_model.c.asked, lead_model.c.model)
        .where(lead_model.c.connection == connection, in_time)
        .order_by(lead_model.c.job_run_id.desc())
        .limit(1)
    )
    with reading(engine) as snapshot:
        row = snapshot.execute(query).first()
    return None if row is None else Learned(row.as_of, row.asked, row.model)


def save_scores(
    engine: Engine, connection: str, scored: pl.DataFrame, *, as_of: datetime, basis: str
) -> None:
    """Replace the connection's scores. scored: lead_id, score, probability, reasons, parts."""
    common = {"connection": connection, "as_of": as_of, "basis": basis}
    with writing(engine, alone=f"lead_score {connection}") as transaction:
        transaction.execute(delete(lead_score).where(lead_score.c.connection == connection))
        rows = [row | common for row in scored.iter_rows(named=True)]
        if rows:
            transaction.execute(insert(lead_score), rows)


def scores(engine: Engine, connection: str) -> pl.DataFrame:
    """lead_id, as_of, score, probability, reasons, parts (list of {code, points}), owner_id, owner,
    source, created_at; the best first."""
    query = (
        select(
            lead_score.c.lead_id,
            lead_score.c.as_of,
            lead_score.c.score,
            lead_score.c.probability,
            lead_score.c.reasons,
            lead_score.c.parts,
            lead.c.owner_id,
            owner.c.name.label("owner"),
            lead.c.source,
            lead.c.created_at,
        )
        .join(
            lead,
            (lead.c.connection == lead_score.c.connection)
            & (lead.c.lead_id == lead_score.c.lead_id),
        )
        .outerjoin(
            owner,
            (owner.c.connection == lead.c.connection) & (owner.c.owner_id == lead.c.owner_id),
        )
        .where(lead_score.c.connection == connection)
    )
    found = frame(engine, query)
    parts = pl.List(pl.Struct({"code": pl.String, "points": pl.Float64}))
    read = pl.Series("parts", [orjson.loads(text) for text in found["parts"]], dtype=parts)
    return found.with_columns(read).sort(
        "probability", "score", "lead_id", descending=[True, True, False], nulls_last=True
    )
