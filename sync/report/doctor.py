"""Whether the mirror holds what the CRM does: by pipeline, stage and currency, and deal by deal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Engine, select

from sync.crm.base import RemovalReason
from sync.mirror.engine import reading
from sync.mirror.reconcile import Difference, GroupTotal, Why
from sync.mirror.schema import pipeline, stage
from sync.report.naming import local_time, zone_of
from sync.report.table import Column, Kind, Report

DEFINITION: Final = (
    "deals that the CRM lists as living against those that the mirror holds: counts, sums in the "
    "deals' own currency; then of each name, owner, close date, pipeline, stage, amount, currency"
)
_TOTALS: Final = (
    Column("pipeline", "Pipeline"),
    Column("stage", "Stage"),
    Column("currency", "Currency"),
    Column("crm_deals", "Deals in the CRM", Kind.COUNT),
    Column("mirror_deals", "in the mirror", Kind.COUNT),
    Column("crm_amount", "Amount in the CRM", Kind.MONEY),
    Column("mirror_amount", "in the mirror", Kind.MONEY),
    Column("agrees", "Agree"),
    Column("pipeline_id", on_screen=False),
    Column("stage_id", on_screen=False),
)
_DEALS: Final = (
    Column("deal_id", "Deal"),
    Column("name", "Name"),
    Column("why", "Why"),
    Column("differs", "In the CRM, in the mirror"),
)
_WHY: Final = {
    Why.MISSING: "the mirror never held it",
    Why.REMOVED: "alive again in the CRM",
    Why.OLDER: "changed in the CRM since it was pulled",
    Why.DIFFERENT: "not the same, though of the same date",
    Why.GONE: "the CRM does not list it",
}
_LEFT: Final = {
    RemovalReason.ARCHIVED: "archived in the CRM",
    RemovalReason.MERGED: "merged into another deal",
    RemovalReason.PURGED: "deleted for ever in the CRM",
}


@dataclass(frozen=True, slots=True)
class Examination:
    """at: when the CRM was asked; pulled_at: when last before, None = never. found: how many deals
    differ, by `Why`; named: the first of them. cured: what the cure did, None where there was none;
    remaining: how many deals differ in the end."""

    connection: str
    at: datetime
    pulled_at: datetime | None
    listed: int
    totals: Sequence[GroupTotal]
    found: Mapping[str, int]
    named: Sequence[Difference]
    cured: Mapping[str, int] | None
    remaining: int


def doctor_report(
    engine: Engine, examination: Examination, time_zone: str | None = None
) -> list[Report]:
    """Totals side by side, then the deals that differ, where there are any. time_zone: as
    configured; None = the account's own.
    """
    e = examination
    zone = zone_of(engine, e.connection, time_zone)
    labels = _labels(engine, e.connection)
    basis = {
        "connection": e.connection,
        "definition": DEFINITION,
        "as_of": e.at,
        "cut_off": e.pulled_at,
        "sample": e.listed,
    }
    totals = Report(
        title=f"{e.connection}: the CRM and the mirror",
        columns=_TOTALS,
        rows=[_total(total, labels) for total in e.totals],
        facts={
            **basis,
            "left_out": {},
            "listed": e.listed,
            "found": dict(e.found),
            "cured": None if e.cured is None else dict(e.cured),
            "remaining": e.remaining,
        },
        notes=[*_notes(e), _told(e, zone)],
        zone=zone,
    )
    if not e.named:
        return [totals]
    deals = Report(
        title=f"{e.connection}: deals that differ",
        columns=_DEALS,
        rows=[_deal(difference) for difference in e.named],
        facts={**basis, "left_out": {"not_named": sum(e.found.values()) - len(e.named)}},
        notes=_left_unnamed(e),
    )
    return [totals, deals]


def _notes(e: Examination) -> list[str]:
    if not e.found:
        return [f"All {e.listed} deals agree."]
    differ = sum(e.found.values())
    if e.cured is None:
        return [f"{differ} deals differ: `dealpulse doctor --heal` puts them right."]
    did = ", ".join(f"{n} {what.replace('_', ' ')}" for what, n in e.cured.items() if n)
    return [f"{differ} deals differed before: {did or 'nothing was done'}; now {e.remaining} do."]


def _told(e: Examination, zone: str) -> str:
    pulled = "never" if e.pulled_at is None else local_time(e.pulled_at, zone)
    return f"As of {local_time(e.at, zone)}, {e.listed} deals listed; last pull: {pulled}."


def _left_unnamed(e: Examination) -> list[str]:
    left = sum(e.found.values()) - len(e.named)
    return [f"{left} more not shown: --deals says how many are."] if left else []


def _labels(engine: Engine, connection: str) -> dict[tuple[str | None, str | None], str]:
    """(pipeline, None) and (pipeline, stage) -> label."""
    pipelines = select(pipeline.c.pipeline_id, pipeline.c.label)
    stages = select(stage.c.pipeline_id, stage.c.stage_id, stage.c.label)
    with reading(engine) as snapshot:
        named: dict[tuple[str | None, str | None], str] = {
            (row.pipeline_id, None): row.label
            for row in snapshot.execute(pipelines.where(pipeline.c.connection == connection))
        }
        for row in snapshot.execute(stages.where(stage.c.connection == connection)):
            named[row.pipeline_id, row.stage_id] = row.label
    return named


def _total(
    total: GroupTotal, labels: Mapping[tuple[str | None, str | None], str]
) -> dict[str, object]:
    key = (total.pipeline_id, total.stage_id)
    return {
        "pipeline": labels.get((total.pipeline_id, None), total.pipeline_id),
        "stage": labels.get(key, total.stage_id),
        "currency": total.currency,
        "crm_deals": total.crm_deals,
        "mirror_deals": total.mirror_deals,
        "crm_amount": float(total.crm_amount),
        "mirror_amount": float(total.mirror_amount),
        "agrees": "yes" if total.agrees else "no",
        "pipeline_id": total.pipeline_id,
        "stage_id": total.stage_id,
    }


def _deal(difference: Difference) -> dict[str, object]:
    why = _WHY[difference.why]
    if difference.left_as is not None:
        why = _LEFT[difference.left_as]
    return {
        "deal_id": difference.deal_id,
        "name": difference.name,
        "why": why,
        "differs": "; ".join(
            f"{name.removesuffix('_id')}: {crm or '–'}, {mirror or '–'}"
            for name, crm, mirror in difference.fields
        ),
    }
