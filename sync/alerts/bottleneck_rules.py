"""Which alerts on bottlenecks to raise, keep and resolve. Pure. In plans `deal_id` is the place:
what it is, and where.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from forecasting.bottlenecks.bottleneck import SHOWN
from sync.alerts.rules import AlertPlan, Found, Resolution

BOTTLENECK: Final = "bottleneck"

Figures = Mapping[str, Any]
"""A `forecasting.bottlenecks.Bottleneck` as the process job keeps it, with `stage`, `pipeline`
(their labels) and `currency`; in an alert also `told_before`, the cost of the last one.
"""


@dataclass(frozen=True, slots=True)
class ToldBottleneck:
    """An alert that was raised and not yet resolved. figures: as they were then."""

    alert_id: int
    place: str
    figures: Figures


def place(figures: Figures) -> str:
    """What tells one bottleneck from another: its kind, and the stage where it has one."""
    where = (figures.get("pipeline_id"), figures.get("stage_id"))
    return " ".join([str(figures["code"]), *(each for each in where if each)])


def is_sure(figures: Figures) -> bool:
    """Whether it is shown to hold the sale up; a hint is nothing to send to anybody, nor is what
    costs nothing.
    """
    return figures["certainty"] in SHOWN and figures["cost_per_day"] != 0


def plan_bottlenecks(
    latest: Sequence[Figures],
    lately: Collection[str],
    open_alerts: Sequence[ToldBottleneck],
    *,
    cost_grows_by: float,
    on: bool,
    as_of: datetime,
) -> AlertPlan:
    """One alert when a bottleneck appears, and one each time that its cost has grown by that share
    since the last; what is no longer shown anywhere `lately` has ended.

    latest: every suspect of the last measurement, the dearest first. lately: the places that were
    surely shown in any measurement so late that they still count. What comes and goes with chance
    from day to day is therefore told once. on: whether the rule is.
    """
    standing: dict[str, Figures] = {}
    for figures in latest:
        if on and is_sure(figures):
            standing.setdefault(place(figures), figures)
    keep: list[int] = []
    resolve: dict[int, Resolution] = {}
    to_raise: list[Found] = []
    told = {alert.place for alert in open_alerts}
    for alert in sorted(open_alerts, key=lambda alert: alert.alert_id):
        now = standing.get(alert.place)
        if not on:
            resolve[alert.alert_id] = Resolution.RULE_OFF
        elif now is not None and _has_grown(alert.figures, now, cost_grows_by):
            resolve[alert.alert_id] = Resolution.COST_GREW
            before = alert.figures["cost_per_day"]
            to_raise.append(Found(alert.place, BOTTLENECK, as_of, {**now, "told_before": before}))
        elif now is None and alert.place not in lately:
            resolve[alert.alert_id] = Resolution.FIXED
        else:
            keep.append(alert.alert_id)
    to_raise += [
        Found(where, BOTTLENECK, as_of, figures)
        for where, figures in standing.items()
        if where not in told
    ]
    return AlertPlan(tuple(to_raise), tuple(keep), resolve)


def _has_grown(then: Figures, now: Figures, share: float) -> bool:
    """A cost that was not known, or that is in another currency, can have grown from nothing."""
    before, cost = then.get("cost_per_day"), now.get("cost_per_day")
    if before is None or cost is None or then.get("currency") != now.get("currency"):
        return False
    return bool(cost > 0 and cost >= before * (1 + share))
