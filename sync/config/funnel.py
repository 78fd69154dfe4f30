"""How the funnel of leads is defined; part of `sync.config.model`."""

from typing import Final, Self

from pydantic import Field, model_validator

from sync.config.strict import Strict


class FunnelStage(Strict):
    name: str = Field(min_length=1, max_length=60, description="Your name for it.")
    among: list[str] = Field(
        min_length=1,
        description="The CRM's own lifecycle stages that count as this one, by internal name or "
        "id (a custom stage of HubSpot's is a number). Pipedrive: lead, label:NAME, deal, won, "
        "lost, archived, deleted.",
    )


_USUAL: Final = (
    ("visitor", ["subscriber"]),
    ("lead", ["lead"]),
    ("mql", ["marketingqualifiedlead", "label:Warm"]),
    ("sql", ["salesqualifiedlead", "label:Hot"]),
    ("opportunity", ["opportunity", "deal"]),
    ("customer", ["customer", "evangelist", "won"]),
)
"""HubSpot's own lifecycle, and what comes nearest to it in Pipedrive."""


class Funnel(Strict):
    stages: list[FunnelStage] = Field(
        default_factory=list,
        description="The funnel from first to last stage; none = HubSpot's own: visitor "
        "(subscriber), lead, mql, sql, opportunity, customer; of Pipedrive a lead, one labelled "
        "Warm, one labelled Hot, a deal, a won deal. Changed, it begins a new version: "
        "past figures keep theirs.",
        examples=[
            [{"name": "lead", "among": ["lead"]}, {"name": "customer", "among": ["customer"]}]
        ],
    )
    within_days: int = Field(
        90, ge=1, description="A lead has converted if it went on within so many days."
    )
    answered_from: str = Field(
        "lead", description="A lead that enters this stage or a later one is due a first response."
    )

    @property
    def defined(self) -> tuple[FunnelStage, ...]:
        """The stages as configured, or the usual ones."""
        usual = [FunnelStage(name=name, among=among) for name, among in _USUAL]
        return tuple(self.stages or usual)

    @model_validator(mode="after")
    def _names_fit(self) -> Self:
        names = [stage.name for stage in self.defined]
        if len(names) == 1:
            raise ValueError("a funnel has two stages at least")
        if len(set(names)) < len(names):
            raise ValueError("two stages of the funnel have one name")
        values = [value for stage in self.defined for value in stage.among]
        twice = sorted({value for value in values if values.count(value) > 1})
        if twice:
            raise ValueError(f"{twice[0]!r} counts as two stages of the funnel")
        if self.answered_from not in names:
            raise ValueError(f"answered_from has to be one of the stages: {', '.join(names)}")
        return self


class LeadScore(Strict):
    goal: str | None = Field(
        None,
        description="What a lead is scored for: reaching this stage of the funnel. None = "
        "opportunity, or the last stage of a funnel without it.",
        examples=["customer"],
    )
    horizon_days: int = Field(
        90, ge=7, le=730, description="Within so many days the lead has to reach it."
    )

    def goal_in(self, funnel: Funnel) -> str:
        """The stage that counts. Raises ValueError where the funnel has none of that name behind
        its first."""
        names = [stage.name for stage in funnel.defined]
        usual = "opportunity" if "opportunity" in names[1:] else names[-1]
        goal = self.goal or usual
        if goal not in names[1:]:
            raise ValueError(
                f"lead_score.goal has to be a stage of the funnel behind its first: "
                f"{', '.join(names[1:])}"
            )
        return goal
