"""What a customer can set about the quality rules."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from forecasting.selling_days import EVERY_DAY, SellingDays


@dataclass(frozen=True, slots=True)
class QualitySettings:
    """`weights`: points by rule, in place of the published ones. `calendar`: the days that count
    as silence; all norms are in its days. `default_after_days`: the norm of inactivity in a stage
    without history. `minimum_after_days`: no learned norm is shorter. `after_days`: own norms by
    stage label or id, taken as they are. `archive_below`: a chance of winning that is negligible.
    `pushed_times`: so many pushes are a finding. `stuck_stays`: won stays that a stage needs before
    anything is stuck in it. `first_response_days`: days of `calendar` within which somebody should
    have answered. `unanswered_attempts`: so many contacts without a reply are a finding.
    `decided_within_days`: deals decided longer ago are left alone. `compare_with`: won deals that
    an account needs before its habits tell a guess from a price.
    """

    weights: Mapping[str, float] = field(default_factory=dict)
    calendar: SellingDays = EVERY_DAY
    default_after_days: int = 10
    minimum_after_days: int = 5
    after_days: Mapping[str, int] = field(default_factory=dict)
    archive_below: float = 0.05
    pushed_times: int = 3
    stuck_stays: int = 20
    first_response_days: int = 2
    unanswered_attempts: int = 3
    decided_within_days: int = 90
    compare_with: int = 20
