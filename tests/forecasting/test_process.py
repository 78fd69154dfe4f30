from datetime import timedelta

import polars as pl
import pytest

from forecasting.history import stage_stays
from forecasting.process import stage_norms
from tests.forecasting.frames import AS_OF, NO_CHANGES, STAGES, change, changes, deals, won_stays


def norm(norms: pl.DataFrame, stage_id: str) -> dict[str, float]:
    return norms.filter(pl.col("stage_id") == stage_id).row(0, named=True)


def test_quantiles_of_won_stays_by_hand() -> None:
    """Four won deals, 10 days each in proposal: shrunk with 10 stays of the pipeline's figure."""
    rows, moves = won_stays(4, days=10)
    norms = stage_norms(stage_stays(changes(*moves), deals(*rows), STAGES, AS_OF), STAGES)
    proposal = norm(norms, "proposal")
    pipeline = (4 * 10 + 10 * 14) / 14
    assert proposal["median_days"] == pytest.approx((4 * 10 + 10 * pipeline) / 14)
    assert proposal["p75_days"] == pytest.approx((4 * 10 + 10 * (4 * 10 + 10 * 28) / 14) / 14)
    assert (proposal["won_p90_days"], proposal["sample"], proposal["pipeline_sample"]) == (10, 4, 4)
    qualified = norm(norms, "qualified")
    assert qualified["median_days"] == pytest.approx(pipeline)
    assert (qualified["won_p90_days"], qualified["sample"]) == (None, 0)


def test_with_many_stays_the_stage_speaks_for_itself() -> None:
    rows, moves = won_stays(1000, days=3)
    norms = stage_norms(stage_stays(changes(*moves), deals(*rows), STAGES, AS_OF), STAGES)
    assert norm(norms, "proposal")["median_days"] == pytest.approx(3, abs=0.01)


def test_without_history_the_default_holds() -> None:
    stays = stage_stays(NO_CHANGES, deals({}), STAGES, AS_OF)
    norms = stage_norms(stays, STAGES, default_days=8)
    assert norms["stage_id"].to_list() == ["qualified", "proposal"]
    assert norms["median_days"].to_list() == pytest.approx([8, 8])
    assert norms["p75_days"].to_list() == pytest.approx([16, 16])
    assert norms["sample"].to_list() == [0, 0]


def test_only_finished_stays_of_won_deals_count() -> None:
    rows, moves = won_stays(2, days=10)
    open_deal = {"deal_id": "o", "created_at": AS_OF - timedelta(days=90)}
    lost = [
        {**row, "deal_id": f"l{i}", "status": "lost", "stage_id": "lost"}
        for i, row in enumerate(rows)
    ]
    more = [change("stage", "proposal", AS_OF - timedelta(days=90), deal_id="o")]
    for row in lost:
        more += [
            change("stage", "proposal", row["created_at"], deal_id=row["deal_id"]),
            change("stage", "lost", row["closed_at"] + timedelta(days=50), deal_id=row["deal_id"]),
        ]
    frame = deals(*rows, open_deal, *lost)
    norms = stage_norms(stage_stays(changes(*moves, *more), frame, STAGES, AS_OF), STAGES)
    assert norm(norms, "proposal")["sample"] == 2
    assert norm(norms, "proposal")["won_p90_days"] == 10


def test_a_prior_of_nothing_is_refused() -> None:
    stays = stage_stays(NO_CHANGES, deals(), STAGES, AS_OF)
    with pytest.raises(ValueError, match="prior_stays"):
        stage_norms(stays, STAGES, prior_stays=0)


def test_a_won_deal_that_came_to_a_stage_after_its_closing_teaches_nothing() -> None:
    """A closing date set back by hand: the stay neither ends before it began nor counts."""
    closed, entered = AS_OF - timedelta(days=60), AS_OF - timedelta(days=50)
    rows = {"status": "won", "created_at": AS_OF - timedelta(days=90), "closed_at": closed}
    moves = changes(change("stage", "proposal", entered), change("status", "won", entered))
    stays = stage_stays(moves, deals(rows), STAGES, AS_OF)
    assert (stays["days"].to_list(), stays["left_at"].to_list()) == ([50.0], [None])
    assert norm(stage_norms(stays, STAGES), "proposal")["sample"] == 0
