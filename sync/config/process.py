"""Settings of the process: exit criteria, size classes, improvements, what sales work costs."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, model_validator

from sync.config.strict import Strict

RequiredField = Literal[
    "amount", "close_date", "owner", "next_step", "contact", "company", "next_activity", "activity"
]


class ExitCriteria(Strict):
    """What a deal should have before it leaves one stage."""

    stage: str = Field(min_length=1, description="The stage, by its label or id.")
    pipeline: str | None = Field(
        None, description="Its pipeline, by label or id; none = every pipeline with such a stage."
    )
    required: list[RequiredField] = Field(
        default_factory=list,
        description="What has to be filled on leaving it upwards; activity = a human one since "
        "entering the stage.",
    )
    contact_roles: list[Annotated[str, Field(min_length=1)]] = Field(
        default_factory=list,
        description="A contact who has one of these roles on the deal is required, too: the label "
        "of the association between deal and contact in HubSpot, a column in files.",
        examples=[["Decision maker"]],
    )

    @model_validator(mode="after")
    def _something_is_required(self) -> "ExitCriteria":
        if not (self.required or self.contact_roles):
            raise ValueError("set required or contact_roles: what should a deal have?")
        return self


class Improvement(Strict):
    """Something that was changed, to be measured against before and against the others."""

    name: str = Field(min_length=1, max_length=80, description="Your name for it.")
    started_on: date = Field(description="The first day on which it was in force.")
    by: Literal["everyone", "owner", "team", "pipeline", "type", "source"] = Field(
        "everyone", description="What tells the deals it was for from the others."
    )
    among: list[str] = Field(
        default_factory=list,
        description="Which owners, teams, pipelines, types or sources: by id, name or label.",
    )
    new_deals: bool = Field(
        False,
        description="It touches a deal's beginning, so only deals created since count as after.",
    )

    @model_validator(mode="after")
    def _group_is_named(self) -> "Improvement":
        if (self.by == "everyone") != (not self.among):
            raise ValueError(
                "set both by (owner, team, pipeline, type or source) and among (which of them), "
                "or neither for everyone"
            )
        return self


class Process(Strict):
    window_days: int = Field(
        365,
        ge=28,
        description="Velocity, stages and bottlenecks are measured over so many days up to today.",
    )
    size_classes: list[Annotated[Decimal, Field(gt=0)]] = Field(
        default_factory=list,
        description="Where one size of deal ends and the next begins, in home currency. Empty = "
        "thirds of your own amounts.",
        examples=[[100_000, 500_000]],
    )
    exit_criteria: list[ExitCriteria] = Field(
        default_factory=list,
        description="What a deal should have before it leaves a stage; how often that was missed, "
        "and what became of such deals, is measured.",
        examples=[
            [
                {
                    "stage": "Proposal",
                    "pipeline": "Sales",
                    "required": ["amount"],
                    "contact_roles": ["Buyer"],
                }
            ]
        ],
    )
    cost_per_rep_day: Decimal | None = Field(
        None,
        gt=0,
        description="What a working day of a salesperson costs, in home currency. None = time is "
        "valued at the money it brings in.",
        examples=[6000],
    )
    improvements: list[Improvement] = Field(
        default_factory=list,
        description="What you changed, to learn whether it worked: `dealpulse improvement`.",
        examples=[
            [
                {
                    "name": "Demo",
                    "started_on": "2026-09-01",
                    "by": "team",
                    "new_deals": True,
                    "among": ["Oslo"],
                }
            ]
        ],
    )

    @property
    def asks_for_contact_roles(self) -> bool:
        """Whether contacts' roles have to be read at all."""
        return any(each.contact_roles for each in self.exit_criteria)
