"""The image and the compose file, as far as they can be judged without building them."""

import json
import re
import shlex
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from sync.config.loader import PATH_ENV
from sync.config.model import Config
from sync.config.secrets import DATABASE_URL_ENV
from sync.config.settings import all_settings

ROOT = Path(__file__).parents[2]
KNOWN = {
    DATABASE_URL_ENV,
    PATH_ENV,
    *(setting.default for setting in all_settings() if setting.name.endswith("_env")),
}


def instructions() -> list[tuple[str, str]]:
    """(NAME, rest of the line), continued lines joined, comments left out."""
    text = (ROOT / "Dockerfile").read_text("utf-8")
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    parts = [line.split(maxsplit=1) for line in joined.splitlines() if line.strip()]
    return [(name.upper(), rest.strip()) for name, rest in parts]


def last_stage() -> list[tuple[str, str]]:
    made = instructions()
    start = max(i for i, (name, _) in enumerate(made) if name == "FROM")
    return made[start:]


def only(name: str) -> str:
    """The one instruction of this name in the stage that is shipped."""
    (rest,) = [rest for each, rest in last_stage() if each == name]
    return rest


def environment() -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in shlex.split(only("ENV")))


class TestImage:
    def test_two_stages_on_a_pinned_slim_python_that_the_project_supports(self) -> None:
        bases = [rest.split()[0] for name, rest in instructions() if name == "FROM"]
        assert len(bases) == 2
        assert len(set(bases)) == 1, "the environment is copied between the same Pythons"
        version = re.fullmatch(r"python:3\.(\d+)-slim-\w+", bases[0])
        assert version
        assert int(version[1]) >= 12
        project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
        assert project["requires-python"] == ">=3.11"

    def test_it_runs_as_nobody_special(self) -> None:
        user = only("USER")
        assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user), "numbers, so that any host can check them"
        after = [name for name, _ in last_stage()]
        assert "RUN" not in after[after.index("USER") :]

    def test_dependencies_are_checked_by_hash(self) -> None:
        installs = [rest for name, rest in instructions() if "pip install" in rest]
        assert any(rest.endswith("-r requirements-runtime.lock") for rest in installs)
        assert all("--require-hashes" in rest or "--no-deps" in rest for rest in installs)

    def test_what_is_copied_exists_and_is_sent_to_the_builder(self) -> None:
        allowed = [
            line[1:]
            for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines()
            if line.startswith("!")
        ]
        copied = [
            source
            for name, rest in instructions()
            if name in ("COPY", "ADD") and "--from=" not in rest
            for source in shlex.split(rest)[:-1]
        ]
        assert "sync" in copied
        for source in copied:
            assert (ROOT / source).exists(), source
            assert any(fnmatch(source, pattern) for pattern in allowed), source

    def test_only_what_is_copied_is_sent(self) -> None:
        lines = (ROOT / ".dockerignore").read_text("utf-8").split("\n")
        assert "*" in lines, "everything is left out that is not named"
        for line in lines:
            if line.startswith("!"):
                assert (ROOT / line[1:]).exists(), line

    def test_its_health_is_asked_of_the_page(self) -> None:
        command = json.loads(only("HEALTHCHECK").split("CMD", 1)[1])
        assert command[:2] == ["python", "-c"]
        compile(command[2], "healthcheck", "exec")
        assert (
            f":{Config.model_fields['web'].get_default(call_default_factory=True).port}/health/live"
            in command[2]
        )
        assert only("EXPOSE") in command[2]

    def test_signals_reach_the_process(self) -> None:
        assert json.loads(only("ENTRYPOINT")) == ["dealpulse"]
        assert json.loads(only("CMD")) == ["run"]
        assert only("STOPSIGNAL") == "SIGTERM"

    def test_the_default_mirror_lands_in_the_volume(self) -> None:
        assert only("VOLUME") == only("WORKDIR")

    def test_its_environment_holds_settings_but_no_secret(self) -> None:
        variables = environment()
        assert variables["PYTHONUNBUFFERED"] == "1"
        assert {name for name in variables if name.startswith("DEALPULSE_")} == {PATH_ENV}
        assert not [name for name, _ in instructions() if name == "ARG"]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
    return loaded


class TestCompose:
    def test_it_waits_for_a_database_that_answers(self, compose: dict[str, Any]) -> None:
        waits = compose["services"]["dealpulse"]["depends_on"]
        assert waits == {"postgres": {"condition": "service_healthy"}}
        assert "pg_isready" in compose["services"]["postgres"]["healthcheck"]["test"]

    def test_images_are_pinned(self, compose: dict[str, Any]) -> None:
        for service in compose["services"].values():
            assert "build" in service or re.search(r":\d[\w.-]*$", service["image"])

    def test_everything_comes_back_after_a_restart(self, compose: dict[str, Any]) -> None:
        for service in compose["services"].values():
            assert service["restart"] == "unless-stopped"
        named = {
            volume.split(":")[0]
            for service in compose["services"].values()
            for volume in service["volumes"]
            if not volume.startswith(".")
        }
        assert named == set(compose["volumes"])

    def test_every_variable_is_one_that_dealpulse_reads(self, compose: dict[str, Any]) -> None:
        variables = compose["services"]["dealpulse"]["environment"]
        assert set(variables) <= KNOWN
        assert {DATABASE_URL_ENV, "HUBSPOT_TOKEN"} <= set(variables)

    def test_secrets_come_from_outside(self, compose: dict[str, Any]) -> None:
        for service in compose["services"].values():
            for name, value in service["environment"].items():
                if re.search("TOKEN|PASSWORD|URL", name):
                    assert re.search(r"\$\{[A-Z_]+(:[?-][^}]*)?\}", value), name

    def test_the_page_is_for_this_machine_and_the_file_where_it_is_looked_for(
        self, compose: dict[str, Any]
    ) -> None:
        service = compose["services"]["dealpulse"]
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        target = environment()[PATH_ENV]
        assert f"./dealpulse.yaml:{target}:ro" in service["volumes"]
        assert f"dealpulse:{only('WORKDIR')}" in service["volumes"]

    def test_it_may_do_little(self, compose: dict[str, Any]) -> None:
        service = compose["services"]["dealpulse"]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
