"""Scores per method, week and segment, with the rows worked out by hand."""

from datetime import date

import polars as pl
import pytest

from forecasting import accuracy

MARCH = ("month", date(2026, 3, 1), date(2026, 4, 1))
APRIL = ("month", date(2026, 4, 1), date(2026, 5, 1))
ROW = {
    "origin": pl.Date,
    "method": pl.String,
    "variant": pl.String,
    "period_kind": pl.String,
    "period_start": pl.Date,
    "period_end": pl.Date,
    "segment_kind": pl.String,
    "segment": pl.String,
    "forecast": pl.Float64,
    "p10": pl.Float64,
    "p50": pl.Float64,
    "p90": pl.Float64,
}
RESULTS = pl.DataFrame(
    [
        (date(2026, 2, 23), "m", "x", *MARCH, "total", "", 120.0, 80.0, 110.0, 130.0),
        (date(2026, 3, 9), "m", "x", *MARCH, "total", "", 90.0, 85.0, 90.0, 95.0),
        (date(2026, 3, 9), "m", "x", *MARCH, "owner", "1", 60.0, 50.0, 60.0, 70.0),
        (date(2026, 3, 9), "m", "x", *MARCH, "owner", "2", 30.0, 0.0, 30.0, 40.0),
        (date(2026, 3, 9), "m", "x", *APRIL, "total", "", 70.0, 60.0, 70.0, 80.0),
    ],
    schema=ROW,
    orient="row",
)
ACTUAL = pl.DataFrame(
    [(*MARCH, "total", "", 100.0), (*MARCH, "owner", "1", 75.0), (*MARCH, "owner", "3", 25.0)],
    schema={
        "period_kind": pl.String,
        "period_start": pl.Date,
        "period_end": pl.Date,
        "segment_kind": pl.String,
        "segment": pl.String,
        "actual": pl.Float64,
    },
    orient="row",
)


def test_unfinished_periods_are_left_out_and_no_segment_is_lost() -> None:
    rows = accuracy.scored(RESULTS, ACTUAL)
    owners = rows.filter(pl.col("segment_kind") == "owner").sort("segment")
    assert owners["forecast"].to_list() == [60.0, 30.0, 0.0]
    assert owners["actual"].to_list() == [75.0, 0.0, 25.0]
    totals = rows.filter(pl.col("segment_kind") == "total").sort("origin")
    assert totals["period_start"].unique().to_list() == [date(2026, 3, 1)]
    assert totals["week"].to_list() == [0, 2]
    assert totals["days_left"].to_list() == [37, 23]


def test_scores_of_totals() -> None:
    rows = accuracy.scored(RESULTS, ACTUAL).filter(pl.col("segment_kind") == "total")
    found = accuracy.of_totals(rows).row(0, named=True)
    assert (found["forecasts"], found["origins"]) == (2, 2)
    assert found["wape"] == pytest.approx((20 + 10) / 200)
    assert found["bias"] == pytest.approx((20 - 10) / 200)
    assert found["coverage"] == pytest.approx(0.5)
    assert found["width"] == pytest.approx((50 + 10) / 200)
    # p10: (2 + 1.5) / 2, p50: (5 + 5) / 2, p90: (3 + 4.5) / 2, per mean actual of 100
    assert found["pinball"] == pytest.approx((1.75 + 5 + 3.75) / 3 / 100)


def test_scores_by_week_and_by_segment() -> None:
    rows = accuracy.scored(RESULTS, ACTUAL)
    weeks = accuracy.of_totals(
        rows.filter(pl.col("segment_kind") == "total"), (*accuracy.METHOD, "week")
    )
    assert weeks["week"].to_list() == [0, 2]
    assert weeks["bias"].to_list() == pytest.approx([0.2, -0.1])
    kinds = accuracy.of_totals(rows, (*accuracy.METHOD, "segment_kind"))
    owner = kinds.filter(pl.col("segment_kind") == "owner").row(0, named=True)
    assert owner["wape"] == pytest.approx((15 + 30 + 25) / 100)
    single = accuracy.of_totals(rows, (*accuracy.METHOD, "segment_kind", "segment"))
    assert single.filter(pl.col("segment") == "2")["wape"].to_list() == [None]


def test_scores_without_quantiles() -> None:
    rows = accuracy.scored(RESULTS.drop("p10", "p50", "p90"), ACTUAL)
    assert "coverage" not in accuracy.of_totals(rows).columns


def test_scores_of_deals_leave_out_what_is_not_known() -> None:
    chances = pl.DataFrame(
        {
            "method": ["m"] * 4,
            "variant": ["x"] * 4,
            "win_probability": [0.9, None, 0.2, 0.4],
            "win_probability_by": [0.6, 0.2, 0.2, None],
            "won_by": [True, False, False, True],
            "won": [True, False, False, None],
        }
    )
    found = accuracy.of_deals(chances).row(0, named=True)
    assert (found["by_sample"], found["won_sample"]) == (3, 2)
    assert found["by_brier"] == pytest.approx((0.16 + 0.04 + 0.04) / 3)
    assert found["by_auc"] == found["won_auc"] == 1.0
    assert found["won_ece"] == pytest.approx((0.1 + 0.2) / 2)
    empty = accuracy.of_deals(chances.with_columns(pl.lit(None).cast(pl.Boolean).alias("won")))
    assert empty["won_auc"].to_list() == [None]


def test_nothing_to_score() -> None:
    assert accuracy.of_totals(accuracy.scored(RESULTS.clear(), ACTUAL)).height == 0
