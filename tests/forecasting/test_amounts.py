"""What a deal brings if it is won, against arithmetic by hand."""

from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from forecasting.amounts import Amounts
from forecasting.features import landmarks, open_facts
from tests.forecasting.frames import AS_OF, change, changes, deals, now


def won(count: int, said: float, brought: float, deal_type: str) -> tuple[list[Any], list[Any]]:
    """Won deals of which `said` was expected for ten days."""
    rows, moves = [], []
    for number in range(count):
        created = AS_OF - timedelta(days=60)
        deal_id = f"{deal_type}{number}"
        rows.append(
            {
                "deal_id": deal_id,
                "status": "won",
                "stage_id": "won",
                "deal_type": deal_type,
                "amount": brought,
                "created_at": created,
                "closed_at": created + timedelta(days=10),
            }
        )
        closed = created + timedelta(days=10)
        moves += [
            change("amount", str(said), created, deal_id=deal_id),
            change("amount", str(brought), closed, deal_id=deal_id, old=str(said)),
        ]
    return rows, moves


def test_stated_amounts_are_corrected_and_missing_ones_are_those_of_their_type() -> None:
    """12 new deals brought 80 where 100 was said, 4 renewals 500 as said. All in all 2,960 of
    3,200, and ten deals' worth of the median, 100, as stated: (2960 + 1000) / (3200 + 1000). A
    missing amount is the type's mean with ten deals' worth of the account's, 2960 / 16 = 185.
    """
    new, said_of_new = won(12, 100.0, 80.0, "new")
    renewals, said_of_renewals = won(4, 500.0, 500.0, "renewal")
    missing = {"amount": None, "amount_problem": "missing"}
    opened = [
        {"deal_id": "o1", "amount": 1000.0, "deal_type": "new"},
        {"deal_id": "o2", "deal_type": "new", **missing},
        {"deal_id": "o3", "deal_type": "renewal", **missing},
        {"deal_id": "o4", "deal_type": "other", **missing},
        {"deal_id": "o5", "deal_type": "new", "amount": None, "amount_problem": "no_rate"},
    ]
    snapshot = now(deals(*opened, *new, *renewals), changes(*said_of_new, *said_of_renewals))
    found = Amounts().fit(snapshot, landmarks(snapshot)).of(open_facts(snapshot))
    assert found["m1"].to_list() == [
        pytest.approx(1000 * 3960 / 4200),
        pytest.approx((12 * 80 + 10 * 185) / 22),
        pytest.approx((4 * 500 + 10 * 185) / 14),
        pytest.approx(185),
        None,
    ]
    assert found["amount_source"].to_list() == ["deal", *["imputed"] * 3, "none"]
    variance = found.select(pl.col("m2") - pl.col("m1") ** 2).to_series().drop_nulls()
    assert (variance > 0).all()
