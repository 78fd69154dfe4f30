"""A dealpulse installation in a temporary folder, beside a simulated CRM."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml
from sqlalchemy import make_url

from sync.bootstrap import App, open_app
from sync.clock import Clock
from sync.jobs import chain
from sync.jobs.runner import Job, JobResult, run_chain

COMMAND = Path(sys.executable).with_name("dealpulse")


@dataclass
class Installation:
    """A configuration file and its environment. `run` calls the real command in a process.

    extra, connection: more settings, and more of the connection's. secrets: more of the
    environment.
    """

    home: Path
    base_url: str
    token: str
    database_url: str
    write_back: bool = True
    extra: Mapping[str, object] = field(default_factory=dict)
    connection: Mapping[str, object] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)

    @property
    def config(self) -> Path:
        return self.home / "dealpulse.yaml"

    @property
    def environ(self) -> dict[str, str]:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("DEALPULSE_")}
        return {
            **inherited,
            "HUBSPOT_TOKEN": self.token,
            "DEALPULSE_DATABASE_URL": self.database_url,
            "NO_COLOR": "1",
            "COLUMNS": "200",
            **self.secrets,
        }

    def write(self) -> "Installation":
        connection: dict[str, object] = {
            "kind": "hubspot",
            "name": "portal",
            "base_url": self.base_url,
            "rate_limit_share": 1.0,
            "deadline_s": 20,
            "write_back": {"enabled": self.write_back},
            **self.connection,
        }
        settings = {"connections": [connection], "web": {"port": 0}, **self.extra}
        self.config.write_text(yaml.safe_dump(settings), encoding="utf-8")
        return self

    def run(self, *arguments: str, timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            env=self.environ,
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*arguments),
            env=self.environ,
            cwd=self.home,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def command(self, *arguments: str) -> Sequence[str]:
        return [str(COMMAND), "--config", str(self.config), *arguments]

    @contextmanager
    def app(self, clock: Clock) -> Iterator[App]:
        with open_app(self.config, environ=self.environ, clock=clock, migrate=True) as app:
            yield app


def run_jobs(app: App, *jobs: Job) -> dict[str, JobResult]:
    """The jobs in this process, each of which has to succeed; by name."""
    (settings,) = app.config.connections
    context = app.context(settings)
    results = run_chain(jobs or [*chain.cycle(settings), chain.DELIVER_ALERTS], context)
    for result in results:
        if result.error is not None:
            raise result.error
    return {result.job: result for result in results}


@pytest.fixture
def postgres_or_sqlite(database_url: str) -> str:
    return make_url(database_url).render_as_string(hide_password=False)
