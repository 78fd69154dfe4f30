"""Leads of a generated company as the frames that the core takes, and what will become of them."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forecasting.deals import INSTANT
from forecasting.funnel import Definition, FunnelStage
from sync.sandbox.generator import generate
from sync.sandbox.generator.leads import WITHIN_DAYS

UNTIL = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
GOAL = "opportunity"
DEFINITION = Definition(
    (
        FunnelStage("lead", ("lead",)),
        FunnelStage("mql", ("marketingqualifiedlead",)),
        FunnelStage(GOAL, (GOAL,)),
        FunnelStage("customer", ("customer",)),
    ),
    within_days=WITHIN_DAYS,
    answered_from="lead",
)
_LEAD = {"stage": pl.String, "owner_id": pl.String, "owner": pl.String, "source": pl.String}


@dataclass(frozen=True)
class Drawn:
    """chance: the best that anybody could say who saw the leads' minds; came: what will happen."""

    leads: pl.DataFrame
    changes: pl.DataFrame
    chance: dict[str, float]
    came: dict[str, bool]

    def outcome(self, ids: pl.Series) -> NDArray[np.float64]:
        return np.array([self.came[lead] for lead in ids], np.float64)


@lru_cache(maxsize=4)
def drawn(seed: int, leads: int, years: float = 3) -> Drawn:
    company = generate(seed=seed, until=UNTIL, years=years, deals=0, leads=leads)
    people = [(p.key, None, "101", "Kari", None, p.created_at) for p in company.contacts]
    events = [
        (p.key, event.field, event.value, event.at, number)
        for p in company.contacts
        for number, event in enumerate(p.events)
        if event.field != "owner"
    ]
    horizon = UNTIL + timedelta(days=WITHIN_DAYS)
    truth = company.truth["leads"]
    ends = {key: told["converts_at"] for key, told in truth.items()}
    return Drawn(
        leads=pl.DataFrame(
            people, {"lead_id": pl.String, **_LEAD, "created_at": INSTANT}, orient="row"
        ),
        changes=pl.DataFrame(
            events,
            {
                "lead_id": pl.String,
                "field": pl.String,
                "value": pl.String,
                "changed_at": INSTANT,
                "ordinal": pl.Int64,
            },
            orient="row",
        ),
        chance={key: told["chance"] for key, told in truth.items()},
        came={key: bool(at) and datetime.fromisoformat(at) <= horizon for key, at in ends.items()},
    )
