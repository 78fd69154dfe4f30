"""Who speaks of single deals, and what is not said of them."""

from typing import Any

import polars as pl
import pytest

from forecasting.history import stage_stays
from forecasting.methods import Multivariable, OpportunityStage
from forecasting.process import stage_norms
from forecasting.snapshot import Snapshot
from sync.jobs import per_deal
from tests.contract.test_methods import BUSY
from tests.forecasting.frames import AS_OF, NO_CHANGES, STAGES, changes, deals, now, won_stays

NORMS = stage_norms(stage_stays(BUSY[1], BUSY[0], STAGES, AS_OF), STAGES)


def said(snapshot: Snapshot) -> per_deal.Said:
    methods = [OpportunityStage("crm"), OpportunityStage("learned"), Multivariable("additive")]
    return per_deal.said([each.fit(snapshot) for each in methods], snapshot, NORMS, "en")


@pytest.mark.parametrize(
    ("won", "method"),
    [(19, "opportunity_stage:learned"), (20, "multivariable:additive")],
)
def test_twenty_wins_let_the_many_facts_speak(won: int, method: str) -> None:
    rows, moves = won_stays(won, 9)
    told = said(now(deals({"deal_id": "open"}, *rows), changes(*moves)))
    assert told.method == method
    assert (told.reasons is not None) == (won == 20)


def test_an_amount_that_is_only_a_guess_is_no_expected_amount() -> None:
    """It would stand on the deal in the CRM and look like a fact."""
    missing = pl.col("deal_id").str.ends_with("7")
    frame = BUSY[0].with_columns(
        amount=pl.when(~missing).then("amount"),
        amount_problem=pl.when(missing).then(pl.lit("missing")).otherwise("amount_problem"),
    )
    snapshot = now(frame, BUSY[1])
    told = said(snapshot).outlook.join(frame.select("deal_id", "amount"), on="deal_id")
    assert set(told["amount_source"]) == {"deal", "imputed"}
    for row in told.iter_rows(named=True):
        expected: Any = None
        if row["amount"] is not None:
            expected = pytest.approx(row["amount_if_won"] * row["win_probability"])
        assert row["expected_amount"] == expected


def test_without_a_stated_amount_or_a_won_one_nothing_is_expected() -> None:
    frame = deals({"amount": None, "amount_problem": "missing"})
    assert said(now(frame, NO_CHANGES)).outlook["expected_amount"].to_list() == [None]
