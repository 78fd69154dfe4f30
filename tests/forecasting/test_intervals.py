"""Quantiles against laws whose quantiles are known; the shock against arithmetic by hand."""

import math
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting import intervals
from forecasting.intervals import RESIDUAL_SCHEMA, Shock
from forecasting.periods import Period, PeriodKind

MARCH = Period(date(2026, 3, 1), date(2026, 4, 1), PeriodKind.MONTH)


def residuals(*rows: tuple[int, float, float, float]) -> pl.DataFrame:
    """(days_left, expected_rest, variance_rest, actual_rest), one after the other."""
    day = date(2000, 1, 1)
    told = [("month", *row, day, day := day + timedelta(row[0])) for row in rows]
    return pl.DataFrame(told, schema=RESIDUAL_SCHEMA, orient="row")


def test_without_a_record_the_shock_is_the_prior() -> None:
    shock = intervals.common_shock(residuals(), days_left=28)
    assert shock == Shock(0.10, 0, "few_finished_origins:0", degrees=4.0)


def test_the_shock_is_what_chance_does_not_explain() -> None:
    # errors of 30 and 10, of which independent deals explain a variance of 400 each
    record = residuals(*[(28, 100.0, 400.0, 130.0)] * 2, *[(28, 100.0, 400.0, 90.0)] * 2)
    shock = intervals.common_shock(record, days_left=28)
    beyond = (2 * (900 - 400) + 2 * (100 - 400)) / 10_400
    assert shock.sd**2 == pytest.approx((4 * 0.01 + beyond) / 8)
    assert (shock.sample, shock.note, shock.degrees) == (4, None, 8.0)


def test_overlapping_origins_tell_less() -> None:
    """Thirteen Mondays of four weeks each cover sixteen weeks: four times four."""
    days = [date(2026, 1, 5) + timedelta(7 * n) for n in range(13)]
    record = residuals(*[(28, 100.0, 0.0, 130.0)] * 13).with_columns(
        pl.Series("starts", days), pl.Series("ends", [day + timedelta(28) for day in days])
    )
    shock = intervals.common_shock(record, days_left=28)
    assert shock.sd**2 == pytest.approx((4 * 0.01 + 4 * 0.09) / 8)
    assert (shock.sample, shock.degrees) == (13, 17.0)


def test_a_small_miss_in_a_slow_period_is_a_small_miss() -> None:
    """20 came where 2 were expected: 900 %, but 18 beside forecasts of 1,000 each."""
    usual = [(28, 1000.0, 0.0, 1100.0)] * 6
    slow = intervals.common_shock(residuals(*usual, (28, 2.0, 0.0, 20.0)), days_left=28)
    assert slow.sd == pytest.approx(0.10, abs=0.001)


def test_errors_that_chose_their_weights_count_for_more() -> None:
    record = residuals(*[(28, 100.0, 0.0, 120.0)] * 8)
    shock = intervals.common_shock(record, days_left=28, fitted=2)
    assert shock.sd**2 == pytest.approx((4 * 0.01 + 8 * 0.04 * 8 / 6) / 12)


def test_errors_smaller_than_chance_leave_no_shock() -> None:
    record = residuals(*[(28, 100.0, 2500.0, 100.0)] * 10)
    assert intervals.common_shock(record, days_left=28).sd == 0


def test_only_horizons_of_like_length_teach() -> None:
    record = residuals((7, 100.0, 0.0, 200.0), (14, 100.0, 0.0, 120.0), (60, 100.0, 0.0, 0.0))
    shock = intervals.common_shock(record, days_left=28)
    assert shock.sample == 1
    assert shock.sd**2 == pytest.approx((4 * 0.01 + 0.04) / 5)


def test_a_forecast_of_nothing_teaches_nothing() -> None:
    assert intervals.common_shock(residuals((28, 0.0, 0.0, 50.0)), days_left=28).sample == 0


def test_a_certain_amount_under_the_shock_is_lognormal() -> None:
    variance, third = intervals.shaken([10.0], [0.0], [0.0], 0.2)
    assert variance[0] == pytest.approx(100 * 0.04)
    # third central moment of a lognormal law: m^3 s^4 (s^2 + 3)
    assert third[0] == pytest.approx(1000 * 0.2**4 * (0.04 + 3))


def test_without_a_shock_the_moments_stay() -> None:
    variance, third = intervals.shaken([10.0], [3.0], [2.0], 0.0)
    assert (variance[0], third[0]) == (pytest.approx(3.0), pytest.approx(2.0))


@pytest.mark.parametrize(("level", "exact"), [(0.1, 0.10536), (0.5, 0.69315), (0.9, 2.30259)])
def test_quantiles_of_an_exponential_law(level: float, exact: float) -> None:
    """Mean 1, variance 1, third central moment 2: far from normal."""
    (got,) = intervals.quantiles([0.0], [1.0], [1.0], [2.0], levels=(level,))[0]
    assert got == pytest.approx(exact, abs=0.03)


def test_quantiles_of_a_normal_law() -> None:
    got = intervals.quantiles([5.0], [100.0], [25.0], [0.0])[0]
    assert got == pytest.approx([105 - 1.28155 * 5, 105, 105 + 1.28155 * 5], abs=1e-3)


@pytest.mark.parametrize(
    ("degrees", "exact"), [(4, 1.5332), (8, 1.3968), (30, 1.3104), (math.inf, 1.2816)]
)
def test_a_deviation_that_is_hardly_known_widens_as_student_says(
    degrees: float, exact: float
) -> None:
    got = intervals.quantiles(0.0, 100.0, 25.0, 0.0, degrees=degrees)[0]
    assert got == pytest.approx([100 - exact * 5, 100, 100 + exact * 5], abs=0.02)


def test_what_student_adds_stands_beside_what_skewness_does() -> None:
    skewed, both = (
        intervals.quantiles(0.0, 10.0, 4.0, 8.0, degrees=degrees)[0] for degrees in (math.inf, 8)
    )
    assert both - skewed == pytest.approx([-0.1153 * 2, 0, 0.1153 * 2], abs=1e-3)


def test_the_formula_agrees_with_drawing() -> None:
    """200 deals of 1 to 9 at 30 %, under a shock of 15 %."""
    generator = np.random.default_rng(7)
    amounts = np.arange(200) % 9 + 1.0
    p = 0.3
    mean = (p * amounts).sum()
    variance = (p * (1 - p) * amounts**2).sum()
    third = (p * (1 - p) * (1 - 2 * p) * amounts**3).sum()
    wins = generator.random((20_000, 200)) < p
    shock = np.exp(generator.standard_normal(20_000) * np.sqrt(np.log(1.0225)) - np.log(1.0225) / 2)
    drawn = np.quantile(shock * (wins @ amounts), [0.1, 0.5, 0.9])
    got = intervals.quantiles([0.0], [mean], [variance], [third], shock_sd=0.15)[0]
    assert got == pytest.approx(drawn, rel=0.01)


@given(
    won=st.floats(0, 1e6),
    mean=st.floats(0, 1e6),
    sd=st.floats(0, 1e6),
    skewness=st.floats(-20, 20),
    shock=st.floats(0, 2),
    degrees=st.floats(4, 1000),
)
def test_quantiles_never_fall_and_keep_what_is_won(
    won: float, mean: float, sd: float, skewness: float, shock: float, degrees: float
) -> None:
    levels = tuple(np.linspace(0.01, 0.99, 25))
    got = intervals.quantiles(
        [won], [mean], [sd**2], [skewness * sd**3], shock_sd=shock, degrees=degrees, levels=levels
    )[0]
    assert np.isfinite(got).all()
    assert (np.diff(got) >= -1e-6 * (1 + abs(got[-1]))).all()
    assert (got >= won).all()


def test_nothing_uncertain_is_one_number() -> None:
    assert intervals.quantiles([7.0], [0.0], [0.0], [0.0], shock_sd=0.3)[0].tolist() == [7, 7, 7]


@pytest.mark.parametrize(
    ("moments", "says"),
    [((1.0, -1.0, 0.0), "below 0"), ((np.nan, 1.0, 0.0), "not finite"), ((1, 1, np.inf), "finite")],
)
def test_impossible_moments_are_errors(moments: tuple[float, float, float], says: str) -> None:
    mean, variance, third = moments
    with pytest.raises(ValueError, match=says):
        intervals.quantiles([0.0], [mean], [variance], [third])


def totals(**differences: Any) -> pl.DataFrame:
    row = {
        "period_kind": "month",
        "period_start": MARCH.start,
        "period_end": MARCH.end,
        "segment_kind": "total",
        "segment": "",
        "won_amount": 50.0,
        "open_expected": 60.0,
        "open_variance": 80.0,
        "open_third_moment": 0.0,
        "new_expected": 40.0,
        "new_variance": 20.0,
        "new_third_moment": 0.0,
    }
    return pl.DataFrame([row | differences])


def test_totals_get_their_quantiles_and_what_they_rest_on() -> None:
    row = intervals.with_intervals(totals(), {MARCH: Shock(0.0, 3, "few_finished_origins:3")})
    (got,) = row.iter_rows(named=True)
    assert got["p10"] == pytest.approx(150 - 12.8155, abs=1e-3)
    assert got["p50"] == pytest.approx(150)
    assert got["p90"] == pytest.approx(150 + 12.8155, abs=1e-3)
    assert (got["shock_sd"], got["shock_sample"]) == (0.0, 3)
    assert got["interval_note"] == "few_finished_origins:3"
    assert intervals.with_intervals(totals().clear(), {}).schema == row.schema
    with pytest.raises(KeyError):
        intervals.with_intervals(totals(period_kind="quarter"), {MARCH: Shock(0.1, 9)})


def test_the_floor_of_chance() -> None:
    # amounts 1 and 3: mean 2, standard deviation 1, cv^2 = 0.25; 20 wins a period
    floor = intervals.chance_floor([1.0, 3.0], 20)
    assert floor.wape == pytest.approx(0.8 * (1.25 / 20) ** 0.5)
    assert floor.sample == 2
    assert intervals.chance_floor([], 20).wape is None
    assert intervals.chance_floor([5.0], 0).wape is None


def test_scenarios_share_the_shock_and_repeat_with_the_seed() -> None:
    def draw(seed: int) -> Any:
        return intervals.scenarios(
            [10.0, 0.0],
            [100.0, 200.0],
            [4.0, 4.0],
            [0.0, 0.0],
            shock_sd=0.2,
            draws=20_000,
            generator=np.random.default_rng(seed),
        )

    drawn = draw(1)
    assert (drawn == draw(1)).all()
    assert drawn.mean(axis=0) == pytest.approx([110.0, 200.0], rel=0.01)
    assert np.corrcoef(drawn.T)[0, 1] > 0.95
    assert (drawn[:, 0] >= 10).all()


def test_a_business_as_regular_as_subscriptions_gets_a_narrow_interval() -> None:
    """One win a month, always for what was said within 8 %: chance would allow 58 %."""
    errors = (*(-2, 0, 1) * 14, -4, *(-8,) * 9)
    said = [(91, 300.0, 30_000.0, 300.0 * (1 + error / 100)) for error in errors]
    record = residuals(*said)
    shock = intervals.common_shock(record, days_left=91)
    regular = intervals.regularity(record, shock.sd)
    assert shock.sd == 0.0
    # of 52 results the 43rd by size, 12 too low, lies on P10, nearly that of a normal law
    assert regular * math.sqrt(30_000.0) * 1.2816 == pytest.approx(12.0, rel=0.05)
    row, plain = (
        intervals.with_intervals(totals(), {MARCH: shock}).row(0, named=True)
        for shock in (Shock(0.0, 52, None, regular), Shock(0.0, 52))
    )
    assert row["p90"] - row["p10"] == pytest.approx(regular * (plain["p90"] - plain["p10"]))


def test_a_business_is_regular_only_where_that_is_plain() -> None:
    """All of 13 results inside their intervals come by chance once in 18 times, of 14 in 23."""
    said = (91, 300.0, 30_000.0, 306.0)
    assert intervals.regularity(residuals(*[said] * 13), 0.0) == 1.0
    assert intervals.regularity(residuals(*[said] * 14), 0.0) < 0.1


def test_fewer_parts_of_a_kind_are_less_skewed() -> None:
    """A gamma law of a quarter of the variance, half the deviation, has half the skewness."""
    law, quarter = (
        intervals.quantiles(0.0, 10.0, v, 2 * v**2 / 10, regularity=factor)[0]
        for v, factor in ((16.0, 0.5), (4.0, 1.0))
    )
    assert law == pytest.approx(quarter)


def test_results_as_far_off_as_chance_allows_leave_the_interval_as_it_is() -> None:
    rng = np.random.default_rng(7)
    wins = rng.poisson(12, 400)
    record = residuals(*[(28, 1200.0, 120_000.0, 100.0 * n) for n in wins.tolist()])
    assert intervals.regularity(record, 0.0) == pytest.approx(1.0, abs=0.06)
    assert intervals.regularity(residuals(), 0.1) == 1.0
    wild = residuals(*[(28, 100.0, 10.0, 900.0)] * 20)
    assert intervals.regularity(wild, 0.1) == 1.0  # widening is the shock's task


def test_months_without_a_win_do_not_make_a_small_account_look_regular() -> None:
    """Half a win a month: most results are 0, which is where P10 lies already."""
    record = residuals(*[(28, 50.0, 5_000.0, 100.0 * (n % 2)) for n in range(26)])
    assert intervals.regularity(record, 0.1) == pytest.approx(1.0, abs=0.35)


def test_credits_make_a_range_around_the_loss() -> None:
    """Negative amounts: the mirror image of the same amounts above 0."""
    loss = intervals.quantiles(500.0, -1000.0, 90_000.0, -3e7, shock_sd=0.1)[0]
    gain = intervals.quantiles(-500.0, 1000.0, 90_000.0, 3e7, shock_sd=0.1)[0]
    assert loss == pytest.approx(-gain[::-1])
    assert loss[0] < loss[1] < loss[2] <= 500
