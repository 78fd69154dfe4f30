"""A company made of the deals in a file, so that real data flows through the simulated CRM."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from sync.sandbox.company import (
    Company,
    CompanyDeal,
    CompanyOwner,
    CompanyPipeline,
    CompanyStage,
    Event,
)
from sync.sandbox.deals_rows import OPPORTUNITY_STAGES, FileDeal, read_deals
from sync.sandbox.stage_events_file import StageHistories, read_stage_events

PIPELINE, WON, LOST = "deals", "won", "lost"
_GENERIC_STAGE = "Open"

Moves = Sequence[tuple[datetime, str]]


def read_company(
    path: Path,
    *,
    until: datetime | None = None,
    stage_events: Path | None = None,
    home_currency: str = "EUR",
) -> Company:
    """The deals of a CSV or CSV.gz, each with the file's id as its key and (first in) its name.

    The columns decide the shape: deals (id, created_at, closed_at, status, amount, ...) or
    opportunities (opportunity_id, ..., stage, lost_at_stage). Instants without a zone are UTC;
    a day without a time is its midnight, and the account's zone is UTC, so days stay what the
    file says. Amounts stay as typed; an open deal's is amount_open where the file has one.

    stage_events: a log (id, time, activity) that becomes the stage history; without it,
    `stage_events.csv.gz` beside a `deals.csv.gz` is taken if it is there. Whether and when a deal
    was won or lost is always the deals file's word. An opportunity's stages are the file's, their
    days are not known: they are spread evenly over its life. Without either there is one open
    stage. A file holds no stage probabilities: the CRM's are made up, rising evenly.

    until: show the company as it was then; later deals are left out, later endings not known.

    `Company.truth`: rejected_rows and rejected_stage_events (each line, id, reason),
    created_after (deals left out by `until`), events_after_end (how many of the log are the end
    itself or later), close_date_pushed (keys of the deals that the file calls so).
    Raises ConfigError for a file that is not usable, ValueError for a naive `until`.
    """
    if until is not None and until.tzinfo is None:
        raise ValueError("until needs a time zone")
    found, rejected = read_deals(path)
    beside = path.with_name("stage_events.csv.gz")
    log = stage_events or (beside if path.name == "deals.csv.gz" and beside.exists() else None)
    histories = read_stage_events(log, found) if log else None
    stages = _Stages.of(_stage_names(found, histories))
    last = max((_last_instant(deal) for deal in found), default=datetime.min.replace(tzinfo=UTC))
    deals = [deal for deal in found if until is None or deal.created_at <= until]
    return Company(
        name=path.parent.name if path.name.startswith("deals.") else path.name.split(".")[0],
        time_zone="UTC",
        home_currency=home_currency,
        pipelines=(stages.pipeline(),),
        owners=_owners(deal.owner for deal in found),
        deals=[_deal(deal, _moves(deal, stages, histories, last), until) for deal in deals],
        truth={
            "rejected_rows": rejected,
            "rejected_stage_events": histories.rejected if histories else [],
            "created_after": len(found) - len(deals),
            "events_after_end": histories.after_end if histories else 0,
            "close_date_pushed": [deal.key for deal in deals if deal.pushed],
        },
    )


def _stage_names(deals: Sequence[FileDeal], histories: StageHistories | None) -> Sequence[str]:
    if histories is not None and histories.stages:
        return histories.stages
    return OPPORTUNITY_STAGES if any(deal.passed for deal in deals) else (_GENERIC_STAGE,)


@dataclass(frozen=True, slots=True)
class _Stages:
    """Open stages: label as in the file -> id, first to last."""

    ids: Mapping[str, str]

    @classmethod
    def of(cls, labels: Sequence[str]) -> "_Stages":
        ids: dict[str, str] = {}
        for label in labels:
            plain = re.sub(r"[^a-z0-9]+", "_", label.lower()).strip("_") or "stage"
            taken = {WON, LOST, *ids.values()}
            ids[label] = plain if plain not in taken else f"{plain}_{len(ids) + 1}"
        return cls(ids)

    @property
    def first(self) -> str:
        return next(iter(self.ids.values()))

    def pipeline(self) -> CompanyPipeline:
        steps = len(self.ids) + 1
        opened = [
            CompanyStage(stage_id, label, _claimed(step, steps))
            for step, (label, stage_id) in enumerate(self.ids.items(), start=1)
        ]
        won = CompanyStage(WON, "Won", Decimal("1.0"), is_closed=True, is_won=True)
        lost = CompanyStage(LOST, "Lost", Decimal("0.0"), is_closed=True)
        return CompanyPipeline(PIPELINE, "Deals", (*opened, won, lost))


def _claimed(step: int, steps: int) -> Decimal:
    """Tenths, as CRMs keep them; never 0 or 1, which would mean lost or won."""
    tenths = (Decimal(step) / steps).quantize(Decimal("0.1"))
    return min(max(tenths, Decimal("0.1")), Decimal("0.9"))


def _moves(
    deal: FileDeal, stages: _Stages, histories: StageHistories | None, last: datetime
) -> Moves:
    """Instants and ids of the open stages; the first is at creation."""
    if histories is not None:
        # an event logged before the deal's own creation is part of making it
        moves = [
            (max(at, deal.created_at), stages.ids[activity])
            for at, activity in histories.moves.get(deal.key, ())
        ]
    else:
        life = (deal.closed_at or max(last, deal.created_at)) - deal.created_at
        passed = deal.passed or (next(iter(stages.ids)),)
        moves = [
            (deal.created_at + life * step / len(passed), stages.ids[stage])
            for step, stage in enumerate(passed)
        ]
    if not moves or moves[0][0] > deal.created_at:
        moves.insert(0, (deal.created_at, stages.first))
    return moves


def _deal(deal: FileDeal, moves: Moves, until: datetime | None) -> CompanyDeal:
    born, end = deal.created_at, deal.closed_at
    events = [
        Event(born, field, value, "import")
        for field, value in (
            ("name", deal.name),
            ("pipeline", PIPELINE),
            ("stage", moves[0][1]),
            ("amount", _first_amount(deal)),
            ("close_date", _iso(deal.expected_close)),
            ("owner", deal.owner),
            ("deal_type", deal.deal_type),
            ("lead_source", deal.lead_source),
        )
        if value is not None
    ]
    present = moves[0][1]
    for at, stage in moves[1:]:
        if stage != present:
            events.append(Event(at, "stage", stage))
            present = stage
    if end is not None:
        events.append(Event(end, "stage", deal.status))
        events.append(Event(end, "close_date", _iso(end), "automation"))
        if deal.amount not in (None, _first_amount(deal)):
            events.append(Event(end, "amount", deal.amount))
        if deal.loss_reason:
            events.append(Event(end, "loss_reason", deal.loss_reason))
    known = [event for event in events if until is None or event.at <= until]
    return CompanyDeal(key=deal.key, created_at=born, events=known)


def _first_amount(deal: FileDeal) -> str | None:
    if deal.status == "open" and deal.amount_open is None:
        return deal.amount
    return deal.amount_open


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat().replace("+00:00", "Z")


def _last_instant(deal: FileDeal) -> datetime:
    return deal.closed_at or deal.created_at


def _owners(names: Iterable[str | None]) -> tuple[CompanyOwner, ...]:
    """One active owner per name; the name in the file is the owner's id."""
    owners: list[CompanyOwner] = []
    for name in sorted({name for name in names if name}):
        first, _, last = name.rpartition(" ")
        plain = re.sub(r"[^a-z0-9]+", ".", name.lower()).strip(".") or "owner"
        address = f"{plain}.{len(owners) + 1}@example.com"
        owners.append(CompanyOwner(name, first, last, address))
    return tuple(owners)
