"""What the additive part learns of each thing it weighs, on accounts where it is known."""

from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from forecasting.additive import Adjustment
from forecasting.attributes import Classes
from forecasting.features import Landmarks, landmarks, open_facts
from forecasting.methods import Multivariable
from tests.forecasting.frames import AS_OF, change, changes, deals, now


def account(**wins: tuple[int, int]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Deals of twenty days in one stage: of each owner `won` of `decided`, and one open deal."""
    rows, moves = [], []
    for owner, (won, decided) in wins.items():
        for number in range(decided + 1):
            deal_id, still = f"{owner}{number}", number == decided
            created = AS_OF - timedelta(days=5 if still else 40 + 700 * number / decided)
            status = (
                "open"
                if still
                else "won"
                if number * won // decided != (number + 1) * won // decided
                else "lost"
            )
            moves += [
                change("stage", "proposal", created, deal_id=deal_id),
                change("owner", owner, created, deal_id=deal_id),
                change("amount", "1234", created, deal_id=deal_id),
            ]
            if not still:
                moves.append(change("stage", status, created + timedelta(days=20), deal_id=deal_id))
            rows.append(
                {
                    "deal_id": deal_id,
                    "owner_id": owner,
                    "created_at": created,
                    "status": status,
                    "stage_id": "proposal" if still else status,
                    "closed_at": None if still else created + timedelta(days=20),
                    "amount": 1234.0,
                    "close_date": None,
                }
            )
    return rows, moves


def log_odds(**wins: tuple[int, int]) -> dict[str, float]:
    """Per owner what the open deal's owner adds, for being won within 28 days."""
    rows, moves = account(**wins)
    snapshot = now(deals(*rows), changes(*moves))
    adjustment = Multivariable("additive").fit(snapshot).adjustment(28.0)
    assert adjustment is not None
    facts = open_facts(snapshot)
    told = adjustment.contributions(facts, 28.0)["owner"]
    return dict(zip(facts["owner_id"].to_list(), told.tolist(), strict=True))


def test_owners_who_win_more_lift_the_odds_towards_their_own_rate() -> None:
    """Sixty of a hundred against twenty: a ratio of odds of 1.5 / 0.25 = 6, drawn in a little."""
    told = log_odds(a=(60, 100), b=(20, 100))
    assert told["b"] < 0 < told["a"]
    assert 0.6 * np.log(6) < told["a"] - told["b"] < np.log(6)


def test_few_deals_say_little() -> None:
    """Six of six won, and a hundred of a hundred. From even odds of 0.67 the likeliest effect b of
    the six solves 6 (1 - p) = b / log(2)^2, p being the chance with it: about 1. Without the prior
    both would be without end.
    """
    few = log_odds(a=(40, 100), b=(40, 100), c=(6, 6))
    many = log_odds(a=(40, 100), b=(40, 100), c=(100, 100))
    assert few["c"] == pytest.approx(1, abs=0.15)
    assert many["c"] > 2 * few["c"]


def test_owners_alike_say_nothing() -> None:
    told = log_odds(a=(40, 100), b=(40, 100))
    assert list(told.values()) == pytest.approx([0, 0], abs=0.05)


def sized(won_of_ten: dict[float, int], each: int) -> tuple[list[dict[str, Any]], list[Any]]:
    """`each` tens of deals of every amount, so many of ten won after twenty days; one open."""
    rows, moves = [], []
    for amount, won in won_of_ten.items():
        for number in range(10 * each + 1):
            deal_id, still = f"{amount}-{number}", number == 10 * each
            created = AS_OF - timedelta(days=5 if still else 40 + 600 * number / (10 * each))
            status = "open" if still else "won" if number % 10 < won else "lost"
            closed = None if still else created + timedelta(days=20)
            moves.append(change("stage", "proposal", created, deal_id=deal_id))
            moves.append(change("amount", f"{amount}", created, deal_id=deal_id))
            if closed is not None:
                moves.append(change("stage", status, closed, deal_id=deal_id))
            rows.append(
                {
                    "deal_id": deal_id,
                    "created_at": created,
                    "status": status,
                    "stage_id": "proposal" if still else status,
                    "closed_at": closed,
                    "amount": amount,
                    "close_date": None,
                }
            )
    return rows, moves


def test_that_large_deals_are_won_less_often_is_learned_from_few() -> None:
    """Four tens of each size, of which 7, 5, 3 and 1 of ten are won: chances fall along the sizes,
    and go on falling beyond them.
    """
    rows, moves = sized({1e3: 7, 1e4: 5, 1e5: 3, 1e6: 1}, 4)
    rows.append(rows[10] | {"deal_id": "beyond", "amount": 1e7, "status": "open"})
    rows[-1] |= {"stage_id": "proposal", "closed_at": None, "created_at": AS_OF - timedelta(days=5)}
    moves.append(change("stage", "proposal", AS_OF - timedelta(days=5), deal_id="beyond"))
    moves.append(change("amount", "1e7", AS_OF - timedelta(days=5), deal_id="beyond"))
    snapshot = now(deals(*rows), changes(*moves))
    method = Multivariable("table").fit(snapshot)
    facts = open_facts(snapshot).sort("amount")
    chances = method.chances(facts, 28.0)
    assert (np.diff(chances) < 0).all()
    assert not method.chances(facts, 0.0).any()
    assert chances[0] > 2 * chances[3]
    adjustment = method.adjustment(28.0)
    assert isinstance(adjustment, Adjustment)
    assert adjustment.slope < -0.2
    told = adjustment.contributions(facts, 28.0)
    assert sum(told.values()) == pytest.approx(adjustment.log_odds(facts, 28.0))


def sums(method: Multivariable, known: Landmarks, horizon: float) -> tuple[float, float, float]:
    """Of the lessons followed for `horizon`: wins that the table says, that are said, that came."""
    rows = np.flatnonzero(known.followed >= horizon)
    facts = known.facts.gather(rows)
    came = known.won[rows] & (known.days[rows] <= horizon)
    table = method.table_.chances(facts, horizon).sum()
    return float(table), float(method.chances(facts, horizon).sum()), float(came.sum())


def test_sizes_are_deviations_of_the_logarithm_within_four() -> None:
    """1, 2 and 3 tens are 2 in the mean, with a deviation of 1."""
    facts = open_facts(now(deals({"amount": 10.0}, {"amount": 100.0}, {"amount": 1000.0})))
    classes = Classes().fit(facts, np.arange(3))
    others = [10.0, 1000.0, 1e9, 1e-9, 0.0, -5.0, None]
    told = classes.size(open_facts(now(deals(*[{"amount": amount} for amount in others]))))
    assert told == pytest.approx([-1, 1, 4, -4, 0, 0, 0])


def test_attributes_tell_deals_apart_and_leave_the_level_to_the_table() -> None:
    """Where the table is right about all together, owners who differ change nothing of that."""
    rows, moves = account(a=(80, 100), b=(10, 100))
    snapshot = now(deals(*rows), changes(*moves))
    method, known = Multivariable("additive").fit(snapshot), landmarks(snapshot)
    table, said, came = sums(method, known, 28.0)
    assert table == pytest.approx(came, rel=0.05)
    assert said == pytest.approx(table, rel=0.05)
    assert np.ptp(method.chances(known.facts, 28.0)) > 0.2


def test_what_ways_remember_corrects_the_level_the_longer_the_horizon() -> None:
    """Half of the deals take five days for each of two stages and are won, half take sixty and are
    lost. Whoever has come into the second stage looks alike to the table, so it is wrong about all;
    the lessons say so, and are believed little about a week and much about half a year.
    """
    rows, moves = [], []
    for number in range(240):
        deal_id, slow = f"e{number}", number % 2
        began = AS_OF - timedelta(days=200 + 2 * number)
        steps = [began + timedelta(days=n * (60 if slow else 5)) for n in (1, 2)]
        status = "lost" if slow else "won"
        for stage_id, at in zip(("qualified", "proposal", status), (began, *steps), strict=True):
            moves.append(change("stage", stage_id, at, deal_id=deal_id))
        row = {"deal_id": deal_id, "created_at": began, "closed_at": steps[1]}
        rows.append(row | {"status": status, "stage_id": status, "close_date": None})
    snapshot = now(deals(*rows), changes(*moves))
    method, known = Multivariable("table").fit(snapshot), landmarks(snapshot)
    kept = {}
    for horizon in (7.0, 28.0, 91.0):
        table, said, came = sums(method, known, horizon)
        assert abs(table - came) > 0.05 * came
        kept[horizon] = (said - table) / (came - table)
    assert 0 <= kept[7.0] < kept[28.0] < kept[91.0]
    assert kept[7.0] < 0.3
    assert kept[91.0] > 0.6


def test_a_deal_without_an_amount_is_of_no_size() -> None:
    rows, moves = sized({1e3: 7, 1e6: 1}, 4)
    told = [row | {"amount": None} if row["status"] == "open" else row for row in rows]
    kept = [
        move for move in moves if not (move["field"] == "amount" and move["deal_id"][-2:] == "40")
    ]
    snapshot = now(deals(*told), changes(*kept))
    adjustment = Multivariable("table").fit(snapshot).adjustment(28.0)
    assert isinstance(adjustment, Adjustment)
    facts = open_facts(snapshot)
    assert facts["amount"].null_count() == facts.height == 2
    effects = adjustment.contributions(facts, 28.0)["amount"]
    usual = -(adjustment.beta * adjustment.centre).sum()
    assert effects.tolist() == pytest.approx([usual] * 2)
