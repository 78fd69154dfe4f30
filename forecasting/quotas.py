"""Quotas: what should be won, by whom and when."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from forecasting.periods import Period

SEGMENTS: Final = ("total", "owner", "team", "pipeline")

AMOUNT: Final = "amount"
COUNT: Final = "count"
"""What a quota is of: money won, or how many deals."""


@dataclass(frozen=True, slots=True)
class Quota:
    """kind: total, owner, team or pipeline; segment: which, "" for the total. currency: None = the
    account's home currency. source: config, csv, crm, or sum (of its people's). measure: what
    `amount` is of: money won, or how many deals. pipelines: ids of those in which alone deals
    count, in order; none = all.
    """

    kind: str
    segment: str
    label: str
    period: Period
    amount: Decimal
    currency: str | None
    source: str
    measure: str = AMOUNT
    pipelines: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[object, ...]:
        """Two quotas with one key say the same thing; only one of them can hold."""
        return (self.kind, self.segment.casefold(), *self.scope)

    @property
    def scope(self) -> tuple[object, ...]:
        """Quotas that can be added up."""
        return self.period.start, self.period.end, self.measure, self.pipelines


def with_rollups(quotas: Sequence[Quota], team_of: Mapping[str, str | None]) -> list[Quota]:
    """`quotas` (of known owners, in one currency), and for each scope the teams' and the total
    that nobody set: the sum of their people's, or of the teams' for the total. The total of one
    pipeline is that pipeline's.
    """
    found = list(quotas)
    given = {quota.key for quota in quotas}
    peoples = {quota.scope for quota in quotas if quota.kind == "owner"}
    sums: dict[tuple[str, str, tuple[object, ...]], list[Quota]] = {}
    for quota in quotas:
        team = team_of.get(quota.segment) if quota.kind == "owner" else None
        if team:
            sums.setdefault(("team", team, quota.scope), []).append(quota)
        if quota.kind == ("owner" if quota.scope in peoples else "team"):
            sums.setdefault(("total", "", quota.scope), []).append(quota)
    for (kind, segment, _), parts in sums.items():
        amount = sum((part.amount for part in parts), Decimal(0))
        rolled = replace(parts[0], kind=kind, segment=segment, amount=amount, source="sum")
        if kind == "total" and len(rolled.pipelines) == 1:
            rolled = replace(rolled, kind="pipeline", segment=rolled.pipelines[0], pipelines=())
        if rolled.key not in given:
            found.append(rolled)
    return found
