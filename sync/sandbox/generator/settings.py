"""What can be turned on the generated company."""

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True, kw_only=True)
class CompanySettings:
    """How the company sells and how well it keeps its CRM.

    Shares are 0-1 of all deals unless the setting says of what. Rates, spreads and paces are
    not shares and may be above 1.
    """

    growth_per_year: float = 0.15
    """Growth of deals created per year: 0.15 = 15 % more each year."""

    cycle_length: float = 1.0
    """Working days that a deal spends in each stage, 1 = as the pipelines state them."""

    skill_spread: float = 0.18
    """Standard deviation of the reps' skill: log-odds added to every stage's chance to advance."""

    optimism_mean: float = 0.5
    """How much the average rep overstates a deal's chance to win, in log-odds."""

    optimism_spread: float = 0.5
    """Standard deviation of that overstatement between reps, in log-odds."""

    july_pace: float = 0.45
    """Working pace in July, 1 = as in other months: deals need 1 / pace as many days."""

    christmas_pace: float = 0.2
    """Working pace from 20 December to 2 January."""

    renewals: float = 0.15
    """Deals in the second pipeline."""

    second_currency: float = 0.12
    """Deals in EUR instead of NOK."""

    zombies: float = 0.06
    """Of the deals that die: those that nobody ever closes."""

    deleted_stage: float = 0.03
    """Of the zombies: those left in a stage that the pipeline no longer has."""

    quarter_end_rush: float = 0.45
    """Of the deals about to be won within four weeks of a quarter's end: those held until then."""

    close_date_missing: float = 0.04
    """Deals without a close date while open."""

    close_date_never_chosen: float = 0.14
    """Deals that keep, while open, the close date a CRM sets itself: the end of the month."""

    pull_ins: float = 0.06
    """Deals whose close date is moved earlier once, shortly before they end."""

    amount_missing: float = 0.04
    """Deals that never get an amount."""

    amount_late: float = 0.10
    """Deals that get their first amount with the offer."""

    amount_zero: float = 0.012
    """Deals with an amount of 0 from beginning to end."""

    owner_missing: float = 0.02
    """Deals without an owner."""

    handed_over: float = 0.06
    """Deals that change owner once for another reason than the owner's leaving."""

    leaver_deals_kept: float = 0.25
    """Of a leaver's open deals that are alive: those not taken over. Dead ones all stay."""

    no_contact: float = 0.07
    """Deals without an associated contact."""

    no_company: float = 0.04
    """Deals without an associated company."""

    no_next_step: float = 0.35
    """Deals whose next step nobody ever writes."""

    no_next_activity: float = 0.45
    """Of the open deals that are alive: those without a planned activity (dead ones have none)."""

    loss_reason_missing: float = 0.15
    """Of the lost deals: those closed without a reason."""

    duplicates: float = 0.02
    """Deals entered a second time by somebody else."""

    archived: float = 0.01
    """Deals deleted in the CRM soon after they were made, all within the last 80 days."""

    slow_stage: str | None = None
    """A planted bottleneck: the id of a stage in which deals stay `slow_factor` times as long."""

    slow_factor: float = 3.0

    leaky_stage: str | None = None
    """A planted bottleneck: the id of a stage from which `leaky_factor` times as many go on."""

    leaky_factor: float = 0.5

    def __post_init__(self) -> None:
        free = {
            "slow_stage",
            "slow_factor",
            "leaky_stage",
            "growth_per_year",
            "cycle_length",
            "skill_spread",
            "optimism_mean",
            "optimism_spread",
        }
        for name in (f.name for f in fields(self) if f.name not in free):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ValueError(f"{name} is {value}; it has to be from 0 to 1")
        if self.growth_per_year <= -1:
            raise ValueError("growth_per_year has to be above -1")
        if self.cycle_length <= 0:
            raise ValueError("cycle_length has to be above 0")
        if min(self.july_pace, self.christmas_pace) <= 0:
            raise ValueError("july_pace and christmas_pace have to be above 0")


DEFAULT_SETTINGS = CompanySettings()
