"""What the additive part learns of each thing it weighs, on accounts where it is known."""

from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from forecasting.features import open_facts
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
