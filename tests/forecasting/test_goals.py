"""Quotas: fiscal periods, files, attainment, pacing, roll-ups, and the chance of reaching them."""

from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting.fiscal import fiscal_period, named
from forecasting.goals import Attainment, attainment, chance_of_reaching, shares_due
from forecasting.periods import Period, PeriodKind
from forecasting.quota_file import amount_of, read_quotas
from forecasting.quotas import Quota, with_rollups
from forecasting.selling_days import SellingDays, selling_days
from tests.forecasting.frames import deals

QUARTER = fiscal_period("2026-Q1").period
TODAY = date(2026, 3, 16)
WEEKDAYS = SellingDays()
FORECASTS = {
    "segment_kind": pl.String, "segment": pl.String, "period_start": pl.Date,
    "period_end": pl.Date, "won_amount": pl.Float64, "p10": pl.Float64, "p50": pl.Float64,
    "p90": pl.Float64,
}  # fmt: skip


def quota(amount: int = 1000, kind: str = "total", segment: str = "", **differs: Any) -> Quota:
    told = {"label": "2026-Q1", "period": QUARTER, "currency": None, "source": "config"}
    return Quota(kind=kind, segment=segment, amount=Decimal(amount), **{**told, **differs})


def forecast(period: Period = QUARTER, **differs: Any) -> pl.DataFrame:
    row = {
        "segment_kind": "total", "segment": "", "period_start": period.start,
        "period_end": period.end, "won_amount": 400.0, "p10": 600.0, "p50": 900.0, "p90": 1300.0,
    }  # fmt: skip
    return pl.DataFrame([{**row, **differs}], schema=FORECASTS)


def stands(of: Quota, *rows: dict[str, Any], forecasts: pl.DataFrame | None = None) -> Attainment:
    told = pl.DataFrame(schema=FORECASTS) if forecasts is None else forecasts
    return attainment(of, deals(*rows), told, today=TODAY, selling=WEEKDAYS)


def won(amount: float, day: date, **differs: Any) -> dict[str, Any]:
    return {"status": "won", "amount": amount, "closed_on": day, **differs}


@pytest.mark.parametrize(
    ("text", "start_month", "label", "start", "end"),
    [
        ("2026-Q4", 1, "FY2026-Q4", "2026-10-01", "2027-01-01"),
        ("FY2026", 4, "FY2026", "2025-04-01", "2026-04-01"),
        ("2026", 1, "FY2026", "2026-01-01", "2027-01-01"),
        ("FY2026-Q1", 4, "FY2026-Q1", "2025-04-01", "2025-07-01"),
        ("FY2026-Q4", 4, "FY2026-Q4", "2026-01-01", "2026-04-01"),
        ("2026H2", 2, "FY2026-H2", "2025-08-01", "2026-02-01"),
        ("2026-03", 4, "2026-03", "2026-03-01", "2026-04-01"),
        ("2026-01-15..2026-02-14", 1, "2026-01-15..2026-02-14", "2026-01-15", "2026-02-15"),
    ],
)
def test_fiscal_periods_need_not_be_the_calendars(
    text: str, start_month: int, label: str, start: str, end: str
) -> None:
    found = fiscal_period(text, start_month)
    assert found.label == label
    assert (str(found.period.start), str(found.period.end)) == (start, end)


@given(year=st.integers(2000, 2100), month=st.integers(1, 12))
def test_the_quarters_of_a_fiscal_year_fill_it(year: int, month: int) -> None:
    whole = fiscal_period(f"FY{year}", month).period
    quarters = [fiscal_period(f"{year}-Q{n}", month).period for n in (1, 2, 3, 4)]
    assert (quarters[0].start, quarters[-1].end) == (whole.start, whole.end)
    assert all(one.end == two.start for one, two in pairwise(quarters))
    assert whole.end.year == year + (month == 1)


@given(
    year=st.integers(2001, 2100),
    month=st.integers(1, 12),
    part=st.sampled_from(["FY{}", "FY{}-H1", "FY{}-H2", *(f"FY{{}}-Q{n}" for n in (1, 2, 3, 4))]),
)
def test_periods_of_the_crm_are_called_as_people_call_them(
    year: int, month: int, part: str
) -> None:
    asked = fiscal_period(part.format(year), month)
    assert named(asked.period.start, asked.period.end, month) == asked


def test_other_days_are_called_by_the_first_and_the_last_of_them() -> None:
    assert named(date(2026, 3, 1), date(2026, 4, 1), 4).label == "2026-03"
    assert named(date(2026, 3, 9), date(2026, 3, 16)).label == "2026-03-09..2026-03-15"


@pytest.mark.parametrize("text", ["", "soon", "2026-Q5", "2026-13", "2026-02-02..2026-01-01"])
def test_what_is_no_period(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no period; write|ends before it begins"):
        fiscal_period(text)


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("1200000", "1200000"),
        ("1 200 000,50", "1200000.50"),
        ("1,200,000.50", "1200000.50"),
        ("1.200.000,50", "1200000.50"),
        ("1\N{NO-BREAK SPACE}200\N{NO-BREAK SPACE}000", "1200000"),
        ("12,5", "12.5"),
    ],
)
def test_amounts_as_people_write_them(text: str, amount: str) -> None:
    assert amount_of(text) == Decimal(amount)


def test_a_file_with_every_kind_of_wrong_row() -> None:
    text = (
        "Selger;team;Periode;Beløp;Valuta\n"
        "Kari;;2026-Q1;1 200 000;NOK\n"
        ";North;2026-Q1;500000;\n"
        ";;2026;4000000;\n"
        "Ola;North;2026-Q1;1;\n"
        "Ola;;Q1;1;\n"
        "Ola;;2026-Q1;1,200;\n"
        "Ola;;2026-Q1;-5;\n"
        "Ola;;2026-Q1;5;kroner\n"
        "kari;;2026-Q1;7;\n"
        "Ola;;;5;\n"
        "Ola;;2026-Q1;;\n"
        "\n"
    )
    quotas, bad = read_quotas(text, fiscal_year_starts=1)
    assert [(q.kind, q.segment, q.label, int(q.amount), q.currency) for q in quotas] == [
        ("owner", "Kari", "FY2026-Q1", 1_200_000, "NOK"),
        ("team", "North", "FY2026-Q1", 500_000, None),
        ("total", "", "FY2026", 4_000_000, None),
    ]
    told = {row.line: row.reason for row in bad}
    assert list(told) == [5, 6, 7, 8, 9, 10, 11, 12]
    assert told[5] == "it names owner and team; name one of them"
    assert "'Q1' is no period" in told[6]
    assert "could be two amounts" in told[7]
    assert "'-5' is no amount" in told[8]
    assert "'KRONER' is no currency" in told[9]
    assert told[10] == "the same owner and period as line 2"
    assert told[11] == "the period is empty"
    assert told[12] == "the amount is empty"


@pytest.mark.parametrize(
    ("text", "told"),
    [("", "no column 'period'"), ("period\n", "no column 'amount' or 'count'"),
     ("period,amount,colour\n", "unknown column 'colour'")],
)  # fmt: skip
def test_headings_that_are_not_usable(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        read_quotas(text, fiscal_year_starts=1)


def test_a_file_with_counts_of_deals() -> None:
    text = (
        "team;periode;beløp;antall;valuta\n"
        "North;2026-03;;12;\n"
        "North;2026-03;500000;;NOK\n"
        "South;2026-03;5;5;\n"
        "South;2026-03;;1.5;\n"
        "South;2026-03;;0;\n"
        "South;2026-03;;5;NOK\n"
        "North;2026-03;;13;\n"
    )
    quotas, bad = read_quotas(text, fiscal_year_starts=1)
    assert [(int(q.amount), q.measure) for q in quotas] == [(12, "count"), (500_000, "amount")]
    assert [row.reason for row in bad] == [
        "it has an amount and a count of deals; give one of the two",
        "'1.5' is no count of deals; write 12",
        "'0' is no count of deals; write 12",
        "a count of deals has no currency",
        "the same team and period as line 2",
    ]


def test_a_quota_of_deals_counts_them_in_all_its_figures() -> None:
    found = stands(
        quota(4, measure="count"),
        won(400, date(2026, 1, 5)),
        {"amount": 900.0, "close_date": date(2026, 3, 30)},
        {"amount": None, "close_date": date(2026, 3, 30)},
        forecasts=forecast(),
    )
    assert (found.won, found.won_deals, found.attainment, found.gap) == (1, 1, 0.25, 3)
    assert (found.open_deals, found.coverage) == (2, pytest.approx(2 / 3))
    assert found.pace["linear"] == pytest.approx(1 / (4 * 74 / 90))
    assert (found.probability, found.notes[0]) == (None, "count")


def test_a_seasonal_pace_in_deals_is_not_that_in_money() -> None:
    rows: list[dict[str, Any]] = [{"created_on": date(2024, 1, 1)}]
    for year, month in [(2025, 1), (2025, 4), (2025, 7), (2025, 10)]:
        early, late = date(year, month, 10), date(year, month + 2, 20)
        rows += [*[won(10, early)] * 5, *[won(90, late)] * 5]
    told: dict[str, Any] = {"today": date(2026, 2, 15), "selling": WEEKDAYS}
    assert shares_due(QUARTER, deals(*rows), **told)["seasonal"] == pytest.approx(0.1)
    in_deals = shares_due(QUARTER, deals(*rows), **told, measure="count")
    assert in_deals["seasonal"] == pytest.approx(0.5)


def test_a_quota_of_some_pipelines_sees_no_others() -> None:
    found = stands(
        quota(1000, pipelines=("a", "b")),
        won(400, date(2026, 1, 5), pipeline_id="a"),
        won(300, date(2026, 1, 5), pipeline_id="b"),
        won(999, date(2026, 1, 5), pipeline_id="c"),
        {"amount": 900.0, "close_date": date(2026, 3, 30), "pipeline_id": "c"},
        forecasts=forecast(),
    )
    assert (found.won, found.open_deals) == (700, 0)
    assert (found.probability, found.notes[0]) == (None, "pipelines")


def test_attainment_gap_coverage_and_who_counts() -> None:
    found = stands(
        quota(kind="owner", segment="1"),
        won(400, date(2026, 1, 5)),
        won(999, date(2025, 12, 31)),
        won(777, date(2026, 2, 1), owner_id="2"),
        {"amount": 900.0, "close_date": date(2026, 3, 30)},
        {"amount": 5000.0, "close_date": date(2026, 4, 1)},
        {"amount": 6000.0, "close_date": date(2026, 3, 1)},
    )
    assert (found.won, found.won_deals, found.attainment, found.gap) == (400, 1, 0.4, 600)
    assert (found.open_amount, found.open_deals, found.coverage) == (900, 1, 1.5)
    assert "few_deals" in found.notes


def test_a_goal_that_is_reached_has_no_coverage_and_is_certain() -> None:
    found = stands(quota(), won(1000, date(2026, 1, 5)))
    assert (found.coverage, found.gap, found.probability) == (None, 0, 1.0)


def test_an_account_without_any_deal() -> None:
    found = stands(quota())
    assert (found.won, found.coverage, found.probability) == (0, 0, None)
    assert found.notes == ("no_forecast", "few_deals")
    assert found.pace["seasonal"] is None


def test_a_period_that_is_over_was_missed() -> None:
    past = quota(period=fiscal_period("2025-Q4").period)
    assert stands(past, won(1, date(2025, 11, 1))).probability == 0


def test_paces_by_calendar_days_and_by_working_days_of_the_country() -> None:
    april = fiscal_period("2026-04").period
    norway = selling_days("NO", [2026])
    shares = shares_due(april, deals(), today=date(2026, 4, 7), selling=norway)
    assert shares["linear"] == pytest.approx(6 / 30)
    # Maundy Thursday to Easter Monday: of the first six days only the 1st was a working day
    assert shares["selling_days"] == pytest.approx(1 / 19)


def test_a_seasonal_pace_follows_the_accounts_own_quarters() -> None:
    """Nine in ten kroner always came in the last third of the quarter."""
    rows: list[dict[str, Any]] = [{"created_on": date(2024, 1, 1)}]
    for year, month in [(2025, 1), (2025, 4), (2025, 7), (2025, 10)]:
        early, late = date(year, month, 10), date(year, month + 2, 20)
        rows += [won(10, early), *[won(10, late)] * 9]
    half = shares_due(QUARTER, deals(*rows), today=date(2026, 2, 15), selling=WEEKDAYS)
    assert half["seasonal"] == pytest.approx(0.1)
    young = shares_due(QUARTER, deals(*rows[:20]), today=date(2026, 2, 15), selling=WEEKDAYS)
    assert young["seasonal"] is None


def test_the_chance_is_the_forecasts_own() -> None:
    rows = [won(400, date(2026, 1, 5))]
    assert stands(quota(900), *rows, forecasts=forecast()).probability == pytest.approx(0.5)
    assert stands(quota(1300), *rows, forecasts=forecast()).probability == pytest.approx(0.1)
    assert stands(quota(600), *rows, forecasts=forecast()).probability == pytest.approx(0.9)


def test_the_chance_of_a_year_rests_on_what_was_won_before_its_last_quarter() -> None:
    year = fiscal_period("2026", 4)  # to the end of March
    found = stands(
        quota(2900, period=year.period), won(2000, date(2025, 8, 1)), forecasts=forecast()
    )
    assert found.probability == pytest.approx(0.5)


def test_a_goal_that_no_forecast_ends_with_has_no_chance() -> None:
    half = quota(period=fiscal_period("2026-H1").period)
    found = stands(half, forecasts=forecast())
    assert (found.probability, found.notes[0]) == (None, "no_forecast")


def test_where_the_forecast_tells_no_range_there_is_no_chance_and_that_is_why() -> None:
    silent = forecast().with_columns(
        pl.lit(None, pl.Float64).alias(p) for p in ("p10", "p50", "p90")
    )
    found = stands(quota(900), forecasts=silent)
    assert (found.probability, found.notes[0]) == (None, "no_range")


@given(
    levels=st.lists(st.floats(0, 1e9), min_size=3, max_size=3).map(sorted),
    targets=st.lists(st.floats(0, 2e9), min_size=2, max_size=2).map(sorted),
)
def test_a_higher_goal_is_never_likelier(levels: list[float], targets: list[float]) -> None:
    low, high = (chance_of_reaching(t, 0.0, (levels[0], levels[1], levels[2])) for t in targets)
    assert 0 <= high <= low <= 1


def test_three_quantiles_are_never_certain() -> None:
    levels = (600.0, 900.0, 1300.0)
    assert chance_of_reaching(1e9, 400.0, levels) == 0.01
    assert chance_of_reaching(401.0, 400.0, (600.0, 9000.0, 9100.0)) < 1
    assert chance_of_reaching(400.0, 400.0, levels) == 1


def test_teams_and_the_total_have_the_sum_of_their_people_unless_set() -> None:
    people = [
        quota(100, "owner", "1"), quota(200, "owner", "2"), quota(400, "owner", "3"),
        quota(999, "team", "South"),
    ]  # fmt: skip
    found = with_rollups(people, {"1": "North", "2": "North", "3": "South"})
    rolled = {(q.kind, q.segment): int(q.amount) for q in found if q.source == "sum"}
    assert rolled == {("team", "North"): 300, ("total", ""): 700}
    assert [int(q.amount) for q in found if q.segment == "South"] == [999]


def test_money_deals_and_pipelines_are_never_added_up() -> None:
    people = [
        quota(100, "owner", "1"), quota(200, "owner", "2"),
        quota(3, "owner", "1", measure="count"), quota(4, "owner", "2", measure="count"),
        quota(50, "owner", "1", pipelines=("a",)), quota(60, "owner", "2", pipelines=("a", "b")),
    ]  # fmt: skip
    found = with_rollups(people, {"1": "North", "2": "North"})
    rolled = [(q.kind, q.segment, int(q.amount), q.measure) for q in found if q.source == "sum"]
    assert sorted(rolled) == [
        ("pipeline", "a", 50, "amount"),
        ("team", "North", 7, "count"), ("team", "North", 50, "amount"),
        ("team", "North", 60, "amount"), ("team", "North", 300, "amount"),
        ("total", "", 7, "count"), ("total", "", 60, "amount"), ("total", "", 300, "amount"),
    ]  # fmt: skip


def test_an_explicit_total_stays() -> None:
    found = with_rollups([quota(100, "owner", "1"), quota(5000)], {"1": None})
    assert [(q.kind, int(q.amount)) for q in found] == [("owner", 100), ("total", 5000)]


def test_any_window_has_a_share_between_nothing_and_all() -> None:
    window = Period(TODAY, TODAY + timedelta(days=2), PeriodKind.WINDOW)
    shares = shares_due(window, deals(), today=TODAY + timedelta(days=9), selling=WEEKDAYS)
    assert shares == {"linear": 1.0, "selling_days": 1.0, "seasonal": None}
