"""Accounts that have little to forecast from: each gets a clear, labelled answer by every method,
their combination and its interval; never NaN, never a number from nothing.
"""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from forecasting.combination import NAME, ORDER, RECORD_SCHEMA
from forecasting.methods import METHODS, ForecastMethod
from forecasting.notes import Note
from forecasting.periods import periods_for
from forecasting.snapshot import Snapshot
from sync.jobs.forecasts import Record, forecasts
from sync.jobs.inputs import Inputs
from tests.contract.test_methods import BUSY, LOST, VARIANTS
from tests.forecasting.frames import (
    AS_OF,
    NO_CHANGES,
    OWNERS,
    STAGES,
    ZONE,
    change,
    changes,
    day_of,
    deals,
    now,
    stage,
    stages,
    won_stays,
)

FIRST_RUN = Record(
    None, pl.DataFrame(schema={**RECORD_SCHEMA, "won_deals": pl.Int64, "actual_deals": pl.Int64})
)


def account(
    frame: pl.DataFrame,
    history: pl.DataFrame = NO_CHANGES,
    known: pl.DataFrame = STAGES,
    past: datetime | None = None,
) -> tuple[Snapshot, Inputs]:
    """The account as the assess job takes it up on its first run, or as it stood at a `past` one,
    as the back-test does.
    """
    as_of = past or AS_OF
    today = day_of(as_of)
    assert today is not None
    inputs = Inputs(frame, history, known, OWNERS, as_of, today, ZONE, "NOK")
    if past:
        return inputs.history().snapshot(past), inputs
    return now(frame, history, known), inputs


def told(snapshot: Snapshot, inputs: Inputs) -> pl.DataFrame:
    """The rows of table `forecast` of all methods and their combination, checked to be numbers."""
    methods = [
        METHODS[name](**{next(iter(VARIANTS[name])): variant}).fit(snapshot)
        for name, variant in ORDER
    ]
    periods = periods_for(inputs.today, ["month", "quarter"])
    rows = forecasts(methods, snapshot, periods, FIRST_RUN, inputs)
    for column in rows.iter_columns():
        if column.dtype.is_float():
            assert column.drop_nulls().is_finite().all(), column.name
    assert rows["forecast"].null_count() == 0
    silent = pl.col("interval_note").eq_missing("nothing_to_come")
    for name in ("p10", "p50", "p90"):
        assert rows.select((pl.col(name).is_null() == silent).all()).item(), name
    ordered = (pl.col("p10") <= pl.col("p50")) & (pl.col("p50") <= pl.col("p90"))
    assert rows.select(ordered.all()).item()
    for name in ("note", "interval_note"):
        for key in rows[name].drop_nulls().unique():
            assert all(Note.of(key).text(language) for language in ("en", "nb"))
    assert rows.filter("chosen")["method"].unique().to_list() == [NAME]
    for method in methods:
        chances_make_sense(method, snapshot, inputs)
    return rows.filter(pl.col("segment_kind") == "total")


def chances_make_sense(method: ForecastMethod, snapshot: Snapshot, inputs: Inputs) -> None:
    chances = method.deals(snapshot, periods_for(inputs.today, ["quarter"]))
    for name in ("win_probability", "win_probability_by"):
        assert chances[name].drop_nulls().is_between(0, 1).all()
    assert chances["amount"].drop_nulls().is_finite().all()


def notes(rows: pl.DataFrame) -> dict[str, set[str | None]]:
    """Per method and variant what it says of all its totals."""
    return {
        f"{method} {variant}": set(group["note"].to_list())
        for (method, variant), group in rows.group_by("method", "variant", maintain_order=True)
    }


def quarter(rows: pl.DataFrame, method: str, variant: str | None = None) -> dict[str, Any]:
    """The current quarter's total by one method, `left_out` as the reasons that apply."""
    chosen = rows.filter(
        (pl.col("method") == method) & (pl.col("period_kind") == "quarter")
    ).filter(pl.lit(True) if variant is None else pl.col("variant") == variant)
    row = chosen.sort("period_start").row(0, named=True)
    row["left_out"] = {why: n for why, n in json.loads(row["left_out"]).items() if n}
    return row


HISTORICAL = [f"historical {variant}" for variant in VARIANTS["historical"]["model"]]
MULTIVARIABLE = ["multivariable additive", "multivariable table"]


def test_no_won_deal_yet() -> None:
    """What is learned from losses alone is a prior: it says so, and the CRM's word comes first."""
    rows = told(*account(deals(*LOST, {}, {"stage_id": "qualified"})))
    said = notes(rows)
    for name in ("opportunity_stage learned", *MULTIVARIABLE):
        assert said[name] == {"few_won_deals:0"}, name
    for name in HISTORICAL:
        assert said[name] == {"not_enough_history:nothing"}
    assert rows.filter(pl.col("method") == "historical")["forecast"].sum() == 0
    combined = quarter(rows, NAME)
    assert combined["note"] == "not_enough_history:opportunity_stage"
    assert combined["forecast"] == pytest.approx(1000 * 0.4 + 1000 * 0.2)


def test_no_won_deal_but_many_lost_with_a_record_of_what_was_said() -> None:
    lost = pl.col("status") == "won"
    frame = BUSY[0].with_columns(
        status=pl.when(lost).then(pl.lit("lost")).otherwise("status"),
        stage_id=pl.when(lost).then(pl.lit("lost")).otherwise("stage_id"),
    )
    history = BUSY[1].with_columns(pl.col("new").replace("won", "lost"))
    said = notes(told(*account(frame, history)))
    for name in ("opportunity_stage learned", "intuitive recalibrated", *MULTIVARIABLE):
        assert said[name] == {"few_won_deals:0"}, name


def test_one_deal() -> None:
    rows = told(*account(deals({})))
    assert quarter(rows, NAME)["forecast"] == pytest.approx(400)
    assert quarter(rows, NAME)["note"] == "not_enough_history:opportunity_stage"
    for name in MULTIVARIABLE:
        assert notes(rows)[name] == {"not_enough_history:opportunity_stage"}
    assert quarter(rows, "intuitive", "stated")["note"] == "not_enough_history:nothing"


def test_one_deal_without_a_close_date() -> None:
    """Who stands in for the method that learns has nothing to say either: 0 would be a forecast."""
    said = notes(told(*account(deals({"close_date": None}))))
    for name in ("opportunity_stage crm", *MULTIVARIABLE):
        assert said[name] == {"not_enough_history:nothing"}, name


def test_all_deals_open() -> None:
    frame = BUSY[0].with_columns(
        status=pl.lit("open"),
        stage_id=pl.lit("proposal"),
        closed_at=pl.lit(None, pl.Datetime("us", "UTC")),
        closed_on=pl.lit(None, pl.Date),
        close_date=pl.lit(date(2026, 3, 27)),
    )
    history = BUSY[1].filter(~pl.col("new").is_in(["won", "lost"]))
    rows = told(*account(frame, history))
    stated = 0.4 * float(frame["amount"].sum())
    assert quarter(rows, NAME)["forecast"] == pytest.approx(stated)
    assert quarter(rows, NAME)["note"] == "not_enough_history:opportunity_stage"
    assert quarter(rows, "opportunity_stage", "learned")["note"] == "not_enough_history:crm"
    assert quarter(rows, "historical", "mean")["note"] == "not_enough_history:nothing"


def test_amounts_missing_on_most_deals() -> None:
    """The additive model takes what won deals brought; the others count who is left out."""
    frame = BUSY[0].with_columns(
        amount=pl.when(pl.col("deal_id").str.ends_with("7")).then("amount"),
        amount_problem=pl.when(~pl.col("deal_id").str.ends_with("7")).then(pl.lit("missing")),
    )
    snapshot, inputs = account(frame, BUSY[1].filter(pl.col("field") != "amount"))
    rows = told(snapshot, inputs)
    assert quarter(rows, "opportunity_stage", "crm")["left_out"]["amount_missing"] > 0
    fitted = METHODS["multivariable"]().fit(snapshot)
    sources = fitted.deals(snapshot, periods_for(inputs.today, ["month"]))["amount_source"]
    assert set(sources) <= {"deal", "imputed"}
    assert "imputed" in set(sources)


def test_no_amount_on_any_deal() -> None:
    frame = BUSY[0].with_columns(amount=pl.lit(None, pl.Float64), amount_problem=pl.lit("missing"))
    rows = told(*account(frame, BUSY[1].filter(pl.col("field") != "amount")))
    assert rows["forecast"].sum() == 0
    for name in (*MULTIVARIABLE, *HISTORICAL):
        assert notes(rows)[name] == {"not_enough_history:nothing"}
    assert quarter(rows, NAME)["left_out"]["amount_missing"] > 0


def test_currencies_without_rates() -> None:
    """Nothing is added at 1.0: each deal is left out by name."""
    frame = BUSY[0].with_columns(
        amount=pl.lit(None, pl.Float64),
        amount_problem=pl.lit("no_rate"),
        currency=pl.lit("SEK"),
    )
    rows = told(*account(frame, BUSY[1].filter(pl.col("field") != "amount")))
    assert rows["forecast"].sum() == 0
    placed = quarter(rows, "opportunity_stage", "crm")["left_out"]
    assert placed.pop("no_rate") > 0
    assert set(placed) <= {"overdue"}
    assert quarter(rows, "multivariable", "table")["note"] == "not_enough_history:nothing"
    assert quarter(rows, NAME)["left_out"]["no_rate"] > 0


def test_one_currency_of_several_without_a_rate() -> None:
    foreign = {"amount": None, "amount_problem": "no_rate", "currency": "SEK"}
    combined = quarter(told(*account(deals({}, foreign))), NAME)
    assert combined["forecast"] == pytest.approx(400)
    assert combined["left_out"] == {"no_rate": 1}


def test_a_stage_that_no_longer_exists() -> None:
    """The CRM states nothing of it, so the deal is left out; what was learned still holds."""
    rows, moves = won_stays(12, 9)
    gone = stages(*STAGES.rows(named=True)[2:])  # neither qualified nor proposal is left
    answer = told(*account(deals({"deal_id": "open"}, *rows), changes(*moves), gone))
    stated = quarter(answer, "opportunity_stage", "crm")
    assert (stated["forecast"], stated["left_out"]) == (0, {"no_probability": 1})
    learned = quarter(answer, "opportunity_stage", "learned")
    assert learned["left_out"] == {}
    assert learned["forecast"] > 0
    assert learned["sample"] == 12


def test_history_that_starts_yesterday() -> None:
    """Outcomes and creations are known, stages of the past are not: nobody guesses them."""
    since = AS_OF - timedelta(days=1)
    frame, history = BUSY[0], BUSY[1].filter(pl.col("changed_at") > since)
    rows = told(*account(frame, history))
    assert notes(rows)["intuitive recalibrated"] == {"not_enough_history:intuitive_stated"}
    before, _ = account(frame, history, past=AS_OF - timedelta(days=30))
    assert before.deals.filter(pl.col("status") == "open")["stage_id"].null_count() > 0


def test_an_account_that_starts_yesterday() -> None:
    created = AS_OF - timedelta(days=1)
    fresh = [{"created_at": created, "amount": 500.0} for _ in range(5)]
    moves = [change("stage", "proposal", created, deal_id=f"d{n}") for n in range(1, 6)]
    rows = told(*account(deals(*fresh), changes(*moves)))
    combined = quarter(rows, NAME)
    assert combined["forecast"] == pytest.approx(5 * 500 * 0.4)
    assert combined["note"] == "not_enough_history:opportunity_stage"
    assert combined["interval_note"] == "few_finished_origins:0"


@pytest.mark.parametrize("day", [date(1970, 1, 1), date(2099, 12, 31)])
def test_close_dates_in_1970_or_2099(day: date) -> None:
    """Overdue is told; in 73 years is in no period. Neither brings a krone by its close date."""
    rows = told(*account(deals({"close_date": day}, {})))
    stated = quarter(rows, "opportunity_stage", "crm")
    assert (stated["forecast"], stated["open_deals"]) == (400, 1)
    assert stated["left_out"] == ({"overdue": 1} if day.year == 1970 else {})


@pytest.mark.parametrize("day", [date(1970, 1, 1), date(2099, 12, 31)])
def test_a_whole_history_with_absurd_dates(day: date) -> None:
    frame = BUSY[0].with_columns(close_date=pl.lit(day))
    history = BUSY[1].with_columns(
        new=pl.when(pl.col("field") == "close_date").then(pl.lit(f"{day}")).otherwise("new")
    )
    rows = told(*account(frame, history))
    assert quarter(rows, "opportunity_stage", "learned")["open_deals"] == 0
    assert quarter(rows, "multivariable", "table")["open_deals"] > 0  # asks no close date


def test_deals_created_and_won_in_1970() -> None:
    long_ago = datetime(1970, 1, 1, tzinfo=UTC)
    ancient = {"created_at": long_ago, "status": "won", "closed_at": long_ago, "stage_id": "won"}
    rows = told(*account(deals({}, ancient)))
    for name in HISTORICAL:
        assert notes(rows)[name] == {"not_enough_history:nothing"}
    assert 0 < quarter(rows, NAME)["forecast"] <= 1000


def test_a_pipeline_with_one_stage() -> None:
    """No stage to learn from but the one: the rate of the pipeline is all there is."""
    frame = BUSY[0].with_columns(
        stage_id=pl.when(pl.col("status") == "open").then(pl.lit("only")).otherwise("stage_id")
    )
    history = BUSY[1].with_columns(pl.col("new").replace(["qualified", "proposal"], "only"))
    one = stages(stage("only", None), *STAGES.rows(named=True)[2:])
    rows = told(*account(frame, history, one))
    stated = quarter(rows, "opportunity_stage", "crm")
    assert stated["forecast"] == stated["won_amount"]
    assert stated["left_out"]["no_probability"] > 0
    for method, variant in (("opportunity_stage", "learned"), ("multivariable", "table")):
        row = quarter(rows, method, variant)
        assert row["forecast"] > row["won_amount"]
        assert row["note"] is None


def seasonal(months_without: set[int]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Three years of a deal every other day, won or lost within days, none in some months."""
    rows, moves = [], []
    for number in range(540):
        created = AS_OF - timedelta(days=2 * number + 8)
        closed = created + timedelta(days=6)
        if {created.month, closed.month} & months_without:
            continue
        outcome, deal_id = ("won", "lost")[number % 2], f"s{number}"
        rows.append(
            {
                "deal_id": deal_id,
                "status": outcome,
                "stage_id": outcome,
                "created_at": created,
                "closed_at": closed,
            }
        )
        moves += [
            change("stage", "proposal", created, deal_id=deal_id),
            change("stage", outcome, closed, old="proposal", deal_id=deal_id),
        ]
    return deals(*rows, {"deal_id": "open", "close_date": date(2025, 7, 20)}), changes(*moves)


def test_a_month_without_selling_days() -> None:
    """A July in which nothing ever happened: little or nothing is expected, and it is a number."""
    frame, history = seasonal({7})
    frame = frame.with_columns(
        created_at=pl.when(pl.col("deal_id") == "open")
        .then(pl.lit(datetime(2025, 6, 20, 8, tzinfo=UTC)).cast(pl.Datetime("us", "UTC")))
        .otherwise("created_at")
    )
    rows = told(*account(frame, history, past=datetime(2025, 7, 1, 6, tzinfo=UTC)))
    months = rows.filter(pl.col("period_kind") == "month").sort("period_start")
    by = {(m, v): g["forecast"].to_list() for (m, v), g in months.group_by("method", "variant")}
    july, august = by["historical", "last_year"]
    assert (july, august > 0) == (0, True)
    for variant in ("table", "additive"):
        dead, after = by["multivariable", variant]
        assert 0 <= dead < after, variant


def test_an_account_without_owner_history() -> None:
    """Today's owners alone are known: each method still speaks, and owners add up to the total."""
    for frame in (BUSY[0], BUSY[0].with_columns(owner_id=pl.lit(None, pl.String))):
        snapshot, inputs = account(frame, BUSY[1].filter(pl.col("field") != "owner"))
        assert told(snapshot, inputs).filter("chosen")["forecast"].sum() > 0
        for name in METHODS:
            method = METHODS[name]().fit(snapshot)
            (sums,) = (
                method.totals(snapshot, periods_for(inputs.today, ["quarter"])[:1])
                .group_by("segment_kind")
                .agg(pl.col("forecast").sum())
                .filter(pl.col("segment_kind").is_in(["total", "owner"]))
                .select(pl.col("forecast").max() - pl.col("forecast").min())
                .to_series()
            )
            assert sums == pytest.approx(0, abs=1e-6)
