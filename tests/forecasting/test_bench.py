"""The benchmarks measure what they say: the protocol, the naive ones, the generated account."""

from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest

from bench import assess, datasets, forecast, process, scale
from bench.naive import NAIVE, Naive
from forecasting.methods import METHODS
from forecasting.periods import Period, PeriodKind
from forecasting.snapshot import History


def one_year() -> datasets.Account:
    return replace(datasets.olga(), last=date(2023, 12, 31))


OLGA = forecast.Case("olga", one_year, "month", forecast._this_month, ("1 month",))


@pytest.fixture(scope="module")
def olga() -> dict[str, object]:
    (found,) = forecast.run(OLGA, [METHODS["opportunity_stage"](probabilities="crm")])
    return found


def test_scored_are_the_months_with_eight_finished_ones_behind(olga: dict[str, object]) -> None:
    # the first deal was won in January 2023: eight months from February on end with September
    assert (olga["from"], olga["to"], olga["origins"]) == ("2023-10-01", "2023-12-01", 3)


def test_naive_figures_equal_a_plain_count(olga: dict[str, object]) -> None:
    deals = datasets.olga().deals.filter(pl.col("status") == "won")
    month = pl.col("closed_on").dt.truncate("1mo")
    revenue = dict(deals.group_by(month).agg(pl.col("amount").sum()).sort("closed_on").iter_rows())
    months = [date(2023, n, 1) for n in (9, 10, 11, 12)]
    wrong = sum(abs(revenue[b] - revenue[a]) for a, b in pairwise(months))
    rows = {(r["method"], r["variant"]): r for r in olga["totals"]}  # type: ignore[attr-defined]
    assert rows["naive", "last_period"]["wape"] == pytest.approx(
        wrong / sum(revenue[m] for m in months[1:])
    )
    # nothing had been won a year before: that is no forecast, and is not scored
    naive = {variant for method, variant in rows if method == "naive"}
    assert naive == set(NAIVE) - {"last_year"}
    # a method without any probability to state is shown as it is
    assert rows["opportunity_stage", "crm"]["wape"] == 1.0


def test_the_least_of_many_counts_is_less_than_each_is_expected_to_be() -> None:
    assert process.expected_least(1, 2) == pytest.approx(0.95**2)
    assert process.expected_least(40, 1) == pytest.approx(0.95 * 40)
    assert process.expected_least(10, 11) == pytest.approx(8.3, abs=0.1)


def test_the_tables_can_be_drawn(olga: dict[str, object]) -> None:
    drawn = [*forecast.tables(olga), *forecast.summary([olga])]
    assert [table.row_count for table in drawn][:1] == [len(olga["totals"])]  # type: ignore[arg-type]


def test_the_mean_of_eight_is_of_finished_periods() -> None:
    account = datasets.olga()
    history = History(
        account.deals, account.changes, account.stages, account.owners, zone=datasets.ZONE
    )
    method = Naive("mean_8")
    snapshot = history.snapshot(forecast.backtest.start_of(date(2024, 6, 3), "UTC"))
    window = Period(date(2024, 6, 3), date(2024, 6, 10), PeriodKind.WINDOW)
    told = method.fit(snapshot).totals(snapshot, [window])
    won = account.deals.filter(
        (pl.col("status") == "won")
        & pl.col("closed_on").is_between(date(2024, 4, 8), date(2024, 6, 2))
    )
    assert told["forecast"][0] == pytest.approx(won["amount"].sum() / 8)


def test_a_generated_account_is_whole() -> None:
    frames = scale.generate(2_000, seed=3)
    deals, changes = frames["deals"], frames["changes"]
    assert deals.height == 2_000
    won = (deals["status"] == "won").mean()
    assert won == pytest.approx(scale.ADVANCE**4, abs=0.03)
    assert deals["deal_id"].n_unique() == 2_000
    assert changes["changed_at"].max() <= scale.UNTIL  # type: ignore[operator]
    final = changes.filter(pl.col("field") == "status").sort("changed_at").group_by("deal_id")
    told = final.agg(pl.col("new").last()).join(deals, on="deal_id")
    assert told.height == 2_000
    assert (told["new"] == told["status"]).all()
    history = History(**frames, zone=scale.ZONE)
    assert history.snapshot(scale.UNTIL).deals["history_complete"].all()


def test_a_generated_mirror_is_assessed_whole(tmp_path: Path) -> None:
    frames = scale.generate(1_500, seed=3)
    assess.fill(tmp_path, frames, scale.UNTIL, scale.ZONE)
    opened = frames["deals"].filter(pl.col("status") == "open").height
    assert assess.assessed(tmp_path, scale.UNTIL)["assessed"] == opened > 10


def test_the_table_in_pandas_counts_every_deal_open_on_a_monday(tmp_path: Path) -> None:
    frames = scale.generate(2_000, seed=3)
    frames["changes"].write_parquet(tmp_path / "changes.parquet")
    told = scale._pandas(str(tmp_path))
    history = History(**frames, zone=scale.ZONE)
    opened, won = 0, 0
    for weeks in range(4, 108):
        monday = scale.UNTIL - timedelta(weeks=weeks)
        then = history.snapshot(monday).deals.filter(pl.col("status") == "open")
        later = frames["deals"].join(then, on="deal_id", how="semi")
        within = pl.col("closed_at") < monday + timedelta(days=28)
        opened += then.height
        won += later.filter((pl.col("status") == "won") & within).height
    assert (told["rows"], told["won"]) == (opened, won)


@pytest.mark.skipif(
    not {"bpic2012", "maven"} <= set(datasets.available()),
    reason="../shared/data is not beside the checkout",
)
@pytest.mark.parametrize(
    ("name", "published"),
    [
        (
            "bpic2012",
            {"1 week": {"last_period": 0.302, "mean_8": 0.239}, "4 weeks": {"last_period": 0.174}},
        ),
        (
            "maven",
            {"1 week": {"last_period": 0.225, "mean_8": 0.235}, "4 weeks": {"last_period": 0.242}},
        ),
    ],
)
def test_the_naive_methods_score_what_was_published_for_them(
    name: str, published: dict[str, dict[str, float]]
) -> None:
    (case,) = (case for case in forecast.cases() if case.name == name)
    for found in forecast.run(case, [METHODS["historical"](model="mean")]):
        wapes = {row["variant"]: row["wape"] for row in found["totals"] if row["method"] == "naive"}
        for variant, wape in published[found["horizon"]].items():
            assert wapes[variant] == pytest.approx(wape, abs=0.0006)
