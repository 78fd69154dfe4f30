"""Settings of goals: the fiscal year, how pace is judged, quotas."""

from decimal import Decimal
from typing import Literal

from pydantic import Field, model_validator

from forecasting.fiscal import fiscal_period
from sync.config.strict import Strict
from sync.config.values import CurrencyCode


class QuotaSetting(Strict):
    """One target; for an owner, a team or a pipeline, or for everyone."""

    period: str = Field(
        description="FY2026, 2026-H1, 2026-Q4 (of the fiscal year), 2026-03, or two days: "
        "2026-01-01..2026-06-30."
    )
    amount: Decimal | None = Field(None, gt=0, description="What should be won in it.")
    count: int | None = Field(
        None, gt=0, description="How many deals should be won in it, in place of an amount."
    )
    currency: CurrencyCode | None = Field(None, description="None = the home currency.")
    who: str | None = Field(
        None,
        pattern=r"^(owner|team|pipeline) \S.*$",
        description="owner and an id, name or e-mail; team or pipeline and its name. None = "
        "everyone.",
    )
    connection: str | None = Field(None, min_length=1, description="None = every connection.")

    @model_validator(mode="after")
    def _one_measure(self) -> "QuotaSetting":
        if (self.amount is None) == (self.count is None):
            raise ValueError("give an amount or a count of deals, one of the two")
        if self.count is not None and self.currency is not None:
            raise ValueError("a count of deals has no currency")
        return self


class Goals(Strict):
    fiscal_year_starts: int = Field(
        1,
        ge=1,
        le=12,
        description="The month in which your fiscal year begins. It is called by the year that it "
        "ends in; quarters and halves are counted from it.",
    )
    pacing: Literal["linear", "selling_days", "seasonal"] = Field(
        "selling_days",
        description="How much of a quota should be won by today: by calendar days, by working days "
        "without public holidays, or as in your own past periods.",
    )
    from_crm: bool = Field(
        True,
        description="Take the goals that were set in HubSpot or Pipedrive besides, once a day, as "
        "far as the token may read them.",
    )
    quotas: list[QuotaSetting] = Field(
        default_factory=list,
        description="What should be won, by whom and when. They win over imported ones, and "
        "those over the CRM's.",
        examples=[
            [
                {"who": "team North", "period": "2026-Q4", "amount": 500_000, "currency": "NOK"},
                {"period": "2026", "count": 40, "connection": "main"},
            ]
        ],
    )

    @model_validator(mode="after")
    def _periods_are_known(self) -> "Goals":
        for quota in self.quotas:
            fiscal_period(quota.period, self.fiscal_year_starts)
        return self
