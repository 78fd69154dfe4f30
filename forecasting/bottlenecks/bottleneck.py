"""What is said of one suspect."""

from dataclasses import dataclass, field
from typing import Final, Literal

from forecasting.velocity import Drivers

Code = Literal[
    "dirty_pipeline", "unclear_process", "long_cycles", "poor_data", "slow_stage", "leaky_stage"
]

Certainty = Literal["measured", "assumed", "hint", "not_shown", "too_few"]
"""measured: the 99 % interval excludes 0. assumed: the finding is measured, its money rests on the
assumption that `evidence` states. hint: rests on fields whose past is not kept. not_shown:
examined, nothing found. too_few: too few deals to tell.
"""

SHOWN: Final[tuple[Certainty, ...]] = ("measured", "assumed")
"""What accuses; a hint does not."""

Z99: Final = 2.5758293035489004
"""Half the width of a 99 % interval in standard errors: many suspects are examined at once."""


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """`value` of `measure`, and the money per day that it costs with its 99 % interval: None where
    nothing is shown. `sample`: deals that it rests on.
    """

    code: Code
    certainty: Certainty
    measure: str
    value: float | None
    sample: int
    cost_per_day: float | None = None
    cost_low: float | None = None
    cost_high: float | None = None
    pipeline_id: str | None = None
    stage_id: str | None = None
    evidence: dict[str, object] = field(default_factory=dict)

    @property
    def accused(self) -> bool:
        """Whether it is shown to hold the sale up."""
        return self.certainty in SHOWN


@dataclass(frozen=True, slots=True)
class Window:
    """What the money is reckoned with: the account's drivers (None: not known), money won and all
    days that deals were open in the window, and how many days that has.
    """

    days: float
    drivers: Drivers | None
    won_amount: float
    deal_days: float
    cost_of_sales_per_day: float | None = None
