"""The example file, the settings' table and the schema say what the model says."""

import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from sync.config import document
from sync.config.example import init_text, render
from sync.config.loader import load
from sync.config.model import Config
from sync.config.reference import with_table
from sync.config.settings import all_settings, json_schema
from sync.errors import ConfigError

TOKEN = "pat-eu1-0f9d3c4e-1111-2222-3333-444455556666"
ROOT = Path(__file__).parents[2]


def uncommented(text: str) -> str:
    return re.sub(r"^( *)#(?=[a-z-])", r"\1", text, flags=re.MULTILINE)


def loaded(tmp_path: Path, text: str) -> Config:
    path = tmp_path / "dealpulse.yaml"
    path.write_text(text, "utf-8")
    return load(path, {}).config


MAPS = ("exchange_rates", "after_days", "weights", "lost_stages")
"""Settings whose keys are the customer's own."""


def paths(data: Any, prefix: str = "") -> set[str]:
    """The dotted paths of a document in the way that settings are named."""
    found = set()
    for key, value in data.items():
        path = f"{prefix}{key}"
        found.add(path)
        if isinstance(value, list) and value and isinstance(value[0], dict):
            mark = len({each.get("kind") for each in value}) > 1
            for each in value:
                found |= paths(each, f"{path}[{each['kind'] if mark else ''}].")
        elif isinstance(value, dict) and key not in MAPS:
            found |= paths(value, f"{path}.")
    return found


class TestExample:
    def test_the_file_is_what_the_model_generates(self) -> None:
        assert (ROOT / "config.example.yaml").read_text("utf-8") == render(), "run: make config"

    def test_it_loads_and_changes_nothing(self, tmp_path: Path) -> None:
        plain = loaded(tmp_path, "connections: [{kind: hubspot, name: main}]")
        assert loaded(tmp_path, render()) == plain

    def test_it_loads_with_everything_uncommented(self, tmp_path: Path) -> None:
        config = loaded(tmp_path, uncommented(render()))
        assert [channel.kind for channel in config.alerts.channels] == [
            "console",
            "webhook",
            "email",
            "activity",
        ]
        assert config.time_zone == "Europe/Oslo"

    def test_each_setting_loads_when_it_alone_is_uncommented(self, tmp_path: Path) -> None:
        lines = render().splitlines()
        options = [i for i, line in enumerate(lines) if re.match(r" *#[a-z]", line)]
        outside_entries = [i for i in options if not _in_hidden_entry(lines, i)]
        assert len(outside_entries) > 20
        for i in outside_entries:
            below = range(i + 1, len(lines))
            end = next((n for n in below if not re.match(r" *#- {", lines[n])), len(lines))
            chosen = uncommented("\n".join(lines[i:end]))
            text = "\n".join([*lines[:i], chosen, *lines[end:]])
            loaded(tmp_path, text)

    def test_every_setting_is_in_it(self) -> None:
        data = document.parse(uncommented(render())).data
        assert paths(data) == {setting.path for setting in all_settings()}

    def test_its_lines_fit_a_screen(self) -> None:
        assert max(map(len, render().splitlines())) <= 100


def _in_hidden_entry(lines: list[str], i: int) -> bool:
    above = next((line for line in lines[i::-1] if "- kind:" in line), "")
    return "#- kind:" in above and _indent(lines[i]) > _indent(above)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


class TestInit:
    def test_what_is_known_is_filled_in(self, tmp_path: Path) -> None:
        text = init_text(name="norge", token_env="NORGE_TOKEN", language="nb", time_zone="UTC")
        config = loaded(tmp_path, text)
        assert config.language == "nb"
        assert config.time_zone == "UTC"
        assert config.connections[0].name == "norge"
        assert config.connections[0].token_env == "NORGE_TOKEN"

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ({"name": "Main Account"}, "connections[0].name: must be a short name"),
            ({"token_env": TOKEN}, "connections[0].token_env: must be the name of an environment"),
            ({"language": "no"}, "language: must be one of: en, nb"),
        ],
    )
    def test_what_would_not_load_is_not_written(self, given: dict[str, str], said: str) -> None:
        with pytest.raises(ConfigError) as caught:
            init_text(**given)
        assert said in str(caught.value)
        assert TOKEN not in str(caught.value)

    def test_what_is_not_known_stays_a_commented_default(self) -> None:
        assert init_text() == render()


class TestDocumentation:
    @pytest.mark.parametrize("setting", list(all_settings()), ids=lambda setting: setting.path)
    def test_every_setting_is_described(self, setting: Any) -> None:
        assert setting.description.endswith("."), f"{setting.path} needs a sentence"

    def test_the_page_is_up_to_date(self) -> None:
        page = (ROOT / "docs" / "configuration.md").read_text("utf-8")
        assert with_table(page) == page, "run: make config"
        for setting in all_settings():
            assert f"| `{setting.path}` |" in page

    def test_every_variable_of_the_model_is_on_the_page(self) -> None:
        page = (ROOT / "docs" / "configuration.md").read_text("utf-8")
        for setting in all_settings():
            if setting.name.endswith("_env"):
                assert f"| `{setting.default}`, or what `{setting.path}` names |" in page


class TestSchema:
    def test_it_is_a_schema_and_knows_the_example(self) -> None:
        schema = json_schema()
        jsonschema.Draft202012Validator.check_schema(schema)
        data = Config.model_validate(document.parse(uncommented(render())).data)
        jsonschema.validate(data.model_dump(mode="json"), schema)

    @pytest.mark.parametrize(
        "change", [{"langauge": "en"}, {"language": "no"}, {"web": {"port": 70000}}]
    )
    def test_it_refuses_what_the_model_refuses(self, change: dict[str, Any]) -> None:
        data = {"connections": [{"kind": "hubspot", "name": "main"}], **change}
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(data, json_schema())
