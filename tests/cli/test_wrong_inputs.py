"""Wrong places and ports: a message that says what to do, and exit code 2."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sync.cli.main import app
from sync.errors import ConfigError

COMMAND = Path(sys.executable).with_name("dealpulse")


def refusal(*arguments: str) -> str:
    raised = CliRunner().invoke(app, arguments).exception
    assert isinstance(raised, ConfigError)
    return str(raised)


def test_init_where_nothing_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "dealpulse.yaml"
    message = refusal("--config", str(path), "init")
    assert f"{path} cannot be written" in message
    assert "--config" in message


def test_a_sandbox_on_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        message = refusal("sandbox", "--deals", "1", "--port", str(port))
    assert f"cannot listen on port {port}: Address already in use" in message


def test_a_demo_in_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    message = refusal("demo", "--deals", "50", "--keep", str(tmp_path / "file" / "demo"))
    assert "cannot be used for the demo" in message


@pytest.mark.parametrize("command", ["init", "demo"])
def test_languages_are_those_there_are(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--language", "no"])
    assert result.exit_code == 2
    assert "'en', 'nb'" in result.output


def test_a_reader_that_has_had_enough_is_no_error(tmp_path: Path) -> None:
    config = tmp_path / "dealpulse.yaml"
    config.write_text("connections: [{kind: hubspot, name: main}]\n", encoding="utf-8")
    environ = {k: v for k, v in os.environ.items() if not k.startswith("DEALPULSE_")}
    subprocess.run(
        [COMMAND, "--config", config, "db", "upgrade"], cwd=tmp_path, env=environ, check=True
    )
    read_end, write_end = os.pipe()
    os.close(read_end)
    result = subprocess.run(
        [COMMAND, "--config", config, "status"],
        cwd=tmp_path,
        env=environ,
        stdout=write_end,
        stderr=subprocess.PIPE,
        check=False,
        timeout=60,
    )
    os.close(write_end)
    assert (result.returncode, result.stderr) == (0, b"")
