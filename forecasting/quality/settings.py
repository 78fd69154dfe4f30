"""What a customer can set about the quality rules."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class QualitySettings:
    """`weights`: points by rule, in place of the published ones. `default_after_days`: the norm of
    inactivity in a stage without history. `minimum_after_days`: no learned norm is shorter.
    `after_days`: own norms by stage label or id, taken as they are. `pushed_times`: so many pushes
    are a finding. `stuck_stays`: won stays that a stage needs before anything is stuck in it.
    """

    weights: Mapping[str, float] = field(default_factory=dict)
    default_after_days: int = 14
    minimum_after_days: int = 5
    after_days: Mapping[str, int] = field(default_factory=dict)
    pushed_times: int = 3
    stuck_stays: int = 20
