"""What salespeople do on an ordinary day: a few edits of open deals, as the CRM's screen allows."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Literal, Protocol
from zoneinfo import ZoneInfo

import numpy as np

from sync.sandbox.company import Company, CompanyPipeline

Kind = Literal["moved", "raised", "pushed", "won", "merged", "archived", "touched"]
Properties = Mapping[str, str | None]

_NUMBER_FIRST = re.compile(r"^\S*\d\S*\s+")
_LIVELY = timedelta(days=45)
_CENT = Decimal("0.01")
_NEVER = datetime.min.replace(tzinfo=UTC)
_NEWEST, _OLDER = 250, 150  # deals looked at: reading every deal of a large CRM takes too long


class SimulatedCrm(Protocol):
    """As much of the simulated CRM as a salesperson uses; properties are HubSpot's."""

    company: Company

    def deal_ids(self) -> list[str]: ...

    def deal(self, deal_id: str) -> Mapping[str, str | None]: ...

    def edit(self, deal_id: str, properties: Mapping[str, object]) -> None: ...

    def merge(self, winner_id: str, loser_id: str) -> str: ...

    def archive(self, deal_id: str) -> None: ...

    def log_activity(self, deal_id: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Edit:
    """`properties`: what is typed. `loser_id`: for a merge, the deal that goes into `deal_id`."""

    kind: Kind
    deal_id: str
    description: str
    properties: Mapping[str, str] = field(default_factory=dict)
    loser_id: str | None = None


def plan_edits(crm: SimulatedCrm, *, seed: int) -> list[Edit]:
    """One edit of each kind, each of other deals; a kind for which no deal is fit is left out.

    Looks at the newest deals and at some of the older ones. Nothing is changed. The same CRM
    and seed give the same edits.
    """
    desk = _Desk(crm, seed)
    edits = [plan(desk) for plan in (_merge, _win, _move, _raise, _push, _archive, _touch)]
    return [edit for edit in edits if edit is not None]


def perform(crm: SimulatedCrm, edits: Sequence[Edit]) -> list[str]:
    """Do them in the CRM; the ids the deals have now, in the order of `edits`."""
    return [_perform(crm, edit) for edit in edits]


def _perform(crm: SimulatedCrm, edit: Edit) -> str:
    if edit.kind == "archived":
        crm.archive(edit.deal_id)
    elif edit.kind == "touched":
        crm.log_activity(edit.deal_id)
    elif edit.loser_id is not None:
        return crm.merge(edit.deal_id, edit.loser_id)
    else:
        crm.edit(edit.deal_id, edit.properties)
    return edit.deal_id


class _Desk:
    """The open deals looked at that no edit has been found for. "Now" is their last change."""

    def __init__(self, crm: SimulatedCrm, seed: int) -> None:
        self.zone = ZoneInfo(crm.company.time_zone)
        self.home_currency = crm.company.home_currency
        self._pipelines = {pipeline.id: pipeline for pipeline in crm.company.pipelines}
        self._dice = np.random.default_rng(seed)
        everything = {deal_id: crm.deal(deal_id) for deal_id in self._some(crm.deal_ids())}
        self.open = {
            deal_id: deal
            for deal_id, deal in everything.items()
            if deal["hs_is_closed"] != "true" and self.steps(deal)
        }
        changes = [_instant(deal["hs_lastmodifieddate"]) for deal in everything.values()]
        self.now = max((at for at in changes if at is not None), default=_NEVER)

    def _some(self, deal_ids: Sequence[str]) -> list[str]:
        """The newest deals, of which most are open, and some of the older ones, in order."""
        older, newest = deal_ids[:-_NEWEST], deal_ids[-_NEWEST:]
        chosen = self._dice.permutation(len(older))[:_OLDER]
        return [older[index] for index in sorted(chosen.tolist())] + list(newest)

    def steps(self, deal: Properties) -> list[str]:
        """The open stages from the deal's own on; empty where the CRM no longer has its stage."""
        pipeline = self._pipelines.get(deal["pipeline"] or "")
        stages = [s.id for s in pipeline.stages if not s.is_closed] if pipeline else []
        stage = deal["dealstage"]
        return stages[stages.index(stage) :] if stage in stages else []

    def pipeline(self, deal: Properties) -> CompanyPipeline:
        return self._pipelines[deal["pipeline"] or ""]

    def lively(self, deal: Properties) -> bool:
        """Somebody owns it and has been at it lately, or no activity is known of any deal."""
        last = _instant(deal["notes_last_updated"]) or _instant(deal["createdate"])
        owned = bool(deal["hubspot_owner_id"])
        return owned and last is not None and self.now - last < _LIVELY

    def pick(self, fit: Callable[[Properties], bool]) -> str | None:
        """One of the fit deals, preferably a lively one; it is not picked again."""
        fits = [deal_id for deal_id, deal in self.open.items() if fit(deal)]
        best = [deal_id for deal_id in fits if self.lively(self.open[deal_id])] or fits
        return best[int(self._dice.integers(len(best)))] if best else None

    def take(self, deal_id: str) -> Properties:
        return self.open.pop(deal_id)


def _merge(desk: _Desk) -> Edit | None:
    """Deals of one name and amount, or name, or customer, in one pipeline; the older one wins."""
    for alike in (_title_and_amount, _title, _customer):
        groups: dict[tuple[str | None, str], list[str]] = {}
        for deal_id, deal in desk.open.items():
            groups.setdefault((deal["pipeline"], alike(deal)), []).append(deal_id)
        chosen = desk.pick(lambda d, a=alike, g=groups: len(g[d["pipeline"], a(d)]) > 1)  # type: ignore[misc]
        if chosen is not None:
            deal = desk.open[chosen]
            winner, loser = groups[deal["pipeline"], alike(deal)][:2]
            gone = desk.take(loser)
            kept = desk.take(winner)
            about = f"Merged {_named(gone)} ({loser}) into {_named(kept)} ({winner}), entered twice"
            return Edit("merged", winner, about, loser_id=loser)
    return None


def _win(desk: _Desk) -> Edit | None:
    """One in the last open stage, or in the one nearest to it."""
    valued = [deal for deal in desk.open.values() if _amount(deal) > 0]
    nearest = min((len(desk.steps(deal)) for deal in valued), default=0)
    chosen = desk.pick(lambda deal: _amount(deal) > 0 and len(desk.steps(deal)) == nearest)
    if chosen is None:
        return None
    deal = desk.take(chosen)
    won = next((stage for stage in desk.pipeline(deal).stages if stage.is_won), None)
    if won is None:
        return None
    about = f"Won {_named(deal)}: {_money(_amount(deal), deal, desk)}"
    return Edit("won", chosen, about, {"dealstage": won.id})


def _move(desk: _Desk) -> Edit | None:
    chosen = desk.pick(lambda deal: len(desk.steps(deal)) > 1)
    if chosen is None:
        return None
    deal = desk.take(chosen)
    labels = {stage.id: stage.label for stage in desk.pipeline(deal).stages}
    here, there = desk.steps(deal)[:2]
    about = f"Moved {_named(deal)} from {labels[here]} to {labels[there]}"
    return Edit("moved", chosen, about, {"dealstage": there})


def _raise(desk: _Desk) -> Edit | None:
    chosen = desk.pick(lambda deal: _amount(deal) > 0)
    if chosen is None:
        return None
    deal = desk.take(chosen)
    before = _amount(deal)
    after = (before * Decimal("1.2")).quantize(_CENT)
    if after == after.to_integral_value():
        after = after.quantize(Decimal(1))
    change = f"from {_money(before, deal, desk)} to {_money(after, deal, desk)}"
    about = f"Raised the amount of {_named(deal)} by 20 %, {change}"
    return Edit("raised", chosen, about, {"amount": f"{after:f}"})


def _push(desk: _Desk) -> Edit | None:
    """From a day to come to the end of the quarter after that day's, by the account's days."""

    def ahead(deal: Properties) -> bool:
        close = _instant(deal["closedate"])
        return close is not None and close > desk.now

    chosen = desk.pick(ahead) or desk.pick(lambda deal: _instant(deal["closedate"]) is not None)
    if chosen is None:
        return None
    deal = desk.take(chosen)
    before = _instant(deal["closedate"])
    if before is None:
        return None
    day = before.astimezone(desk.zone).date()
    new_day = end_of_next_quarter(day)
    new = datetime(new_day.year, new_day.month, new_day.day, 12, tzinfo=desk.zone).astimezone(UTC)
    about = f"Pushed the close date of {_named(deal)} from {day} to {new_day}, the next quarter"
    return Edit("pushed", chosen, about, {"closedate": f"{new:%Y-%m-%dT%H:%M:%SZ}"})


def _archive(desk: _Desk) -> Edit | None:
    """A deal that has not got beyond the first stage."""
    chosen = desk.pick(
        lambda deal: desk.pipeline(deal).stages[0].id == deal["dealstage"]
    ) or desk.pick(lambda _: True)
    if chosen is None:
        return None
    return Edit("archived", chosen, f"Deleted {_named(desk.take(chosen))}, made by mistake")


def _touch(desk: _Desk) -> Edit | None:
    """The owned deal that nobody has touched for longest."""
    since = {
        deal_id: _instant(deal["notes_last_updated"]) or _instant(deal["createdate"]) or desk.now
        for deal_id, deal in desk.open.items()
        if deal["hubspot_owner_id"]
    }
    if not since:
        return None
    chosen = min(since, key=lambda deal_id: (since[deal_id], deal_id))
    day = since[chosen].astimezone(desk.zone).date()
    about = f"Called the customer of {_named(desk.take(chosen))}, untouched since {day}"
    return Edit("touched", chosen, about)


def end_of_next_quarter(day: date) -> date:
    """The last day of the quarter after the one that holds `day`."""
    months = day.year * 12 + (day.month - 1) // 3 * 3 + 6
    return date(months // 12, months % 12 + 1, 1) - timedelta(days=1)


def _title(deal: Properties) -> str:
    return deal["dealname"] or ""


def _title_and_amount(deal: Properties) -> str:
    return f"{_title(deal)} {_amount(deal)}"


def _customer(deal: Properties) -> str:
    """ "Customer AS" of "Customer AS - Licences 2026" and of "OPP-17 Customer AS"."""
    return _NUMBER_FIRST.sub("", _title(deal).partition(" - ")[0])


def _named(deal: Properties) -> str:
    return f'"{_title(deal)}"'


def _amount(deal: Properties) -> Decimal:
    return Decimal(deal["amount"] or 0)


def _money(amount: Decimal, deal: Properties, desk: _Desk) -> str:
    return f"{amount:,f} {deal['deal_currency_code'] or desk.home_currency}"


def _instant(text: str | None) -> datetime | None:
    return None if not text else datetime.fromisoformat(text)
