"""What a process holds: frames, and the libraries for them, only once something is calculated.

A first load, the longest thing that dealpulse does, then has their 60 MB to spare.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sync.cli.commands import COMMANDS
from sync.jobs import chain
from sync.jobs.runner import Job
from sync.sandbox.behaviour import Behaviour
from sync.sandbox.generator import generate
from sync.sandbox.pipedrive.behaviour import PipedriveBehaviour
from sync.sandbox.pipedrive.server import serve_pipedrive
from sync.sandbox.server import serve
from tests.end_to_end.conftest import Installation
from tests.fake_clock import FakeClock

WATCHED = """
import sys
from sync.cli.main import main

def tell(when):
    held = sorted({"polars", "numpy", "alembic"} & sys.modules.keys())
    print(f"{when}: {held}", file=sys.stderr)

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == "sync.jobs.assess":
            tell("pulled")

sys.meta_path.insert(0, Watch())
try:
    main()
finally:
    tell("ended")
"""


def told(installation: Installation, *arguments: str) -> list[str]:
    """What the command held before it calculated, and at its end."""
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, "--config", str(installation.config), *arguments],
        env=installation.environ,
        cwd=installation.home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [line for line in done.stderr.splitlines() if line.startswith(("pulled", "ended"))]


@pytest.fixture(params=["hubspot", "pipedrive"])
def installation(
    request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock
) -> Iterator[Installation]:
    company = generate(seed=3, until=clock.now(), years=1, deals=60)
    kind = request.param
    running = (
        serve(company, clock=clock, behaviour=Behaviour(rate_limit=None))
        if kind == "hubspot"
        else serve_pipedrive(company, clock=clock, behaviour=PipedriveBehaviour(bursts=False))
    )
    with running as sandbox:
        yield Installation(
            tmp_path,
            sandbox.url,
            sandbox.token,
            f"sqlite:///{tmp_path}/mirror.db",
            connection={"kind": kind, "token_env": "HUBSPOT_TOKEN"},
        ).write()


def test_a_pull_holds_no_frames(installation: Installation) -> None:
    assert told(installation, "sync") == [
        "pulled: ['alembic']",  # it has made the tables
        "ended: ['alembic', 'numpy', 'polars']",
    ]
    assert told(installation, "sync")[0] == "pulled: []"


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["sync", "--help"], ["status"]])
def test_commands_that_calculate_nothing_hold_no_frames(
    arguments: list[str], tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/mirror.db"
    installation = Installation(tmp_path, "http://127.0.0.1:9", "none", url).write()
    assert installation.run("db", "upgrade").returncode == 0
    assert told(installation, *arguments) == ["ended: []"]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_help_says_of_a_command_what_it_says_of_itself(command) -> None:  # type: ignore[no-untyped-def]
    sentence = command.itself.help.partition("\n\n")[0].replace("\n", " ")
    assert command.help == sentence


def test_every_job_is_where_the_chain_says() -> None:
    jobs = [job for job in vars(chain).values() if isinstance(job, Job)]
    assert chain.PULL in jobs
    assert [job.name for job in jobs if not callable(job.run.function)] == []
