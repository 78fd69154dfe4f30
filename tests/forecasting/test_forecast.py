"""Totals of periods: by hand, and adding up whatever the deals."""

import json
from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from forecasting.forecast import LEFT_OUT, forecast
from forecasting.methods import OpportunityStage
from forecasting.periods import Period, PeriodKind, periods_for
from tests.forecasting.frames import NO_CHANGES, STAGES, TODAY, deals, now, stage, stages

MONTHS = periods_for(TODAY, [PeriodKind.MONTH])
BOTH = periods_for(TODAY, ["month", "quarter"])
METHOD = OpportunityStage("crm").fit(now(deals(), NO_CHANGES, STAGES))


def forecast_of(frame: pl.DataFrame, periods: list[Period] = MONTHS) -> pl.DataFrame:
    return forecast(METHOD, METHOD.predict(frame), frame, periods, today=TODAY)


def total(frame: pl.DataFrame, start: date = date(2026, 3, 1)) -> dict[str, Any]:
    rows = forecast_of(frame).filter(
        (pl.col("segment_kind") == "total") & (pl.col("period_start") == start)
    )
    return rows.row(0, named=True)


def left_out(row: dict[str, Any]) -> dict[str, int]:
    return {reason: count for reason, count in json.loads(row["left_out"]).items() if count}


def test_current_and_next_of_each_kind() -> None:
    assert [(p.kind.value, p.label) for p in BOTH] == [
        ("month", "2026-03"),
        ("month", "2026-04"),
        ("quarter", "2026-Q1"),
        ("quarter", "2026-Q2"),
    ]
    assert [p.label for p in periods_for(date(2026, 12, 31), ["month", "quarter"])] == [
        "2026-12",
        "2027-01",
        "2026-Q4",
        "2027-Q1",
    ]


def test_by_hand() -> None:
    """Won 300 this month; open 1,000 at 40 % and 500 at 20 %; next month 2,000 at 40 %."""
    frame = deals(
        {"status": "won", "amount": 300.0, "closed_on": date(2026, 3, 2)},
        {"status": "won", "amount": 7.0, "closed_on": date(2026, 2, 28)},
        {"status": "lost", "amount": 9.0, "closed_on": date(2026, 3, 2)},
        {},
        {"amount": 500.0, "stage_id": "qualified", "close_date": date(2026, 3, 31)},
        {"amount": 2000.0, "close_date": date(2026, 4, 1)},
    )
    march = total(frame)
    assert (march["won_amount"], march["won_deals"]) == (300, 1)
    assert (march["open_amount"], march["open_deals"]) == (1500, 2)
    assert march["weighted_amount"] == pytest.approx(500)
    assert march["forecast"] == pytest.approx(800)
    assert (march["method"], march["variant"]) == ("opportunity_stage", "crm")
    assert json.loads(march["parameters"]) == {"probabilities": "crm", "prior_deals": 10.0}
    assert march["period_end"] == date(2026, 4, 1)
    assert total(frame, date(2026, 4, 1))["forecast"] == pytest.approx(800)


def test_an_overdue_deal_counts_in_no_period_and_is_told_in_each() -> None:
    frame = deals({"close_date": TODAY - timedelta(days=1)}, {"close_date": TODAY})
    march, april = total(frame), total(frame, date(2026, 4, 1))
    assert (march["open_deals"], left_out(march)) == (1, {"overdue": 1})
    assert (april["open_deals"], left_out(april)) == (0, {"overdue": 1})


def test_each_deal_that_cannot_count_is_told_once_with_its_first_reason() -> None:
    gone = {"amount": None, "amount_problem": "missing"}
    frame = deals(
        {"close_date": None, **gone},
        {"close_date": date(2026, 1, 1), **gone},
        gone,
        {"amount": None, "amount_problem": "no_rate"},
        {"stage_id": "nowhere"},
        {"status": "won", "closed_on": TODAY, **gone},
    )
    march = total(frame)
    assert left_out(march) == {
        "close_date_missing": 1,
        "overdue": 1,
        "amount_missing": 2,
        "no_rate": 1,
        "no_probability": 1,
    }
    assert (march["forecast"], march["won_deals"], march["open_deals"]) == (0, 0, 0)


def test_a_deal_without_owner_or_pipeline_is_under_the_empty_segment() -> None:
    frame = deals({"owner_id": None, "pipeline_id": None, "stage_probability": 0.5})
    rows = forecast_of(frame, MONTHS[:1])
    assert rows.select("segment_kind", "segment", "forecast").rows() == [
        ("total", "", 500.0),
        ("pipeline", "", 500.0),
        ("owner", "", 500.0),
    ]


def test_an_empty_account_has_a_total_of_nothing() -> None:
    rows = forecast_of(deals(), BOTH)
    assert rows["segment_kind"].to_list() == ["total"] * 4
    assert rows["forecast"].to_list() == [0.0] * 4


def test_two_connections_are_never_added() -> None:
    frame = deals({}, {"connection": "other"})
    with pytest.raises(ValueError, match="main, other"):
        forecast_of(frame)


any_deal = st.fixed_dictionaries(
    {
        "status": st.sampled_from(["open", "won", "lost"]),
        "pipeline_id": st.sampled_from(["sales", "renewals", None]),
        "owner_id": st.sampled_from(["1", "2", None]),
        "stage_id": st.sampled_from(["qualified", "proposal", "gone"]),
        "amount": st.one_of(st.none(), st.integers(-1000, 10**9).map(float)),
        "close_date": st.one_of(
            st.none(), st.dates(date(2026, 1, 1), date(2026, 8, 1)), st.just(date(2099, 1, 1))
        ),
        "stage_probability": st.one_of(st.none(), st.floats(0, 1)),
    }
)


@settings(max_examples=40, deadline=None)
@given(st.lists(any_deal, max_size=12), st.dates(date(2026, 3, 1), date(2026, 3, 16)))
def test_totals_are_the_sum_of_their_parts(rows: list[dict[str, Any]], closed_on: date) -> None:
    frame = deals(
        *({**row, "closed_on": None if row["status"] == "open" else closed_on} for row in rows)
    )
    figures = forecast_of(frame, BOTH).with_columns(
        pl.col("left_out").str.json_decode(pl.Struct(dict.fromkeys(LEFT_OUT, pl.Int64)))
    )
    figures = figures.unnest("left_out")
    sums = ["forecast", "won_amount", "open_amount", "weighted_amount"]
    counts = ["won_deals", "open_deals", *LEFT_OUT]
    by_kind = figures.group_by("period_kind", "period_start", "segment_kind").agg(
        pl.col(*sums, *counts).sum()
    )
    keys = ["period_kind", "period_start"]
    whole = by_kind.filter(pl.col("segment_kind") == "total").drop("segment_kind").sort(keys)
    for kind in ("pipeline", "owner"):
        parts = whole.select(keys).join(
            by_kind.filter(pl.col("segment_kind") == kind), on=keys, how="left"
        )
        assert_frame_equal(
            parts.drop("segment_kind").fill_null(0).sort(keys), whole, rel_tol=1e-9, abs_tol=1e-3
        )
    assert not any(figures[name].is_nan().any() for name in sums)
    placed = figures.filter(
        (pl.col("segment_kind") == "total") & (pl.col("period_kind") == "quarter")
    )
    assert placed["open_deals"].sum() <= len([row for row in rows if row["status"] == "open"])


def test_the_order_of_rows_means_nothing() -> None:
    frame = deals({}, {"owner_id": "2"}, {"close_date": None})
    assert_frame_equal(forecast_of(frame), forecast_of(frame.reverse()))


def test_two_pipelines_may_name_their_stages_alike() -> None:
    both = stages(stage("new", 0.1), stage("new", 0.3, pipeline_id="renewals"))
    frame = deals({"stage_id": "new"}, {"stage_id": "new", "pipeline_id": "renewals"})
    method = OpportunityStage("crm").fit(now(frame, NO_CHANGES, both))
    assert method.predict(frame)["weighted_amount"].to_list() == [100.0, 300.0]
