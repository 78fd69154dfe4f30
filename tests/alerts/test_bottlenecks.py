"""Bottlenecks, from a measurement in the mirror to the message, on both databases."""

import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select

from sync.alerts.channels.console import ConsoleChannel
from sync.bootstrap import App
from sync.crm.base import Account
from sync.errors import SafetyStop
from sync.jobs import chain
from sync.jobs.bottleneck_alert import planned_bottlenecks
from sync.jobs.runner import Job, JobResult, run_job
from sync.mirror import process_results, schema, write
from sync.mirror.engine import reading, writing
from sync.mirror.job_runs import start_run
from tests.alerts.test_bottleneck_lines import DIRTY, SLOW
from tests.end_to_end.conftest import Installation
from tests.fake_clock import FakeClock

TOLD = (chain.RAISE_ALERTS, chain.DELIVER_ALERTS)
SLOW_TOLD = "portal: 1 bottleneck holds up the sale\n- Slow stage: 2 (NOK 12,346 a day)\n"


class Measured:
    """The real house over a mirror where the process is measured by hand; no CRM is asked."""

    def __init__(self, app: App, clock: FakeClock) -> None:
        self.app, self.clock = app, clock
        (settings,) = app.config.connections
        self.ctx = app.context(settings)
        self.stream = io.StringIO()
        self.ctx = replace(self.ctx, channels=[ConsoleChannel("console", self.stream)])

    def measure(self, *figures: dict[str, Any]) -> None:
        """What the process job leaves."""
        at = self.clock.now()
        process_results.save(
            self.app.engine,
            start_run(self.app.engine, "process", "portal", at=at),
            "portal",
            as_of=at,
            zone="Europe/Oslo",
            rows={"basis": [{"currency": "NOK"}], "bottleneck": list(figures)},
        )

    def result(self, job: Job) -> JobResult:
        return run_job(job, self.ctx)

    def told(self, *figures: dict[str, Any]) -> str:
        """What is said the day after the last time, after this was measured."""
        self.clock.advance(days=1)
        self.measure(*figures)
        for job in TOLD:
            error = self.result(job).error
            if error is not None:
                raise error
        said = self.stream.getvalue()
        self.stream.seek(0)
        self.stream.truncate()
        return said

    def alerts(self) -> list[tuple[str, str, str | None]]:
        alert = schema.alert.c
        with reading(self.app.engine) as snapshot:
            query = select(alert.deal_id, alert.state, alert.resolution).order_by(alert.id)
            return [tuple(row) for row in snapshot.execute(query)]


Build = Callable[..., Measured]


@pytest.fixture
def account_of(tmp_path: Path, database_url: str, clock: FakeClock) -> Iterator[Build]:
    with ExitStack() as stack:

        def build(**alerts: Any) -> Measured:
            told = {"rules": ["stale", "bottleneck"], **alerts}
            nowhere = Installation(
                tmp_path, "http://127.0.0.1:9", "none", database_url, extra={"alerts": told}
            ).write()
            app = stack.enter_context(nowhere.app(clock))
            described = Account("1", "Europe/Oslo", "NOK", "https://crm.example.com/{deal_id}")
            write.save_account(app.engine, "portal", "hubspot", described, at=clock.now())
            return Measured(app, clock)

        yield build


def found(figures: dict[str, Any], **more: Any) -> dict[str, Any]:
    """As the process job keeps it: without labels and currency."""
    row = {**figures, **more}
    return {k: v for k, v in row.items() if k not in ("stage", "pipeline", "currency")}


def test_a_bottleneck_is_told_once_and_again_only_when_it_changed(account_of: Build) -> None:
    account = account_of()
    assert account.told(found(SLOW)).startswith(SLOW_TOLD)
    for cost in (12_345.6, 18_000.0, 3_000.0, 18_000.0):
        assert account.told(found(SLOW, cost_per_day=cost)) == ""
    grown = account.told(found(SLOW, cost_per_day=20_000.0))
    assert "(NOK 20,000 a day)" in grown
    assert "It was NOK 12,346 a day when it was told last." in grown
    assert account.told(found(SLOW, cost_per_day=20_000.0)) == ""
    moved = account.told(found(SLOW, cost_per_day=20_000.0, stage_id="3"))
    assert moved.startswith("portal: 1 bottleneck holds up the sale\n- Slow stage: 3")
    assert "- Dirty pipeline (NOK 900 a day)" in account.told(
        found(SLOW, stage_id="3"), found(DIRTY, pipeline_id=None, stage_id=None)
    )
    assert account.alerts() == [
        ("slow_stage 1 2", "resolved", "cost grew"),
        ("slow_stage 1 2", "raised", None),
        ("slow_stage 1 3", "raised", None),
        ("dirty_pipeline", "raised", None),
    ]


def test_what_is_not_sure_is_not_told(account_of: Build) -> None:
    account = account_of()
    for certainty in ("hint", "not_shown", "too_few"):
        assert account.told(found(SLOW, certainty=certainty)) == ""
    assert account.alerts() == []


def test_what_comes_and_goes_with_chance_is_told_once_and_what_returns_later_again(
    account_of: Build,
) -> None:
    account = account_of(bottlenecks={"gone_after_days": 5})
    assert account.told(found(SLOW)) != ""
    for shown in (False, True, False, False, True):
        assert account.told(found(SLOW, certainty="measured" if shown else "not_shown")) == ""
    for _ in range(6):
        assert account.told(found(SLOW, certainty="not_shown")) == ""
    assert account.alerts() == [("slow_stage 1 2", "resolved", "fixed")]
    assert account.told(found(SLOW)).startswith(SLOW_TOLD)


def test_while_nothing_is_measured_nothing_ends(account_of: Build) -> None:
    account = account_of(bottlenecks={"gone_after_days": 5})
    account.told(found(SLOW))
    account.clock.advance(days=60)
    assert account.result(chain.RAISE_ALERTS).counts["resolved"] == 0
    assert account.told(found(SLOW)) == ""


def test_the_share_is_the_configured_one(account_of: Build) -> None:
    account = account_of(bottlenecks={"cost_grows_by": 0.1})
    account.told(found(SLOW))
    assert "(NOK 14,000 a day)" in account.told(found(SLOW, cost_per_day=14_000.0))


def test_by_itself_the_rule_is_off(account_of: Build) -> None:
    account = account_of(rules=["stale"])
    assert account.told(found(SLOW)) == ""
    assert account.alerts() == []


def test_switched_off_before_the_digest_it_is_taken_back(account_of: Build) -> None:
    account = account_of()
    account.measure(found(SLOW))
    assert account.result(chain.RAISE_ALERTS).counts["raised"] == 1
    quiet = account_of(rules=["stale"])
    assert quiet.told(found(SLOW)) == ""
    assert account.alerts() == [("slow_stage 1 2", "resolved", "rule off")]


def test_the_brake_on_deals_does_not_hold_it_back(account_of: Build) -> None:
    account = account_of(mass_alert_limit=1)
    at = account.clock.now()
    deal = {
        "connection": "portal", "status": "open", "created_at": at, "modified_at": at, "own": {},
        "first_seen_at": at, "pulled_at": at, "name": "Acme",
    }  # fmt: skip
    stale = {"connection": "portal", "rule": "stale", "since": at, "as_of": at, "evidence": {}}
    with writing(account.app.engine) as database:
        for number in "12":
            database.execute(insert(schema.deal), [{**deal, "deal_id": number}])
            database.execute(insert(schema.finding), [{**stale, "deal_id": number}])
    account.measure(found(SLOW))
    assert isinstance(account.result(chain.RAISE_ALERTS).error, SafetyStop)
    assert account.alerts() == [("slow_stage 1 2", "raised", None)]


def test_the_plan_shows_it_and_stores_nothing(account_of: Build) -> None:
    account = account_of()
    account.measure(found(SLOW))
    (row,) = planned_bottlenecks(account.ctx)
    assert (row["action"], row["deal"], row["owner"]) == ("raise", "Slow stage: 2", None)
    assert str(row["why"]).startswith("NOK 12,346 a day. 31 days, 12 days in the next worst.")
    assert account.alerts() == []
    account.told(found(SLOW))
    assert planned_bottlenecks(account.ctx) == []
