"""An assessment is saved in one piece, and read back in the shape it had."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from sqlalchemy import Engine, and_, select

from forecasting.deals import INSTANT
from sync.mirror import schema
from sync.mirror.assessments import (
    PREDICTIONS_KEPT_DAYS,
    assessment_rows,
    latest_forecasts,
    latest_velocity,
    most_explained,
    open_findings,
    predicted_since,
    save_assessment,
    thin,
)
from sync.mirror.job_runs import start_run
from tests.mirror.records import T0, minutes, rows


def findings(*found: tuple[str, str]) -> pl.DataFrame:
    evidence = [json.dumps({"amount": None, "note": f"ø {rule}"}) for _, rule in found]
    return pl.DataFrame(
        {
            "deal_id": [deal_id for deal_id, _ in found],
            "rule": [rule for _, rule in found],
            "evidence": evidence,
        },
        schema=dict.fromkeys(("deal_id", "rule", "evidence"), pl.String),
    )


def assessments(**scores: int) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {
                "deal_id": deal_id,
                "quality_score": score,
                "method": "opportunity_stage:learned",
                "win_probability": 0.25 if score else None,
                "win_probability_by_month": 0.05,
                "win_probability_by_quarter": None,
                "call": "SLIP",
                "predicted_close_on": date(2026, 5, 4),
                "expected_amount": score * 10.0,
                "stale_days": 3,
                "reasons": "[]",
                "explanation": "Ingen aktivitet på 3 dager.",
            }
            for deal_id, score in scores.items()
        ],
        schema_overrides={"win_probability_by_quarter": pl.Float64},
    )


FORECAST = {
    "method": "opportunity_stage",
    "variant": "crm",
    "period_kind": "month",
    "period_start": date(2026, 1, 1),
    "period_end": date(2026, 2, 1),
    "segment_kind": "total",
    "segment": "",
    "currency": "NOK",
    "forecast": 400.5,
    "won_amount": 0.5,
    "won_deals": 1,
    "open_amount": 1000.0,
    "open_deals": 2,
    "weighted_amount": 400.0,
    "new_amount": None,
    "p10": 100.5,
    "p50": 390.0,
    "p90": 900.0,
    "shock": 0.1,
    "sample": 12,
    "note": None,
    "interval_note": "few_finished_origins:3",
    "past_wape": 0.12,
    "past_origins": 14,
    "floor": None,
    "chosen": True,
    "left_out": '{"overdue": 2}',
    "parameters": "{}",
    "definition": None,
}
PREDICTION = {
    "deal_id": "a",
    "method": "opportunity_stage",
    "variant": "crm",
    "period_kind": "month",
    "period_start": date(2026, 1, 1),
    "period_end": date(2026, 2, 1),
    "win_probability": 0.4,
    "win_probability_by": None,
}
VELOCITY = {
    "window_start": date(2025, 1, 1),
    "window_end": date(2026, 1, 1),
    "segment_kind": "total",
    "segment": "",
    "currency": "NOK",
    "opportunities": 100,
    "average_value": 50_000.0,
    "win_rate": 0.2,
    "cycle_length_days": None,
    "sales_velocity": None,
    "won_deals": 20,
    "decided_deals": 100,
}


def assess(engine: Engine, at: datetime, connection: str = "acme", **frames: Any) -> int:
    run_id = start_run(engine, "assess", connection, at=at)
    given = {
        "findings": findings(),
        "assessments": assessments(a=80),
        "forecasts": pl.DataFrame([FORECAST]),
        "velocities": pl.DataFrame([VELOCITY]),
    }
    save_assessment(engine, run_id, connection, as_of=at, **given | frames)
    return run_id


def test_what_is_saved_is_read_back(engine: Engine) -> None:
    run_id = assess(engine, T0, findings=findings(("a", "stale")))
    assert open_findings(engine, "acme").rows() == [
        ("a", "stale", T0, T0, open_findings(engine, "acme")["evidence"][0])
    ]
    evidence = json.loads(open_findings(engine, "acme")["evidence"][0])
    assert evidence == {"amount": None, "note": "ø stale"}
    as_of = pl.lit(T0, INSTANT).alias("as_of")
    read = assessment_rows(engine, "acme")
    assert_frame_equal(
        read,
        assessments(a=80).with_columns(as_of),
        check_column_order=False,
    )
    (forecast,) = latest_forecasts(engine, "acme").drop("id").to_dicts()
    common = {"job_run_id": run_id, "connection": "acme", "as_of": T0}
    assert forecast == FORECAST | common | {"left_out": forecast["left_out"]}
    assert json.loads(forecast["left_out"]) == {"overdue": 2}
    assert latest_velocity(engine, "acme").drop("id").to_dicts() == [VELOCITY | common]


def test_before_the_first_assessment_there_is_nothing(engine: Engine) -> None:
    for reader in (open_findings, assessment_rows, latest_forecasts, latest_velocity):
        assert reader(engine, "acme").is_empty()
    assert open_findings(engine, "acme").schema["since"] == INSTANT
    assert latest_forecasts(engine, "acme").schema["period_start"] == pl.Date


def test_a_finding_keeps_its_date_as_long_as_it_is_found(engine: Engine) -> None:
    assess(engine, minutes(0), findings=findings(("a", "stale"), ("b", "stale")))
    assess(engine, minutes(1), findings=findings(("a", "stale"), ("a", "overdue")))
    assess(engine, minutes(2), findings=findings(("a", "stale"), ("b", "stale")))
    found = open_findings(engine, "acme").select("deal_id", "rule", "since", "as_of").rows()
    assert found == [("a", "stale", minutes(0), minutes(2)), ("b", "stale", minutes(2), minutes(2))]


def test_forecasts_are_added_and_what_is_said_of_deals_replaced(engine: Engine) -> None:
    assess(engine, T0, assessments=assessments(a=80, b=70))
    assess(engine, minutes(1), connection="other", findings=findings(("a", "stale")))
    last = assess(engine, minutes(2), assessments=assessments(b=60))
    assert assessment_rows(engine, "acme")["deal_id"].to_list() == ["b"]
    assert latest_forecasts(engine, "acme")["job_run_id"].to_list() == [last]
    assert len(rows(engine, schema.forecast)) == len(rows(engine, schema.velocity)) == 3
    assert open_findings(engine, "other").height == 1


def test_an_assessment_that_cannot_be_saved_leaves_the_last_one(engine: Engine) -> None:
    assess(engine, T0, findings=findings(("a", "stale")))
    tables = (schema.finding, schema.deal_assessment, schema.forecast, schema.velocity)
    before = [rows(engine, table) for table in tables]
    with pytest.raises(Exception, match=r"(?i)unique"):
        assess(engine, minutes(1), velocities=pl.DataFrame([VELOCITY, VELOCITY]))
    assert [rows(engine, table) for table in tables] == before


def test_the_deals_with_most_findings_come_first(engine: Engine) -> None:
    found = [("a", "stale"), ("b", "stale"), ("b", "overdue"), ("c", "stale"), ("closed", "stale")]
    assess(engine, T0, findings=findings(*found), assessments=assessments(a=1, b=2, c=3, d=4))
    assert most_explained(engine, "acme", 2) == ["b", "c"]
    assert most_explained(engine, "acme", 9) == ["b", "c", "a"]


def test_of_a_past_day_the_last_runs_forecasts_stay(engine: Engine) -> None:
    midnight = datetime(2026, 3, 16, 23, 0, tzinfo=UTC)  # in Oslo
    early, late = (assess(engine, midnight - timedelta(hours=h)) for h in (5, 1))
    today = [assess(engine, midnight + timedelta(hours=h)) for h in (0, 1)]
    other = assess(engine, midnight - timedelta(hours=6), connection="other")
    thin(engine, "acme", now=midnight + timedelta(hours=2), zone="Europe/Oslo")
    kept = {row["job_run_id"] for row in rows(engine, schema.forecast)}
    assert kept == {late, *today, other}
    assert early not in kept


def test_a_prediction_keeps_the_forecasts_that_tell_its_parameters(engine: Engine) -> None:
    """Made by the first run of a Monday; that day's later runs say other things of others."""
    for hour, prior in enumerate((10, 20)):
        told = FORECAST | {"parameters": json.dumps({"prior_deals": prior})}
        once_a_week = None if hour else pl.DataFrame([PREDICTION])
        assess(
            engine,
            T0 + timedelta(hours=hour),
            forecasts=pl.DataFrame([told]),
            predictions=once_a_week,
        )
    assess(engine, T0 + timedelta(hours=2), forecasts=pl.DataFrame([FORECAST]))
    thin(engine, "acme", now=T0 + timedelta(days=2), zone="UTC")
    assert len(rows(engine, schema.forecast)) == 2  # the last one, and the prediction's
    shared = ("job_run_id", "method", "variant")
    same = [schema.forecast.c[name] == schema.prediction.c[name] for name in shared]
    query = select(
        schema.prediction.c.deal_id, schema.forecast.c.parameters, schema.forecast.c.as_of
    )
    with engine.connect() as database:
        found = database.execute(query.join(schema.forecast, and_(*same))).all()
    assert found == [("a", {"prior_deals": 10}, T0)]


def test_predictions_outlive_their_period_by_a_year_and_a_bit(engine: Engine) -> None:
    over = datetime(2026, 2, 1, tzinfo=UTC)
    assess(engine, T0, predictions=pl.DataFrame([PREDICTION]))
    assert predicted_since(engine, "acme", T0)
    assert not predicted_since(engine, "acme", T0 + timedelta(seconds=1))
    assert not predicted_since(engine, "other", T0)
    for days, left in ((PREDICTIONS_KEPT_DAYS, 1), (PREDICTIONS_KEPT_DAYS + 1, 0)):
        thin(engine, "acme", now=over + timedelta(days=days), zone="UTC")
        assert len(rows(engine, schema.prediction)) == left
