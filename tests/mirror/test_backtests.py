"""What a back-test stored is never stored again, whatever a later run says of it."""

from datetime import date, timedelta

import polars as pl
from sqlalchemy import Engine

from sync.mirror import schema
from sync.mirror.backtests import (
    last_definition,
    latest_scores,
    origin_rows,
    save_origin,
    save_scores,
    stored_periods,
    with_horizon,
)
from sync.mirror.job_runs import start_run
from tests.mirror.records import T0

ROW = {
    "origin": date(2026, 1, 5),
    "period_kind": "month",
    "period_start": date(2026, 1, 1),
    "period_end": date(2026, 2, 1),
    "method": "historical",
    "variant": "mean",
    "segment_kind": "total",
    "segment": "",
    "won_amount": 0.0,
    "won_deals": 0,
    "expected_rest": 100.0,
    "variance_rest": 25.0,
    "forecast": 100.0,
    "p10": 90.0,
    "p50": 100.0,
    "p90": 110.0,
    "sample": 8,
    "note": None,
    "actual": 105.0,
    "actual_deals": 2,
    "deals": "{}",
}


def test_a_tested_day_keeps_what_it_has_and_another_definition_stands_beside(
    engine: Engine,
) -> None:
    run_id = start_run(engine, "backtest", "acme", at=T0)
    again = pl.DataFrame([ROW | {"forecast": 999.0}])
    assert save_origin(engine, run_id, "acme", "a", pl.DataFrame([ROW])) == 1
    assert save_origin(engine, run_id, "acme", "a", again) == 0
    assert save_origin(engine, run_id, "acme", "b", again) == 1
    assert origin_rows(engine, "acme", "a")["forecast"].to_list() == [100.0]
    assert origin_rows(engine, "acme", "b")["forecast"].to_list() == [999.0]
    key = (date(2026, 1, 5), "month", date(2026, 1, 1))
    assert stored_periods(engine, "acme", "a") == {key}
    assert stored_periods(engine, "other", "a") == set()
    assert last_definition(engine, "acme") is None


def test_where_a_stored_day_lies_in_its_period_and_whether_a_range_was_told() -> None:
    """Weeks from the first day of the period on, 1 for its first seven days."""
    days = [date(2025, 12, 29), date(2026, 1, 1), date(2026, 1, 7), date(2026, 1, 8)]
    stored = pl.DataFrame([ROW | {"origin": day} for day in days])
    told = with_horizon(stored)
    assert told.select("ahead", "week").rows() == [(1, 0), (0, 1), (0, 1), (0, 2)]
    assert told["variant"].to_list() == ["mean"] * 4
    assert told["p10"].to_list() == [90.0] * 4

    certain = with_horizon(stored.with_columns(variance_rest=0.0, method=pl.lit("combination")))
    assert set(certain["variant"]) == {""}
    for name in ("p10", "p50", "p90"):
        assert certain[name].null_count() == 4


def test_the_last_back_test_is_in_force(engine: Engine) -> None:
    row = dict.fromkeys(schema.backtest_score.c.keys()) | {
        **{name: ROW[name] for name in ("method", "variant", "period_kind")},
        "ahead": 0,
        "currency": "NOK",
        "origins": 1,
        "verdict": "{}",
        "first_origin": ROW["origin"],
        "last_origin": ROW["origin"],
    }
    for number, definition in enumerate(("b", "c", "a")):
        at = T0 + timedelta(days=number)
        run_id = start_run(engine, "backtest", "acme", at=at)
        scores = pl.DataFrame([row | {"definition": definition}])
        save_scores(engine, run_id, "acme", as_of=at, scores=scores)
    assert last_definition(engine, "acme") == "a"
    assert latest_scores(engine, "acme")["definition"].to_list() == ["a"]
    assert last_definition(engine, "other") is None
