"""Stage probabilities, stated and learned, against arithmetic by hand."""

import json
from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest

from forecasting.methods import OpportunityStage, weighted_amount
from forecasting.periods import PeriodKind, period_of
from tests.forecasting.frames import (
    AS_OF,
    NO_CHANGES,
    STAGES,
    TODAY,
    change,
    changes,
    deals,
    now,
    stage,
    stages,
)


def test_a_thousand_at_forty_percent_is_four_hundred() -> None:
    assert weighted_amount(1000.0, 0.40) == 400.0
    predicted = OpportunityStage("crm").fit(now(deals({}), NO_CHANGES, STAGES))
    row = predicted.predict(deals({})).row(0, named=True)
    assert (row["win_probability"], row["weighted_amount"]) == (0.4, 400.0)
    assert row["probability_source"] == "crm_stage"
    assert row["sample"] is None


@pytest.mark.parametrize(
    ("stated", "probability", "source"),
    [
        (0.7, 0.7, "crm_deal"),
        (0.0, 0.0, "crm_deal"),
        (None, 0.4, "crm_stage"),
        (70.0, 0.4, "crm_stage"),
        (float("nan"), 0.4, "crm_stage"),
    ],
)
def test_the_deals_own_probability_comes_first(
    stated: float | None, probability: float, source: str
) -> None:
    frame = deals({"stage_probability": stated})
    row = OpportunityStage("crm").fit(now(frame, NO_CHANGES, STAGES)).predict(frame)
    assert row["win_probability"].item() == probability
    assert row["probability_source"].item() == source


def test_where_nothing_states_a_probability_it_is_unknown() -> None:
    frame = deals({"stage_id": "gone"})
    row = OpportunityStage("crm").fit(now(frame, NO_CHANGES, STAGES)).predict(frame)
    assert row.row(0)[2:5] == (None, None, "unknown")


def decided(
    won: int, lost: int, *, through: str, pipeline: str = "sales"
) -> tuple[list[Any], list[Any]]:
    """Deals that went through a stage and ended, with their history."""
    rows, moves = [], []
    for number in range(won + lost):
        deal_id, outcome = f"{pipeline}-{through}-{number}", "won" if number < won else "lost"
        created = AS_OF - timedelta(days=100)
        closed = AS_OF - timedelta(days=50)
        rows.append(
            {
                "deal_id": deal_id,
                "pipeline_id": pipeline,
                "status": outcome,
                "stage_id": outcome,
                "created_at": created,
                "closed_at": closed,
            }
        )
        moves += [
            change("stage", through, created, deal_id=deal_id),
            change("stage", outcome, closed, old=through, deal_id=deal_id),
        ]
    return rows, moves


def learned(
    frame: pl.DataFrame,
    history: list[Any],
    prior: float = 10.0,
    of_stages: pl.DataFrame = STAGES,
) -> dict[str, Any]:
    method = OpportunityStage("learned", prior_deals=prior)
    predicted = method.fit(now(frame, changes(*history), of_stages)).predict(frame)
    return predicted.filter(pl.col("deal_id") == "open").row(0, named=True)


def test_the_learned_rate_by_hand() -> None:
    """9 of 34 that reached proposal were won, 1 of 10 that only reached qualified."""
    first, first_moves = decided(9, 25, through="proposal")
    second, second_moves = decided(1, 9, through="qualified")
    frame = deals({"deal_id": "open"}, *first, *second)
    row = learned(frame, first_moves + second_moves)
    account = (10 + 1) / (44 + 2)
    pipeline = (10 + 10 * account) / (44 + 10)
    assert row["win_probability"] == pytest.approx((9 + 10 * pipeline) / (34 + 10))
    assert (row["sample"], row["sample_won"]) == (34, 9)
    assert row["probability_source"] == "learned_stage"
    assert row["weighted_amount"] == pytest.approx(1000 * row["win_probability"])


def test_more_prior_deals_draw_nearer_to_the_pipeline() -> None:
    rows, moves = decided(4, 0, through="proposal")
    others, more = decided(0, 40, through="qualified")
    frame = deals({"deal_id": "open"}, *rows, *others)
    trusting = learned(frame, moves + more, prior=0.01)["win_probability"]
    cautious = learned(frame, moves + more, prior=1000)["win_probability"]
    assert trusting > 0.99
    assert cautious == pytest.approx((4 + 1) / (44 + 2), abs=0.01)


def test_a_stage_that_no_decided_deal_reached_takes_the_pipelines_rate() -> None:
    rows, moves = decided(2, 6, through="qualified")
    row = learned(deals({"deal_id": "open"}, *rows), moves)
    pipeline = (2 + 10 * 3 / 10) / (8 + 10)
    assert row["win_probability"] == pytest.approx(pipeline)
    assert (row["probability_source"], row["sample"], row["sample_won"]) == (
        "learned_pipeline",
        8,
        2,
    )


def test_a_pipeline_without_decisions_takes_the_accounts_rate() -> None:
    rows, moves = decided(2, 6, through="proposal")
    frame = deals({"deal_id": "open", "pipeline_id": "renewals", "stage_id": "renew"}, *rows)
    with_renewals = stages(*STAGES.rows(named=True), stage("renew", 0.9, pipeline_id="renewals"))
    row = learned(frame, moves, of_stages=with_renewals)
    assert row["win_probability"] == pytest.approx(3 / 10)
    assert (row["probability_source"], row["sample"]) == ("learned_account", 8)


def test_where_nothing_is_decided_the_crm_speaks_and_it_says_so() -> None:
    row = learned(deals({"deal_id": "open"}), [])
    assert (row["win_probability"], row["probability_source"], row["sample"]) == (
        0.4,
        "crm_stage",
        None,
    )


def test_one_win_is_not_certainty() -> None:
    rows, moves = decided(1, 0, through="proposal")
    row = learned(deals({"deal_id": "open"}, *rows), moves)
    pipeline = (1 + 10 * 2 / 3) / 11
    assert row["win_probability"] == pytest.approx((1 + 10 * pipeline) / 11)
    assert row["win_probability"] < 0.75
    assert row["sample"] == 1


def test_a_deal_that_came_back_to_a_stage_counts_once() -> None:
    rows, moves = decided(1, 0, through="proposal")
    deal_id, at = rows[0]["deal_id"], rows[0]["created_at"]
    moves += [
        change("stage", "qualified", at + timedelta(days=5), deal_id=deal_id),
        change("stage", "proposal", at + timedelta(days=6), deal_id=deal_id),
    ]
    assert learned(deals({"deal_id": "open"}, *rows), moves)["sample"] == 1


def test_without_history_a_deal_was_in_the_stage_it_ended_in() -> None:
    """Where deals are lost in place, the stage they are in is one they reached."""
    only_open = stages(stage("qualified", 0.2), stage("proposal", 0.4, position=1))
    rows = [
        {"deal_id": f"x{n}", "status": outcome, "closed_on": TODAY - timedelta(days=1)}
        for n, outcome in enumerate(["won", "lost", "lost"])
    ]
    row = learned(deals({"deal_id": "open"}, *rows), [], of_stages=only_open)
    assert (row["probability_source"], row["sample"], row["sample_won"]) == ("learned_stage", 3, 1)


@pytest.mark.parametrize(
    ("parameters", "says"),
    [({"probabilities": "guess"}, "guess"), ({"prior_deals": 0}, "prior_deals")],
)
def test_parameters_that_cannot_be_are_refused(parameters: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        OpportunityStage(**parameters).fit(now(deals({}), NO_CHANGES, STAGES))


def test_deals_without_a_pipeline_have_a_rate_of_their_own() -> None:
    rows, moves = decided(2, 6, through="proposal")
    loose = [{**row, "pipeline_id": None} for row in rows]
    frame = deals({"deal_id": "open", "pipeline_id": None}, *loose)
    row = learned(frame, moves)
    assert (row["probability_source"], row["sample"]) == ("learned_pipeline", 8)


def test_the_learned_rate_of_a_category_by_hand() -> None:
    """Ten deals stood 20 days in PIPELINE, then 30 in BEST_CASE, each once per category however
    long; 3 were won. What is open still is neither won nor lost.
    """
    rows, moves = decided(3, 7, through="proposal")
    for row in rows:
        for day, category in ((0, "PIPELINE"), (20, "BEST_CASE")):
            at = row["created_at"] + timedelta(days=day)
            moves.append(change("forecast_category", category, at, deal_id=row["deal_id"]))
    opened = [
        {"deal_id": f"open {category}", "forecast_category": category}
        for category in ("BEST_CASE", "COMMIT", "PIPELINE")
    ]
    moves += [
        change("forecast_category", row["forecast_category"], AS_OF - timedelta(9), deal_id=name)
        for row in opened
        for name in [row["deal_id"]]
    ]
    frame = deals(*opened, *rows)
    method = OpportunityStage("category", prior_deals=10)
    told = method.fit(now(frame, changes(*moves), STAGES)).predict(frame)
    named = told.select("win_probability", "probability_source", "sample", "sample_won").rows()
    assert named == [
        (pytest.approx((3 + 10 * 0.40) / 20), "learned_category", 10, 3),
        (0.85, "default_category", None, None),
        (pytest.approx((3 + 10 * 0.15) / 20), "learned_category", 10, 3),
    ]


@pytest.mark.parametrize(
    ("close_date", "expected", "left_out"),
    [(TODAY, 400.0, {}), (TODAY - timedelta(1), 0.0, {"overdue": 1})],
    ids=["today", "yesterday"],
)
def test_a_deal_that_is_due_today_may_still_come(
    close_date: date, expected: float, left_out: dict[str, int]
) -> None:
    snapshot = now(deals({"close_date": close_date}), NO_CHANGES, STAGES)
    period = period_of(TODAY, PeriodKind.MONTH)
    told = OpportunityStage("crm").fit(snapshot).totals(snapshot, [period], ["total"])
    assert told["open_expected"].item() == pytest.approx(expected)
    assert {why: n for why, n in json.loads(told["left_out"].item()).items() if n} == left_out


@pytest.mark.parametrize("probabilities", ["crm", "learned", "category"])
def test_without_one_close_date_to_come_nothing_is_said(probabilities: Any) -> None:
    """A sum of 0 would be a forecast."""
    period = period_of(TODAY, PeriodKind.MONTH)

    def note(*close_dates: date | None) -> str | None:
        frame = deals(
            *({"close_date": day, "forecast_category": "COMMIT"} for day in close_dates),
            {"status": "won", "stage_id": "won", "closed_on": TODAY},
        )
        snapshot = now(frame, NO_CHANGES, STAGES)
        told = OpportunityStage(probabilities).fit(snapshot).totals(snapshot, [period], ["total"])
        found: str | None = told["note"].item()
        return found

    assert note(None, TODAY - timedelta(1)) == "not_enough_history:nothing"
    assert note(None, TODAY + timedelta(400)) != "not_enough_history:nothing"
