"""Which leads alerts speak of; part of `sync.config.model`."""

from typing import Final, Self

from pydantic import Field, model_validator

from sync.config.strict import Strict

LEAD_RULES: Final = frozenset({"lead_unanswered", "lead_forgotten"})
"""Those of `alerts.rules` that speak of leads."""


class LeadAlerts(Strict):
    unanswered_hours: int = Field(
        24, ge=1, description="lead_unanswered: due a first response for so many hours."
    )
    new_for_days: int = Field(
        30,
        ge=1,
        le=365,
        description="lead_unanswered: who has waited for longer than this when it is first seen is "
        "no new lead; `dealpulse leads --untouched` lists those.",
    )
    forgotten_score: int = Field(
        90, ge=1, le=100, description="lead_forgotten: with this lead score or a higher one."
    )
    forgotten_days: int = Field(
        14, ge=1, le=365, description="lead_forgotten: without contact for so many days."
    )

    @model_validator(mode="after")
    def _somebody_is_new(self) -> Self:
        if self.unanswered_hours >= self.new_for_days * 24:
            raise ValueError(
                "unanswered_hours is not less than new_for_days: no lead would ever be told"
            )
        return self
