"""Every command that reports says what its figures rest on, for people and for programs."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime

import pytest
from typer.testing import CliRunner

from sync.cli.main import app
from sync.jobs import chain
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
    }
}
COMMANDS = (
    "forecast", "forecast --by owner", "forecast --by pipeline", "forecast --methods",
    "velocity", "velocity --by owner", "velocity --monthly", "velocity --what-if win_rate=+5%",
    "process", "process --cohorts", "bottlenecks", "improvement", "changes --since 30d",
    "changes --since monday", "quality", "stale",
)  # fmt: skip


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    home, clock = tmp_path_factory.mktemp("basis"), FakeClock(START)
    with serve(generate(seed=7, until=START, years=2, deals=400), clock=clock) as sandbox:
        url = f"sqlite:///{home / 'dealpulse.db'}"
        installed = Installation(home, sandbox.url, sandbox.token, url, extra=CONFIGURED).write()
        with installed.app(clock) as opened:
            run_jobs(opened, chain.PULL, chain.ASSESS, chain.PROCESS)
        yield installed


def said(installation: Installation, *arguments: str) -> str:
    environ = {**installation.environ, "DEALPULSE_CONFIG": str(installation.config)}
    done = CliRunner(env=environ).invoke(app, [*arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


def reports(installation: Installation, arguments: Sequence[str]) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(said(installation, *arguments, "--format", "json"))
    return found


@pytest.mark.parametrize("command", COMMANDS)
def test_programs_are_told(installation: Installation, command: str) -> None:
    found = reports(installation, command.split())
    assert found
    for report in found:
        assert [name for name in BASIS if name not in report] == []
        assert report["definition"]
        assert report["sample"] is not None
        assert isinstance(report["left_out"], dict)
        for name in ("as_of", "cut_off"):
            assert datetime.fromisoformat(str(report[name])).date() == START.date()


@pytest.mark.parametrize("command", COMMANDS)
def test_people_are_told(installation: Installation, command: str) -> None:
    """The day, and how many deals it rests on, under the tables."""
    told = said(installation, *command.split())
    assert f"{DAY} 10:00 Europe/Oslo" in " ".join(told.split())
    assert any(word in told for word in (" deals", " decided deals"))
