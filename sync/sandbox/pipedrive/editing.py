"""Writes to deals, with the rules that Pipedrive applies to them."""

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sync.sandbox.pipedrive import validation as v
from sync.sandbox.pipedrive.instants import parsed, rfc3339
from sync.sandbox.pipedrive.records import Actor, Deal
from sync.sandbox.pipedrive.stages import Stage
from sync.sandbox.pipedrive.validation import Invalid
from sync.sandbox.store.refusals import Conflict, Missing

if TYPE_CHECKING:
    from sync.sandbox.pipedrive.crm import PipedriveCrm

STATUSES = ("open", "won", "lost")
_CHECKS: dict[str, v.Check] = {
    "title": v.filled,
    "owner_id": v.whole,
    "person_id": v.or_null(v.whole),
    "org_id": v.or_null(v.whole),
    "pipeline_id": v.whole,
    "stage_id": v.whole,
    "value": v.number,
    "currency": v.text,
    "status": v.one_of(*STATUSES),
    "probability": v.or_null(v.percent),
    "lost_reason": v.or_null(v.text),
    "visible_to": v.whole,
    "is_deleted": v.boolean,
    "is_archived": v.boolean,
    "archive_time": v.or_null(v.instant),
    "close_time": v.or_null(v.instant),
    "won_time": v.or_null(v.instant),
    "lost_time": v.or_null(v.instant),
    "expected_close_date": v.or_null(v.day),
    "label_ids": v.wholes,
    "custom_fields": v.mapping,
}
_ONLY_FOR = (
    ("lost_reason", ("lost",)),
    ("lost_time", ("lost",)),
    ("won_time", ("won",)),
    ("close_time", ("won", "lost")),
)
_PLAIN = (
    "title", "owner_id", "person_id", "org_id", "currency", "probability", "visible_to",
    "expected_close_date", "label_ids",
)  # fmt: skip


KEYS = frozenset(_CHECKS)
"""What a body may hold."""


class OpenDealsLimit(ValueError):
    """The plan allows no further open deal."""


class Editor:
    """Does not lock: its caller does."""

    def __init__(self, crm: "PipedriveCrm") -> None:
        self._crm = crm

    def create(self, body: Mapping[str, Any], actor: Actor) -> Deal:
        """Raises Invalid, OpenDealsLimit."""
        if "title" not in body:
            raise Invalid(("title", "Parameter 'title' is required"))
        if body.get("is_deleted"):
            raise Invalid(("is_deleted", "A new deal cannot be deleted"))
        crm = self._crm
        self._check(None, body)
        cap = crm.behaviour.open_deals_cap
        if cap is not None and sum(d.status == "open" for d in crm.live()) >= cap:
            raise OpenDealsLimit
        now = crm.now()
        stage = self._stage(body) or crm.pipelines.first_stage()
        deal = Deal(
            crm.deals.new_id(), body["title"], actor.user_id, actor.user_id,
            stage.pipeline_id, stage.id, now, now, currency=crm.company.home_currency,
        )  # fmt: skip
        if actor.source == "api":
            deal.origin = "API"
        crm.writer.born(deal, actor)
        self._apply(deal, body, now, actor)
        deal.changes = deal.changes[:1]  # a deal's first values are no changes
        deal.stage_change_time = None
        return crm.deals.add(deal)

    def edit(self, deal: Deal, body: Mapping[str, Any], actor: Actor) -> None:
        """Raises Invalid, and Conflict where the deal is archived or deleted."""
        self._refuse_frozen(deal, body)
        self._check(deal, body)
        now = self._crm.now()
        self._apply(deal, body, now, actor)
        deal.update_time = now

    def merge(self, winner: Deal, loser: Deal, actor: Actor) -> None:
        """The winner's values win; what it lacks comes from the loser, as do its activities."""
        if winner.id == loser.id:
            raise Conflict("A deal cannot be merged with itself.")
        if winner.is_deleted or loser.is_deleted:
            raise Missing("no such deal")
        crm, now = self._crm, self._crm.now()
        for key in ("person_id", "org_id", "expected_close_date", "probability", "value"):
            if not getattr(winner, key) and getattr(loser, key):
                crm.writer.put(winner, key, getattr(loser, key), now, actor)
        for code, value in loser.custom.items():
            if code not in winner.custom:
                crm.writer.put_custom(winner, code, value, now, actor)
        for activity in crm.activities_of(loser.id):
            activity.deal_id = winner.id
            activity.update_time = now
        crm.give_activities(loser.id, winner.id)
        winner.update_time = loser.update_time = now
        loser.is_deleted, loser.merged_into = True, winner.id

    def _refuse_frozen(self, deal: Deal, body: Mapping[str, Any]) -> None:
        thaws: dict[str, Any] = {}
        if deal.is_deleted:
            thaws = {"is_deleted": False}
        elif deal.is_archived:
            thaws = {"is_archived": False}
        if thaws and dict(body) != thaws:
            state = "deleted" if deal.is_deleted else "archived"
            raise Conflict(f"Deal {deal.id} is {state} and cannot be edited.")

    def _check(self, deal: Deal | None, body: Mapping[str, Any]) -> None:
        problems = v.check(body, _CHECKS)
        if not problems:
            problems = [*self._references(body), *self._status(deal, body), *self._custom(body)]
        if problems:
            raise Invalid(*problems)

    def _references(self, body: Mapping[str, Any]) -> list[tuple[str, str]]:
        problems = []
        owner = self._crm.users.find(body.get("owner_id"))
        if "owner_id" in body and (owner is None or not owner.active):
            problems.append(("owner_id", "User was not found"))
        if "currency" in body and body["currency"] not in self._crm.currencies:
            problems.append(("currency", f"'{body['currency']}' is not a known currency"))
        try:
            self._stage(body)
        except Missing:
            problems.append(("stage_id", "Stage was not found in that pipeline"))
        return problems

    def _status(self, deal: Deal | None, body: Mapping[str, Any]) -> list[tuple[str, str]]:
        status = body.get("status", deal.status if deal else "open")
        return [
            (key, f"Can be set only if the status is {' or '.join(allowed)}")
            for key, allowed in _ONLY_FOR
            if body.get(key) is not None and status not in allowed
        ]

    def _custom(self, body: Mapping[str, Any]) -> list[tuple[str, str]]:
        problems = []
        for code, value in body.get("custom_fields", {}).items():
            definition = self._crm.fields.find(code)
            key = f"custom_fields.{code}"
            if definition is None or not definition.is_custom:
                problems.append((key, f"Parameter '{code}' is not allowed for this request"))
            elif (wrong := v.custom_value(definition, value)) is not None:
                problems.append((key, wrong))
        return problems

    def _stage(self, body: Mapping[str, Any]) -> Stage | None:
        """Where the body moves the deal; None = nowhere. Raises Missing."""
        pipelines, stage_id, pipeline_id = (
            self._crm.pipelines,
            body.get("stage_id"),
            body.get("pipeline_id"),
        )
        if stage_id is None:
            if pipeline_id is None:
                return None
            pipelines.pipeline(pipeline_id)
            return pipelines.first_stage(pipeline_id)
        stage = pipelines.stage(stage_id)
        if stage.is_deleted or pipeline_id not in (None, stage.pipeline_id):
            raise Missing(f"no stage {stage_id}")
        return stage

    def _apply(self, deal: Deal, body: Mapping[str, Any], now: int, actor: Actor) -> None:
        writer = self._crm.writer
        stage = self._stage(body)
        moves = stage is not None and (
            "stage_id" in body or stage.pipeline_id != deal.pipeline_id
        )  # the pipeline it is in already moves nothing
        if stage is not None and moves:
            writer.move(deal, stage, now, actor)
        for key in _PLAIN:
            if key in body:
                writer.put(deal, key, body[key], now, actor)
        if "value" in body:
            writer.put(deal, "value", Decimal(str(body["value"])), now, actor)
        self._close(deal, body, now, actor)
        for code, value in body.get("custom_fields", {}).items():
            writer.put_custom(deal, code, value, now, actor)
        if "is_archived" in body and body["is_archived"] != deal.is_archived:
            writer.put(deal, "is_archived", body["is_archived"], now, actor)
            at = parsed(body.get("archive_time") or rfc3339(now))
            deal.archive_time = at if deal.is_archived else None
        if "is_deleted" in body:
            deal.is_deleted = body["is_deleted"]

    def _close(self, deal: Deal, body: Mapping[str, Any], now: int, actor: Actor) -> None:
        writer, status = self._crm.writer, body.get("status", deal.status)
        if status != deal.status:
            if status == "won":
                writer.win(deal, now, actor, _time(body, "won_time", "close_time"))
            elif status == "lost":
                ended = _time(body, "lost_time", "close_time")
                writer.lose(deal, now, actor, body.get("lost_reason"), ended)
            else:
                writer.reopen(deal, now, actor)
            return
        for key in ("won_time", "lost_time", "close_time"):
            if body.get(key) is not None:
                writer.put(deal, key, parsed(body[key]), now, actor)
        if "lost_reason" in body:
            writer.put(deal, "lost_reason", body["lost_reason"], now, actor)


def _time(body: Mapping[str, Any], *keys: str) -> int | None:
    given = next((body[key] for key in keys if body.get(key)), None)
    return None if given is None else parsed(given)
