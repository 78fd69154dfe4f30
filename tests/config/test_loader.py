"""What a RevOps engineer meets when the configuration is right, wrong, missing or leaking."""

import traceback
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.config.loader import Loaded, default_path, load
from sync.errors import ConfigError

TOKEN = "pat-eu1-0f9d3c4e-1111-2222-3333-444455556666"
MINIMAL = "connections:\n  - kind: hubspot\n    name: main\n"


def read(tmp_path: Path, text: str, **environ: str) -> Loaded:
    path = tmp_path / "dealpulse.yaml"
    path.write_text(text, "utf-8")
    return load(path, environ)


def mistakes(tmp_path: Path, text: str, **environ: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text, **environ)
    return str(caught.value)


class TestAGoodFile:
    def test_everything_but_the_connections_has_a_default(self, tmp_path: Path) -> None:
        config = read(tmp_path, MINIMAL).config
        assert config.connections[0].token_env == "HUBSPOT_TOKEN"
        assert config.connections[0].write_back.enabled is False
        assert config.database.url == "sqlite:///dealpulse.db"

    def test_several_connections(self, tmp_path: Path) -> None:
        text = MINIMAL + "  - {kind: hubspot, name: sweden, token_env: SWEDEN}\n"
        assert [each.name for each in read(tmp_path, text).config.connections] == ["main", "sweden"]

    def test_a_section_whose_lines_are_all_commented_out_is_the_default(
        self, tmp_path: Path
    ) -> None:
        text = MINIMAL + "web:\n  #port: 1\nlog:\n  level:\n"
        loaded = read(tmp_path, text)
        assert loaded.config.web.port == 8787
        assert loaded.config.log.level == "info"

    def test_values_stay_as_they_were_written(self, tmp_path: Path) -> None:
        text = MINIMAL + (
            "exchange_rates: {EUR: 11.60, SEK: 0.1}\n"
            "schedule: {alerts_at: 10:30}\n"
            "staleness: {after_days: {00123: 7, yes: 9, 2026-01-01: 3}}\n"
        )
        config = read(tmp_path, text).config
        assert str(config.exchange_rates["EUR"]) == "11.60"
        assert str(config.exchange_rates["SEK"]) == "0.1"
        assert config.schedule.alerts_at == "10:30"
        assert config.staleness.after_days == {"00123": 7, "yes": 9, "2026-01-01": 3}

    def test_a_byte_order_mark_and_windows_line_ends(self, tmp_path: Path) -> None:
        path = tmp_path / "windows.yaml"
        path.write_bytes(b"\xef\xbb\xbf" + MINIMAL.replace("\n", "\r\n").encode())
        assert load(path, {}).config.connections[0].name == "main"

    @pytest.mark.parametrize("said", ["true", "yes", "on"])
    def test_true_in_its_usual_spellings(self, tmp_path: Path, said: str) -> None:
        text = MINIMAL + f"    write_back: {{enabled: {said}}}\n"
        assert read(tmp_path, text).config.connections[0].write_back.enabled is True


class TestMistakes:
    def test_all_are_reported_at_once_in_the_files_order(self, tmp_path: Path) -> None:
        text = (
            "langauge: en\n"
            "time_zone: Europe/Olso\n"
            "connections:\n"
            "  - kind: hubspot\n"
            "    name: Main Account\n"
            "    rate_limit_share: 2\n"
            "    api_version: v4\n"
            "alerts:\n"
            "  rules: [stail]\n"
            "schedule: {alerts_at: 25:00, cycle_minutes: often}\n"
            "exchange_rates: {eur: 11, USD: 0}\n"
            "web: 8787\n"
        )
        lines = mistakes(tmp_path, text).splitlines()
        assert lines[0].endswith("dealpulse.yaml has 11 mistakes:")
        assert [line.strip() for line in lines[1:]] == [
            "langauge: there is no such setting; did you mean 'language'? (line 1)",
            "time_zone: is no known time zone; write one like Europe/Oslo (is 'Europe/Olso') "
            "(line 2)",
            "connections[0].name: must be a short name of small letters, digits, - and _, "
            "starting with a letter (is 'Main Account') (line 5)",
            "connections[0].rate_limit_share: must be at most 1 (is '2') (line 6)",
            "connections[0].api_version: must be one of: 2026-09, 2026-03, v3 (is 'v4') (line 7)",
            "alerts.rules[0]: must be one of: stale, overdue, stuck, lead_unanswered, "
            "lead_forgotten, bottleneck (is 'stail'); did you mean 'stale'? (line 9)",
            "schedule.cycle_minutes: must be a whole number (is 'often') (line 10)",
            "schedule.alerts_at: must be a time of day, like 08:00 (is '25:00') (line 10)",
            "exchange_rates.eur: must be a currency code of three capitals, like NOK (line 11)",
            "exchange_rates.USD: must be more than 0 (is '0') (line 11)",
            "web: must hold settings of its own, indented below it (is '8787') (line 12)",
        ]

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("{}", "connections: is missing. The CRM accounts to read"),
            ("connections: []", "connections: needs at least 1 entry"),
            ("connections: main", "connections: must be a list"),
            ("connections: [{name: a}]", "kind: is missing. One of: hubspot, pipedrive, file."),
            ("connections: [{kind: hubspt, name: a}]", "connections[0].kind: must be one of"),
            ("- a\n- b", "must consist of settings"),
            (MINIMAL + "cycle_minutes: 5", "does not belong here but at schedule.cycle_minutes"),
            (
                MINIMAL + "token_env: A",
                "does not belong here but at connections[hubspot].token_env",
            ),
            (MINIMAL + "    folder: x", "does not belong here but at connections[file].folder"),
            (MINIMAL + "frobnicate: 1", "here may stand: language, time_zone"),
            (MINIMAL + "  - {kind: hubspot, name: main}", "the name 'main' is used twice"),
            (MINIMAL + "    name: other", "is given twice, in lines 3 and 4"),
            (MINIMAL + "? [a, b]\n: 1", "line 4: a name must be plain text"),
            (MINIMAL + "    deadline_s: .inf", "must be a number, like 0.75"),
            (MINIMAL + "    deadline_s: inf", "must be a finite number"),
            (MINIMAL + "alerts: {channels: [{kind: slack}]}", "alerts.channels[0].kind: must be"),
            (MINIMAL + "alerts: {channels: [{to: x}]}", "alerts.channels[0].kind: is missing"),
            (
                MINIMAL + "alerts: {channels: [{kind: console}, {kind: console}]}",
                "alerts.channels: the same console channel stands there twice",
            ),
            (
                MINIMAL + "alerts: {channels: [{kind: email, host: y, hots: x, sender: a@b.no}]}",
                "alerts.channels[0].hots: there is no such setting; did you mean 'host'?",
            ),
            (
                MINIMAL + "alerts: {channels: [{kind: email, host: x, sender: nobody}]}",
                "alerts.channels[0].sender: must be one e-mail address",
            ),
            (
                MINIMAL + "alerts: {rules: [bottleneck], channels: "
                "[{kind: email, host: x, sender: a@b.no}]}",
                "alerts: rules has bottleneck, which concerns no owner: set fallback_to",
            ),
            (MINIMAL + "    base_url: api.hubapi.com", "base_url: must be a web address"),
            (MINIMAL + "database: {url: mysql://h/d}", "database.url: must start with sqlite:"),
            (MINIMAL + "schedule: {alerts_on: weekdays}", "alerts_on: must be weekdays"),
            (MINIMAL + "time_zone: ../../etc/passwd", "time_zone: is no known time zone"),
            (MINIMAL + "web: {port: 70000}", "web.port: must be at most 65535"),
            (MINIMAL + "staleness: {after_days: {Won: 0}}", "after_days.Won: must be at least 1"),
        ],
    )
    def test_each_says_where_and_what_to_do(self, tmp_path: Path, text: str, said: str) -> None:
        message = mistakes(tmp_path, text)
        assert said in message
        assert "has one mistake:" in message

    def test_one_mistake_at_one_place_is_said_once(self, tmp_path: Path) -> None:
        text = MINIMAL.replace("name: main", f"name: main\n    token_env: {TOKEN}")
        assert mistakes(tmp_path, text).count("token_env:") == 1


class TestAFileThatCannotBeRead:
    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="run `dealpulse init`"):
            load(tmp_path / "nothing.yaml", {})

    def test_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="cannot be read"):
            load(tmp_path, {})

    @pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n"])
    def test_empty(self, tmp_path: Path, text: str) -> None:
        assert "run `dealpulse init`" in mistakes(tmp_path, text)

    def test_another_encoding(self, tmp_path: Path) -> None:
        path = tmp_path / "latin.yaml"
        path.write_bytes("language: bokmål".encode("latin-1"))
        with pytest.raises(ConfigError, match="save it as UTF-8"):
            load(path, {})

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("web:\n\tport: 1\n", "line 2, column 1: a tab is used for indentation"),
            ("a: b: c\n", "line 1, column 5: a colon too many"),
            ("a: [1, 2\nb: 3\n", "line 2"),
            ("a: 'x\n", "line"),
            ("a: &x 1\nb: *x\n", "line 2: a value that starts with * is an alias"),
            ("a: !!python/object:os.system x\n", "line 1: a value that starts with ! is a tag"),
            ("a: 1\n---\nb: 2\n", "line 2, column 1: a second document"),
            ("a: \x07\n", "line 1: a character that no text file should have"),
        ],
    )
    def test_broken_yaml_names_the_line(self, tmp_path: Path, text: str, said: str) -> None:
        assert said in mistakes(tmp_path, text)

    @given(text=st.text(max_size=60))
    def test_nothing_but_a_config_error_whatever_is_in_the_file(
        self, tmp_path_factory: pytest.TempPathFactory, text: str
    ) -> None:
        path = tmp_path_factory.mktemp("any") / "dealpulse.yaml"
        path.write_text(text, "utf-8", newline="")
        with pytest.raises(ConfigError):
            load(path, {})


SECRET_FILES = [
    MINIMAL + f"    token: {TOKEN}",
    MINIMAL + f"    token_env: {TOKEN}",
    MINIMAL + f"    access_token: {TOKEN}",
    MINIMAL + f"    api_key: {TOKEN}",
    MINIMAL + f"    base_url: https://u:{TOKEN}@example.com",
    MINIMAL + f"    nested: {{deep: [{{password: {TOKEN}}}]}}",
    MINIMAL + f"{TOKEN}: yes",
    MINIMAL + f"notes: use {TOKEN} here",
    MINIMAL + f"language: {TOKEN}",
    MINIMAL + f"time_zone: {TOKEN}",
    MINIMAL + f"exchange_rates: {{{TOKEN}: 1}}",
    MINIMAL + f"database: {{url: 'postgresql://u:{TOKEN}@h/d'}}",
    MINIMAL + f"database: {{url: 'postgresql://h/d?user=u&password={TOKEN}'}}",
    MINIMAL + f"alerts: {{channels: [{{kind: webhook, url: https://hooks.slack.com/{TOKEN}}}]}}",
    MINIMAL + f"alerts: {{channels: [{{kind: {TOKEN}}}]}}",
    MINIMAL + f"    password: *{TOKEN}",
    MINIMAL + f"    password: '{TOKEN}",
    MINIMAL + f"    password: !{TOKEN}",
    MINIMAL + f"    password: {TOKEN}: x",
]


class TestSecretsInTheFile:
    @pytest.mark.parametrize("text", SECRET_FILES)
    def test_are_refused_and_never_shown(self, tmp_path: Path, text: str) -> None:
        with pytest.raises(ConfigError) as caught:
            read(tmp_path, text)
        shown = "".join(traceback.format_exception(caught.value))
        assert TOKEN not in shown
        assert TOKEN[8:] not in shown

    @pytest.mark.parametrize("name", ["password", "api_key", "token", "client_secret"])
    def test_a_key_named_like_a_secret_is_enough(self, tmp_path: Path, name: str) -> None:
        message = mistakes(tmp_path, MINIMAL + f"    {name}: hunter2")
        assert "a secret never stands in the file" in message
        assert "hunter2" not in message

    def test_the_message_names_the_setting_to_use_instead(self, tmp_path: Path) -> None:
        assert "give the variable's name in token_env" in mistakes(
            tmp_path, MINIMAL + f"    token: {TOKEN}"
        )

    def test_a_stage_called_token_review_is_no_secret(self, tmp_path: Path) -> None:
        text = MINIMAL + "staleness: {after_days: {Token review: 4}}"
        assert read(tmp_path, text).config.staleness.after_days == {"Token review": 4}


class TestTheEnvironment:
    def test_the_database_address_wins_over_the_file(self, tmp_path: Path) -> None:
        url = "postgresql://dp:s3cret%2F@db:5432/deals?sslmode=require"
        loaded = read(tmp_path, MINIMAL, DEALPULSE_DATABASE_URL=f" {url}\n")
        assert loaded.secrets.database_url().get_secret_value() == url
        assert loaded.config.database.url == "postgresql://dp:***@db:5432/deals?sslmode=require"
        assert "s3cret" not in repr(loaded)

    def test_an_empty_one_does_not(self, tmp_path: Path) -> None:
        loaded = read(tmp_path, MINIMAL, DEALPULSE_DATABASE_URL="")
        assert loaded.secrets.database_url().get_secret_value() == "sqlite:///dealpulse.db"

    @pytest.mark.parametrize(
        ("url", "said"),
        [
            ("postgresql+asyncpg://u:s3cret@h/d", "must start with sqlite:/// or postgresql://"),
            ("mysql://u:s3cret@h/d", "must start with sqlite:/// or postgresql://"),
            ("s3cret", "must start with sqlite:/// or postgresql://"),
            ("postgresql://u:s3/cret@h/d", "has to be written %2F"),
        ],
    )
    def test_a_wrong_one_is_named_but_not_shown(self, tmp_path: Path, url: str, said: str) -> None:
        message = mistakes(tmp_path, MINIMAL, DEALPULSE_DATABASE_URL=url)
        assert "DEALPULSE_DATABASE_URL" in message
        assert said in message
        assert "cret" not in message

    def test_the_default_file(self) -> None:
        assert default_path({}) == Path("dealpulse.yaml")
        assert default_path({"DEALPULSE_CONFIG": "/etc/dp.yaml"}) == Path("/etc/dp.yaml")
        assert default_path({"DEALPULSE_CONFIG": ""}) == Path("dealpulse.yaml")
