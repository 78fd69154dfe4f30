"""Nothing that the outcome alone tells may reach a method: on companies whose truth is known."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from bench import companies
from forecasting import backtest, scores
from forecasting.methods import METHODS
from forecasting.snapshot import History
from sync.sandbox.generator.company import generate

ORIGIN = date(2025, 3, 3)  # a year before the end: nearly every deal open then has ended since


@pytest.fixture(scope="module")
def told() -> tuple[pl.DataFrame, dict[tuple[str, str], float]]:
    """What was said of each deal open at the origin, with its end; and the company's true share won
    per pipeline and stage.
    """
    company = generate(seed=11, until=companies.UNTIL, years=3, deals=2500)
    stages = company.truth["stages"]
    assert isinstance(stages, dict)
    rates = {(p, s): known["win_rate"] for p, of in stages.items() for s, known in of.items()}
    account = companies.framed(company, "truth")
    history = History(
        account.deals, account.changes, account.stages, account.owners, zone=account.zone
    )
    snapshot = history.snapshot(backtest.start_of(ORIGIN, account.zone))
    method = METHODS["multivariable"]().fit(snapshot)
    said = method.deals(snapshot, backtest.windows(28)(ORIGIN))
    then = snapshot.deals.select("deal_id", "pipeline_id", "stage_id")
    ended = account.deals.select("deal_id", final="status", ended="closed_on")
    return said.join(then, on="deal_id").join(ended, on="deal_id").sort("deal_id"), rates


def test_who_is_won_is_known_no_better_than_the_true_stage_rates_allow(
    told: tuple[pl.DataFrame, dict[tuple[str, str], float]],
) -> None:
    said, rates = told
    decided = said.filter(pl.col("final") != "open")
    truth = np.array(
        [rates.get(key, 0.0) for key in decided.select("pipeline_id", "stage_id").iter_rows()]
    )
    won = (decided["final"] == "won").cast(pl.Float64)
    ours, best = scores.auc(won, decided["win_probability"]), scores.auc(won, truth)
    assert ours is not None
    assert best is not None
    # skill, source and time in stage tell a little more than the stage; the outcome would tell all
    assert 0.6 < ours < best + 0.06 < 0.95


def test_when_a_deal_is_won_follows_from_how_far_it_has_come(
    told: tuple[pl.DataFrame, dict[tuple[str, str], float]],
) -> None:
    """Six stages in a row: hardly any deal is won in a week but from the last ones. Which stage a
    deal stands in tells nearly all that the method knows, so that an AUC above 0.9 is no leak.
    """
    said, _ = told
    by = (said["final"] == "won") & (said["ended"] < ORIGIN + timedelta(days=28))
    came = by.fill_null(False).cast(pl.Float64)
    share = came.to_frame("came").with_columns(stage=said["stage_id"])
    of_stage = share.select(pl.col("came").mean().over("stage")).to_series()
    ours, stage_alone = scores.auc(came, said["win_probability_by"]), scores.auc(came, of_stage)
    assert ours is not None
    assert stage_alone is not None
    assert stage_alone > 0.85
    assert ours < stage_alone + 0.05


def test_among_deals_of_one_stage_the_end_is_hardly_known(
    told: tuple[pl.DataFrame, dict[tuple[str, str], float]],
) -> None:
    """There the truth leaves skill, source and size: what knew more would know the end."""
    said, _ = told
    found = [
        scores.auc((rows["final"] == "won").cast(pl.Float64), rows["win_probability"])
        for _, rows in said.filter(pl.col("final") != "open").group_by("stage_id")
        if 10 <= (rows["final"] == "won").sum() <= rows.height - 10
    ]
    known = [auc for auc in found if auc is not None]
    assert len(known) >= 3
    assert np.mean(known) < 0.72
