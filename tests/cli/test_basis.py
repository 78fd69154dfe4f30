"""Every command that reports says what its figures rest on, for people and for programs."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from sync.cli.main import app
from sync.jobs import chain
from sync.jobs.backtest import backtest_since
from sync.jobs.doctor import examine
from sync.jobs.runner import Job
from sync.report.backtest import BacktestCut, backtest_report
from sync.report.doctor import doctor_report
from sync.report.table import as_json
from sync.sandbox.generator import generate
from sync.sandbox.server import serve
from tests.end_to_end.conftest import Installation, run_jobs
from tests.fake_clock import START, FakeClock

BASIS = ("connection", "definition", "as_of", "cut_off", "sample", "left_out")
DAY = START.date().isoformat()
CONFIGURED: dict[str, object] = {
    "process": {
        "exit_criteria": [{"stage": "Proposal sent", "required": ["amount"]}],
        "improvements": [{"name": "Checklist", "started_on": "2025-09-01"}],
    },
    "goals": {"quotas": [{"period": f"FY{START.year}", "amount": 40_000_000}]},
}
COMMANDS = (
    "forecast", "forecast --by owner", "forecast --by pipeline", "forecast --methods",
    "velocity", "velocity --by owner", "velocity --monthly", "velocity --what-if win_rate=+5%",
    "process", "process --cohorts", "bottlenecks", "improvement", "changes --since 30d",
    "changes --since monday", "changes --since 30d --deals", "quality", "quality --by owner",
    "stale", "stale --archive", "archive plan", "velocity --target 2.5M", "goals", "funnel",
    "funnel --by source", "leads", "leads --untouched", "leads --scores",
)  # fmt: skip


ELSEWHERE = {
    "backtest": "tests up to the day that it is; held to the same below, over a mirror of its time",
    "doctor": "asks the CRM, which is closed by then; held to the same below",
    "status": "its mirrors are held to the same below; the last runs are a log",
    "check": "tries what a token may do: it has no figures",
    "writeback plan": "what would be written, value by value: the figures of `forecast`",
    "alerts plan": "what would be told, alert by alert: the findings of `quality`",
    "goals import": "the rows of the file that was named",
    "import": "the rows of the file that was named",
}
"""Commands with a --format whose figures are held to it elsewhere, or that have none: why."""


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    home, clock = tmp_path_factory.mktemp("basis"), FakeClock(START)
    company = generate(seed=7, until=START, years=2, deals=400, leads=300)
    with serve(company, clock=clock) as sandbox:
        url = f"sqlite:///{home / 'dealpulse.db'}"
        leads: dict[str, object] = {"leads": {"enabled": True}}
        installed = Installation(
            home, sandbox.url, sandbox.token, url, extra=CONFIGURED, connection=leads
        ).write()
        with installed.app(clock) as opened:
            (settings,) = opened.config.connections
            run_jobs(opened, chain.PULL, chain.ASSESS, chain.PROCESS, *chain.leads_cycle(settings))
        yield installed


def said(installation: Installation, *arguments: str) -> str:
    environ = {**installation.environ, "DEALPULSE_CONFIG": str(installation.config)}
    done = CliRunner(env=environ).invoke(app, [*arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


def reports(installation: Installation, arguments: Sequence[str]) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(said(installation, *arguments, "--format", "json"))
    return found


def whole(report: Mapping[str, object]) -> None:
    assert [name for name in BASIS if name not in report] == []
    assert report["definition"]
    assert report["sample"] is not None
    assert isinstance(report["left_out"], dict)


def formatted(command: object, name: str = "") -> Iterator[str]:
    """Every command that takes a --format; its options are known once it is imported."""
    command = getattr(command, "itself", command)
    if any("--format" in option.opts for option in getattr(command, "params", ())):
        yield name.strip()
    for each, inner in getattr(command, "commands", {}).items():
        yield from formatted(inner, f"{name}{each} ")


def test_no_command_is_forgotten() -> None:
    held = {told.split(" --")[0] for told in COMMANDS}
    assert set(formatted(get_command(app))) - held == set(ELSEWHERE)


def test_the_status_says_what_it_counts(installation: Installation) -> None:
    mirror, _ = reports(installation, ["status"])
    whole(mirror)
    assert isinstance(mirror["rows"], list)
    counted = {row["what"]: row["number"] for row in mirror["rows"]}
    assert mirror["sample"] == sum(counted[f"{status} deals"] for status in ("open", "won", "lost"))
    assert datetime.fromisoformat(str(mirror["cut_off"])).date() == START.date()


@pytest.mark.parametrize("command", COMMANDS)
def test_programs_are_told(installation: Installation, command: str) -> None:
    found = reports(installation, command.split())
    assert found
    for report in found:
        whole(report)
        for name in ("as_of", "cut_off"):
            assert datetime.fromisoformat(str(report[name])).date() == START.date()


@pytest.mark.parametrize("command", COMMANDS)
def test_people_are_told(installation: Installation, command: str) -> None:
    """The day, and how many deals it rests on, under the tables."""
    told = said(installation, *command.split())
    assert f"{DAY} 10:00 Europe/Oslo" in " ".join(told.split())
    assert any(word in told for word in (" deals", " contacts", " leads"))


def test_the_example_rests_on_no_deals(installation: Installation) -> None:
    asked = ("velocity", "--example", "--what-if", "win_rate=25%", "--target", "2.5M")
    for report in reports(installation, asked):
        whole(report)
        assert (report["as_of"], report["cut_off"], report["sample"]) == (None, None, 0)


def test_the_back_test_says_how_many_days_were_tested(installation: Installation) -> None:
    """Not by the command, which tests up to the day that it is."""
    since = START.date() - timedelta(days=100)
    with installation.app(FakeClock(START)) as opened:
        run_jobs(opened, Job("backtest", backtest_since(since, "month")))
        for by in (BacktestCut.HORIZON, BacktestCut.OWNER):
            told = backtest_report(opened.engine, "portal", by)
            (report,) = json.loads(as_json([told]))
            whole(report)
            assert datetime.fromisoformat(report["as_of"]) == START
            assert report["cut_off"] == report["as_of"]
            assert (report["first_origin"], report["last_origin"]) == ("2025-12-16", "2026-02-16")
            assert report["sample"]["month"] == 3


def test_the_doctor_says_when_it_asked_and_when_was_pulled_last(installation: Installation) -> None:
    clock = FakeClock(START + timedelta(hours=2))
    with installation.app(clock) as opened:
        (settings,) = opened.config.connections
        found = examine(opened.context(settings), cure=False, most=0)
        told = doctor_report(opened.engine, found)
    (report,) = json.loads(as_json(told))
    whole(report)
    assert datetime.fromisoformat(report["as_of"]) == clock.now()
    assert datetime.fromisoformat(report["cut_off"]).date() == START.date()
    assert report["sample"] == found.listed
    assert f"As of {DAY} 12:00 Europe/Oslo" in told[0].notes[-1]
