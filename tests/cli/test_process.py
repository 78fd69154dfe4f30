"""Velocity, process, bottlenecks and improvement, as the command shows them."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from forecasting.velocity_change import EFFECTS
from sync.cli.main import app
from sync.errors import ConfigError
from sync.jobs import chain
from sync.jobs.runner import run_chain
from sync.sandbox.company import Company
from sync.sandbox.generator import CompanySettings, generate
from sync.sandbox.server import serve
from tests.end_to_end.conftest import Installation, run_jobs
from tests.fake_clock import START, FakeClock

PROCESS = {
    "cost_per_rep_day": 6000,
    "exit_criteria": [
        {"stage": "Proposal sent", "required": ["amount", "contact"]},
        {"stage": "Handshake", "required": ["amount"]},
    ],
    "improvements": [
        {"name": "Checklist", "started_on": str((START - timedelta(days=200)).date())},
        {
            "name": "Playbook",
            "started_on": str((START - timedelta(days=3)).date()),
            "by": "pipeline",
            "among": ["Sales"],
        },
    ],
}
CONFIGURED: dict[str, object] = {"process": PROCESS, "alerts": {"rules": ["bottleneck"]}}
EVERY_REPORT = ("connection", "definition", "as_of", "window_start", "sample", "left_out")


@pytest.fixture(scope="module")
def company() -> Company:
    settings = CompanySettings(slow_stage="demo_held", slow_factor=4.0)
    return generate(seed=7, until=START, years=2, deals=1500, settings=settings)


@pytest.fixture(scope="module")
def installation(
    company: Company, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    with _installed(company, tmp_path_factory, CONFIGURED) as (installed, notes):
        assert any("no open stage 'Handshake'" in note for note in notes)
        yield installed


class _installed:  # noqa: N801 - used like a function
    """An account pulled and measured, with what the process job noted."""

    def __init__(
        self, company: Company, paths: pytest.TempPathFactory, extra: dict[str, object]
    ) -> None:
        self.company, self.home, self.extra = company, paths.mktemp("process"), extra

    def __enter__(self) -> tuple[Installation, list[str]]:
        clock = FakeClock(START)
        self.serving = serve(self.company, clock=clock)
        sandbox = self.serving.__enter__()
        url = f"sqlite:///{self.home / 'dealpulse.db'}"
        installation = Installation(self.home, sandbox.url, sandbox.token, url, extra=self.extra)
        notes: list[str] = []
        with installation.write().app(clock) as opened:
            run_jobs(opened, chain.PULL)
            (settings,) = opened.config.connections
            context = replace(opened.context(settings), notes=notes)
            for result in run_chain([chain.PROCESS], context):
                assert result.error is None
        return installation, notes

    def __exit__(self, *error: object) -> None:
        self.serving.__exit__(None, None, None)


def asked(installation: Installation, *arguments: str) -> Result:
    """The command in this process: starting one for each question would take most of the time."""
    runner = CliRunner(env={**installation.environ, "DEALPULSE_CONFIG": str(installation.config)})
    return runner.invoke(app, list(arguments))


def shown(installation: Installation, *arguments: str) -> list[dict[str, Any]]:
    done = asked(installation, *arguments, "--format", "json")
    assert done.exception is None, done.exception
    reports: list[dict[str, Any]] = json.loads(done.stdout)
    return reports


def test_the_articles_figures_on_the_example(tmp_path: Any) -> None:
    """Without a configuration, a mirror or an account."""
    nothing = Installation(tmp_path, "", "", "sqlite:///none.db")
    levers = ("--what-if", "win_rate=25%", "--what-if", "cycle_days=75", "--what-if", "value=+10%")
    outcomes, steps, needed = shown(nothing, "velocity", "--example", *levers, "--target", "2.5M")
    assert [round(row["sales_velocity"]) for row in outcomes["rows"]] == [
        11_111, 13_889, 13_333, 12_222, 18_333,
    ]  # fmt: skip
    day = next(row for row in steps["rows"] if row["step"] == "one day off the cycle")
    assert day["gain"] == pytest.approx(124.84)
    assert "19 new deals a week" in needed["notes"][0]


def test_what_if_on_an_account_with_bounds_from_its_own_history(installation: Installation) -> None:
    levers = ("--what-if", "win_rate=95%", "--what-if", "cycle_days=-10%")
    outcomes, _ = shown(installation, "velocity", *levers)
    today, rate, cycle, together = outcomes["rows"]
    assert "best quartile of" in rate["beyond"]
    assert cycle["cycle_length_days"] == pytest.approx(today["cycle_length_days"] * 0.9)
    assert together["gain"] > rate["gain"] + cycle["gain"]
    (total,) = shown(installation, "velocity")[0]["rows"]
    assert today["sales_velocity"] == pytest.approx(total["sales_velocity"], abs=0.01)


@pytest.mark.parametrize("by", ["total", "pipeline", "team", "owner", "type", "size"])
def test_velocity_by_segment_with_the_textbook_beside(installation: Installation, by: str) -> None:
    (report,) = shown(installation, "velocity", "--by", by)
    assert all(report[name] for name in EVERY_REPORT)
    assert report["rows"]
    for row in report["rows"]:
        if row["textbook_velocity"] is not None:
            by_hand = (
                row["opportunities"] * row["average_value"] * row["textbook_win_rate"]
                / row["textbook_cycle_days"]
            )  # fmt: skip
            assert row["textbook_velocity"] == pytest.approx(by_hand, rel=1e-3)
            low, high = row["sales_velocity_low"], row["sales_velocity_high"]
            assert low <= row["sales_velocity"] <= high


@pytest.mark.parametrize("mix", ["pipeline", "size", "owner"])
def test_each_months_change_is_the_sum_of_its_parts(installation: Installation, mix: str) -> None:
    (report,) = shown(installation, "velocity", "--monthly", "--by", mix)
    known = [row for row in report["rows"] if row["change"] is not None]
    assert len(known) >= 10
    for row in known:
        parts = sum(row[f"by_{name}"] for name in EFFECTS)
        assert parts == pytest.approx(row["change"], abs=0.05)


def test_the_process_says_what_it_rests_on(installation: Installation) -> None:
    stages, cycle, sizes, criteria = shown(installation, "process")
    for report in (stages, cycle, sizes, criteria):
        assert all(report[name] for name in EVERY_REPORT)
    demo = next(row for row in stages["rows"] if row["stage"] == "Demo held")
    assert demo["days_median"] < demo["days_p75"] < demo["days_p90"]
    assert demo["conversion_low"] <= demo["conversion"] <= demo["conversion_high"]
    shares = [sum(row[name] for row in sizes["rows"]) for name in ("deal_share", "days_share")]
    assert shares == pytest.approx([1, 1])
    assert sum(row["cost"] for row in sizes["rows"]) > 0
    (criterion,) = criteria["rows"]
    assert criterion["missed"] == pytest.approx(
        max(criterion["missed_by"].values()), abs=criterion["passed"]
    )
    assert "contact" in " ".join(criteria["notes"])  # judged by today's value


def test_cohorts_by_quarter(installation: Installation) -> None:
    (report,) = shown(installation, "process", "--cohorts")
    for row in report["rows"]:
        assert row["entered"] == row["went_on"] + row["lost"] + row["still_in"]


def test_the_planted_bottleneck_stands_first_with_its_price(installation: Installation) -> None:
    (report,) = shown(installation, "bottlenecks")
    first = report["rows"][0]
    assert (first["code"], first["where"]) == ("slow_stage", "Demo held")
    assert 0 < first["cost_low"] < first["cost_per_day"] < first["cost_high"]
    codes = {row["code"] for row in report["rows"]}
    assert codes >= {"dirty_pipeline", "unclear_process", "long_cycles", "poor_data"}


def test_the_planted_bottleneck_is_told_once(installation: Installation) -> None:
    (report,) = shown(installation, "alerts", "plan")
    planned = {row["deal"]: row for row in report["rows"]}
    slow = planned["Slow stage: Demo held, Sales"]
    assert (slow["action"], slow["rule"], slow["owner"]) == ("raise", "bottleneck", None)
    assert "with 99 % certainty NOK" in slow["why"]
    assert f"{len(planned)} to raise, for the account; 0 to resolve." in report["notes"]
    with installation.app(FakeClock(START)) as opened:
        done = run_jobs(opened, chain.RAISE_ALERTS, chain.DELIVER_ALERTS)
        assert done["raise_alerts"].counts["raised"] == len(planned)
        assert done["deliver_alerts"].counts["digests"] == 1
        again = run_jobs(opened, chain.PROCESS, chain.RAISE_ALERTS, chain.DELIVER_ALERTS)
        assert again["raise_alerts"].counts["raised"] == 0
        assert again["deliver_alerts"].counts["sent"] == 0


def test_did_it_work_and_too_early_to_tell(installation: Installation) -> None:
    (report,) = shown(installation, "improvement")
    told = {(row["name"], row["measure"]): row for row in report["rows"]}
    assert told["Checklist", "win rate"]["verdict_code"] != "too_early"
    assert told["Playbook", "win rate"]["verdict"] == "too early to tell"
    assert told["Playbook", "win rate"]["reason"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("velocity", "--what-if", "price=+10%"), "names no driver"),
        (("velocity", "--what-if", "win_rate=150%"), "win_rate is"),
        (("velocity", "--target", "much"), "write 2500000"),
        (("velocity", "--target", "-5"), "above 0"),
        (("improvement", "Magic"), "known are Checklist, Playbook"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_what_to_do(
    installation: Installation, arguments: tuple[str, ...], says: str
) -> None:
    done = asked(installation, *arguments)
    assert isinstance(done.exception, ConfigError)
    assert says in str(done.exception)


def test_an_account_with_three_deals_is_answered_and_accused_of_nothing(
    company: Company, tmp_path_factory: pytest.TempPathFactory
) -> None:
    three = replace(company, deals=company.deals[:3])
    told: dict[str, object] = {"alerts": {"rules": ["bottleneck"]}}
    with _installed(three, tmp_path_factory, told) as (installed, _):
        (report,) = shown(installed, "velocity")
        (row,) = report["rows"]
        assert row["note"]
        assert report["sample"] <= 3
        (found,) = shown(installed, "bottlenecks")
        assert {each["certainty"] for each in found["rows"]} <= {"too_few", "not_shown"}
        assert shown(installed, "alerts", "plan")[0]["rows"] == []
        stages, *_ = shown(installed, "process")
        assert stages["rows"]
