"""What a change does to a deal: the value, what follows from it, and rows in its changelog."""

from decimal import Decimal
from typing import Any

from sync.sandbox.pipedrive.instants import spaced
from sync.sandbox.pipedrive.records import Actor, Change, Deal
from sync.sandbox.pipedrive.stages import Pipelines, Stage

_V1_KEYS = {"owner_id": "user_id"}
"""The changelog is v1's, and so are its keys."""

_INSTANTS = frozenset({"add_time", "close_time", "won_time", "lost_time", "archive_time"})


class Writer:
    """Applies changes that were checked before. Does not touch update_time."""

    def __init__(self, pipelines: Pipelines) -> None:
        self._pipelines = pipelines
        self._rows = 0

    def born(self, deal: Deal, actor: Actor) -> None:
        self._log(deal, "add_time", None, spaced(deal.add_time), deal.add_time, actor)

    def put(self, deal: Deal, key: str, value: Any, at: int, actor: Actor) -> None:
        before = getattr(deal, key)
        if before != value:
            setattr(deal, key, value)
            self._log(
                deal, _V1_KEYS.get(key, key), _text(key, before), _text(key, value), at, actor
            )

    def put_custom(self, deal: Deal, code: str, value: Any, at: int, actor: Actor) -> None:
        before = deal.custom.get(code)
        if before == value:
            return
        if value is None:
            del deal.custom[code]
        else:
            deal.custom[code] = value
        self._log(deal, code, _text(code, before), _text(code, value), at, actor)

    def move(self, deal: Deal, stage: Stage, at: int, actor: Actor) -> None:
        """The pipeline follows its stage."""
        if deal.stage_id == stage.id:
            return
        self.put(deal, "pipeline_id", stage.pipeline_id, at, actor)
        self.put(deal, "stage_id", stage.id, at, actor)
        deal.stage_change_time = at

    def win(self, deal: Deal, at: int, actor: Actor, won_at: int | None = None) -> None:
        closed = at if won_at is None else won_at
        self._end(deal, "won", at, actor, won=closed, lost=None)
        if deal.first_won_time is None:
            deal.first_won_time = closed

    def lose(
        self, deal: Deal, at: int, actor: Actor, reason: str | None, lost_at: int | None = None
    ) -> None:
        self._end(deal, "lost", at, actor, won=None, lost=at if lost_at is None else lost_at)
        self.put(deal, "lost_reason", reason, at, actor)

    def reopen(self, deal: Deal, at: int, actor: Actor) -> None:
        self._end(deal, "open", at, actor, won=None, lost=None)

    def _end(
        self, deal: Deal, status: str, at: int, actor: Actor, *, won: int | None, lost: int | None
    ) -> None:
        self.put(deal, "status", status, at, actor)
        self.put(deal, "won_time", won, at, actor)
        self.put(deal, "lost_time", lost, at, actor)
        self.put(deal, "close_time", lost if won is None else won, at, actor)
        self.put(deal, "lost_reason", None, at, actor)

    def _log(
        self, deal: Deal, key: str, old: str | None, new: str | None, at: int, actor: Actor
    ) -> None:
        self._rows += 1
        deal.changes.append(Change(self._rows, key, old, new, at, actor))


def _text(key: str, value: Any) -> str | None:
    if value is None:
        return None
    if key in _INSTANTS:
        return spaced(value)
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, list):
        return ",".join(map(str, value))
    if isinstance(value, dict):
        return str(value["value"])
    return str(value)


def plain(value: Decimal) -> str:
    """Without exponent and trailing zeros."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
