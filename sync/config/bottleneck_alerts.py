"""When bottlenecks are told of; part of `sync.config.model`."""

from typing import Final

from pydantic import Field

from sync.config.strict import Strict

ACCOUNT_RULES: Final = frozenset({"bottleneck"})
"""Those of `alerts.rules` that speak of the account, of no deal or lead."""


class BottleneckAlerts(Strict):
    cost_grows_by: float = Field(
        0.5,
        gt=0,
        description="bottleneck: told again when a day costs this share more than was told last; "
        "0.5 = half as much again.",
    )
    gone_after_days: int = Field(
        28,
        ge=1,
        le=365,
        description="bottleneck: over when it was not shown for so many days. What is shown again "
        "before that is not told again.",
    )
