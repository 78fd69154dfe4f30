"""An OAuth app from `connect` to the daemon's pull, with the real command; and no secret shown."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
import yaml
from cryptography.fernet import Fernet

from sync.sandbox.generator import generate
from sync.sandbox.pipedrive.behaviour import PipedriveBehaviour
from sync.sandbox.server import (
    Behaviour,
    PipedriveSandbox,
    Sandbox,
    serve,
    serve_pipedrive,
)
from tests.end_to_end.conftest import Installation
from tests.fake_clock import FakeClock

KEY = Fernet.generate_key().decode()


@dataclass
class Installed(Installation):
    """With an OAuth app instead of a token."""

    kind: str = "hubspot"
    client_id: str = ""
    client_secret: str = ""
    refresh_token: str = ""

    def write(self) -> "Installed":
        oauth = {"client_id": self.client_id, "authorize_url": f"{self.base_url}/oauth/authorize"}
        if self.kind == "pipedrive":
            oauth["token_url"] = f"{self.base_url}/oauth/token"
        connection = {
            "kind": self.kind,
            "name": "portal",
            "base_url": self.base_url,
            "deadline_s": 20,
            "oauth": oauth,
        }
        settings = {"connections": [connection], "web": {"enabled": False}}
        self.config.write_text(yaml.safe_dump(settings), encoding="utf-8")
        return self

    @property
    def environ(self) -> dict[str, str]:
        vendor = self.kind.upper()
        return {
            **{k: v for k, v in super().environ.items() if k != "HUBSPOT_TOKEN"},
            f"{vendor}_CLIENT_SECRET": self.client_secret,
            f"{vendor}_REFRESH_TOKEN": self.refresh_token,
            "DEALPULSE_ENCRYPTION_KEY": KEY,
        }


@dataclass
class Connected:
    returncode: int
    told: str


def connect(installed: Installed, *, spoil: str = "") -> Connected:
    """Run the command, click "allow", paste where the browser ends up (with `spoil` in it)."""
    process = subprocess.Popen(
        installed.command("connect", "portal"),
        env=installed.environ,
        cwd=installed.home,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    allowed = requests.get(url, allow_redirects=False, timeout=10)
    pasted = allowed.headers["Location"]
    if spoil:
        pasted = pasted.replace("state=", f"state={spoil}")
    out, err = process.communicate(f"{pasted}\n", timeout=60)
    code = pasted.split("code=")[1].split("&")[0]
    assert code not in out + err
    return Connected(process.returncode, url + out + err)


@pytest.fixture(scope="module")
def hubspot() -> Iterator[Sandbox]:
    company = generate(seed=3, until=FakeClock().now(), years=1, deals=10)
    with serve(company, behaviour=Behaviour(rate_limit=None)) as running:
        yield running


@pytest.fixture(scope="module")
def pipedrive() -> Iterator[PipedriveSandbox]:
    company = generate(seed=3, until=FakeClock().now(), years=1, deals=10)
    with serve_pipedrive(company, behaviour=PipedriveBehaviour()) as running:
        yield running


@pytest.fixture(params=["hubspot", "pipedrive"])
def installed(
    request: pytest.FixtureRequest, tmp_path: Path
) -> tuple[Installed, Sandbox | PipedriveSandbox]:
    sandbox = request.getfixturevalue(request.param)
    installation = Installed(
        tmp_path,
        sandbox.url,
        "",
        f"sqlite:///{tmp_path / 'mirror.db'}",
        kind=request.param,
        client_id=sandbox.crm.tokens.client_id,
        client_secret=sandbox.crm.tokens.client_secret,
    )
    return installation.write(), sandbox


Both = tuple[Installed, Sandbox | PipedriveSandbox]


def test_connect_then_read_and_nothing_secret_is_ever_shown(installed: Both) -> None:
    installation, sandbox = installed
    connected = connect(installation)
    assert connected.returncode == 0, connected.told
    assert "is connected to account" in connected.told
    checked = installation.run("check")
    assert checked.returncode == 0, checked.stderr
    # then access ends: the errors are looked at too
    tokens = sandbox.crm.tokens
    granted = [value for value in _values(tokens) if isinstance(value, str)]
    tokens._tokens.clear()
    tokens._refresh.clear()
    refused = installation.run("check")
    assert refused.returncode == 3
    assert "dealpulse connect portal" in refused.stderr
    database = b"".join(each.read_bytes() for each in installation.home.glob("mirror.db*"))
    told = "".join([connected.told, *(r.stdout + r.stderr for r in (checked, refused))]).encode()
    secrets = {*granted, installation.client_secret, KEY}
    assert len(secrets) >= 4
    for secret in secrets:
        assert secret.encode() not in told
        assert secret.encode() not in database


def _values(tokens: object) -> list[object]:
    return [*tokens._tokens, *tokens._refresh]  # type: ignore[attr-defined]


def test_an_answer_to_another_run_is_refused(installed: Both) -> None:
    installation, _ = installed
    forged = connect(installation, spoil="x")
    assert forged.returncode == 2
    assert "another run" in forged.told
    assert "not connected yet" in installation.run("check").stderr


def test_a_refresh_token_from_elsewhere_will_do(installed: Both) -> None:
    installation, sandbox = installed
    installation.refresh_token = sandbox.crm.tokens.refresh_token()
    checked = installation.run("check")
    assert checked.returncode == 0, checked.stderr


def test_a_new_key_is_printed_and_can_be_used(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'mirror.db'}"
    installation = Installed(tmp_path, "http://127.0.0.1:9", "", url, client_id="x").write()
    printed = installation.run("connect", "--new-key")
    assert printed.returncode == 0, printed.stderr
    Fernet(printed.stdout.strip())


def test_a_connection_with_a_token_has_nothing_to_connect(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'mirror.db'}"
    installation = Installation(tmp_path, "http://127.0.0.1:9", "x", url).write()
    refused = installation.run("connect", "portal")
    assert refused.returncode == 2
    assert "takes its token from HUBSPOT_TOKEN" in refused.stderr
