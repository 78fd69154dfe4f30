"""A real process, measured twice: by the frames, and by plain Python on the same file."""

import csv
import gzip
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from forecasting import velocity, what_if
from forecasting.history import stage_stays
from forecasting.methods import OpportunityStage
from tests.forecasting.frames import change, changes, deals, now, stage, stages

DATA = Path(__file__).parents[3] / "shared" / "data" / "bpic2012"

pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason="the BPI Challenge 2012 files are not in ../shared/data/bpic2012"
)

AS_OF = datetime(2012, 3, 15, tzinfo=UTC)
TODAY = date(2012, 3, 15)


def read(name: str) -> list[dict[str, str]]:
    with gzip.open(DATA / name, "rt", newline="") as file:
        return list(csv.DictReader(file))


def instant(text: str) -> datetime | None:
    return datetime.fromisoformat(text).replace(tzinfo=UTC) if text else None


@pytest.fixture(scope="module")
def applications() -> list[dict[str, str]]:
    return read("deals.csv.gz")


@pytest.fixture(scope="module")
def frame(applications: list[dict[str, str]]) -> pl.DataFrame:
    rows = []
    for application in applications:
        created, closed = instant(application["created_at"]), instant(application["closed_at"])
        assert created is not None
        rows.append(
            {
                "deal_id": application["id"],
                "status": application["status"],
                "amount": float(application["amount"]) if application["amount"] else None,
                "owner_id": application["owner"] or None,
                "created_at": created,
                "created_on": created.date(),
                "closed_at": closed,
                "closed_on": closed and closed.date(),
            }
        )
    return deals(*rows)


def test_the_drivers_equal_a_plain_count(
    applications: list[dict[str, str]], frame: pl.DataFrame
) -> None:
    window_start = TODAY - timedelta(days=364)
    won, lost = [], 0
    for application in applications:
        closed = instant(application["closed_at"])
        if closed is None or not window_start <= closed.date() <= TODAY:
            continue
        if application["status"] == "won":
            created = instant(application["created_at"])
            assert created is not None
            won.append(((closed - created).total_seconds() / 86_400, float(application["amount"])))
        else:
            lost += application["status"] == "lost"
    cycle = sum(days for days, _ in won) / len(won)
    value = sum(amount for _, amount in won) / len(won)
    rate = len(won) / (len(won) + lost)

    row = velocity.measure(frame, today=TODAY, segments=("total",)).row(0, named=True)
    assert (row["won_deals"], row["decided_deals"], row["opportunities"]) == (2246, 12688, 399)
    assert (len(won), len(won) + lost) == (2246, 12688)
    assert row["win_rate"] == pytest.approx(rate)
    assert row["cycle_length_days"] == pytest.approx(cycle)
    assert row["average_value"] == pytest.approx(value)
    assert row["sales_velocity"] == pytest.approx(399 * value * rate / cycle)


def test_the_articles_levers_on_it_equal_arithmetic_by_hand(frame: pl.DataFrame) -> None:
    row = velocity.measure(frame, today=TODAY, segments=("total",)).row(0, named=True)
    drivers = velocity.Drivers(
        row["opportunities"], row["average_value"], row["win_rate"], row["cycle_length_days"]
    )
    levers = [what_if.parse_lever(text) for text in ("win_rate=25%", "cycle_days=7", "value=+10%")]
    told = [each.drivers.sales_velocity for each in what_if.outcomes(drivers, levers)]
    count, value, rate, days = (
        row[name] for name in ("opportunities", "average_value", "win_rate", "cycle_length_days")
    )
    assert told == pytest.approx(
        [
            count * value * rate / days,
            count * value * 0.25 / days,
            count * value * rate / 7,
            count * value * 1.1 * rate / days,
            count * value * 1.1 * 0.25 / 7,
        ]
    )


def test_the_learned_rates_equal_a_plain_count(
    applications: list[dict[str, str]], frame: pl.DataFrame
) -> None:
    """Of the decided applications that ever were in a stage, the share approved."""
    events = [event for event in read("stage_events.csv.gz") if event["activity"][:2] == "A_"]
    status = {application["id"]: application["status"] for application in applications}
    ended = {"A_APPROVED": "won", "A_DECLINED": "lost", "A_CANCELLED": "lost"}
    after = {"A_REGISTERED", "A_ACTIVATED"}  # written within seconds of the approval, in any order
    visited: dict[str, set[str]] = {}
    rows: list[dict[str, Any]] = []
    for ordinal, event in enumerate(events):
        if event["activity"] in after:
            continue
        at = instant(event["time"])
        assert at is not None
        visited.setdefault(event["activity"], set()).add(event["id"])
        rows.append(change("stage", event["activity"], at, deal_id=event["id"], ordinal=ordinal))
    process = stages(
        *(
            stage(activity, None, outcome=ended.get(activity, "open"), position=n)
            for n, activity in enumerate(sorted(visited))
        )
    )
    method = OpportunityStage("learned").fit(now(frame, changes(*rows), process, as_of=AS_OF))
    learned = {row["stage_id"]: row for row in method.stage_rates_.iter_rows(named=True)}
    open_stages = [activity for activity in visited if activity not in ended]
    assert len(open_stages) >= 5
    assert set(learned) == set(visited) | set(ended)
    for activity in open_stages:
        decided = [status[i] for i in visited[activity] if status[i] in ("won", "lost")]
        assert learned[activity]["stage_sample"] == len(decided)
        assert learned[activity]["stage_won"] == decided.count("won")
    stays = stage_stays(changes(*rows), frame, process, AS_OF)
    assert stays["days"].min() >= 0  # type: ignore[operator]
    assert set(stays["deal_id"]) == set(status)
