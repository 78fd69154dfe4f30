"""Reports over one pulled and assessed CRM."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from sync.bootstrap import App
from sync.jobs import chain
from sync.mirror import quality_rows, read
from sync.report.alerts import alerts_report
from sync.report.forecast import forecast_report
from sync.report.naming import Segment
from sync.report.quality import score_report
from sync.report.staleness import dead_but_kept
from sync.report.status import status_report
from sync.sandbox.generator import generate
from sync.sandbox.server import serve
from tests.end_to_end.conftest import Installation, run_jobs
from tests.fake_clock import START, FakeClock


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    home = tmp_path_factory.mktemp("reports")
    clock = FakeClock(START)
    company = generate(seed=7, until=START, years=1, deals=300)
    with serve(company, clock=clock) as sandbox:
        url = f"sqlite:///{home / 'dealpulse.db'}"
        installation = Installation(home, sandbox.url, sandbox.token, url).write()
        with installation.app(clock) as opened:
            run_jobs(opened, chain.PULL, chain.ASSESS)
            yield opened


def test_deals_left_out_are_the_same_however_the_forecast_is_cut(app: App) -> None:
    def left_out(by: Segment) -> Counter[tuple[object, ...]]:
        counts: Counter[tuple[object, ...]] = Counter()
        report = forecast_report(app.engine, "portal", by, methods=True, show_rep_figures=True)
        for row in report.rows:
            reasons: Any = row["left_out"]
            for reason, deals in reasons.items():
                counts[row["period"], row["method"], row["variant"], reason] += int(deals)
        return +counts

    total = left_out(Segment.TOTAL)
    assert total
    assert left_out(Segment.PIPELINE) == total
    assert left_out(Segment.OWNER) == total


def test_a_forecast_says_when_where_and_from_how_many_deals(app: App) -> None:
    report = forecast_report(app.engine, "portal", Segment.TOTAL)
    account = read.account(app.engine, "portal")
    assert account is not None
    assert report.notes[0].startswith("As of ")
    assert account.time_zone in report.notes[0]
    assert f"{report.facts['decided_deals']} decided deals" in report.notes[1]
    assert report.facts["decided_deals"]


def test_owners_stand_in_the_order_of_their_names(app: App) -> None:
    rows = forecast_report(app.engine, "portal", Segment.OWNER).rows
    names = [str(row["segment"]) for row in rows if row["period"] == rows[0]["period"]]
    known = [name for name in names if name != "(nobody)"]
    assert known == sorted(known, key=str.casefold)
    assert names in (known, [*known, "(nobody)"])


def test_the_status_says_whose_days_it_counts_and_what_each_job_did(app: App) -> None:
    mirror, runs = status_report(app.engine, ["portal"])
    account = read.account(app.engine, "portal")
    assert account is not None
    assert mirror.facts["time_zone"] == account.time_zone
    assert mirror.facts["last_pull_at"] is not None
    pull = next(row for row in runs.rows if row["job"] == "pull")
    counts = pull["counts"]
    assert isinstance(counts, dict)
    assert counts["created"] > 0


def test_planned_alerts_name_the_owner_and_count_what_is_not_shown(app: App) -> None:
    rows = [
        {"action": "raise", "deal_id": f"none-{n}", "deal": "D", "rule": "stale", "why": "W"}
        for n in range(3)
    ]
    report = alerts_report(app.engine, "portal", rows, {}, limit=2)
    assert [row["owner"] for row in report.rows] == ["(nobody)"] * 2
    assert report.notes[0].startswith("3 to raise, for 1 owners; 0 to resolve. The first 2")


def test_dead_deals_that_are_no_candidates_are_accounted_for() -> None:
    dead, below = ["dead"] * 6, 0.05
    rows = pl.DataFrame(
        {
            "state": [*dead, "stale"],
            "archive": [True, *[False] * 6],
            "earlier": [80, 0, 40, 75, 90, 75, 75],
            "chance_at_most": [0.04, None, 0.09, 0.2, 0.06, 0.04, 0.5],
        }
    )
    (told,) = dead_but_kept(rows, below)
    assert told == (
        "Dead, yet no candidates: 2 (fewer than 75 deals are known to compare with); "
        "2 (of the deals that stood as long, or longest, too many were won); "
        "1 (the forecast gives them a higher chance)."
    )
    assert dead_but_kept(rows.filter("archive"), below) == []


def test_the_scores_trend_is_against_the_first_day_of_the_last_thirty(tmp_path: Path) -> None:
    clock = FakeClock(START)
    with serve(generate(seed=3, until=START, years=1, deals=80), clock=clock) as sandbox:
        url = f"sqlite:///{tmp_path / 'dealpulse.db'}"
        installed = Installation(tmp_path, sandbox.url, sandbox.token, url).write()
        with installed.app(clock) as opened:
            run_jobs(opened, chain.PULL, chain.ASSESS)

            def scored() -> dict[str, object]:
                report = score_report(opened.engine, "portal", opened.config, "total", {})
                (row,) = report.rows
                return dict(row)

            def mean() -> float:
                since = clock.now().date() - timedelta(days=1)
                rows = quality_rows.score_rows(opened.engine, "portal", since=since)
                return float(rows.filter(segment="total").sort("day")["score"][-1])

            assert (scored()["change"], scored()["before_on"]) == (None, None)
            means, days = [mean()], [START.date()]
            for later, lost in ((20, "amount"), (25, "hubspot_owner_id")):
                clock.advance(days=later)
                for deal_id in sandbox.crm.deal_ids():
                    sandbox.crm.edit(deal_id, {lost: ""})
                run_jobs(opened, chain.PULL, chain.ASSESS)
                means.append(mean())
                days.append(clock.now().date())
                first = len(means) - 2  # the day before the last is 20, then 25 days ago
                assert scored()["before_on"] == days[first]
                assert scored()["change"] == round(means[-1] - means[first]) < 0
