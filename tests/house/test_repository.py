"""What a fresh clone has to bring along: locks, documents, a check that runs anywhere."""

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
# written apart, or this file would find itself
FOREIGN = [
    "pypi" + ".org",
    "files." + "pythonhosted",
    "/" + "work/",
    "/" + "root/",
    "/" + "home/",
    "index" + "-url http",
]


def tracked() -> list[Path]:
    """Files under version control."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git clone")
    return [
        path for name in listed.decode().split("\0") if name and (path := ROOT / name).is_file()
    ]


def mentions(path: Path) -> list[str]:
    text = path.read_bytes().decode("utf-8", "replace")
    return [each for each in FOREIGN if each in text]


def locked(name: str) -> dict[str, str]:
    """package -> pinned version."""
    lines = (ROOT / name).read_text("utf-8").splitlines()
    pins = [
        line.split("\\")[0].split(";")[0].strip() for line in lines if "==" in line.split(";")[0]
    ]
    return {canonicalize_name(pin.split("==")[0].split("[")[0]): pin.split("==")[1] for pin in pins}


def unmet(requirements: list[str], lock: str) -> list[str]:
    pins = locked(lock)
    needed = [Requirement(each) for each in requirements]
    return [
        str(each)
        for each in needed
        if (name := canonicalize_name(each.name)) not in pins
        or not each.specifier.contains(pins[name])
    ]


def test_no_address_of_a_registry_or_path_of_a_machine() -> None:
    files = tracked()
    assert len(files) > 30
    assert not {str(path.relative_to(ROOT)): found for path in files if (found := mentions(path))}


def test_such_a_mention_would_be_found(tmp_path: Path) -> None:
    for each in FOREIGN:
        (tmp_path / "x").write_text(f"see {each}/y", "utf-8")
        assert each in mentions(tmp_path / "x")


class TestLocks:
    def test_they_satisfy_the_project(self) -> None:
        runtime = PROJECT["dependencies"]
        build = (ROOT / "requirements-build.in").read_text("utf-8").split()
        dev = PROJECT["optional-dependencies"]["dev"]
        assert not unmet([*runtime, *dev, *build], "requirements.lock")
        assert not unmet([*runtime, *build], "requirements-runtime.lock")

    def test_what_is_missing_or_too_old_would_be_found(self) -> None:
        assert unmet(["no-such-package>=1", "numpy>=99"], "requirements.lock")

    def test_what_is_shipped_is_what_is_tested(self) -> None:
        assert locked("requirements-runtime.lock").items() <= locked("requirements.lock").items()

    def test_nothing_of_the_workshop_is_shipped(self) -> None:
        shipped = locked("requirements-runtime.lock")
        workshop = {Requirement(each).name for each in PROJECT["optional-dependencies"]["dev"]}
        assert not workshop & shipped.keys()

    @pytest.mark.parametrize("lock", ["requirements.lock", "requirements-runtime.lock"])
    def test_every_package_is_pinned_with_hashes(self, lock: str) -> None:
        text = (ROOT / lock).read_text("utf-8").replace("\\\n", " ")
        assert [line for line in text.splitlines() if "--hash=sha256:" not in line] == []


class TestDocuments:
    def test_the_changelog_says_what_is_coming_or_came(self) -> None:
        text = (ROOT / "CHANGELOG.md").read_text("utf-8")
        assert re.search(r"^## \[?(Unreleased|\d+\.\d+\.\d+)", text, re.MULTILINE)

    def test_commands_of_make_exist(self) -> None:
        makefile = (ROOT / "Makefile").read_text("utf-8")
        targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
        said = {
            (path.name, target)
            for path in PAGES
            for target in re.findall(r"(?:`|^\$? *)make ([a-z]+)", path.read_text("utf-8"), re.M)
        }
        assert {"demo", "test"} <= targets
        assert {(page, target) for page, target in said if target not in targets} == set()

    @pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
    def test_links_inside_the_repository_lead_somewhere(self, page: Path) -> None:
        text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
        links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)
        local = [link for link in links if not re.match(r"[a-z]+:", link)]
        assert not [link for link in local if not (page.parent / link).exists()]


class TestTheCheckOfACommit:
    SCRIPT = ROOT / ".ci" / "run"

    def run_with_make(self, folder: Path, body: str) -> subprocess.CompletedProcess[str]:
        stand_in = folder / "make"
        stand_in.write_text(f"#!/bin/sh\n{body}\n", "utf-8")
        stand_in.chmod(0o755)
        return subprocess.run(
            [self.SCRIPT],
            cwd=folder,
            env={**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=False,
        )

    def test_it_runs_make_test_in_the_clone(self, tmp_path: Path) -> None:
        result = self.run_with_make(tmp_path, 'echo "$@ in $PWD"')
        assert result.returncode == 0, result.stderr
        assert f"test in {ROOT}" in result.stdout
        assert "All checks passed." in result.stdout

    def test_a_failure_is_passed_on(self, tmp_path: Path) -> None:
        result = self.run_with_make(tmp_path, "exit 2")
        assert result.returncode == 2
        assert "passed" not in result.stdout
