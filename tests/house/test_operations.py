"""What docs/operations.md tells an operator is so."""

import configparser
import os
import re
import shlex
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import typer
import yaml

from sync import errors
from sync.cli.main import app
from sync.telemetry import JobMetrics
from sync.web.app import create_app
from sync.web.status import READY_WITHIN_CYCLES

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text("utf-8")
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "compose.yaml"])


def commands() -> set[str]:
    """Every command that there is, groups and what is in them."""
    found = set()

    def walk(command: object, name: str) -> None:
        for each, inner in getattr(command, "commands", {}).items():
            found.add(f"{name}{each}")
            walk(getattr(inner, "itself", inner), f"{name}{each} ")

    walk(typer.main.get_command(app), "")
    return found


def said(text: str) -> set[str]:
    """Commands that a text tells to run: `dealpulse writeback plan` in code."""
    found = set()
    for line in re.findall(r"`dealpulse ([^`\n]+)`|^\$ (?:.*dealpulse )([^\n]+)$", text, re.M):
        words = shlex.split("".join(line).split(" #")[0], comments=True)
        words = [word for word in words if re.fullmatch(r"[a-z-]+", word) and word[0] != "-"]
        found.add(
            " ".join(words[:2]) if words[:1] in (["writeback"], ["alerts"], ["db"]) else words[0]
        )
    return found


def rows(heading: str) -> list[list[str]]:
    """The cells of the table whose first column has this heading."""
    table = re.search(rf"^\| {heading} \|.*\n\| ---.*\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    assert table, heading
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in table[1].splitlines()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_is_told_exists(page: Path) -> None:
    known = commands()
    assert {"run", "writeback plan"} <= known
    assert said(page.read_text("utf-8")) - known == set()


def test_a_command_that_does_not_exist_would_be_found() -> None:
    assert said("run `dealpulse frobnicate --all`\n$ dealpulse db downgrade  # no\n") == {
        "frobnicate",
        "db downgrade",
    }


def test_the_metrics_are_those_of_the_table() -> None:
    described = {
        name.strip("`"): [label.strip() for label in labels.split(",")]
        for name, labels, *_ in rows("metric")
    }
    metrics = JobMetrics()
    real = {
        family.name + ("_total" if family.type == "counter" else ""): family
        for family in metrics.registry.collect()
    }
    assert described.keys() == real.keys()
    for collector, names in metrics.registry._collector_to_names.items():
        (name,) = described.keys() & set(names)
        assert described[name] == list(getattr(collector, "_labelnames", ()))


def test_the_monitoring_rules_name_real_metrics() -> None:
    (block,) = re.findall(r"```yaml\n(groups:.*?)```", PAGE, re.DOTALL)
    rules = yaml.safe_load(block)["groups"][0]["rules"]
    names = set(re.findall(r"dealpulse_\w+", " ".join(rule["expr"] for rule in rules)))
    known = {row[0].strip("`") for row in rows("metric")}
    assert names
    assert names <= known


def test_the_exit_codes_are_those_of_the_errors() -> None:
    codes = {int(row[0]) for row in rows("code")}
    raised = {
        each.exit_code
        for each in vars(errors).values()
        if isinstance(each, type) and issubclass(each, errors.DealpulseError)
    }
    assert codes == raised | {0}


def test_every_error_there_is_is_raised_somewhere() -> None:
    """A code that nothing ends with would be a promise that nobody keeps."""
    kinds = {
        name
        for name, each in vars(errors).items()
        if isinstance(each, type) and issubclass(each, errors.DealpulseError)
    }
    sources = (path.read_text("utf-8") for path in (ROOT / "sync").rglob("*.py"))
    made = {name for text in sources for name in re.findall(r"(?<!class )\b(\w+)\(", text)}
    assert kinds <= made


def test_the_addresses_are_those_of_the_page() -> None:
    routes = {route.path for route in create_app(pytest.fail, JobMetrics()).routes}  # type: ignore[attr-defined]
    assert {row[0].strip("`") for row in rows("address")} == routes
    assert READY_WITHIN_CYCLES == 3
    assert "at most three cycles old" in PAGE


def test_the_service_is_a_unit_that_runs_dealpulse() -> None:
    (block,) = re.findall(r"```ini\n(.*?)```", PAGE, re.DOTALL)
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(block)
    service = dict(unit["Service"])
    assert shlex.split(service["ExecStart"])[-1] in commands()
    assert service["WorkingDirectory"] == f"/var/lib/{service['StateDirectory']}"
    no_use_in_restarting = {errors.ConfigError, errors.AuthError, errors.SafetyStop}
    assert set(service["RestartPreventExitStatus"].split()) == {
        str(error.exit_code) for error in no_use_in_restarting
    }


def test_the_backup_command_backs_up_a_mirror_in_use(tmp_path: Path) -> None:
    (command,) = re.findall(r"^\$ (python3 -c .*VACUUM.*)$", PAGE, re.MULTILINE)
    mirror = sqlite3.connect(tmp_path / "dealpulse.db", isolation_level=None)
    mirror.execute("PRAGMA journal_mode = WAL")
    mirror.execute("CREATE TABLE deal (name)")
    mirror.execute("INSERT INTO deal VALUES ('committed')")
    mirror.execute("BEGIN IMMEDIATE")
    mirror.execute("INSERT INTO deal VALUES ('half-way')")
    folder = str(Path(sys.executable).parent)
    environ = {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run(["/bin/sh", "-c", command], cwd=tmp_path, env=environ, check=True)
    mirror.close()
    backup = sqlite3.connect(tmp_path / "backup.db")
    assert backup.execute("SELECT name FROM deal").fetchall() == [("committed",)]
    backup.close()
