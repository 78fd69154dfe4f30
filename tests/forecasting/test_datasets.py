"""The benchmark's frames hold what the public files hold, and nothing that came later."""

from datetime import date

import polars as pl
import pytest

from bench import datasets
from bench.datasets import Account
from forecasting.deals import CHANGE_SCHEMA, DEAL_SCHEMA

HAS = {"bpic2012", "maven", "olga", "series"} & set(datasets.available())
needs_shared = pytest.mark.skipif(
    not {"bpic2012", "maven", "series"} <= HAS, reason="../shared/data is not beside the checkout"
)
EXPECTED = {  # deals, won, lost, open
    "bpic2012": (13_087, 2_246, 10_442, 399),
    "maven": (8_300, 4_238, 2_473, 1_589),
    "olga": (6_000, 1_824, 3_760, 416),
}


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=() if n == "olga" else needs_shared) for n in EXPECTED]
)
def test_every_deal_is_there_and_its_history_leads_to_it(name: str) -> None:
    account = datasets.ACCOUNTS[name]()
    status = dict(account.deals["status"].value_counts().iter_rows())
    total, won, lost, opened = EXPECTED[name]
    assert account.deals.height == total
    assert status == {"won": won, "lost": lost, "open": opened}
    assert account.deals.schema == pl.Schema(DEAL_SCHEMA)
    assert account.changes.schema == pl.Schema(CHANGE_SCHEMA)
    final = account.changes.group_by("deal_id", "field", maintain_order=True).agg(
        pl.col("new").last(), pl.col("changed_at").last()
    )
    for field, column in (("status", "status"), ("stage", "stage_id"), ("amount", "amount")):
        said = final.filter(pl.col("field") == field).join(account.deals, on="deal_id")
        if name != "olga" or field != "stage":  # olga's open deals have no past stage
            assert said.height == total
        assert (said["new"] == said[column].cast(pl.String)).all()
    dated = account.changes.join(account.deals.select("deal_id", "created_at"), on="deal_id")
    assert (dated["changed_at"] >= dated["created_at"]).all()
    decided = account.deals.filter(pl.col("status") != "open")
    assert (decided["closed_at"] >= decided["created_at"]).all()


@needs_shared
def test_a_deal_left_open_has_forgotten_its_end() -> None:
    account = datasets.bpic2012()
    quarter = datasets.left_open(account, 0.25, seed=5)
    assert (quarter.deals["status"] == "open").sum() == pytest.approx(399 + 10_442 / 4, rel=0.05)
    assert (quarter.deals["status"] == "won").sum() == 2_246
    undated = quarter.deals.filter(pl.col("status") == "open")
    assert undated["closed_at"].null_count() == undated.height
    assert not undated["stage_id"].is_in(["A_DECLINED", "A_CANCELLED"]).any()
    told = quarter.changes.filter(pl.col("field") == "status", pl.col("new") == "lost")
    assert told.height == (quarter.deals["status"] == "lost").sum()
    again = datasets.left_open(account, 0.25, seed=5)
    assert again.deals.equals(quarter.deals)


@needs_shared
def test_a_series_is_one_won_deal_a_month() -> None:
    account: Account = datasets.series("wineind")
    assert account.deals.height == 176
    first = account.deals.sort("closed_on").row(0, named=True)
    assert (first["closed_on"], first["amount"]) == (date(1980, 1, 15), 15136.0)
    assert account.last == date(1994, 8, 28)
