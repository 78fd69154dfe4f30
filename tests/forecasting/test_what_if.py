"""What if: the articles' figures, several levers at once, bounds, sensitivity, back-solving."""

from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting.velocity import Drivers
from forecasting.what_if import (
    EXAMPLE,
    Bound,
    Needed,
    back_solve,
    bounds,
    drivers_of,
    exceeded,
    outcomes,
    parse_lever,
    sensitivity,
)

ARTICLES = ("win_rate=25%", "cycle_days=75", "value=+10%")


def test_the_articles_figures() -> None:
    told = outcomes(EXAMPLE, [parse_lever(text) for text in ARTICLES])
    assert [each.label for each in told] == ["today", *ARTICLES, "all together"]
    assert [round(each.drivers.sales_velocity) for each in told] == [
        11_111, 13_889, 13_333, 12_222, 18_333,
    ]  # fmt: skip
    assert told[-1].gain > sum(each.gain for each in told[1:-1])


@pytest.mark.parametrize(
    ("text", "driver", "value"),
    [
        ("win_rate=25%", "win_rate", 0.25),
        ("win_rate=+10%", "win_rate", 0.22),
        ("win_rate=+5pp", "win_rate", 0.25),
        ("win_rate=-5pp", "win_rate", 0.15),
        ("cycle_days=75", "cycle_length_days", 75),
        ("cycle_length_days=-15", "cycle_length_days", 75),
        ("cycle_days=-10%", "cycle_length_days", 81),
        ("value=+10%", "average_value", 55_000),
        ("average_value=60000", "average_value", 60_000),
        ("opportunities=+20", "opportunities", 120),
        ("Opportunities = 120", "opportunities", 120),
    ],
)
def test_a_lever_sets_scales_or_adds(text: str, driver: str, value: float) -> None:
    lever = parse_lever(text)
    assert lever.driver == driver
    assert lever.of(getattr(EXAMPLE, driver)) == pytest.approx(value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("price=+10%", "names no driver"),
        ("win_rate", "names no driver|neither"),
        ("win_rate=0.25", "in percent"),
        ("cycle_days=75%", r"cycle_days=\+75%"),
        ("value=+5pp", "percentage points"),
        ("win_rate=5pp", "percentage points"),
        ("cycle_days=soon", "neither a value"),
        ("cycle_days=", "neither a value"),
    ],
)
def test_a_lever_that_says_nothing_clear_is_refused(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_lever(text)


@pytest.mark.parametrize("text", ["win_rate=150%", "cycle_days=-90", "opportunities=-200"])
def test_what_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"it has to be|it cannot be"):
        _ = outcomes(EXAMPLE, [parse_lever(text)])


def test_one_driver_has_one_lever() -> None:
    with pytest.raises(ValueError, match="win_rate is given twice"):
        outcomes(EXAMPLE, [parse_lever("win_rate=25%"), parse_lever("win_rate=+5pp")])


def history(rates: list[float], note: str | None = None) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "average_value": [1000.0 * n for n, _ in enumerate(rates)],
            "win_rate": rates,
            "cycle_days": [90.0 - n for n, _ in enumerate(rates)],
            "note": [note] * len(rates),
        },
        schema_overrides={"note": pl.String},
    )


def test_bounds_are_the_best_quartile_of_the_accounts_own_months_and_owners() -> None:
    known = bounds(history([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]), history([0.5, 0.6]))
    assert {each.of for each in known} == {"months"}  # two owners have no best quartile
    rate = next(each for each in known if each.driver == "win_rate")
    assert (rate.value, rate.sample) == (pytest.approx(0.7), 9)
    cycle = next(each for each in known if each.driver == "cycle_length_days")
    assert cycle.value == pytest.approx(84)


def test_months_of_too_few_deals_are_no_bound() -> None:
    assert bounds(history([0.9] * 12, "too_few"), history([0.9] * 12, "too_few")) == []


@pytest.mark.parametrize(
    ("text", "beyond"),
    [
        ("win_rate=25%", True),
        ("win_rate=22%", False),
        ("cycle_days=75", True),
        ("cycle_days=85", False),
        ("cycle_days=100", False),
        ("value=+10%", False),
    ],
)
def test_a_lever_beyond_what_the_account_ever_did_is_named(text: str, beyond: bool) -> None:
    known = [
        Bound("win_rate", "months", 0.22, 12),
        Bound("cycle_length_days", "owners", 80, 9),
        Bound("average_value", "owners", 60_000, 9),
    ]
    told = outcomes(EXAMPLE, [parse_lever(text)])[-1]
    assert bool(exceeded(told, EXAMPLE, known)) == beyond


def test_a_driver_that_was_left_alone_is_not_blamed() -> None:
    told = outcomes(EXAMPLE, [parse_lever("value=+10%")])[-1]
    assert exceeded(told, EXAMPLE, [Bound("win_rate", "months", 0.1, 12)]) == []


def test_one_day_off_the_cycle_is_worth() -> None:
    told = {each.step: each.gain for each in sensitivity(EXAMPLE)}
    assert told["one day off the cycle"] == pytest.approx(1e6 / 89 - 1e6 / 90)
    assert told["one percentage point of win rate"] == pytest.approx(50_000 / 90)
    assert told["one more opportunity"] == pytest.approx(10_000 / 90)
    assert told["1 % on the average value"] == pytest.approx(10_000 / 90)


def test_an_impossible_step_is_worth_nothing_that_can_be_told() -> None:
    told = {each.step: each.gain for each in sensitivity(Drivers(5, 100, 1.0, 0.5))}
    assert told["one day off the cycle"] is None
    assert told["one percentage point of win rate"] is None


def test_what_a_quarter_of_two_and_a_half_million_takes() -> None:
    needed = back_solve(EXAMPLE, 2_500_000, 91)
    assert needed.per_day == pytest.approx(27_472.5, abs=0.1)
    assert needed.new_deals_per_week == pytest.approx(2_500_000 / 10_000 / 13)
    assert needed.opportunities == pytest.approx(247.25, abs=0.01)


def test_a_target_out_of_reach_of_one_driver_is_said_to_be() -> None:
    assert back_solve(EXAMPLE, 10_000_000, 91).win_rate is None
    nothing = back_solve(Drivers(0, 100, 0.0, 30), 1000, 30)
    assert nothing == Needed(pytest.approx(33.33, abs=0.01), None, None, None, None, None)
    with pytest.raises(ValueError, match="above 0"):
        back_solve(EXAMPLE, 0, 91)


POSITIVE = st.floats(0.01, 1e6)


@given(st.builds(Drivers, POSITIVE, POSITIVE, st.floats(0.01, 1), POSITIVE), POSITIVE)
def test_what_is_needed_does_reach_the_target(drivers: Drivers, target: float) -> None:
    needed = back_solve(drivers, target, 91.0)
    for name in ("opportunities", "average_value", "win_rate", "cycle_length_days"):
        value = getattr(needed, name)
        if value is not None:
            changed: dict[str, Any] = {
                each: getattr(drivers, each)
                for each in ("opportunities", "average_value", "win_rate", "cycle_length_days")
            }
            made = Drivers(**(changed | {name: value})).sales_velocity * 91
            assert made == pytest.approx(target)


def test_drivers_that_are_not_known_are_none() -> None:
    row = {"opportunities": 3, "average_value": 10.0, "win_rate": 0.5, "cycle_days": 4.0}
    assert drivers_of(row) == Drivers(3, 10, 0.5, 4)
    assert drivers_of(row | {"cycle_days": None}) is None
    assert drivers_of(row | {"cycle_days": 0.0}) is None
