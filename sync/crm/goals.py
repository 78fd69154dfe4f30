"""Goals that were set in the CRM, as every adapter that can read them hands them over: a capability
of its own, which not every CRM has. Only goals of winning deals become quotas.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Protocol
from zoneinfo import ZoneInfo


class Measure(StrEnum):
    """What a target is of: money won, or how many deals."""

    AMOUNT = "amount"
    COUNT = "count"


class LeftOut(StrEnum):
    """Why a goal is no quota. OTHER_KIND: it is not about deals won (calls, meetings, deals
    created), or about some of them only. NOBODY: it is nobody's that the CRM lists.
    NOT_UNDERSTOOD: without a period or target.
    """

    OTHER_KIND = "other_kind"
    NOBODY = "nobody"
    NOT_UNDERSTOOD = "not_understood"


@dataclass(frozen=True, slots=True)
class Goal:
    """One period of one goal. kind: total, owner, team or pipeline; segment: its id, a team's name,
    "" for the total. end: the first day after it. pipelines: ids of those in which alone deals
    count; empty = all. currency: of an amount, None = the home currency.
    """

    kind: str
    segment: str
    start: date
    end: date
    target: Decimal
    measure: Measure = Measure.AMOUNT
    currency: str | None = None
    pipelines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Goals:
    """All that the CRM has now, and how many were left out for which reason."""

    goals: Sequence[Goal] = ()
    left_out: Mapping[LeftOut, int] = field(default_factory=dict)


class GoalSource(Protocol):
    """May raise AuthError (with `missing_scopes` where only a scope is missing), TransientError or
    PermanentError."""

    def goals(self, *, zone: ZoneInfo, today: date) -> Goals:
        """zone: in which the account's days are counted; today: in it."""
