"""Which dead deals to close as lost, and how to put them back. Pure.

A move is a `PlannedWrite` whose values are `status`, `stage`, `close_date` and `loss_reason`, as
`MovesDeals.move` takes them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sync.crm.base import Deal, DealStatus
from sync.errors import SafetyStop
from sync.writeback.journal import Action, Entry, State
from sync.writeback.plan import PlannedWrite

FEWEST: Final = 20
"""Fewer than so many at once are never too many."""

DONE: Final = frozenset({State.WRITTEN, State.CONFIRMED})
"""States of an archiving that can be undone."""


@dataclass(frozen=True, slots=True)
class LostStage:
    """A stage that means lost, and whether it is the one that the customer named."""

    stage_id: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class ArchivePlan:
    """`left_alone`: (deal id, why)."""

    writes: tuple[PlannedWrite, ...]
    left_alone: tuple[tuple[str, str], ...]


def plan_archive(
    deals: Iterable[Deal],
    lost_stages: Mapping[str | None, Sequence[LostStage]],
    *,
    loss_reason: str,
    at: datetime,
) -> ArchivePlan:
    """Close these as lost. lost_stages: by pipeline id; of a pipeline without any the status alone
    says that a deal is lost.
    """
    writes: list[PlannedWrite] = []
    left: list[tuple[str, str]] = []
    for deal in sorted(deals, key=lambda deal: deal.deal_id):
        stages = lost_stages.get(deal.pipeline_id, ())
        chosen = [stage for stage in stages if stage.chosen] or stages
        if deal.status is not DealStatus.OPEN:
            left.append((deal.deal_id, f"it is {deal.status.value} already"))
        elif len(chosen) > 1:
            left.append(
                (
                    deal.deal_id,
                    f"its pipeline {deal.pipeline_id} has {len(chosen)} lost stages; name the one "
                    "to use under archive.lost_stages",
                )
            )
        else:
            stage_id = chosen[0].stage_id if chosen else None
            writes.append(_closing(deal, stage_id, loss_reason, at))
    return ArchivePlan(tuple(writes), tuple(left))


def _closing(deal: Deal, stage_id: str | None, reason: str, at: datetime) -> PlannedWrite:
    before = {"status": deal.status.value, "loss_reason": deal.loss_reason}
    after: dict[str, str | None] = {
        "status": DealStatus.LOST.value,
        "loss_reason": deal.loss_reason or reason,
    }
    if stage_id is not None:
        before |= {"stage": deal.stage_id, "close_date": _instant(deal.close_date)}
        after |= {"stage": stage_id, "close_date": _instant(at)}
    return PlannedWrite(deal.deal_id, before, after, moved=frozenset(after))


def plan_undo(entries: Iterable[Entry], now: Mapping[str, Deal]) -> ArchivePlan:
    """Put back what these archivings closed. `now`: the deals as the CRM holds them."""
    writes: list[PlannedWrite] = []
    left: list[tuple[str, str]] = []
    for entry in entries:
        if entry.action is not Action.ARCHIVE or entry.state not in DONE:
            continue
        deal = now.get(entry.deal_id)
        if deal is None:
            left.append((entry.deal_id, "it is not in the CRM any more"))
        elif not holds(deal, entry.after):
            left.append((entry.deal_id, "somebody has changed it since"))
        else:
            writes.append(PlannedWrite(entry.deal_id, entry.after, entry.before))
    return ArchivePlan(tuple(writes), tuple(left))


def holds(deal: Deal, values: Mapping[str, str | None]) -> bool:
    """Whether the deal is where `values` move it. The close date is the CRM's to round; a reason
    that a CRM forgets on reopening is no difference.
    """
    if deal.status.value != values["status"]:
        return False
    if "stage" in values and deal.stage_id != values["stage"]:
        return False
    lost = deal.status is DealStatus.LOST
    return not lost or (deal.loss_reason or "") == (values["loss_reason"] or "")


def untouched(deal: Deal, mirrored: Deal) -> bool:
    """Whether nobody has done anything about a deal since it was mirrored."""
    return all(
        getattr(deal, name) == getattr(mirrored, name)
        for name in (
            *("status", "pipeline_id", "stage_id", "owner_id", "amount", "close_date"),
            *("next_step", "next_activity_at", "last_activity_at", "last_reply_at"),
        )
    )


def brake(closing: int, *, open_deals: int, share: float, allow: bool = False) -> None:
    """Raise SafetyStop where more than `share` of the open deals, and at least `FEWEST`, would be
    closed at once.
    """
    if allow or closing < FEWEST or closing <= share * open_deals:
        return
    raise SafetyStop(
        f"No deal was closed: the plan would close {closing} of {open_deals} open deals (limit "
        f"{share:.0%}). Look at it with `dealpulse archive plan`; if it is right, run `dealpulse "
        "archive apply --allow-mass-change` once."
    )


def _instant(at: datetime | None) -> str | None:
    if at is None:
        return None
    return f"{at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"
