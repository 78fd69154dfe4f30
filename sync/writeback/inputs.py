"""What a plan is made from, read from the mirror."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, select

from sync.crm.base import DealStatus
from sync.mirror import read, schema
from sync.mirror.engine import reading
from sync.writeback import journal
from sync.writeback.fields import Assessed, Values, desired_values


@dataclass(frozen=True, slots=True)
class Inputs:
    """desired, actual, closed: as `plan` takes them. names: titles of the deals in either.

    refused: how many deals are left out because the CRM refused their last write.
    """

    desired: Mapping[str, Values]
    actual: Mapping[str, Values]
    closed: Collection[str]
    names: Mapping[str, str]
    refused: int


def read_inputs(engine: Engine, connection: str, *, at: datetime) -> Inputs:
    """Assessed open deals, closed deals, and what the CRM holds of ours; nothing removed."""
    held = read.actual_values(engine, connection)
    refused = journal.refused(engine, connection, at=at)
    deal = schema.deal
    present = select(deal.c.deal_id, deal.c.name, deal.c.status).where(
        deal.c.connection == connection, deal.c.removed_at.is_(None)
    )
    with reading(engine) as database:
        rows = [row for row in database.execute(present) if row.deal_id not in refused]
    open_ids = {row.deal_id for row in rows if row.status == DealStatus.OPEN}
    present_ids = {row.deal_id for row in rows}
    desired = {
        deal_id: values
        for deal_id, values in _desired(engine, connection).items()
        if deal_id in open_ids
    }
    actual = {deal_id: values for deal_id, values in held.items() if deal_id in present_ids}
    return Inputs(
        desired=desired,
        actual=actual,
        closed=present_ids - open_ids,
        names={row.deal_id: row.name for row in rows},
        refused=len(refused),
    )


def _desired(engine: Engine, connection: str) -> dict[str, dict[str, str | None]]:
    assessment, finding = schema.deal_assessment, schema.finding
    columns = [assessment.c[name] for name in Assessed.__slots__]
    with reading(engine) as database:
        assessments = database.execute(
            select(*columns).where(assessment.c.connection == connection)
        ).mappings()
        findings = database.execute(
            select(finding.c.deal_id, finding.c.rule).where(finding.c.connection == connection)
        ).tuples()
        return desired_values((Assessed(**row) for row in assessments), findings)
