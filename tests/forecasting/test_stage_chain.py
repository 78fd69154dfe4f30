"""Chances along a chain of stages against what is known of such chains."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting.stage_chain import AGES, GRID, StageChain, _with_prior
from forecasting.stage_exits import LOST, UNDER_WAY, WON, StageExits

Stay = tuple[int, int, float, float]
"""Stage, where it led, age when watching began, age at its end."""

MANY: Final = 4000


def chain(*stays: Stay, stages: int = 0, pipelines: Sequence[str] = ()) -> StageChain:
    count = max(stages, 1 + max((max(one, to) for one, to, _, _ in stays), default=-1))
    of = pipelines or ["p"] * count
    names = pl.DataFrame({"pipeline_id": of, "stage_id": [f"{n}" for n in range(count)]})
    stage, to, since, days = (np.array(part) for part in zip(*stays, strict=True))
    exits = StageExits(names, stage, to, since.astype(float), days.astype(float))
    return StageChain().fit(exits)


def exponential(stage: int, to: int, rate: float, count: int = MANY) -> list[Stay]:
    """Stays as an exponential law would have them, evenly over its quantiles."""
    levels = (np.arange(count) + 0.5) / count
    return [(stage, to, 0.0, float(days)) for days in -np.log1p(-levels) / rate]


def mixed(stage: int, rate: float, leads: dict[int, int]) -> list[Stay]:
    """Such stays of one rate, led to targets in these shares of ten, whatever their length."""
    turn = np.array([to for to, share in leads.items() for _ in range(share)])
    assert len(turn) == 10
    stays = exponential(stage, WON, rate)
    return [
        (one, int(to), since, days)
        for (one, _, since, days), to in zip(stays, np.resize(turn, MANY), strict=True)
    ]


def by(found: StageChain, stage: int, days: float, horizon: float) -> float:
    return float(found.by(np.array([stage]), np.array([days]), horizon)[0])


@pytest.mark.parametrize("horizon", [1.0, 7.0, 20.0, 28.3, 90.0])
@pytest.mark.parametrize("age", [0.0, 3.3, 25.0])
def test_one_stage_left_at_one_rate(age: float, horizon: float) -> None:
    """Half are won and half lost: (1 - exp(-rate * days)) / 2, however long it has been there."""
    found = chain(*mixed(0, 0.05, {WON: 5, LOST: 5}))
    assert by(found, 0, age, horizon) == pytest.approx((1 - np.exp(-0.05 * horizon)) / 2, abs=0.02)


def test_the_rate_of_the_longest_stays_holds_on_without_end() -> None:
    found = chain(*mixed(0, 0.004, {WON: 5, LOST: 5}))
    for age in (400, 700, 1500):
        assert by(found, 0, age, 90) == pytest.approx((1 - np.exp(-0.36)) / 2, abs=0.02)


def test_chances_change_in_straight_lines_between_the_ages_that_are_reckoned() -> None:
    found = chain(*[(0, WON, 0.0, 34.0)] * 50)
    before, between, after = (by(found, 0, age, 7) for age in (24.0, 24.1, 24.5))
    assert after - before > 0.03
    assert between == pytest.approx(before + (after - before) / 5)


def test_who_leaves_where_two_classes_meet_leaves_in_the_later() -> None:
    """Nobody leaves within the fortnight, all on its last stroke."""
    found = chain(*[(0, WON, 0.0, 14.0)] * 50)
    assert by(found, 0, 0, 14) < 0.2
    assert by(found, 0, 14, 2) > 0.9


@pytest.mark.parametrize("horizon", [1.0, 3.5, 7.0, 14.0, 28.0, 84.0])
@pytest.mark.parametrize("rate", [0.03, 0.1])
def test_two_stages_in_a_row(rate: float, horizon: float) -> None:
    """The time through both is the sum of two exponential ones, Erlang's law; six of ten go on."""
    found = chain(*mixed(0, rate, {1: 6, LOST: 4}), *mixed(1, rate, {WON: 10}))
    through = 1 - np.exp(-rate * horizon) * (1 + rate * horizon)
    assert by(found, 0, 0, horizon) == pytest.approx(0.6 * through, abs=0.006)
    assert by(found, 1, 0, horizon) == pytest.approx(1 - np.exp(-rate * horizon), abs=0.02)


def test_a_chain_that_leads_back() -> None:
    """From the second stage 3 of 10 are won and 5 go back: w = .3 + .5 w, so .6 of all are."""
    found = chain(*mixed(0, 0.3, {1: 10}), *mixed(1, 0.3, {WON: 3, 0: 5, LOST: 2}))
    assert by(found, 0, 0, 728) == pytest.approx(0.6, abs=0.02)
    assert by(found, 1, 4, 728) == pytest.approx(0.6, abs=0.02)


def test_stages_passed_within_the_hour_cost_no_days() -> None:
    quick = [(0, 1, 0.0, 0.02)] * MANY + [(1, 0, 0.0, 0.02)] * (MANY // 2)
    found = chain(*quick, *mixed(1, 0.1, {WON: 10}))
    assert by(found, 0, 0, 14) == pytest.approx(by(found, 1, 0, 14), abs=0.05)


def test_deals_that_only_ever_go_to_and_fro_are_never_won() -> None:
    found = chain(*[(0, 1, 0.0, 0.01)] * MANY, *[(1, 0, 0.0, 0.01)] * MANY)
    assert by(found, 0, 0, 728) == by(found, 1, 0, 728) == 0


def test_wins_that_nobody_has_seen_from_their_beginning_are_foreseen() -> None:
    """A company of 60 days: deals take 40 for each of two stages, so none that began in the first
    is won yet, but 40 of 50 went on from it and 40 of 50 that were older were won from the second.
    """
    first = [(0, 1, 0.0, 40.0)] * 40 + [(0, LOST, 0.0, 40.0)] * 10
    second = [(1, WON, 0.0, 40.0)] * 40 + [(1, LOST, 0.0, 40.0)] * 10
    found = chain(*first, *second, *[(1, UNDER_WAY, 0.0, 20.0)] * 40)
    assert by(found, 0, 0, 120) == pytest.approx(0.8 * 0.8, abs=0.05)
    assert by(found, 0, 0, 42) < 0.1


def test_rates_are_exits_by_time_watched_with_what_is_usual_mixed_in() -> None:
    """Ten stays of .4 days, half of them watched from .25 on, and two of two days: of 12 exits in
    6.75 days 10 fall in the first half day, in 3.75 days. Two exits' worth of the stage's rate are
    mixed into that; in the second half day, in which nobody left, of the first's.
    """
    found = chain(*[(0, WON, 0.25, 0.4)] * 5, *[(0, WON, 0.0, 0.4)] * 5, *[(0, LOST, 0.0, 2.0)] * 2)
    usual = 12 / 6.75
    assert found.rate[0, 0] == pytest.approx((10 + 2) / (3.75 + 2 / usual), rel=0.01)
    assert found.rate[0, 1] == pytest.approx(2 / (1.0 + 2 / found.rate[0, 0]), rel=0.02)
    assert found.leads[0, 1, 1:] == pytest.approx(found.leads[0, 0, 1:])


def test_the_evidence_for_a_law_is_what_it_makes_of_all_rates_together() -> None:
    """Of three exits in ten days, by a gamma law of mean .1 worth 2.5 exits: summed up finely."""
    of = np.array([3.0]), np.array([10.0])
    _, told = _with_prior(*of, 2.5, np.array([0.1]))
    rates = np.arange(0.5, 20_000) * 2e-4
    law = rates**1.5 * np.exp(-25 * rates)
    seen = rates**3 * np.exp(-10 * rates)
    assert told[0] == pytest.approx(np.log((law * seen).sum() / law.sum()), abs=1e-3)


def test_a_rush_after_long_quiet_is_believed() -> None:
    """Fifty deals wait a month for nothing, then all leave. Drawn to the quiet alone, a fifth of
    the rush would be left: two exits' worth of a rate so low are more than a thousand days.
    """
    found = chain(*[(0, WON, 0.0, 34.0)] * 50)
    (month,) = np.flatnonzero(AGES == 28)
    assert found.rate[0, month] == pytest.approx((50 + 1) / (50 * 6 + 34), rel=0.02)
    assert found.rate[0, month - 1] < 0.01


def test_all_horizons_at_once_are_each_by_itself() -> None:
    stays = [*mixed(0, 0.1, {1: 6, LOST: 4}), *mixed(1, 0.2, {WON: 5, 0: 3, LOST: 2})]
    at_once, one_by_one = chain(*stays), chain(*stays)
    at_once.foresee()
    for stage, days in ((0, 0.0), (0, 33.3), (1, 2.1), (1, 400.0)):
        for horizon in GRID:
            expected = by(one_by_one, stage, days, float(horizon))
            assert by(at_once, stage, days, float(horizon)) == pytest.approx(expected, abs=1e-9)


def test_where_exits_lead_is_drawn_to_the_pipelines_usual_but_never_back_to_itself() -> None:
    """Of all 30 exits 10 led on, 10 were won and 10 lost; two exits' worth of all pipelines' share
    of won and of lost are among them. None of the first stage's own count as leading to it.
    """
    stays = [(0, 1, 0.0, 0.1)] * 10 + [(1, WON, 0.0, 0.1)] * 10 + [(1, LOST, 0.0, 0.1)] * 10
    found = chain(*stays, (2, UNDER_WAY, 0.0, 9.0))
    usual = np.array([0, 10, 0, 10 + 2 / 3, 10 + 2 / 3]) / (30 + 4 / 3)
    assert found.leads[2, 0] == pytest.approx(usual)
    of_stage = (np.array([0, 10, 0, 0, 0]) + 2 * usual) / 12
    assert found.leads[0, 0] == pytest.approx((np.array([0, 10, 0, 0, 0]) + 2 * of_stage) / 12)
    assert found.leads[1, 0, 1] == 0


def test_a_pipeline_that_has_won_nothing_yet_may_win() -> None:
    """Of forty exits of the old pipeline half are won; of the new one's three none."""
    old = [(0, WON, 0.0, 10.0)] * 20 + [(0, LOST, 0.0, 10.0)] * 20
    new = [(1, LOST, 0.0, 10.0)] * 3
    found = chain(*old, *new, pipelines=["old", "new"])
    assert 0.02 < by(found, 1, 0, 90) < 0.3
    assert by(found, 0, 0, 90) == pytest.approx(0.5, abs=0.05)


def test_what_is_due_after_a_quarter_is_not_spread_over_two_months() -> None:
    """Renewals that all end on the ninetieth day: at sixty days none of them within four weeks."""
    found = chain(*[(0, WON, 0.0, 90.0)] * 40)
    assert by(found, 0, 55, 28) < 0.1
    assert by(found, 0, 75, 28) > 0.85


def test_long_stays_that_nothing_leaves_are_dead() -> None:
    """Deals that are ever won are won within a month; 50 others have lain there for a year."""
    found = chain(*mixed(0, 0.1, {WON: 5, LOST: 5}), *[(0, UNDER_WAY, 0.0, 365.0)] * 50)
    assert by(found, 0, 0, 28) > 0.4
    assert by(found, 0, 300, 28) < 0.01


@given(
    st.lists(
        st.tuples(
            st.integers(0, 3),
            st.sampled_from([0, 1, 2, 3, WON, LOST, UNDER_WAY]),
            st.floats(0, 500),
            st.floats(0.01, 900),
        ),
        min_size=1,
        max_size=40,
    ),
    st.integers(0, 3),
    st.floats(0, 1500),
)
def test_any_history_gives_chances(stays: list[Stay], stage: int, age: float) -> None:
    """Between 0 and 1, never falling with the horizon, 0 where nothing was ever won, the same
    whatever the order of the stays.
    """
    told = [(one, to, since, since + days) for one, to, since, days in stays if to != one]
    found = chain(*told, (0, UNDER_WAY, 0.0, 1.0), stages=4)
    chances = [by(found, stage, age, horizon) for horizon in (0.1, 3.0, 28.0, 91.0, 728.0)]
    assert all(0 <= chance <= 1 for chance in chances)
    assert all(b >= a - 1e-3 for a, b in pairwise(chances))
    if not any(to == WON for _, to, _, _ in told):
        assert chances[-1] == 0
    again = chain((0, UNDER_WAY, 0.0, 1.0), *reversed(told), stages=4)
    assert by(again, stage, age, 28.0) == pytest.approx(chances[2], abs=1e-9)


def test_an_empty_account_has_no_chain() -> None:
    nothing = StageExits(
        pl.DataFrame(schema={"pipeline_id": pl.String, "stage_id": pl.String}),
        *(np.empty(0, kind) for kind in (np.int64, np.int64, float, float)),
    )
    found = StageChain().fit(nothing)
    assert found.rate.shape == (0, len(AGES))
    assert found.by(np.empty(0, np.int64), np.empty(0), 28.0).size == 0
    found.foresee()
    assert found.by(np.empty(0, np.int64), np.empty(0), float(GRID[3])).size == 0
