"""The conversion table looks up stage and time in stage, and says what is usual where they are not
known.
"""

from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from forecasting.conversion import ConversionTable
from forecasting.features import landmarks, open_facts
from forecasting.methods import Multivariable
from forecasting.stage_chain import GRID, StageChain
from tests.contract.test_methods import BUSY
from tests.forecasting.frames import AS_OF, STAGES, change, changes, deals, now, stage, stages

KNOWN = landmarks(now(*BUSY, STAGES))
TABLE = ConversionTable().fit(KNOWN)
FACTS = {"pipeline_id": pl.String, "stage_id": pl.String, "stage_paced": pl.Float64}


def chance(
    pipeline: str | None, stage_id: str | None, days: float | None, horizon: float = 28.0
) -> float:
    facts = pl.DataFrame([(pipeline, stage_id, days)], schema=FACTS, orient="row")
    return float(TABLE.chances(facts, horizon)[0])


def test_what_is_known_is_looked_up_in_the_chain() -> None:
    chain = StageChain().fit(KNOWN.exits)
    names = TABLE.stages_["stage_id"].to_list()
    for name in ("qualified", "proposal"):
        for days in (0.0, 3.1, 40.0):
            one = np.array([names.index(name)])
            assert chance("sales", name, days) == chain.by(one, np.array([days]), 28.0)[0]
    assert chance("sales", "proposal", 1.0) > chance("sales", "qualified", 1.0)


def test_a_stage_or_a_time_that_nobody_knows_takes_what_is_usual() -> None:
    """The mean over the past's open deals: of the stage, of the pipeline, of all."""
    facts, found = KNOWN.facts, TABLE.chances(KNOWN.facts, 28.0)
    timed = facts["stage_paced"].is_not_null().to_numpy()
    inside = timed & (facts["stage_id"] == "proposal").fill_null(False).to_numpy()
    assert inside.any()
    assert chance("sales", "proposal", None) == pytest.approx(found[inside].mean())
    assert chance("sales", "unheard of", 3.0) == pytest.approx(found[timed].mean())
    assert chance("elsewhere", "proposal", 3.0) == pytest.approx(found[timed].mean())
    assert TABLE.usual(28.0) == pytest.approx(found[timed].mean())


def test_a_stage_of_one_pipeline_is_known_where_nobody_tells_the_pipeline() -> None:
    assert chance(None, "proposal", 3.0) == chance("sales", "proposal", 3.0)
    assert chance(None, "proposal", None) == chance("sales", "proposal", None)
    assert chance(None, "unheard of", 3.0) == pytest.approx(TABLE.usual(28.0))


def test_pipelines_are_told_apart() -> None:
    """All renewals are won and nothing of sales: a new stage of either takes after its own."""
    rows, moves = [], []
    for number in range(40):
        deal_id, pipeline = f"e{number}", ("renewals", "sales")[number % 2]
        status, began = ("won", "lost")[number % 2], AS_OF - timedelta(days=60 + number)
        closed = began + timedelta(days=20)
        rows.append(
            {
                "deal_id": deal_id,
                "pipeline_id": pipeline,
                "status": status,
                "stage_id": status,
                "created_at": began,
                "closed_at": closed,
            }
        )
        moves.append(change("stage", f"{pipeline} talks", began, deal_id=deal_id))
        moves.append(change("stage", status, closed, deal_id=deal_id))
    known = stages(
        *STAGES.rows(named=True),
        stage("renewals talks", 0.5, pipeline_id="renewals"),
        stage("renewals new", 0.5, pipeline_id="renewals"),
        stage("sales talks", 0.5),
    )
    snapshot = now(deals(*rows), changes(*moves), known)
    table = ConversionTable().fit(landmarks(snapshot))
    facts = pl.DataFrame(
        [("renewals", "renewals new", 1.0), ("sales", "sales new", 1.0), (None, None, 1.0)],
        schema=FACTS,
        orient="row",
    )
    renewals, sales, all_of_them = table.chances(facts, 28.0).tolist()
    assert renewals > 0.8
    assert sales < 0.01
    assert sales < all_of_them < renewals


def hourly(pipeline: str, stage_id: str, number: int) -> tuple[dict[str, Any], list[Any]]:
    """A deal of one hour, won, that no daily look at the account ever saw."""
    deal_id, began = f"{pipeline} {number}", AS_OF - timedelta(days=20 + number, hours=-1)
    closed = began + timedelta(hours=1)
    told = {"deal_id": deal_id, "pipeline_id": pipeline, "status": "won", "stage_id": "won"}
    moves = [
        change("stage", stage_id, began, deal_id=deal_id),
        change("stage", "won", closed, deal_id=deal_id),
    ]
    return told | {"created_at": began, "closed_at": closed}, moves


def test_where_no_open_deal_was_ever_seen_the_wider_average_speaks() -> None:
    """Of a stage the pipeline's, of a pipeline that of all."""
    deal_frame, moves, *_ = BUSY
    extra = [hourly("sales", "quick", 1), hourly("express", "swift", 2)]
    known = stages(
        *STAGES.rows(named=True), stage("quick", 0.5), stage("swift", 0.5, pipeline_id="express")
    )
    frame = pl.concat([deal_frame, deals(*[row for row, _ in extra])])
    history = pl.concat([moves, changes(*[move for _, some in extra for move in some])])
    other = [row | {"pipeline_id": "slow"} for row in deals({}).rows(named=True)]
    frame = pl.concat([frame, pl.DataFrame(other, schema=frame.schema)])
    table = ConversionTable().fit(landmarks(now(frame, history, known)))
    facts = pl.DataFrame(
        [
            ("sales", "quick", None),
            ("sales", "unheard of", 1.0),
            ("express", "swift", None),
            ("express", "unheard of", 1.0),
        ],
        schema=FACTS,
        orient="row",
    )
    quick, sales, swift, express = table.chances(facts, 28.0).tolist()
    assert quick == sales != table.usual(28.0)
    assert swift == express == table.usual(28.0)


def test_deals_whose_stage_nobody_knows_are_a_stage_of_their_own() -> None:
    """No moves are known: chances follow the time since the creation."""
    rows = [
        {
            "status": ("won", "lost")[number % 2],
            "stage_id": None,
            "created_at": AS_OF - timedelta(days=60 + number),
            "closed_at": AS_OF - timedelta(days=40 + number),
        }
        for number in range(40)
    ]
    table = ConversionTable().fit(landmarks(now(deals(*rows))))
    assert table.stages_.rows() == [("sales", None)]
    facts = pl.DataFrame([("sales", None, 1.0), ("sales", None, 19.0)], schema=FACTS, orient="row")
    young, old = table.chances(facts, 7.0).tolist()
    assert young < 0.1
    assert old > 0.25


def test_the_prior_is_the_one_that_was_asked_for() -> None:
    assert ConversionTable(9.0).fit(KNOWN).chain_.prior_exits == 9
    method = Multivariable("table", prior_exits=9.0).fit(now(*BUSY, STAGES))
    assert method.table_.chain_.prior_exits == 9


def test_curves_are_the_chances_within_each_day_of_the_grid() -> None:
    facts = open_facts(now(*BUSY, STAGES))
    curves = TABLE.curves(facts)
    assert curves.shape == (facts.height, len(GRID))
    for place in (0, 5, len(GRID) - 1):
        assert curves[:, place].tolist() == TABLE.chances(facts, float(GRID[place])).tolist()
    assert (np.diff(curves, axis=1) >= -1e-3).all()
