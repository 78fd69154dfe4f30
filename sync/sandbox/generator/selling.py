"""The company's two pipelines: what its CRM claims of each stage, and what is true."""

from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from sync.sandbox.company import CompanyPipeline, CompanyStage


@dataclass(frozen=True, slots=True)
class OpenStage:
    """claimed: the CRM's probability. advances: the true chance to leave the stage upwards, for
    a rep and a deal of no special quality. working_days: mean time in it, at full pace."""

    id: str
    label: str
    claimed: str
    advances: float
    working_days: float


@dataclass(frozen=True, slots=True)
class SalesProcess:
    id: str
    label: str
    open_stages: tuple[OpenStage, ...]
    won: str
    lost: str
    offer: int
    """Index of the stage in which the customer gets an offer."""

    def pipeline(self) -> CompanyPipeline:
        """As the CRM shows it."""
        stages = [CompanyStage(s.id, s.label, Decimal(s.claimed)) for s in self.open_stages]
        stages.append(CompanyStage(self.won, "Closed won", Decimal("1.0"), True, True))
        stages.append(CompanyStage(self.lost, "Closed lost", Decimal("0.0"), True, False))
        return CompanyPipeline(self.id, self.label, tuple(stages))


PROCESSES = (
    SalesProcess(
        "sales",
        "Sales",
        (
            OpenStage("qualified", "Qualified", "0.2", 0.66, 14),
            OpenStage("discovery", "Discovery", "0.4", 0.73, 16),
            OpenStage("demo_held", "Demo held", "0.6", 0.70, 18),
            OpenStage("proposal_sent", "Proposal sent", "0.7", 0.70, 18),
            OpenStage("negotiation", "Negotiation", "0.8", 0.78, 15),
            OpenStage("contract_sent", "Contract sent", "0.9", 0.80, 8),
        ),
        won="closed_won",
        lost="closed_lost",
        offer=3,
    ),
    SalesProcess(
        "renewals",
        "Renewals",
        (
            OpenStage("renewal_due", "Renewal due", "0.8", 0.85, 20),
            OpenStage("renewal_offered", "Renewal offered", "0.9", 0.88, 15),
            OpenStage("renewal_agreed", "Terms agreed", "0.9", 0.86, 6),
        ),
        won="renewal_won",
        lost="renewal_lost",
        offer=1,
    ),
)
SALES, RENEWALS = range(len(PROCESSES))
DELETED_STAGE = "technical_evaluation"  # an old stage of the sales pipeline, taken out of it since

STAGE_COUNT = np.array([len(process.open_stages) for process in PROCESSES])
MOST_STAGES = int(STAGE_COUNT.max())


def by_stage(attribute: str) -> npt.NDArray[np.float64]:
    """One number of every stage as a matrix (process x stage), 0 where a process has no more."""
    table = np.zeros((len(PROCESSES), MOST_STAGES))
    for row, process in enumerate(PROCESSES):
        table[row, : len(process.open_stages)] = [
            getattr(stage, attribute) for stage in process.open_stages
        ]
    return table


def with_planted(
    table: npt.NDArray[np.float64], stage_id: str | None, factor: float
) -> npt.NDArray[np.float64]:
    """A table of `by_stage` with one stage's number times `factor`. ValueError: no such stage."""
    if stage_id is None:
        return table
    places = [
        (row, column)
        for row, process in enumerate(PROCESSES)
        for column, stage in enumerate(process.open_stages)
        if stage.id == stage_id
    ]
    if not places:
        raise ValueError(f"no pipeline has the stage {stage_id!r}")
    planted = table.copy()
    planted[places[0]] *= factor
    return planted
